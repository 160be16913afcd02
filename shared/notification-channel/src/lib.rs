//! OMA notification channels (NC) at work: their URLs, what waits in them, and its way to an open WebSocket.

mod sender;
mod urls;

/// The subprotocol of a channel's WebSocket (NC App. I; registered with IANA).
pub const WEBSOCKET_SUBPROTOCOL: &str = "notificationchannel-netapi-rest.openmobilealliance.org";

pub use sender::{ChannelError, ChannelSender, EnqueueOutcome, FlushOutcome, list, write};
pub use urls::{ChannelUrls, KEY_LENGTH, Purpose, TokenError};
