//! One file per command: its options and what it does.

pub(crate) mod check;
pub(crate) mod inspect;
pub(crate) mod keygen;
pub(crate) mod site_key;
pub(crate) mod tokenise;
