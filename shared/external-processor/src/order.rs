//! The body of an order (processors, section 5.2).

use domain::job::{JobOrder, MAX_RESULT_BYTES};
use domain::rfc3339;
use serde_json::{Value, json};

/// The version of the contract.
pub(crate) const SPEC: &str = "1";

/// The id of an attempt's messages to the processor. An id holds no dot, which separates what is signed.
pub(crate) fn message_id(order: &JobOrder) -> String {
    format!("{}_{}", order.id, order.attempt)
}

/// The order as it is sent: the same bytes with each repeat.
pub(crate) fn body(order: &JobOrder, callback_base: &str) -> Value {
    let (job, attempt) = (order.id, order.attempt);
    json!({
        "spec": SPEC,
        "job_id": job,
        "attempt": attempt,
        "kind": order.processor.kind(),
        "params": order.parameters,
        "deadline": rfc3339(order.deadline),
        "input": {
            "url": order.input.url,
            "media_type": order.input.media_type,
            "bytes": order.input.bytes,
            "sha256": order.input.sha256,
        },
        "output": { "url": order.output_url, "max_bytes": MAX_RESULT_BYTES },
        "callback": { "url": format!("{callback_base}/jobs/{job}/callback/{attempt}") },
    })
}
