//! Whether the policy allows what a permit says, on a given day.

use linkage_core::types::DatabaseId;
use time::Date;

use super::refusal::Refusal;
use super::statement::{Permit, Statement};
use crate::policy::{Class, Need, Policy, Revision};

/// Checks a permit against every condition of the policy as it stands on `day`.
///
/// All pairs of the permit's databases must be open, also those that a run leaves out: a permit that was decided over
/// a closed pair is no decision to build on.
///
/// # Errors
/// The first rule that is broken, in this order: policy, purpose, class, databases, pairs.
pub fn check_conditions(permit: &Permit, policy: &Policy, day: Date) -> Result<(), Refusal> {
    let statement = permit.statement();
    if statement.policy != policy.name() {
        let (decided_under, followed) = (statement.policy.clone(), policy.name().to_owned());
        return Err(Refusal::OtherPolicy { decided_under, followed });
    }
    let Some(revision) = policy.revision_at(day) else {
        return Err(Refusal::PolicyNotInForce { policy: policy.name().to_owned(), day });
    };
    check_purpose(statement, policy)?;
    check_class(statement, policy)?;
    statement.databases.iter().try_for_each(|database| check_database(statement, database, policy, day))?;
    check_pairs(&statement.databases, statement.class, policy, revision)
}

fn check_purpose(statement: &Statement, policy: &Policy) -> Result<(), Refusal> {
    let (purpose, conditions) = (&statement.purpose, policy.conditions());
    if purpose.advertising && conditions.advertising_refused {
        return Err(Refusal::Advertising);
    }
    if conditions.substantial_public_interest && !purpose.substantial_public_interest {
        return Err(Refusal::NoPublicInterest);
    }
    Ok(())
}

fn check_class(statement: &Statement, policy: &Policy) -> Result<(), Refusal> {
    let (class, environment) = (statement.class, statement.environment);
    // A class that the policy does not define is offered by no database either, which the next check says.
    let Some(rule) = policy.class_rule(class) else { return Ok(()) };
    if rule.necessity && statement.necessity.is_none() {
        return Err(Refusal::NoNecessity { class });
    }
    if rule.environments.as_ref().is_some_and(|allowed| !allowed.contains(&environment)) {
        return Err(Refusal::EnvironmentNotVisiting { class, environment });
    }
    Ok(())
}

fn check_database(statement: &Statement, id: &DatabaseId, policy: &Policy, day: Date) -> Result<(), Refusal> {
    let class = statement.class;
    let Some(database) = policy.database(id) else {
        return Err(Refusal::UnknownDatabase { database: id.clone(), policy: policy.name().to_owned() });
    };
    let Some(offer) = database.offer(class, day) else {
        return Err(Refusal::ClassNotOffered { database: id.clone(), class, day });
    };
    if let Some(need) = offer.needs().difference(&statement.declarations).next() {
        return Err(match need {
            Need::Consent => Refusal::ConsentMissing { database: id.clone(), class },
            Need::CertifiedUser => Refusal::NotCertified { database: id.clone(), class },
            Need::MaxQualityRisk => Refusal::RiskNotAccepted { database: id.clone() },
        });
    }
    let heard = statement.hearings.iter().any(|hearing| &hearing.database == id);
    if policy.conditions().hearing_for_every_database && !heard {
        return Err(Refusal::HearingMissing { database: id.clone() });
    }
    Ok(())
}

fn check_pairs(databases: &[DatabaseId], class: Class, policy: &Policy, revision: &Revision) -> Result<(), Refusal> {
    for (i, first) in databases.iter().enumerate() {
        for second in &databases[i + 1..] {
            if revision.is_open(first, second, class) {
                continue;
            }
            let (first, second) = (first.clone(), second.clone());
            let (policy, day) = (policy.name().to_owned(), revision.effective_from());
            return Err(match bridge(databases, &first, &second, class, revision).cloned() {
                Some(via) => Refusal::Bridging { first, second, via, class, policy, revision: day },
                None => Refusal::PairNotOpen { first, second, class, policy, revision: day },
            });
        }
    }
    Ok(())
}

/// The first station on a way of open pairs from `first` to `second`, when there is one within the permit.
fn bridge<'a>(
    databases: &'a [DatabaseId],
    first: &DatabaseId,
    second: &DatabaseId,
    class: Class,
    revision: &Revision,
) -> Option<&'a DatabaseId> {
    // Walked backwards from `second`, so that what is found last is a neighbour of `first`.
    let mut reached = vec![second];
    let mut next = 0;
    while let Some(&station) = reached.get(next) {
        for database in databases {
            if !reached.contains(&database) && revision.is_open(station, database, class) {
                if database == first {
                    return databases.iter().find(|via| *via == station);
                }
                reached.push(database);
            }
        }
        next += 1;
    }
    None
}
