//! The system tests: real binaries, real protocols, one local stack.

mod channels;
mod docs;
mod front_door;
mod garbage;
mod kills;
mod meter;
mod scans;
mod stack;
mod template;
mod thread;
mod tidy;
