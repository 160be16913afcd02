//! What an emulator starts with.

use std::path::PathBuf;

/// How an emulator starts.
#[derive(Debug, Clone)]
pub struct Options {
    /// The file that keeps its data; `None` keeps it in memory alone.
    pub file: Option<PathBuf>,
    /// The client that webhooks are sent with.
    pub http: reqwest::Client,
    /// The webhook endpoint that it has from the start; others are made by requests.
    pub webhook: Option<WebhookTarget>,
    /// Prices that it has from the start. One that is there already stays as it is.
    pub prices: Vec<SeedPrice>,
}

/// A webhook endpoint. Its secret is made once, and kept with the data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookTarget {
    /// Where events are posted to.
    pub url: String,
    /// The types of events, such as `customer.subscription.updated`.
    pub events: Vec<String>,
}

/// A recurring price with an id of one's choice, which Stripe's API cannot make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeedPrice {
    /// The id of the price.
    pub id: String,
    /// The id and the name of the product, which is made if it is missing.
    pub product: String,
    /// In cents of US dollars.
    pub unit_amount: i64,
    /// `day`, `week`, `month` or `year`.
    pub interval: String,
}
