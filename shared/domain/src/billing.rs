//! Billing: plans, subscriptions as the payment provider has them, what a request has to change, and what a plan limits.

pub mod cancellation;
pub mod command;
pub mod decision;
pub mod entitlement;
pub mod limits;
pub mod notification;
pub mod plans;
pub mod state;
pub mod subscription;
