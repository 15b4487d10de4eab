//! Token files: round trips, damage, rules.
