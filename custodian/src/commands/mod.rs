//! One file per command: its options and what it does.

pub(crate) mod check;
pub(crate) mod clkhash;
pub(crate) mod inspect;
pub(crate) mod keygen;
pub(crate) mod manual;
pub(crate) mod map;
#[cfg(feature = "submit")]
pub(crate) mod receive;
pub(crate) mod report;
#[cfg(feature = "submit")]
mod service;
pub(crate) mod site_key;
#[cfg(feature = "submit")]
pub(crate) mod submit;
pub(crate) mod tokenise;
pub(crate) mod tune;
