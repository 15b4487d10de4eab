//! Showing a permit or a revocation: what it says, who signed it, whether the policy allows it.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use linkage_service::permit::{Committee, Envelope, PERMIT_TYPE, REVOCATION_TYPE, Refusal};
use linkage_service::signing::KeyId;
use serde_json::{Value, json};

use super::{Document, check_policy, describe, open, policy_for, print, read, say, warn_of_proposal};

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  linkage permit show heart.json\n  linkage permit show heart.signed.json --committee committee.json --json"
)]
pub(super) struct ShowArgs {
    /// A statement, signed or not
    file: PathBuf,
    /// Whose signatures count; without it signatures are listed and not verified
    #[arg(long, value_name = "FILE")]
    committee: Option<PathBuf>,
    /// The policy file that the permit was decided under, when it is none of the shipped ones
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Machine-readable
    #[arg(long)]
    json: bool,
}

/// Exit code 1 when the policy forbids the permit, or when a committee is given and has not decided so.
pub(super) fn run(args: &ShowArgs) -> anyhow::Result<ExitCode> {
    let (document, envelope) = open(&args.file)?;
    let committee = match &args.committee {
        Some(path) => Some(Committee::parse(&read(path)?).with_context(|| path.display().to_string())?),
        None => None,
    };
    let payload_type = match &document {
        Document::Permit(_) => PERMIT_TYPE,
        Document::Revocation(_) => REVOCATION_TYPE,
    };
    let signed = committee.as_ref().map(|committee| committee.verify(&envelope, payload_type).map(|_| ()));
    let (words, statement, allowed) = match &document {
        Document::Permit(permit) => {
            let policy = policy_for(permit, args.policy.as_deref())?;
            warn_of_proposal(&policy);
            let statement = serde_json::to_value(permit.statement())?;
            (describe::permit(permit, Some(&policy)), statement, check_policy(permit, &policy))
        }
        Document::Revocation(revocation) => {
            (describe::revocation(revocation), serde_json::to_value(revocation)?, Ok(()))
        }
    };
    let signatures = signatures(&envelope, committee.as_ref(), payload_type);
    if args.json {
        let document = json!({
            "type": payload_type,
            "statement": statement,
            "signatures": signatures.iter().map(Signature::json).collect::<Vec<_>>(),
            "committee": signed.as_ref().map(outcome),
            "policy": outcome(&allowed),
        });
        print(&serde_json::to_string_pretty(&document)?)?;
    } else {
        print(&words)?;
        for signature in &signatures {
            print(&format!("  signature    {}", signature.words()))?;
        }
        if let (Some(committee), Some(Ok(()))) = (&committee, &signed) {
            print(&format!(
                "  decided      by {} of {} members or more",
                committee.threshold(),
                committee.members().len()
            ))?;
        }
    }
    let refusals: Vec<_> = [signed.and_then(Result::err), allowed.err()].into_iter().flatten().collect();
    refusals.iter().for_each(|refusal| say(&format!("refused ({}): {refusal}", refusal.code())));
    Ok(if refusals.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn outcome(result: &Result<(), Refusal>) -> Value {
    match result {
        Ok(()) => json!("ok"),
        Err(refusal) => json!({"refused": refusal.code()}),
    }
}

/// One signature as it stands in the envelope, and what the committee file says of it.
struct Signature {
    key_id: String,
    member: Option<String>,
    holds: Option<bool>,
}

impl Signature {
    fn words(&self) -> String {
        match (&self.member, self.holds) {
            (Some(member), Some(true)) => format!("{}  {member}", self.key_id),
            (Some(member), _) => format!("{}  DOES NOT HOLD for {member}", self.key_id),
            (None, Some(_)) => format!("{}  of nobody in the committee; counts for nothing", self.key_id),
            (None, None) => format!("{}  not verified (--committee)", self.key_id),
        }
    }

    fn json(&self) -> Value {
        json!({"keyid": self.key_id, "member": self.member, "holds": self.holds})
    }
}

fn signatures(envelope: &Envelope, committee: Option<&Committee>, payload_type: &str) -> Vec<Signature> {
    let look_up = |signature: &linkage_service::permit::EnvelopeSignature| {
        let key_id = signature.key_id.parse::<KeyId>().ok();
        let member = committee
            .and_then(|committee| committee.members().iter().find(|member| Some(member.public_key.key_id()) == key_id));
        let holds = committee.map(|_| {
            member.is_some_and(|m| m.public_key.verifies(payload_type, envelope.payload(), &signature.signature))
        });
        // An id of a stranger is text of a stranger: it is shown only when it looks like a key id.
        let key_id = key_id.map_or_else(|| "(no key id)".to_owned(), |key_id| key_id.to_string());
        Signature { key_id, member: member.map(|member| member.name.clone()), holds }
    };
    envelope.signatures().iter().map(look_up).collect()
}
