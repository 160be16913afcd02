//! List prices: what a path's units cost on AWS, from the units that the meter measured.

/// A path through the system that is counted and priced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PricedPath {
    /// A picture in a bucket: found, processed, announced twice.
    Item,
    /// A delivery to a webhook, a queue or a hub.
    Delivery,
    /// A notification in a user's inbox.
    Inbox,
}

/// The units of AWS that one unit of a path takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MeteredUnits {
    pub write_units: f64,
    pub read_units: f64,
    pub sqs_requests: f64,
    pub invocations: f64,
}

/// US dollars for a million units in us-east-1, on demand (the price lists of Amazon DynamoDB, Amazon SQS's standard queues and
/// AWS Lambda, November 2026).
const WRITE_UNITS: f64 = 0.625;
const READ_UNITS: f64 = 0.125;
const SQS_REQUESTS: f64 = 0.40;
const INVOCATIONS: f64 = 0.20;

impl PricedPath {
    /// All paths.
    pub const ALL: [Self; 3] = [Self::Item, Self::Delivery, Self::Inbox];

    /// The name in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Item => "item",
            Self::Delivery => "delivery",
            Self::Inbox => "inbox",
        }
    }

    /// What the meter measured for one unit (the page Figures of the guide, "Cost of an item and of a notification" and "Cost of
    /// inboxes and sockets").
    pub fn metered(self) -> MeteredUnits {
        let units = |[write_units, read_units, sqs_requests, invocations]: [f64; 4]| MeteredUnits {
            write_units,
            read_units,
            sqs_requests,
            invocations,
        };
        match self {
            Self::Item => units([11.6, 7.1, 4.1, 2.4]),
            Self::Delivery => units([0.032, 0.052, 0.301, 0.032]),
            Self::Inbox => units([1.085, 1.135, 0.0, 1.085]),
        }
    }

    /// The list price of so many units, in US dollars: requests and capacity units, without the computing time of functions and
    /// without traffic.
    pub fn list_price(self, count: u64) -> f64 {
        let it = self.metered();
        let million = it.write_units * WRITE_UNITS
            + it.read_units * READ_UNITS
            + it.sqs_requests * SQS_REQUESTS
            + it.invocations * INVOCATIONS;
        million * count as f64 / 1e6
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_grows_with_its_units() {
        for (path, count, want) in [
            (PricedPath::Item, 1_000_000, 10.2575),
            (PricedPath::Delivery, 1_000_000, 0.1533),
            (PricedPath::Inbox, 2_000_000, 2.074),
            (PricedPath::Inbox, 0, 0.0),
        ] {
            assert!((path.list_price(count) - want).abs() < 1e-9, "{path:?}: {}", path.list_price(count));
        }
    }
}
