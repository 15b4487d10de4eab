//! The encoder against a naive reading of the specification, and its promises about order, memory and threads.

use proptest::prelude::*;
use rayon::prelude::*;

use super::draw::set_bit;
use super::*;
use crate::schema::HashingProfile;
use crate::secret::Key;

fn schema(json: &str) -> LinkageSchema {
    LinkageSchema::parse(json.as_bytes()).unwrap()
}

/// One schema with every kind of feature; budgets leave remainders.
fn mixed(bits: usize) -> LinkageSchema {
    schema(&format!(
        r#"{{"format": "linkage-schema/1", "name": "mixed", "normalisation": "ja/1", "threshold": "0.8",
            "layout": {{"bits": {bits}}},
            "fields": [
              {{"name": "a", "kind": "kana", "encode": {{"bits": {}}}}},
              {{"name": "id", "kind": "insured-number"}},
              {{"name": "b", "kind": "latin", "encode": {{"q": 3, "positional": true, "bits": {}}}}},
              {{"name": "c", "kind": "digits", "encode": {{"bits": {}}}}},
              {{"name": "d", "kind": "date", "encode": {{"bits": {}}}}},
              {{"name": "e", "kind": "kanji", "encode": {{"q": 2, "pad": false, "bits": 3}}}}
            ],
            "exact_tokens": [{{"name": "x", "required": ["id", "d"], "optional": ["a"]}}]}}"#,
        bits / 7,
        bits / 9 + 1,
        bits / 11,
        bits / 6
    ))
}

/// The same fields in three segments: two of two fields, one of one.
fn segmented(words: usize) -> LinkageSchema {
    let mut document: serde_json::Value = serde_json::from_str(&mixed(64).canonical()).unwrap();
    document["layout"] = serde_json::json!({"kind": "segmented", "segments": 3, "segment_bits": words * 64});
    for (index, segment) in [(0, 2), (2, 0), (3, 0), (4, 1), (5, 2)] {
        document["fields"][index]["encode"]["segment"] = segment.into();
    }
    schema(&document.to_string())
}

fn secret() -> LinkageSecret {
    LinkageSecret::from_bytes(std::array::from_fn(|i| i as u8))
}

/// The encoding of one field as the specification has it, step by step and without haste.
///
/// With a salt, the field's key is replaced by one that follows from it and the salt.
fn naive_field(schema: &LinkageSchema, name: &str, value: &str, salt: Option<&str>) -> Option<Clk> {
    let field = schema.fields().iter().find(|f| f.name() == name).unwrap();
    let encoding = field.encoding().unwrap();
    let mut all = Vec::new();
    features::messages(encoding.features(), value, &mut Vec::new(), &mut all);
    let mut set: Vec<Vec<u8>> = all.iter().map(|m| m.with_bytes(<[u8]>::to_vec)).collect();
    set.sort();
    set.dedup();
    if set.is_empty() {
        return None;
    }
    let mut key = secret().key(schema.hashing(), KeyUse::Field, &schema.digest(), name);
    if let Some(salt) = salt {
        let mut salted = Key::default();
        naive_output(schema.hashing(), &key, &[b"\x40", salt.as_bytes()].concat(), &mut salted[..]);
        key = salted;
    }
    let mut ranked: Vec<(u64, Vec<u16>)> = set
        .iter()
        .map(|message| {
            let mut bytes = vec![0; 8 + 8 * encoding.bits() + 64];
            naive_output(schema.hashing(), &key, message, &mut bytes);
            let bits = (schema.clk_bits() / schema.layout().segments()) as u32;
            let positions = bytes[8..]
                .chunks_exact(2)
                .map(|pair| u32::from(u16::from_le_bytes([pair[0], pair[1]])))
                .filter(|value| *value < 65536 / bits * bits)
                .map(|value| (value % bits) as u16);
            (u64::from_le_bytes(bytes[..8].try_into().unwrap()), positions.collect())
        })
        .collect();
    ranked.sort();
    let mut clk = Clk::empty(schema.clk_length());
    let words = schema.clk_length().words() / schema.layout().segments();
    let start = encoding.segment().unwrap_or(0) * words;
    for (place, (_, positions)) in ranked.iter().enumerate() {
        let count = encoding.bits() / ranked.len() + usize::from(place < encoding.bits() % ranked.len());
        positions[..count].iter().for_each(|p| set_bit(&mut clk.words_mut()[start..start + words], *p));
    }
    Some(clk)
}

fn naive_output(hashing: HashingProfile, key: &Key, message: &[u8], out: &mut [u8]) {
    if hashing == HashingProfile::Blake3 {
        return blake3::Hasher::new_keyed(key).update(message).finalize_xof().fill(out);
    }
    use hmac::Mac as _;
    for (counter, chunk) in (1u32..).zip(out.chunks_mut(32)) {
        let mac = hmac::Hmac::<sha2::Sha256>::new_from_slice(&key[..]).unwrap();
        let block = mac.chain_update(counter.to_be_bytes()).chain_update(message).finalize().into_bytes();
        chunk.copy_from_slice(&block[..chunk.len()]);
    }
}

/// The same schema with HMAC-SHA-256, or with the birth date as salt.
fn changed(schema: &LinkageSchema, key: &str, value: serde_json::Value) -> LinkageSchema {
    let mut document: serde_json::Value = serde_json::from_str(&schema.canonical()).unwrap();
    document[key] = value;
    LinkageSchema::parse(document.to_string().as_bytes()).unwrap()
}

fn naive(schema: &LinkageSchema, record: &[Option<String>]) -> (Clk, u16) {
    let salted = schema.fields().iter().position(|f| f.name() == "d").filter(|_| !schema.hardening().is_empty());
    let salt = salted.map(|index| {
        // A salt that cannot be read is none.
        record[index].as_deref().filter(|value| !value.contains(normalise::WILDCARD)).unwrap_or_default()
    });
    let mut clk = Clk::empty(schema.clk_length());
    let mut presence = 0;
    for (bit, (index, field, encoding)) in schema.encoded_fields().enumerate() {
        if let Some(one) = record[index]
            .as_deref()
            .and_then(|value| naive_field(schema, field.name(), value, salt.filter(|_| salted != Some(index))))
        {
            clk.words_mut().iter_mut().zip(one.words()).for_each(|(word, more)| *word |= more);
            presence |= 1 << encoding.segment().unwrap_or(bit);
        }
    }
    (clk, presence)
}

/// Values that repeat, so that the memory is used, of any length, with unreadable characters, and dates.
fn value() -> impl Strategy<Value = Option<String>> {
    prop_oneof![
        Just(None),
        "[A-C\u{fffd}]{0,4}".prop_map(Some),
        "[ア-オ]{1,12}".prop_map(Some),
        "(19|20)[0-9]{2}(0[1-9]|1[0-2])(0[1-9]|[12][0-9])".prop_map(Some),
        "[0-9]{1,70}".prop_map(Some),
        "[一-丏]{1,80}".prop_map(Some),
        ".{0,20}".prop_map(Some),
    ]
}

fn records() -> impl Strategy<Value = Vec<Vec<Option<String>>>> {
    prop::collection::vec(prop::collection::vec(value(), 6), 1..20)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn tokens_are_what_the_specification_says(records in records(), words in 1usize..=64) {
        let schema = mixed(words * 64);
        let encoder = Encoder::new(&schema, &secret());
        let mut worker = encoder.worker();
        for record in records.iter().chain(&records) {
            let token = worker.encode(record);
            prop_assert_eq!((token.clk, token.presence), naive(&schema, record));
        }
    }

    #[test]
    fn segments_hold_their_own_fields_and_nothing_where_those_are_missing(records in records(), words in 1usize..=21) {
        let schema = segmented(words);
        let encoder = Encoder::new(&schema, &secret());
        let mut worker = encoder.worker();
        for record in records.iter().chain(&records) {
            let token = worker.encode(record);
            for (segment, bits) in token.clk.words().chunks(words).enumerate() {
                prop_assert_eq!(bits.iter().any(|word| *word != 0), token.presence >> segment & 1 == 1);
            }
            prop_assert_eq!((token.clk, token.presence), naive(&schema, record));
        }
    }

    #[test]
    fn other_hashes_and_salts_give_what_the_specification_says(records in records()) {
        let salt = serde_json::json!([{"kind": "salt", "field": "d"}]);
        for schema in [
            changed(&mixed(1024), "hashing", "hmac-sha256".into()),
            changed(&mixed(1024), "hardening", salt.clone()),
            changed(&segmented(2), "hardening", salt),
        ] {
            let encoder = Encoder::new(&schema, &secret());
            let mut worker = encoder.worker();
            for record in records.iter().chain(&records) {
                let token = worker.encode(record);
                prop_assert_eq!((token.clk, token.presence), naive(&schema, record));
            }
        }
    }

    #[test]
    fn neither_order_nor_threads_nor_memory_change_a_token(records in records()) {
        let schema = mixed(1024);
        let encoder = Encoder::new(&schema, &secret());
        let fresh: Vec<Token> = records.iter().map(|r| Encoder::new(&schema, &secret()).encode(r)).collect();
        let threads: Vec<Token> =
            records.par_iter().with_max_len(1).map_init(|| encoder.worker(), |worker, r| worker.encode(r)).collect();
        let mut backwards: Vec<Token> = records.iter().rev().map(|r| encoder.encode(r)).collect();
        backwards.reverse();
        let (mut together, mut worker) = (Vec::new(), encoder.worker());
        for round in 0..2 {
            worker.encode_each(&records, |index, token| {
                assert_eq!(index + round * records.len(), together.len());
                together.push(token.clone());
            });
        }
        let twice: Vec<Token> = fresh.iter().chain(&fresh).cloned().collect();
        prop_assert!(fresh == threads && fresh == backwards && twice == together);
    }

    #[test]
    fn the_order_of_repeated_q_grams_does_not_matter(left in "[A-D]{1,6}", right in "[A-D]{1,6}") {
        // The same set of unigrams in any order gives the same bits.
        let schema = schema(r#"{"format": "linkage-schema/1", "name": "set", "normalisation": "ja/1", "threshold": "1",
            "fields": [{"name": "a", "kind": "latin", "encode": {"q": 1, "bits": 101}}]}"#);
        let encoder = Encoder::new(&schema, &secret());
        let encode = |text: String| encoder.encode(&[Some(text)]);
        prop_assert_eq!(encode(format!("{left}{right}")), encode(format!("{right}{left}{right}")));
    }
}

#[test]
fn missing_empty_and_unreadable_values_emit_nothing() {
    let schema = mixed(1024);
    let encoder = Encoder::new(&schema, &secret());
    let nothing = encoder.encode::<&str>(&[None; 6]);
    assert_eq!((nothing.clk.popcount(), nothing.presence, nothing.exact), (0, 0, vec![None]));
    let unreadable = encoder.encode(&[Some(""), Some(""), None, None, Some(""), Some("\u{fffd}")]);
    assert_eq!((unreadable.clk.popcount(), unreadable.presence, unreadable.exact), (0, 0, vec![None]));
}

#[test]
fn exact_tokens_tell_absent_parts_from_empty_and_shifted_ones() {
    let schema = schema(
        r#"{"format": "linkage-schema/1", "name": "exact", "normalisation": "ja/1", "threshold": "1",
            "fields": [{"name": "n", "kind": "latin", "encode": {"bits": 10}}, {"name": "a", "kind": "digits"},
                       {"name": "b", "kind": "digits"}, {"name": "c", "kind": "digits"}],
            "exact_tokens": [{"name": "x", "required": ["a", "b"], "optional": ["c"]},
                             {"name": "y", "required": ["a", "b"], "optional": ["c"]}]}"#,
    );
    let encoder = Encoder::new(&schema, &secret());
    let exact = |a, b, c| encoder.encode(&[None, a, b, c]).exact;
    let tokens = [
        exact(Some("1"), Some("23"), None),
        exact(Some("12"), Some("3"), None),
        exact(Some("1"), Some("2"), Some("3")),
        exact(Some("1"), Some("3"), Some("2")),
    ];
    let mut seen: Vec<[u8; 16]> = tokens.iter().flatten().map(|t| t.unwrap()).collect();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 8, "four records, two token names: all different");
    assert_eq!(exact(None, Some("2"), Some("3")), [None, None]);
    assert_eq!(exact(Some("1"), Some(""), Some("3")), [None, None]);
    assert_eq!(exact(Some("1"), Some("23"), Some("")), exact(Some("1"), Some("23"), None));
}

#[test]
fn other_secrets_and_other_schemas_share_no_more_bits_than_chance() {
    let record = vec![Some("ワタナベ".to_owned()); 6];
    let (one, two) = (mixed(1024), mixed(2048));
    let other = LinkageSecret::from_bytes([1; 32]);
    let base = Encoder::new(&one, &secret()).encode(&record).clk;
    let changed = Encoder::new(&one, &other).encode(&record).clk;
    let common: u32 = base.words().iter().zip(changed.words()).map(|(a, b)| (a & b).count_ones()).sum();
    assert!(f64::from(common) < 0.6 * f64::from(base.popcount()), "{common} of {}", base.popcount());
    assert_ne!(Encoder::new(&two, &secret()).encode(&record).clk.words()[..16], *base.words());
}

#[test]
fn raw_records_are_normalised_first_and_broken_rules_named_by_field() {
    let schema = mixed(1024);
    let encoder = Encoder::new(&schema, &secret());
    let raw = encoder.encode_raw(&[Some("ﾜﾀﾅﾍﾞ"), Some("１２"), Some("Smith"), Some(""), Some("1948-04-05"), None]);
    assert_eq!(raw.broken, []);
    let normalised: Vec<Option<String>> = schema
        .fields()
        .iter()
        .zip(["ワタナベ", "12", "smith", "", "1948/4/5", ""])
        .map(|(field, value)| normalise::normalise(field.kind(), value).unwrap())
        .collect();
    assert!(raw.token == encoder.encode(&normalised));
    let broken = encoder.encode_raw(&[None, Some("12"), None, None, Some("1948-02-30"), None]);
    assert_eq!(broken.broken.iter().map(|(field, _)| *field).collect::<Vec<_>>(), [4]);
    assert_eq!((broken.token.presence, broken.token.exact), (0, vec![None]));
}

#[test]
fn a_raw_name_in_kana_in_the_column_for_kanji_is_encoded_as_its_reading() {
    let schema = LinkageSchema::shipped("person-ja").unwrap();
    let encoder = Encoder::new(&schema, &secret());
    let at = |name: &str| schema.fields().iter().position(|field| field.name() == name).unwrap();
    let raw = |values: &[(&str, &'static str)]| {
        let mut record = vec![None; schema.fields().len()];
        values.iter().for_each(|&(field, value)| record[at(field)] = Some(value));
        encoder.encode_raw(&record)
    };
    let routed = raw(&[("family_kanji", "ﾜﾀﾅﾍﾞ"), ("given_kanji", "花子"), ("birth_date", "19830304")]);
    let plain = raw(&[("family_kana", "ワタナベ"), ("given_kanji", "花子"), ("birth_date", "19830304")]);
    assert!(routed.token == plain.token);
    assert_eq!((routed.broken, plain.broken), (vec![(at("family_kanji"), Rule::NoKanji)], vec![]));
    // A reading that is there stays, and a name that has kanji is none.
    for (kana, kanji) in [("サトウ", "ﾜﾀﾅﾍﾞ"), ("", "渡ﾅﾍﾞ"), ("", "Watanabe")] {
        let both = raw(&[("family_kana", kana), ("family_kanji", kanji)]);
        let normalised = |field: &str, value: &str| {
            let kind = schema.fields()[at(field)].kind();
            normalise::normalise(kind, value).ok().flatten()
        };
        let mut record = vec![None; schema.fields().len()];
        record[at("family_kana")] = normalised("family_kana", kana);
        record[at("family_kanji")] = normalised("family_kanji", kanji);
        assert!(both.token == encoder.encode(&record), "{kana} {kanji}");
    }
}

#[test]
fn debug_shows_no_bits() {
    let encoder = Encoder::new(&mixed(64), &secret());
    assert_eq!(format!("{encoder:?} {:?}", encoder.encode::<&str>(&[None; 6])), "Encoder(..) Token(..)");
}
