//! The message store of OMA's NMS API: filters, the documents of what is stored, and what subscriptions are told.

mod filter;
mod replay;
mod shown;
mod subscribers;

pub use filter::{Filter, FilterError, Moment};
pub use shown::{box_url, folder_url, object_url, shown_attributes, stored_attributes, subscription_url};
pub use subscribers::Subscribers;
