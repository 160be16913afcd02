//! The system tests: real binaries, real protocols, one local stack.

#![expect(clippy::unwrap_used, reason = "a test that finds something else than it should, fails")]

mod changes;
mod channels;
mod credentials;
mod deliveries;
mod docs;
mod everything;
mod fairness;
mod front_door;
mod garbage;
mod gateway;
mod hostile;
mod hub;
mod iconik;
mod images;
mod inbox;
mod kills;
mod listen;
mod meter;
mod rabbit;
mod scans;
mod signalr;
mod sockets;
mod sources;
mod stack;
mod stress;
mod template;
mod thread;
mod tidy;
