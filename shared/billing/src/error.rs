//! Why a request of billing is not carried out.

use stripe::StripeError;
use table::TableError;

/// Why a request is not carried out.
#[derive(Debug, thiserror::Error)]
pub enum BillingError {
    #[error("the payment provider failed")]
    Stripe(#[from] StripeError),
    #[error("the table failed")]
    Table(#[from] TableError),
    /// The plan has no price for the cycle.
    #[error("the plan is not sold in this cycle")]
    NotSold,
    /// There is no payment method, and none comes with the request.
    #[error("the customer has no payment method")]
    NoCard,
    /// There is no subscription of the product, or no trial.
    #[error("there is nothing to cancel")]
    NothingToCancel,
    /// A trial for a product that has a subscription.
    #[error("there is a subscription for the product")]
    Subscribed,
    #[error("there was a trial for the product before")]
    SecondTrial,
    /// Another request changes the same subscription now.
    #[error("another request changes the subscription")]
    Busy,
    /// The provider took every step, and the subscription is not what it was to be; or it changed all the time.
    #[error("the subscription does not come to rest")]
    Unsettled,
}

impl BillingError {
    /// Whether the provider may still be doing what it was asked for: its answer did not come.
    pub(crate) fn is_uncertain(&self) -> bool {
        matches!(self, Self::Stripe(StripeError::Unreachable(_) | StripeError::InFlight))
    }

    /// Whether the request has done nothing that a repeat would have to find again.
    pub fn is_final(&self) -> bool {
        match self {
            Self::NotSold | Self::NoCard | Self::NothingToCancel | Self::Subscribed | Self::SecondTrial => true,
            Self::Stripe(StripeError::Card { .. } | StripeError::Refused { .. }) => true,
            Self::Stripe(_) | Self::Table(_) | Self::Busy | Self::Unsettled => false,
        }
    }
}
