//! The meter: counts every request to AWS by operation and by units, in production and in tests.
//!
//! At the end of each invocation it prints the counts as one line in CloudWatch's embedded metric format, without
//! dimensions: each combination of dimensions is billed as a metric.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::{
    AfterDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextRef,
};
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use serde_json::{Value, json};

use crate::clock;

/// Counts since the last report, by name: `dynamodb.PutItem`, `write_units`, `sqs_requests`, …
#[derive(Debug, Clone, Default)]
pub struct Meter(Arc<Mutex<BTreeMap<String, f64>>>);

impl Meter {
    /// An interceptor for an AWS client that counts its requests as they are sent, retries included.
    pub fn counter(&self, service: &'static str) -> RequestCounter {
        RequestCounter { service, meter: self.clone() }
    }

    /// Counts a request that is not made by an AWS client.
    pub fn count(&self, name: &str) {
        self.add(name, 1.0);
    }

    fn add(&self, name: impl Into<String>, units: f64) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(name.into()).or_default() += units;
    }

    /// Runs an invocation, then prints its counts.
    pub(crate) async fn measure_invocation<T>(&self, run: impl Future<Output = T>) -> T {
        let outcome = run.await;
        if let Some(line) = self.report(clock::now()) {
            println!("{line}");
        }
        outcome
    }

    /// Takes the counts as one line in the embedded metric format; `None` if there are none.
    fn report(&self, now: time::OffsetDateTime) -> Option<String> {
        let counts = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        if counts.is_empty() {
            return None;
        }
        let metrics: Vec<Value> =
            counts.keys().filter(|it| !it.contains('.')).map(|it| json!({ "Name": it, "Unit": "Count" })).collect();
        let mut line = json!({
            "_aws": {
                "Timestamp": domain::millis(now),
                "CloudWatchMetrics": [{ "Namespace": "Notifications", "Dimensions": [[]], "Metrics": metrics }],
            },
        });
        for (name, units) in counts {
            line[name] = json!(units);
        }
        Some(line.to_string())
    }
}

/// An interceptor that counts the requests of one client.
#[derive(Debug, Clone)]
pub struct RequestCounter {
    service: &'static str,
    meter: Meter,
}

#[aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint]
impl Intercept for RequestCounter {
    fn name(&self) -> &'static str {
        "meter"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let operation = config.load::<Metadata>().map_or("unknown", |it| it.name());
        self.meter.add(format!("{}.{operation}", self.service), 1.0);
        // SQS bills each chunk of 64 KB as a request; the body is most of the payload
        let chunks = context.request().body().bytes().map_or(1, |it| it.len().div_ceil(65_536).max(1));
        let requests = if self.service == "sqs" { chunks as f64 } else { 1.0 };
        self.meter.add(format!("{}_requests", self.service), requests);
        Ok(())
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if self.service == "dynamodb" {
            let reads =
                config.load::<Metadata>().is_some_and(|it| matches!(it.name(), "GetItem" | "BatchGetItem" | "Query"));
            let body = context.response().body().bytes().unwrap_or_default();
            let units = consumed_units(&serde_json::from_slice(body).unwrap_or_default());
            self.meter.add(if reads { "read_units" } else { "write_units" }, units);
        }
        Ok(())
    }
}

/// The capacity units of a response: `ConsumedCapacity` is an object, or a list of them.
fn consumed_units(answer: &Value) -> f64 {
    let units = |it: &Value| it["CapacityUnits"].as_f64().unwrap_or_default();
    match &answer["ConsumedCapacity"] {
        Value::Array(all) => all.iter().map(units).sum(),
        one => units(one),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_units_of_both_shapes() {
        assert_eq!(consumed_units(&json!({ "ConsumedCapacity": { "CapacityUnits": 0.5 } })), 0.5);
        assert_eq!(
            consumed_units(&json!({ "ConsumedCapacity": [{ "CapacityUnits": 2.0 }, { "CapacityUnits": 4.0 }] })),
            6.0
        );
        assert_eq!(consumed_units(&json!({ "message": "no" })), 0.0);
    }

    #[test]
    fn a_report_takes_what_it_reports() {
        let meter = Meter::default();
        meter.add("sqs.SendMessage", 1.0);
        meter.add("sqs_requests", 1.0);
        let line: Value = serde_json::from_str(&meter.report(time::OffsetDateTime::UNIX_EPOCH).unwrap()).unwrap();
        assert_eq!(
            line["_aws"]["CloudWatchMetrics"][0]["Metrics"],
            json!([{ "Name": "sqs_requests", "Unit": "Count" }])
        );
        assert_eq!(meter.report(time::OffsetDateTime::UNIX_EPOCH), None);
    }
}
