//! Whole command lines of `custodian`, from outside: what they print, how they exit, what they leave behind.

mod damage;
mod formats;
mod mapping;
mod refusals;
mod report;
mod site;
mod sockets;
mod tokenise;
