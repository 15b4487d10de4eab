//! The linkage service from outside: a real server on loopback, real certificates, real token files.

mod access;
mod calls;
mod candidates;
mod conflicts;
mod runs;
mod submissions;
mod tokens;
mod unit;
mod world;
