//! Secrets: their text, their files and their keys.

use super::*;

fn secret(seed: u8) -> LinkageSecret {
    LinkageSecret::from_bytes([seed; 32])
}

#[test]
fn the_text_reads_back_as_the_same_secret() {
    for seed in 0..=255 {
        let text = secret(seed).danger_expose();
        assert!(text.starts_with("linkage-secret1"));
        assert_eq!(LinkageSecret::parse(&text).unwrap().key_check(), secret(seed).key_check());
        assert_eq!(LinkageSecret::parse(&text.to_uppercase()).unwrap().key_check(), secret(seed).key_check());
    }
}

#[test]
fn every_single_wrong_character_is_found_by_the_checksum() {
    let text = secret(7).danger_expose();
    for place in "linkage-secret1".len()..text.len() {
        for wrong in b"qpzry9x8gf2tvdw0s3jn54khce6mua7l" {
            let mut bytes = text.as_bytes().to_vec();
            if bytes[place] == *wrong {
                continue;
            }
            bytes[place] = *wrong;
            let error = LinkageSecret::parse(std::str::from_utf8(&bytes).unwrap()).unwrap_err();
            assert!(matches!(error, SecretError::Checksum), "{place}: {error:?}");
        }
    }
}

#[test]
fn other_texts_are_refused_without_being_quoted() {
    let good = secret(7).danger_expose().to_string();
    let short = bech32::encode::<Bech32m>(PREFIX, &[1; 31]).unwrap();
    let long = bech32::encode::<Bech32m>(PREFIX, &[1; 33]).unwrap();
    let other_prefix = bech32::encode::<Bech32m>(Hrp::parse_unchecked("age"), &[1; 32]).unwrap();
    let other_checksum = bech32::encode::<bech32::Bech32>(PREFIX, &[1; 32]).unwrap();
    let mixed = format!("L{}", &good[1..]);
    for text in ["", "1", "linkage-secret1", "hunter2", "秘密", &short, &long, &other_prefix, &other_checksum, &mixed]
    {
        let error = LinkageSecret::parse(text).unwrap_err();
        assert!(text.len() < 7 || !format!("{error} {error:?}").contains(text), "{error:?}");
        assert!(error.to_string().contains("hint: "), "{error}");
    }
}

#[test]
fn any_text_parses_without_a_panic() {
    proptest::proptest!(|(text in "(linkage-secret1)?.*")| {
        let _ = LinkageSecret::parse(&text);
    });
}

#[test]
fn debug_shows_nothing() {
    assert_eq!(format!("{:?}", secret(1)), "LinkageSecret(..)");
}

#[test]
fn generate_asks_for_32_bytes_and_passes_failure_on() {
    let made = LinkageSecret::generate(|bytes| {
        assert_eq!(bytes.len(), 32);
        bytes.fill(9);
        Ok::<(), ()>(())
    });
    assert_eq!(made.unwrap().key_check(), secret(9).key_check());
    assert!(LinkageSecret::generate(|_| Err("no randomness")).is_err());
}

#[test]
fn keys_differ_by_secret_schema_name_and_use() {
    let digest = |seed| SchemaDigest::from_bytes([seed; 32]);
    let key = |bytes, usage, schema, name| secret(bytes).key(HashingProfile::Blake3, usage, &digest(schema), name);
    let keys = [
        key(1, KeyUse::Field, 1, "name"),
        key(2, KeyUse::Field, 1, "name"),
        key(1, KeyUse::Field, 2, "name"),
        key(1, KeyUse::Field, 1, "nam"),
        key(1, KeyUse::ExactToken, 1, "name"),
        key(1, KeyUse::BlockingKey, 1, "name"),
        key(1, KeyUse::Hardening, 1, "name"),
        secret(1).key(HashingProfile::HmacSha256, KeyUse::Field, &digest(1), "name"),
        secret(1).key(HashingProfile::HmacSha256, KeyUse::ExactToken, &digest(1), "name"),
        secret(1).derive_blake3(KEY_CHECK_CONTEXT, &[]),
    ];
    for (i, a) in keys.iter().enumerate() {
        assert!(keys.iter().skip(i + 1).all(|b| a != b));
    }
}

#[cfg(unix)]
mod files {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_secret_file_is_for_its_owner_alone_and_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("linkage.secret");
        secret(3).create_file(&path).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(LinkageSecret::load(&path).unwrap().key_check(), secret(3).key_check());
        let error = secret(4).create_file(&path).unwrap_err();
        assert!(matches!(error, SecretError::Exists { .. }), "{error:?}");
        assert_eq!(LinkageSecret::load(&path).unwrap().key_check(), secret(3).key_check());
    }

    #[test]
    fn a_secret_file_that_others_can_touch_is_refused_with_a_hint() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("linkage.secret");
        secret(3).create_file(&path).unwrap();
        for mode in [0o604, 0o640, 0o620, 0o602, 0o666, 0o610] {
            std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
            let error = LinkageSecret::load(&path).unwrap_err();
            assert!(matches!(error, SecretError::Permissions { mode: found, .. } if found == mode), "{error:?}");
            assert!(error.to_string().contains("hint: chmod 600"), "{error}");
        }
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o400)).unwrap();
        LinkageSecret::load(&path).unwrap();
    }

    #[test]
    fn a_file_must_hold_one_secret_and_nothing_else_but_comments() {
        let folder = tempfile::tempdir().unwrap();
        let text = secret(3).danger_expose().to_string();
        let cases: [(&str, Vec<u8>, bool); 7] = [
            ("comment", format!("# ours\n\n{text}\r\n").into_bytes(), true),
            ("bare", text.clone().into_bytes(), true),
            ("empty", Vec::new(), false),
            ("two", format!("{text}\n{text}\n").into_bytes(), false),
            ("prose", b"the secret is under the mat\n".to_vec(), false),
            ("binary", vec![0xff; 100], false),
            ("huge", vec![b'#'; 100_000], false),
        ];
        for (name, content, good) in cases {
            let path = folder.path().join(name);
            std::fs::write(&path, content).unwrap();
            std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
            assert_eq!(LinkageSecret::load(&path).is_ok(), good, "{name}");
        }
        assert!(matches!(LinkageSecret::load(&folder.path().join("none")), Err(SecretError::Io { .. })));
    }
}
