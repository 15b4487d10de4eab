//! Exact bytes: no bit of what was signed, and no bit of a signature, can change.

use proptest::prelude::*;

use super::*;

fn verdict(envelope: &[u8]) -> &'static str {
    let world = World::new();
    VerifiedPermit::verify(envelope, &world.committee).map_or_else(|refusal| refusal.code(), |_| "verified")
}

fn with_base64(change: impl FnOnce(&mut Vec<u8>, &mut [Vec<u8>])) -> Vec<u8> {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    let mut json: Value = serde_json::from_slice(&World::new().envelope()).unwrap();
    let decode = |value: &Value| STANDARD.decode(value.as_str().unwrap()).unwrap();
    let mut payload = decode(&json["payload"]);
    let mut signatures = [decode(&json["signatures"][0]["sig"]), decode(&json["signatures"][1]["sig"])];
    change(&mut payload, &mut signatures);
    json["payload"] = json!(STANDARD.encode(payload));
    for (i, signature) in signatures.iter().enumerate() {
        json["signatures"][i]["sig"] = json!(STANDARD.encode(signature));
    }
    serde_json::to_vec(&json).unwrap()
}

#[test]
fn the_unchanged_envelope_verifies() {
    assert_eq!(verdict(&with_base64(|_, _| {})), "verified");
}

proptest! {
    #[test]
    fn flipping_any_bit_of_the_payload_is_refused(at: usize, bit in 0u8..8) {
        let envelope = with_base64(|payload, _| {
            let at = at % payload.len();
            payload[at] ^= 1 << bit;
        });
        prop_assert_eq!(verdict(&envelope), "altered");
    }

    #[test]
    fn flipping_any_bit_of_a_signature_is_refused(which in 0usize..2, at in 0usize..64, bit in 0u8..8) {
        let envelope = with_base64(|_, signatures| signatures[which][at] ^= 1 << bit);
        prop_assert_eq!(verdict(&envelope), "altered");
    }

    #[test]
    fn changing_any_byte_of_the_file_changes_nothing_that_was_signed(at: usize, to: u8) {
        // Between the tokens of the envelope a byte may be another space; whatever verifies is the same permit.
        let good = World::new().envelope();
        let mut bad = good.clone();
        let at = at % bad.len();
        bad[at] = to;
        let committee = World::new().committee;
        if let Ok(permit) = VerifiedPermit::verify(&bad, &committee) {
            let original = VerifiedPermit::verify(&good, &committee).unwrap();
            prop_assert_eq!(permit.permit(), original.permit());
        }
    }

    #[test]
    fn garbage_is_refused_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert_eq!(verdict(&bytes), "malformed");
    }

    #[test]
    fn any_set_of_signers_is_enough_exactly_when_two_seats_are_in_it(signers in prop::collection::vec(0u8..5, 0..8)) {
        let seats = (0..3).filter(|seat| signers.contains(seat)).count();
        let strangers = signers.iter().any(|signer| *signer > 2);
        let mut world = World::new();
        world.signers = signers;
        let expected = match (seats >= 2, strangers) {
            (true, _) => "permitted",
            (false, true) => "unknown-signer",
            (false, false) => "under-signed",
        };
        prop_assert_eq!(world.verdict(), expected);
    }
}
