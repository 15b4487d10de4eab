//! Plans from outside: what they return, what they show, what they hold, and how they stop. One binary, because each
//! that links DataFusion takes its time and some 270 MB.

mod best;
mod blocks;
mod explain;
mod keyed;
mod link;
mod lsh;
mod memory;
mod pool;
mod segments;
mod slt;
mod sql;
mod support;
