//! The account and the region of the local stack, and what is named after them.

/// The account id. Emulators of AWS commonly use this one.
pub const ACCOUNT: &str = "000000000000";
/// The region. Requests to the emulators are signed for it.
pub const REGION: &str = "us-east-1";

/// The URL of a queue (`QueueUrl`) at the SQS emulator.
pub(crate) fn queue_url(sqs: &str, name: &str) -> String {
    format!("{sqs}/{ACCOUNT}/{name}")
}

/// The ARN of a queue.
pub(crate) fn queue_arn(name: &str) -> String {
    format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{name}")
}
