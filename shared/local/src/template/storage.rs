//! Reads what holds data: queues, the table, and the rules of buckets.

use serde_json::{Value as Json, json};

use super::model::{CorsRule, Queue, Table};
use super::resolve::{Resolver, physical_name};
use super::values::{number, reject_unknown_keys, required, seconds};
use crate::yaml::{LineError, Node, Value};

/// The CORS rules of a bucket.
pub(super) fn read_cors_rules(bucket: &Node, resolver: &Resolver) -> Result<Vec<CorsRule>, LineError> {
    let rules = bucket.get("CorsConfiguration").map(|it| required(it, "CorsRules")).transpose()?;
    let read_rule = |rule: &Node| {
        let keys = ["Id", "AllowedOrigins", "AllowedMethods", "AllowedHeaders", "ExposedHeaders", "MaxAge"];
        reject_unknown_keys(rule, "CORS rule", &keys)?;
        let strings = |key: &str| {
            let items = rule.get(key).map(Node::items).unwrap_or_default();
            items.iter().map(|it| resolver.text(it)).collect::<Result<Vec<String>, LineError>>()
        };
        Ok(CorsRule {
            origins: strings("AllowedOrigins")?,
            methods: strings("AllowedMethods")?,
            headers: strings("AllowedHeaders")?,
            exposed: strings("ExposedHeaders")?,
            max_age: rule.get("MaxAge").map(|it| number(Some(it), resolver, 0)).transpose()?,
        })
    };
    rules.map(Node::items).unwrap_or_default().iter().map(read_rule).collect()
}

pub(super) fn read_queue(name: &str, properties: &Node, resolver: &Resolver) -> Result<Queue, LineError> {
    reject_unknown_keys(
        properties,
        "queue",
        &["SqsManagedSseEnabled", "VisibilityTimeout", "MessageRetentionPeriod", "RedrivePolicy"],
    )?;
    let redrive = match properties.get("RedrivePolicy") {
        None => None,
        Some(policy) => {
            reject_unknown_keys(policy, "redrive policy", &["deadLetterTargetArn", "maxReceiveCount"])?;
            let target = resolver.text(required(policy, "deadLetterTargetArn")?)?;
            let max_receive_count = number(policy.get("maxReceiveCount"), resolver, 10)?;
            Some((target.rsplit(':').next().unwrap_or_default().to_owned(), max_receive_count))
        }
    };
    Ok(Queue {
        name: physical_name(name),
        visibility_timeout: seconds(properties.get("VisibilityTimeout"), resolver, 30)?,
        retention: seconds(properties.get("MessageRetentionPeriod"), resolver, 345_600)?,
        redrive,
    })
}

pub(super) fn read_table(name: &str, properties: &Node, resolver: &Resolver) -> Result<Table, LineError> {
    const KEYS: [&str; 9] = [
        "BillingMode",
        "DeletionProtectionEnabled",
        "AttributeDefinitions",
        "KeySchema",
        "GlobalSecondaryIndexes",
        "StreamSpecification",
        "TimeToLiveSpecification",
        "PointInTimeRecoverySpecification",
        "SSESpecification",
    ];
    reject_unknown_keys(properties, "table", &KEYS)?;
    let mut definition = json!({ "TableName": physical_name(name) });
    for key in ["BillingMode", "AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "StreamSpecification"] {
        if let Some(node) = properties.get(key) {
            definition[key] = as_json(node, resolver)?;
        }
    }
    if properties.get("StreamSpecification").is_some() {
        definition["StreamSpecification"]["StreamEnabled"] = json!(true);
    }
    let ttl = properties.get("TimeToLiveSpecification").and_then(|it| it.get("AttributeName"));
    Ok(Table { name: physical_name(name), definition, ttl_attribute: ttl.map(|it| resolver.text(it)).transpose()? })
}

fn as_json(node: &Node, resolver: &Resolver) -> Result<Json, LineError> {
    Ok(match &node.value {
        Value::Scalar(_) => Json::String(resolver.text(node)?),
        Value::Sequence(all) => Json::Array(all.iter().map(|it| as_json(it, resolver)).collect::<Result<_, _>>()?),
        Value::Mapping(all) => Json::Object(
            all.iter().map(|(key, it)| Ok((key.clone(), as_json(it, resolver)?))).collect::<Result<_, LineError>>()?,
        ),
    })
}
