//! How many of the pairs that there are a run has found, as it says itself.

use linkage_proto::v1::{RecallCertificate, RunStatus};
use serde_json::{Value, json};

use super::shown;

/// What a run found of the pairs that there are, in one line.
pub fn in_words(certificate: &RecallCertificate) -> String {
    let RecallCertificate { left_database, right_database, sample_pairs, found_pairs, sample_rows, .. } = certificate;
    let measured =
        format!("{:.4} (95 % interval {:.4} to {:.4})", certificate.recall, certificate.lower, certificate.upper);
    let sample = format!("{found_pairs} of {sample_pairs} pairs of {sample_rows} random records found");
    let Some(demand) = certificate.demand else {
        return format!(
            "{left_database} – {right_database} by blocking keys: estimated completeness {measured}, nothing is promised: {sample}; \
             reduction ratio {:.6}",
            certificate.reduction_ratio
        );
    };
    let verdict = if certificate.certified { "certified" } else { "NOT CERTIFIED" };
    let mut text = format!(
        "{left_database} – {right_database} by bands: recall {measured}, at least {demand} {verdict}: {sample}; {} of {} bands",
        certificate.bands_searched, certificate.bands_solved
    );
    if certificate.capped_blocks > 0 {
        text += &format!(
            "; {} blocks capped: {} pairs not compared, about {:.0} matches lost",
            certificate.capped_blocks, certificate.capped_pairs, certificate.capped_lost
        );
    }
    text
}

/// Whether every recall that was asked for is shown; `None` when none was.
pub fn certified(status: &RunStatus) -> Option<bool> {
    let asked = status.certificates.iter().filter(|certificate| certificate.demand.is_some());
    asked.map(|certificate| certificate.certified).reduce(|all, one| all && one)
}

/// The same for scripts.
pub fn as_json(certificate: &RecallCertificate) -> Value {
    let mut json = json!({
        "left_database": certificate.left_database,
        "right_database": certificate.right_database,
        "candidates": certificate.candidates,
        "demand": certificate.demand,
        "certified": certificate.demand.map(|_| certificate.certified),
        "recall": certificate.recall,
        "lower": certificate.lower,
        "upper": certificate.upper,
        "sample_rows": certificate.sample_rows,
        "sample_pairs": shown(&certificate.sample_pairs),
        "found_pairs": shown(&certificate.found_pairs),
        "compared_pairs": shown(&certificate.compared_pairs),
    });
    let more = match certificate.demand {
        Some(_) => json!({
            "bits": certificate.bits,
            "bands_solved": certificate.bands_solved,
            "bands_searched": certificate.bands_searched,
            "capped_blocks": certificate.capped_blocks,
            "capped_pairs": certificate.capped_pairs,
            "capped_lost": certificate.capped_lost,
        }),
        None => json!({ "reduction_ratio": certificate.reduction_ratio }),
    };
    if let (Value::Object(json), Value::Object(more)) = (&mut json, more) {
        json.extend(more);
    }
    json
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate() -> RecallCertificate {
        RecallCertificate {
            left_database: "dpc".to_owned(),
            right_database: "ndb".to_owned(),
            candidates: "bands".to_owned(),
            demand: Some(0.99),
            certified: true,
            sample_rows: 3456,
            sample_pairs: "1871".to_owned(),
            found_pairs: "1869".to_owned(),
            recall: 0.9989,
            lower: 0.9958,
            upper: 0.9999,
            bands_solved: 84,
            bands_searched: 60,
            ..RecallCertificate::default()
        }
    }

    #[test]
    fn a_certificate_is_a_line_that_is_loud_when_it_fails() {
        assert_eq!(
            in_words(&certificate()),
            "dpc – ndb by bands: recall 0.9989 (95 % interval 0.9958 to 0.9999), at least 0.99 certified: \
             1869 of 1871 pairs of 3456 random records found; 60 of 84 bands"
        );
        let failed = RecallCertificate {
            certified: false,
            capped_blocks: 2,
            capped_pairs: 1000,
            capped_lost: 3.2,
            ..certificate()
        };
        let words = in_words(&failed);
        assert!(words.contains("at least 0.99 NOT CERTIFIED: "), "{words}");
        assert!(words.ends_with("; 2 blocks capped: 1000 pairs not compared, about 3 matches lost"), "{words}");
    }

    #[test]
    fn a_run_is_certified_when_all_that_was_asked_for_is_shown() {
        let keyed = RecallCertificate { demand: None, certified: false, reduction_ratio: 0.5, ..certificate() };
        let failed = RecallCertificate { certified: false, ..certificate() };
        let status = |certificates| RunStatus { certificates, ..RunStatus::default() };
        for (certificates, verdict) in [
            (vec![], None),
            (vec![keyed.clone()], None),
            (vec![certificate()], Some(true)),
            (vec![certificate(), failed], Some(false)),
        ] {
            assert_eq!(certified(&status(certificates)), verdict);
        }
        let words = in_words(&keyed);
        assert!(words.contains("nothing is promised") && words.ends_with("reduction ratio 0.500000"), "{words}");
        assert_eq!(as_json(&keyed)["certified"], Value::Null);
        assert_eq!(as_json(&certificate())["found_pairs"], 1869);
    }
}
