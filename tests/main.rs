//! The system tests: real binaries, real protocols, one local stack.

#![expect(clippy::unwrap_used, reason = "a test that finds something else than it should, fails")]

mod audit;
mod changes;
mod channels;
mod contained;
mod credentials;
mod deliveries;
mod described;
mod docs;
mod edge;
mod everything;
mod fairness;
mod front_door;
mod garbage;
mod gateway;
mod generated;
mod guesses;
mod hostile;
mod hub;
mod iconik;
mod iconik_watch;
mod images;
mod inbox;
mod kills;
mod listen;
mod listings;
mod logs;
mod meter;
mod names;
mod odd_input;
mod pages;
mod program;
mod rabbit;
mod scans;
mod schemas;
mod secrets;
mod signalr;
mod sockets;
mod sources;
mod stack;
mod stress;
mod template;
mod thread;
mod tidy;
mod what_is_media;
