//! The schema: what is refused and why, and what its digest depends on.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn base() -> Value {
    json!({
        "format": "linkage-schema/1", "name": "base", "normalisation": "ja/1", "threshold": "0.8",
        "fields": [
            {"name": "name", "kind": "kana", "encode": {"bits": 100}},
            {"name": "birth", "kind": "date", "encode": {"bits": 100}},
            {"name": "number", "kind": "insured-number"}
        ],
        "exact_tokens": [{"name": "id", "required": ["number"], "optional": ["birth"]}]
    })
}

fn parse(value: &Value) -> Result<LinkageSchema, SchemaError> {
    LinkageSchema::parse(value.to_string().as_bytes())
}

/// The base document with the value at a JSON pointer replaced, or added to its object.
fn with(pointer: &str, value: Value) -> Value {
    let mut document = base();
    match document.pointer_mut(pointer) {
        Some(place) => *place = value,
        None => {
            let (parent, key) = pointer.rsplit_once('/').unwrap();
            document.pointer_mut(parent).unwrap()[key] = value;
        }
    }
    document
}

fn hardened(steps: Value) -> Value {
    with("/hardening", steps)
}

fn with_segments(steps: Value) -> Value {
    let mut document = segmented(0, 1, 60);
    document["hardening"] = steps;
    document
}

/// The base document with a blocking key of these parts.
fn blocked(parts: Value) -> Value {
    with("/blocking_keys", json!([{"name": "k", "fields": parts}]))
}

#[test]
fn steps_and_blocking_keys_are_in_the_canonical_form_with_their_defaults() {
    let mut document = hardened(json!([
        {"kind": "salt", "field": "birth", "take": "year"}, {"kind": "xor-fold"}, {"kind": "diffusion", "rho": "0.030"},
        {"kind": "balance"}, {"kind": "blip", "flip": "0.05"}
    ]));
    document["blocking_keys"] =
        json!([{"name": "k", "fields": [{"field": "birth"}, {"field": "name", "take": "prefix", "characters": 2}]}]);
    let schema = parse(&document).unwrap();
    let canonical = schema.canonical();
    assert_eq!(LinkageSchema::parse(canonical.as_bytes()).unwrap(), schema);
    for part in [
        r#""blocking_keys":[{"fields":[{"field":"birth","take":"whole"},{"characters":2,"field":"name","take":"prefix"}],"name":"k"}]"#,
        r#"{"field":"birth","kind":"salt","take":"year"},{"kind":"xor-fold"},"#,
        r#"{"density":"0.291989","kind":"diffusion","rho":"0.03"},{"kind":"balance"},{"flip":"0.05","kind":"blip"}]"#,
    ] {
        assert!(canonical.contains(part), "{canonical}");
    }
    assert_eq!((schema.filter_length().bits(), schema.clk_bits(), schema.rho_ppm()), (1024, 1024, 30_000));
    assert_ne!(schema.digest(), parse(&base()).unwrap().digest());
    parse(&with_segments(json!([{"kind": "salt", "field": "birth"}]))).unwrap();
}

/// The base document with two segments of 128 bits, and the segments and budget of its two encoded fields.
fn segmented(name: u64, birth: u64, bits: u64) -> Value {
    let mut document = with("/layout", json!({"kind": "segmented", "segments": 2}));
    document["fields"][0]["encode"] = json!({"segment": name, "bits": bits});
    document["fields"][1]["encode"] = json!({"segment": birth, "bits": bits});
    document
}

#[test]
fn a_segmented_schema_names_what_each_segment_holds() {
    let schema = parse(&segmented(1, 0, 60)).unwrap();
    assert_eq!(schema.layout(), Layout::Segmented { segments: 2, segment_bits: 128 });
    assert_eq!((schema.clk_bits(), schema.presence_names()), (256, vec!["birth".to_owned(), "name".to_owned()]));
    assert_eq!(LinkageSchema::parse(schema.canonical().as_bytes()).unwrap(), schema);
    assert!(schema.canonical().contains(r#""layout":{"kind":"segmented","segment_bits":128,"segments":2}"#));
    for name in ["person-ja-max-quality", "person-en-max-quality"] {
        let schema = LinkageSchema::shipped(name).unwrap();
        assert_eq!(schema.layout(), Layout::Segmented { segments: 8, segment_bits: 128 }, "{name}");
        for (_, field, encoding) in schema.encoded_fields() {
            assert!((20..=60).contains(&encoding.bits()), "{name}: {}", field.name());
        }
    }
}

#[test]
fn shipped_schemas_are_valid_and_leave_over_half_of_the_bits_unset() {
    for name in LinkageSchema::shipped_names() {
        let schema = LinkageSchema::shipped(name).unwrap();
        assert_eq!(schema.name(), name);
        let budget: usize = schema.encoded_fields().map(|(_, _, encoding)| encoding.bits()).sum();
        let density = 1.0 - (-(budget as f64) / schema.clk_bits() as f64).exp();
        assert!(density < 0.45, "{name}: {density}");
        assert_eq!(LinkageSchema::load(name).unwrap(), schema);
    }
    assert!(LinkageSchema::shipped("person-fr").is_none());
}

#[test]
fn person_en_does_not_look_at_the_social_security_number() {
    let schema = LinkageSchema::shipped("person-en").unwrap();
    assert!(schema.fields().iter().all(|field| !field.name().contains("soc")));
}

#[test]
fn every_broken_rule_is_named_with_its_place_and_a_hint() {
    let field = |bits: u64| json!({"name": "name", "kind": "kana", "encode": {"bits": bits}});
    let many = |count: usize, bits: u64| -> Value {
        (0..count).map(|i| json!({"name": format!("f{i}"), "kind": "kana", "encode": {"bits": bits}})).collect()
    };
    let tokens: Value = (0..9).map(|i| json!({"name": format!("t{i}"), "required": ["number"]})).collect();
    let cases: Vec<(Value, &str)> = vec![
        (with("/format", json!("linkage-schema/2")), "format \"linkage-schema/2\" is not known"),
        (with("/format", json!(1)), "not a linkage schema"),
        (with("/surprise", json!(1)), "unknown field `surprise`"),
        (with("/fields/0/surprise", json!(1)), "unknown field `surprise`"),
        (with("/fields/0/encode/surprise", json!(1)), "unknown field `surprise`"),
        (with("/exact_tokens/0/surprise", json!(1)), "unknown field `surprise`"),
        (with("/layout", json!({"bits": 1024, "surprise": 1})), "unknown field `surprise`"),
        (with("/layout", json!(["composite", 1024])), "a list stands where an object is expected"),
        (with("/fields/0/encode", json!([2, true, false, 10])), "a list stands where an object is expected"),
        (with("/layout", json!({"kind": "mosaic"})), "unknown variant `mosaic`"),
        (with("/layout", json!({"kind": "segmented"})), "field \"name\": no `segment` from 0 to 7"),
        (with("/layout", json!({"kind": "segmented", "bits": 1024})), "layout: `bits` in a segmented layout"),
        (with("/layout", json!({"segments": 8})), "layout: `segments` and `segment_bits` in a composite layout"),
        (with("/layout", json!({"kind": "segmented", "segments": 1})), "layout: 1 segments are not 2 to 16"),
        (with("/layout", json!({"kind": "segmented", "segments": 17})), "layout: 17 segments are not 2 to 16"),
        (with("/layout", json!({"kind": "segmented", "segment_bits": 100})), "layout: segments of 100 bits"),
        (with("/layout", json!({"kind": "segmented", "segments": 16, "segment_bits": 320})), "layout: 5120 bits"),
        (with("/fields/0/encode/segment", json!(0)), "field \"name\": a `segment`, but the layout is composite"),
        (segmented(0, 2, 50), "field \"birth\": no `segment` from 0 to 1"),
        (segmented(0, 0, 50), "segment 0: the bit budgets add up to 100"),
        (segmented(0, 1, 129), "a budget of 129 bits is not 1 to 128"),
        (segmented(1, 1, 40), "segment 0: no field enters it"),
        (with("/hashing", json!("md5")), "unknown variant `md5`"),
        (with("/fields/0/kind", json!("emoji")), "unknown variant `emoji`"),
        (with("/name", json!("Base")), "name: not a schema name"),
        (with("/name", json!("")), "name: not a schema name"),
        (with("/normalisation", json!("ja/2")), "normalisation: \"ja/2\" is not known here"),
        (with("/threshold", json!(0.8)), "expected a string"),
        (with("/threshold", json!("1.8")), "threshold: the threshold is not above 0 and at most 1"),
        (with("/threshold", json!("0")), "threshold: "),
        (with("/layout", json!({"bits": 1000})), "layout: 1000 bits"),
        (with("/layout", json!({"bits": 0})), "layout: 0 bits"),
        (with("/layout", json!({"bits": 4160})), "layout: 4160 bits"),
        (with("/layout", json!({"bits": -64})), "not a linkage schema"),
        (with("/layout", json!({"bits": 1024.5})), "not a linkage schema"),
        (with("/fields", json!([])), "fields: not 1 to 64 fields"),
        (with("/fields", many(17, 10)), "17 fields have `encode`"),
        (with("/fields", many(65, 10)), "not 1 to 64 fields"),
        (with("/fields", many(8, 100)), "the bit budgets add up to 800"),
        (with("/fields/1/name", json!("name")), "field \"name\": named twice"),
        (with("/fields/0/name", json!("Name")), "field \"Name\": not a name"),
        (with("/fields/0/encode/bits", json!(0)), "a budget of 0 bits"),
        (with("/fields/0/encode/bits", json!(1025)), "a budget of 1025 bits"),
        (with("/fields/0/encode/q", json!(0)), "q = 0 is not 1 to 4"),
        (with("/fields/0/encode/q", json!(5)), "q = 5 is not 1 to 4"),
        (with("/fields/0/encode", json!({"q": 1, "pad": true, "bits": 10})), "padding needs q of 2 or more"),
        (with("/fields/1/encode/q", json!(1)), "a date takes no `q`"),
        (with("/fields/0/encode", json!(null)), "field \"name\": neither encoded nor in an exact token"),
        (with("/exact_tokens/0/required", json!([])), "no required field"),
        (with("/exact_tokens/0/required", json!(["nobody"])), "\"nobody\" is not a field"),
        (with("/exact_tokens/0/optional", json!(["number"])), "\"number\" stands in it twice"),
        (with("/exact_tokens/0/name", json!("ID")), "not a name"),
        (
            with(
                "/exact_tokens",
                json!([{"name": "a", "required": ["number"]}, {"name": "a", "required": ["number"]}]),
            ),
            "named twice",
        ),
        (with("/exact_tokens", tokens), "more than 8"),
        (json!([1, 2]), "not a linkage schema"),
        (hardened(json!([{"kind": "prayer"}])), "unknown variant `prayer`"),
        (hardened(json!([["rule90"]])), "a list stands where an object is expected"),
        (hardened(json!([{"kind": "rule90", "surprise": 1}])), "unknown field `surprise`"),
        (hardened(json!([{"kind": "diffusion"}])), "missing field `rho`"),
        (hardened(json!([{"kind": "diffusion", "rho": 0.03}])), "expected a string"),
        (hardened(json!([{"kind": "diffusion", "rho": "1"}])), "hardening 0: `rho` is not in (0, 1)"),
        (hardened(json!([{"kind": "diffusion", "rho": "0.03", "density": "0.6"}])), "a density of 0.6 does not lead"),
        (hardened(json!([{"kind": "diffusion", "rho": "0.03", "density": "0.01"}])), "a density of 0.01 does not lead"),
        (hardened(json!([{"kind": "blip", "flip": "0"}])), "hardening 0: `flip` is not in (0, 1)"),
        (hardened(json!([{"kind": "rule90"}, {"kind": "rule90"}])), "hardening 1: the same kind twice"),
        (hardened(json!([{"kind": "blip", "flip": "0.1"}, {"kind": "balance"}])), "hardening 1: out of order"),
        (hardened(json!([{"kind": "balance"}, {"kind": "diffusion", "rho": "0.03"}])), "hardening 1: out of order"),
        (hardened(json!([{"kind": "rule90"}, {"kind": "salt", "field": "birth"}])), "hardening 1: out of order"),
        (hardened(json!([{"kind": "salt", "field": "nobody"}])), "\"nobody\" is not a field"),
        (hardened(json!([{"kind": "salt", "field": "name", "take": "year"}])), "\"name\" is no date"),
        (with_segments(json!([{"kind": "rule90"}])), "only salting goes with a segmented layout"),
        (
            json!({"format": "linkage-schema/1", "name": "odd", "normalisation": "ja/1", "threshold": "0.8",
                "layout": {"bits": 192}, "hardening": [{"kind": "xor-fold"}],
                "fields": [{"name": "name", "kind": "kana", "encode": {"bits": 100}}]}),
            "192 bits have no halves",
        ),
        (
            json!({"format": "linkage-schema/1", "name": "long", "normalisation": "ja/1", "threshold": "0.8",
                "layout": {"bits": 4096}, "hardening": [{"kind": "balance"}],
                "fields": [{"name": "name", "kind": "kana", "encode": {"bits": 100}}]}),
            "8192 bits come out",
        ),
        (blocked(json!([])), "blocking key \"k\": no field"),
        (blocked(json!(["birth"])), "not a linkage schema"),
        (blocked(json!([["birth", "year"]])), "a list stands where an object is expected"),
        (blocked(json!([{"field": "birth", "surprise": 1}])), "unknown field `surprise`"),
        (blocked(json!([{"field": "nobody"}])), "\"nobody\" is not a field"),
        (blocked(json!([{"field": "birth"}, {"field": "birth", "take": "year"}])), "\"birth\" stands in it twice"),
        (blocked(json!([{"field": "birth", "take": "phonetic"}])), "\"birth\" is not in kana"),
        (blocked(json!([{"field": "name", "take": "prefix"}])), "a prefix needs `characters`"),
        (blocked(json!([{"field": "name", "take": "prefix", "characters": 17}])), "a prefix needs `characters`"),
        (blocked(json!([{"field": "name", "characters": 3}])), "`characters` without a prefix"),
        (json!({"fields": [field(1)]}), "missing field `format`"),
    ];
    for (document, expected) in cases {
        let message = parse(&document).expect_err(expected).to_string();
        assert!(message.contains(expected) && message.contains("\nhint: "), "{expected}:\n{message}");
    }
    parse(&base()).unwrap();
}

#[test]
fn a_key_that_stands_twice_is_refused_at_every_level() {
    let text = base().to_string();
    for (once, twice) in [
        ("\"name\":\"base\"", "\"name\":\"base\",\"name\":\"base\""),
        ("\"kind\":\"date\"", "\"kind\":\"date\",\"kind\":\"date\""),
        ("\"bits\":100", "\"bits\":100,\"bits\":100"),
        ("\"name\":\"id\"", "\"name\":\"id\",\"name\":\"id\""),
    ] {
        let message = LinkageSchema::parse(text.replacen(once, twice, 1).as_bytes()).unwrap_err().to_string();
        assert!(message.contains("duplicate field"), "{message}");
    }
}

#[test]
fn the_canonical_form_fills_in_defaults_and_sorts_keys() {
    let schema = parse(&base()).unwrap();
    assert_eq!(
        schema.canonical(),
        concat!(
            r#"{"exact_tokens":[{"name":"id","optional":["birth"],"required":["number"]}],"fields":["#,
            r#"{"encode":{"bits":100,"pad":true,"positional":false,"q":2},"kind":"kana","name":"name"},"#,
            r#"{"encode":{"bits":100},"kind":"date","name":"birth"},"#,
            r#"{"kind":"insured-number","name":"number"}],"format":"linkage-schema/1","hashing":"blake3","#,
            r#""layout":{"bits":1024,"kind":"composite"},"name":"base","normalisation":"ja/1","threshold":"0.8"}"#
        )
    );
    assert_eq!(LinkageSchema::parse(schema.canonical().as_bytes()).unwrap(), schema);
}

#[test]
fn the_digest_depends_on_the_meaning_and_not_on_the_spelling() {
    let digest = parse(&base()).unwrap().digest();
    let mut spelt_out = base();
    spelt_out["layout"] = json!({"bits": 1024, "kind": "composite"});
    spelt_out["hashing"] = json!("blake3");
    spelt_out["threshold"] = json!("0.800");
    spelt_out["fields"][0]["encode"] = json!({"positional": false, "q": 2, "pad": true, "bits": 100});
    assert_eq!(LinkageSchema::parse(format!("\n {spelt_out:#} ").as_bytes()).unwrap().digest(), digest);
    for changed in [
        with("/name", json!("other")),
        with("/threshold", json!("0.81")),
        with("/layout", json!({"bits": 2048})),
        with("/fields/0/encode/bits", json!(101)),
        with("/fields/0/encode/q", json!(3)),
        with("/fields/0/encode/pad", json!(false)),
        with("/fields/0/encode/positional", json!(true)),
        with("/fields/0/kind", json!("latin")),
        with("/exact_tokens/0/name", json!("ident")),
        with("/exact_tokens/0/optional", json!([])),
    ] {
        assert_ne!(parse(&changed).unwrap().digest(), digest, "{changed}");
    }
}

#[test]
fn a_schema_that_is_not_there_is_refused_with_the_names_that_are() {
    let message = LinkageSchema::load("/no/such/schema.json").unwrap_err().to_string();
    assert!(message.contains("person-ja, person-ja-blocked"), "{message}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), place in any::<prop::sample::Index>()) {
        let _ = LinkageSchema::parse(&bytes);
        let mut text = base().to_string().into_bytes();
        let place = place.index(text.len());
        for (old, new) in text[place..].iter_mut().zip(bytes.iter().take(4)) {
            *old = *new;
        }
        let _ = LinkageSchema::parse(&text);
    }
}
