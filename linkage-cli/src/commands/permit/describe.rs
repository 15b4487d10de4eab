//! What is about to be signed, in plain words.

use linkage_service::permit::{Permit, Revocation};
use linkage_service::policy::{Need, Policy};
use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};

/// Every field of a permit, each in a line.
pub(super) fn permit(permit: &Permit, policy: Option<&Policy>) -> String {
    let statement = permit.statement();
    let mut lines = vec![
        format!("Permit {}, version {}, for project {}", statement.id, statement.version, statement.project),
        format!("  purpose      {}", statement.purpose.text),
        format!("               substantial public interest: {}", yes(statement.purpose.substantial_public_interest)),
        format!("               advertising: {}", yes(statement.purpose.advertising)),
        format!("  data         {} data of", statement.class),
    ];
    for id in &statement.databases {
        let name = policy.and_then(|policy| policy.database(id)).map(|database| database.name());
        let heard = statement.hearings.iter().find(|hearing| &hearing.database == id);
        let heard = heard.map_or("no hearing named".to_owned(), |hearing| format!("heard: {}", hearing.body));
        lines.push(format!("               {id}  {}  ({heard})", name.unwrap_or("name unknown")));
    }
    if let Some(necessity) = &statement.necessity {
        lines.push(format!("  necessity    {necessity}"));
    }
    for need in &statement.declarations {
        let declared = match need {
            Need::Consent => "has seen proof of the consent of the living persons",
            Need::CertifiedUser => "has seen proof of that the user is certified",
            Need::MaxQualityRisk => "accepts the risk of max-quality tokens",
        };
        lines.push(format!("  declared     the committee {declared}"));
    }
    for member in &statement.members {
        lines.push(format!("  member       {}  certificate {}", member.name, member.certificate_sha256));
    }
    lines.push(format!("  environment  {}", statement.environment));
    lines.push(format!("  valid        from {} until {}", time(statement.valid_from), time(statement.valid_until)));
    lines.push(format!("  policy       {}", statement.policy));
    lines.push(format!("  reason       {}", statement.reason));
    lines.join("\n")
}

/// Every field of a revocation.
pub(super) fn revocation(revocation: &Revocation) -> String {
    let (id, decided) = (&revocation.permit, time(revocation.decided_at));
    let reason = &revocation.reason;
    format!(
        "Revocation of permit {id} in all its versions, at once and for good\n  decided      {decided}\n  reason       {reason}"
    )
}

fn yes(value: bool) -> &'static str {
    if value { "yes" } else { "no" }
}

fn time(instant: OffsetDateTime) -> String {
    let utc = instant.to_offset(UtcOffset::UTC).format(&Rfc3339);
    utc.unwrap_or_else(|_| "a year that RFC 3339 cannot write".to_owned())
}
