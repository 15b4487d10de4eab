//! What the Python package made must come out here, and what it gets wrong must be refused.

use serde_json::{Value, json};

use super::*;

/// Each vector was made by testdata/vectors/clkhash/make.py with clkhash 0.18.3.
macro_rules! vectors {
    ($($name:ident),+ $(,)?) => {
        $(
            #[test]
            fn $name() {
                check(include_str!(concat!("../../../testdata/vectors/clkhash/", stringify!($name), ".json")));
            }
        )+
        #[test]
        fn every_vector_has_a_test() {
            let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/vectors/clkhash");
            let json = |name: &str| name.strip_suffix(".json").map(str::to_owned);
            let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
            let mut found: Vec<_> = names.filter_map(|name| json(name.to_str().unwrap())).collect();
            found.sort();
            let mut listed = vec![$(stringify!($name)),+];
            listed.sort();
            assert_eq!(found, listed);
        }
    };
}

vectors!(
    blake,
    hkdf_sha512_salt_info,
    folded_twice,
    documented_folds_of_zero,
    double_hash,
    singular_double_hash,
    missing_values,
    numbers,
    dates,
    utf16,
    utf32,
    pattern,
    more_positions_than_one_call_gives,
);

fn check(vector: &str) {
    let vector: Value = serde_json::from_str(vector).unwrap();
    let schema = ClkhashSchema::parse(vector["schema"].to_string().as_bytes()).unwrap();
    let mut encoder = ClkhashEncoder::new(&schema, vector["secret"].as_str().unwrap().as_bytes()).unwrap();
    let mut writer = ClkJsonWriter::new(Vec::new()).unwrap();
    // Twice, because the second time values come from memory.
    for _ in 0..2 {
        for row in vector["rows"].as_array().unwrap() {
            let row: Vec<&str> = row.as_array().unwrap().iter().map(|value| value.as_str().unwrap()).collect();
            writer.write(&encoder.encode(&row).unwrap()).unwrap();
        }
    }
    let (file, _) = writer.finish().unwrap();
    let file: Value = serde_json::from_slice(&file).unwrap();
    let expected = vector["clks"].as_array().unwrap();
    assert_eq!(file["clks"].as_array().unwrap()[..], [&expected[..], &expected[..]].concat());
}

fn schema_of(feature: Value) -> Value {
    json!({"version": 3, "clkConfig": {"l": 1024, "kdf": {"type": "HKDF"}}, "features": [feature]})
}

fn text_feature() -> Value {
    json!({
        "identifier": "given",
        "format": {"type": "string"},
        "hashing": {"comparison": {"type": "ngram", "n": 2}, "strategy": {"bitsPerToken": 20}}
    })
}

/// The schema with one value set at a JSON pointer; missing keys are made.
fn with(mut schema: Value, pointer: &str, value: Value) -> String {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    schema.pointer_mut(parent).unwrap()[key] = value;
    schema.to_string()
}

#[test]
fn what_clkhash_ignores_or_fails_at_is_refused() {
    let good = schema_of(text_feature());
    ClkhashSchema::parse(good.to_string().as_bytes()).unwrap();
    let cases = [
        ("/version", json!(2), "convert-schema"),
        ("/clkConfig/xorFolds", json!(1), "write `xor_folds`"),
        ("/clkConfig/xorfolds", json!(1), "unknown field"),
        ("/clkConfig/l", json!(1000), "power of two"),
        ("/clkConfig/l", json!(0), "multiple of 8"),
        ("/clkConfig/l", json!(131072), "multiple of 8"),
        ("/clkConfig/kdf/type", json!("legacy"), "HKDF"),
        ("/clkConfig/kdf/hash", json!("MD5"), "SHA256"),
        ("/clkConfig/kdf/salt", json!("%"), "base64"),
        ("/clkConfig/kdf/keySize", json!(65), "keySize"),
        ("/features/0/format/type", json!("float"), "format"),
        ("/features/0/format/pattern", json!("(?=look)"), "look-around"),
        ("/features/0/format", json!({"type": "date", "format": "%Y-%j"}), "not supported"),
        ("/features/0/hashing/strategy", json!({"k": 20}), "unknown variant"),
        ("/features/0/hashing/strategy", json!({"bitsPerToken": 0}), "bits"),
        ("/features/0/hashing/comparison/n", json!(0), "`n`"),
        ("/features/0/hashing/weight", json!(2), "unknown field"),
        ("/features/0/hashing/hash", json!({"type": "blakeHash", "prevent_singularity": true}), "unknown field"),
        (
            "/features/0/hashing/comparison",
            json!({"type": "numeric", "thresholdDistance": 0.1, "resolution": 2}),
            "lost",
        ),
    ];
    for (pointer, value, expected) in cases {
        let error = ClkhashSchema::parse(with(good.clone(), pointer, value).as_bytes()).unwrap_err().to_string();
        assert!(error.contains(expected), "{pointer}: {error}");
    }
    let nothing = ClkhashEncoder::new(&ClkhashSchema::parse(good.to_string().as_bytes()).unwrap(), b"").map(|_| ());
    assert!(matches!(nothing, Err(ClkhashError::EmptySecret)));
}

#[test]
fn a_value_that_breaks_a_rule_is_named_by_column_and_rule_only() {
    let formats = [
        (json!({"type": "string", "minLength": 2}), "x", "too-short"),
        (json!({"type": "string", "maxLength": 2}), "xyz", "too-long"),
        (json!({"type": "string", "case": "upper"}), "Anna", "not-upper-case"),
        (json!({"type": "string", "case": "lower"}), "Anna", "not-lower-case"),
        (json!({"type": "string", "encoding": "ascii"}), "José", "not-in-the-encoding"),
        (json!({"type": "string", "pattern": "a"}), "aa", "not-of-the-pattern"),
        (json!({"type": "integer"}), "1__0", "not-an-integer"),
        (json!({"type": "integer"}), "1.0", "not-an-integer"),
        (json!({"type": "integer", "maximum": 9}), "99999999999999999999999999999999999999999999", "too-large"),
        (json!({"type": "integer", "minimum": 0}), "-1", "too-small"),
        (json!({"type": "enum", "values": ["M"]}), "m", "not-one-of-the-values"),
        (json!({"type": "date", "format": "%Y-%m-%d"}), "2001-02-29", "not-a-date"),
        (json!({"type": "date", "format": "%Y-%m-%d"}), "2001-02-280", "not-a-date"),
        (json!({"type": "date", "format": "%Y-%m-%d"}), "１９８３-03-04", "not-a-date"),
        (json!({"type": "date", "format": "%d/%m/%y"}), "1９/03/83", "not-a-date"),
        (json!({"type": "date", "format": "%d/%m/%y"}), "19/03/８３", "not-a-date"),
        (json!({"type": "date", "format": "%d %b %Y"}), "04 \u{17F}ep 1983", "not-a-date"),
    ];
    for (format, value, rule) in formats {
        let schema = with(schema_of(text_feature()), "/features/0/format", format);
        let schema = ClkhashSchema::parse(schema.as_bytes()).unwrap();
        let broken = ClkhashEncoder::new(&schema, b"s").unwrap().encode(&[value]).unwrap_err();
        assert_eq!(broken, BrokenRule { column: 0, rule }, "{value}");
    }
}

#[test]
fn the_digest_follows_the_meaning_and_not_the_spelling() {
    let schema = schema_of(text_feature());
    let digest = |text: &str| ClkhashSchema::parse(text.as_bytes()).unwrap().digest();
    assert_eq!(digest(&schema.to_string()), digest(&format!("{schema:#}")));
    assert_ne!(digest(&schema.to_string()), digest(&with(schema, "/clkConfig/l", json!(512))));
}

#[test]
fn a_file_of_clks_reads_back_as_it_was_written() {
    let clks: Vec<Vec<u8>> = (0..5u8).map(|i| vec![i, 1, 2, 3]).collect();
    let mut writer = ClkJsonWriter::new(Vec::new()).unwrap();
    clks.iter().for_each(|clk| writer.write(clk).unwrap());
    let (file, written) = writer.finish().unwrap();
    assert_eq!(written, 5);
    assert_eq!(read(&file).unwrap(), clks);
    assert_eq!(read(b" {\n\"clks\" :[ ] }\n").unwrap(), Vec::<Vec<u8>>::new());
}

#[test]
fn a_damaged_file_of_clks_is_refused_with_the_position() {
    let cases: [(&[u8], &str); 8] = [
        (b"", "missing"),
        (b"{\"clk\": []}", "only key"),
        (b"{\"clks\": [\"AA==\"", "missing"),
        (b"{\"clks\": [\"AA==\" \"AA==\"]}", "comma"),
        (b"{\"clks\": [\"AA==\", \"AAA=\"]}", "CLK 2: its length differs"),
        (b"{\"clks\": [\"A*==\"]}", "CLK 1: not base64"),
        (b"{\"clks\": [1]}", "CLK 1: not a text"),
        (b"{\"clks\": []} []", "follows"),
    ];
    for (file, expected) in cases {
        let error = read(file).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn random_bytes_never_panic() {
    proptest::proptest!(|(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200))| {
        let _ = read(&bytes);
        let _ = ClkhashSchema::parse(&bytes);
        let _ = read(&[b"{\"clks\": [\"".as_slice(), &bytes].concat());
    });
}

fn read(file: &[u8]) -> Result<Vec<Vec<u8>>, ClkhashError> {
    let mut reader = ClkJsonReader::new(file)?;
    let mut clks = Vec::new();
    while let Some(clk) = reader.next_clk()? {
        clks.push(clk);
    }
    Ok(clks)
}
