//! Whole command lines of `custodian`, from outside: what they print, how they exit, what they leave behind.

mod clkhash;
mod damage;
mod exact;
mod foreign;
mod formats;
mod injected;
mod injected_formats;
mod mapping;
mod memory;
mod refusals;
mod report;
mod resume;
mod site;
mod sockets;
mod tokenise;
mod tune;
