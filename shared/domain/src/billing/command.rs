//! The command that leads to a look at the payment provider. The version `v` is 1.

use serde::{Deserialize, Serialize};

use crate::AppId;

/// Look at the subscriptions that the payment provider has of an application.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BillingCommand {
    pub v: u8,
    pub subject: BillingSubject,
    /// The provider's event that led to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// The event announces that a trial is about to end: that of `subscription`.
    #[serde(default)]
    pub trial_ending: bool,
    /// The subscription that the event is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subscription: Option<String>,
}

/// Whose subscriptions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BillingSubject {
    App(AppId),
    /// The provider's id of a customer, which may be nobody's here.
    Customer(String),
}
