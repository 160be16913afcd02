//! What must hold whatever a stranger sends: one property per kind of input, checked by the fuzz targets and, on the seeds
//! alone, by the system tests. A property panics where it does not hold.

pub mod address;
pub mod cursor;
pub mod filter;
pub mod form;
pub mod http_edge;
pub mod iconik;
pub mod listing;
pub mod native_action;
pub mod retry_after;
pub mod signalr;
pub mod timecode;
pub mod token;

use domain::AppId;
use domain::notification::Stream;
use tokio::runtime::{Builder, Runtime};

/// A property, by the name of its fuzz target and of the folder with its seeds.
pub type Property = (&'static str, fn(&[u8]));

/// All properties.
pub const ALL: [Property; 12] = [
    ("address", address::check),
    ("cursor", cursor::check),
    ("filter", filter::check),
    ("form", form::check),
    ("http_edge", http_edge::check),
    ("iconik", iconik::check),
    ("listing", listing::check),
    ("native_action", native_action::check),
    ("retry_after", retry_after::check),
    ("signalr", signalr::check),
    ("timecode", timecode::check),
    ("token", token::check),
];

/// The application that all inputs are for: `01010101-0101-4101-8101-010101010101`.
fn app() -> AppId {
    AppId::random([1; 16])
}

/// The streams of a user, as a connection has them.
fn streams() -> [Stream; 3] {
    [Stream::User("jane".to_owned()), Stream::Group("editors".to_owned()), Stream::Everyone]
}

/// Runs a future that waits for nothing outside.
fn block_on<F: Future>(future: F) -> F::Output {
    thread_local! {
        static RUNTIME: Runtime = Builder::new_current_thread().build().expect("a runtime without drivers");
    }
    RUNTIME.with(|runtime| runtime.block_on(future))
}
