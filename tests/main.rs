//! The system tests: real binaries, real protocols, one local stack.

#![expect(clippy::unwrap_used, reason = "a test that finds something else than it should, fails")]

/// What files are, what is found in them, and the renditions.
mod analysis {
    mod contained;
    pub(crate) mod images;
    mod matrix;
    mod media_cases;
    mod what_is_media;
}
/// What all routes share, and what describes them.
mod api {
    mod described;
    mod docs;
    mod edge;
    mod front_door;
    mod generated;
    mod pages;
}
/// Billing, and the emulator of Stripe that it is tested with.
mod billing {
    mod client;
    mod contract;
    mod faults;
    mod kills;
    mod limits;
    mod official_library;
    mod payments;
    mod races;
    mod real;
    mod sequences;
    mod subscriptions;
    mod trials;
    mod webhooks;
}
/// The console in a real browser, its sessions, and what it reads.
mod console {
    mod browser;
    mod built;
    mod live;
    mod media;
    mod operations;
    mod pages;
    mod provider;
    mod session;
}
/// How deliveries reach receivers: webhooks, RabbitMQ, SignalR hubs of customers.
mod delivery {
    mod channels;
    mod deliveries;
    mod fairness;
    mod hostile;
    mod hub;
    mod publish;
    mod rabbit;
    mod trace;
}
/// Functions, stacks and connections that are killed.
mod faults {
    mod everything;
    mod fast_path;
    mod kills;
    mod proof;
    pub(crate) mod proxy;
    mod stress;
}
/// Where media comes from: buckets and asset managers.
mod ingest {
    mod iconik;
    mod iconik_watch;
    mod listings;
    mod processors;
    mod scans;
    mod sources;
    mod thread;
}
/// The program, the stack, the template, logs, and the cost.
mod operation {
    mod deployment;
    mod logs;
    mod meter;
    mod program;
    mod stack;
    mod template;
    mod versions;
    mod watch;
}
/// External processors: their contract, and the worked examples.
mod processors {
    mod contract;
    mod examples;
    mod registration;
}
/// Inboxes, and sockets that follow them.
mod realtime {
    mod changes;
    mod gateway;
    mod inbox;
    mod listen;
    mod names;
    mod schemas;
    mod signalr;
    mod sockets;
}
/// OMA's notification channels, and the seed's short paths.
mod oma {
    mod channels;
    mod client;
    mod described;
    mod folder_kills;
    mod folders;
    mod hostile_xml;
    mod many_objects;
    mod negotiation;
    mod notify_server;
    mod notify_url;
    mod objects;
    mod overview;
    mod polling;
    mod program;
    mod replay;
    mod schemas;
    mod short_paths;
    mod subscriptions;
    mod websockets;
    mod xml;
}
/// Who may do what, and what strangers send.
mod security {
    mod audit;
    mod credentials;
    mod erasure;
    mod fuzz_seeds;
    mod garbage;
    mod guesses;
    mod odd_input;
    mod secrets;
}
/// What must hold whatever a stranger sends: the fuzzers' properties, which are in a workspace of their own.
#[path = "fuzz/properties/lib.rs"]
#[expect(unreachable_pub, reason = "a library of its own for the fuzzers")]
mod fuzz;
mod tidy;
