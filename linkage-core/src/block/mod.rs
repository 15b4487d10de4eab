//! Candidate generation: which pairs are compared at all, when comparing every pair would take too long.
//!
//! [`lsh`] finds nearly all pairs above a threshold in time that grows with the number of records and not with its square;
//! its recall is planned for the worst pair that counts and then [certified](certificate) on a random exact sample of the
//! same tables. Nothing here is on unless a caller asks for it: comparing all pairs with [`crate::dice::search`] is the default.

pub mod certificate;
mod groups;
mod interval;
pub mod lsh;
mod pairs;
pub(crate) mod random;
mod room;
mod rows;

pub use groups::{GROUP_ROWS, Group, GroupSearch};
pub use interval::{clopper_pearson, pairs_needed};
pub use pairs::PairSearch;
pub use rows::TokenRows;
