//! From the tree to the model.

use std::time::Duration;

use serde_json::{Value as Json, json};

use super::resolve::{Names, local_name};
use super::{CorsRule, DEFAULT_ROUTE, Function, Model, Queue, QueueSource, Route, SocketApi, StreamSource, Table};
use crate::yaml::{Node, Value};

type Wrong = (usize, String);

/// Processes of one function on one machine, unless the template says less.
const MOST_PROCESSES: usize = 4;

/// Types that need no counterpart on one machine.
const ELSEWHERE: [&str; 5] = [
    "AWS::CloudWatch::Alarm",
    "AWS::Logs::LogGroup",
    "AWS::SQS::QueuePolicy",
    "AWS::KMS::Key",
    // puts the path of a socket into its query; the front door does that itself
    "AWS::CloudFront::Function",
];

pub(super) fn model(root: &Node, names: &Names) -> Result<Model, Wrong> {
    let sections = [
        "AWSTemplateFormatVersion",
        "Transform",
        "Description",
        "Parameters",
        "Conditions",
        "Globals",
        "Resources",
        "Outputs",
    ];
    known(root, "template", &sections)?;
    let globals = root.get("Globals");
    if let Some(globals) = globals {
        known(globals, "Globals section", &["Function"])?;
    }
    let defaults = globals.and_then(|it| it.get("Function"));
    let mut model = Model::default();
    let mut paths = Vec::new();
    for (name, node) in root.get("Resources").map(Node::entries).unwrap_or_default() {
        known(
            node,
            "resource",
            &["Type", "Properties", "Condition", "DeletionPolicy", "UpdateReplacePolicy", "Metadata"],
        )?;
        let kind = node.get("Type").and_then(Node::text).ok_or((node.line, format!("`{name}` has no Type")))?;
        let empty = Node { line: node.line, tag: None, value: Value::Map(Vec::new()) };
        let properties = node.get("Properties").unwrap_or(&empty);
        match kind {
            "AWS::Serverless::Function" => model.functions.push(function(name, properties, defaults, names)?),
            "AWS::SQS::Queue" => model.queues.push(queue(name, properties, names)?),
            "AWS::DynamoDB::Table" => model.table = Some(table(name, properties, names)?),
            "AWS::S3::Bucket" => {
                let name = local_name(name).to_lowercase();
                model.cors.insert(name.clone(), cors(properties, names)?);
                model.buckets.push(name);
            }
            "AWS::Serverless::HttpApi" => known(properties, "HTTP API", &["StageName"])?,
            "AWS::Serverless::WebSocketApi" => model.sockets = Some(sockets(properties, names)?),
            // its paths hold whatever its condition says: one machine has one host anyway
            "AWS::CloudFront::Distribution" => paths = socket_paths(properties, names)?,
            elsewhere if ELSEWHERE.contains(&elsewhere) => {}
            other => return Err((node.line, format!("the local stack does not know resources of type {other}"))),
        }
    }
    if let Some(sockets) = &mut model.sockets {
        sockets.paths = paths;
    }
    Ok(model)
}

/// The CORS rules of a bucket.
fn cors(bucket: &Node, names: &Names) -> Result<Vec<CorsRule>, Wrong> {
    let rules = bucket.get("CorsConfiguration").map(|it| needed(it, "CorsRules")).transpose()?;
    let read = |rule: &Node| {
        let keys = ["Id", "AllowedOrigins", "AllowedMethods", "AllowedHeaders", "ExposedHeaders", "MaxAge"];
        known(rule, "CORS rule", &keys)?;
        let texts = |key: &str| {
            let items = rule.get(key).map(Node::items).unwrap_or_default();
            items.iter().map(|it| names.text(it)).collect::<Result<Vec<String>, Wrong>>()
        };
        Ok(CorsRule {
            origins: texts("AllowedOrigins")?,
            methods: texts("AllowedMethods")?,
            headers: texts("AllowedHeaders")?,
            exposed: texts("ExposedHeaders")?,
            max_age: rule.get("MaxAge").map(|it| number(Some(it), names, 0)).transpose()?,
        })
    };
    rules.map(Node::items).unwrap_or_default().iter().map(read).collect()
}

fn sockets(it: &Node, names: &Names) -> Result<SocketApi, Wrong> {
    known(it, "WebSocket API", &["RouteSelectionExpression", "StageName", "Routes"])?;
    let mut api = SocketApi { stage: names.text(needed(it, "StageName")?)?, ..SocketApi::default() };
    for (key, route) in needed(it, "Routes")?.entries() {
        if !["$connect", "$disconnect", "$default"].contains(&key.as_str()) {
            return Err((route.line, format!("the local stack does not know the route `{key}`")));
        }
        known(route, "route", &["FunctionArn"])?;
        let arn = names.text(needed(route, "FunctionArn")?)?;
        api.routes.insert(key.clone(), arn.rsplit(':').next().unwrap_or_default().to_owned());
    }
    Ok(api)
}

/// The path patterns of a distribution that lead to the origin called `sockets`.
fn socket_paths(it: &Node, names: &Names) -> Result<Vec<String>, Wrong> {
    let config = needed(it, "DistributionConfig")?;
    let mut paths = Vec::new();
    for behaviour in config.get("CacheBehaviors").map(Node::items).unwrap_or_default() {
        if names.text(needed(behaviour, "TargetOriginId")?)? == "sockets" {
            paths.push(names.text(needed(behaviour, "PathPattern")?)?);
        }
    }
    Ok(paths)
}

fn known(node: &Node, what: &str, keys: &[&str]) -> Result<(), Wrong> {
    match node.entries().iter().find(|it| !keys.contains(&it.0.as_str())) {
        Some((key, at)) => Err((at.line, format!("the local stack does not know `{key}` in a {what}"))),
        None => Ok(()),
    }
}

fn number<T: std::str::FromStr>(node: Option<&Node>, names: &Names, default: T) -> Result<T, Wrong> {
    let Some(node) = node else { return Ok(default) };
    let text = names.text(node)?;
    text.parse().map_err(|_| (node.line, format!("`{text}` is not a number that fits here")))
}

fn seconds(node: Option<&Node>, names: &Names, default: u64) -> Result<Duration, Wrong> {
    number(node, names, default).map(Duration::from_secs)
}

fn flag(node: Option<&Node>, names: &Names) -> Result<bool, Wrong> {
    node.map_or(Ok(false), |it| names.text(it).map(|it| it == "true"))
}

fn needed<'a>(node: &'a Node, key: &str) -> Result<&'a Node, Wrong> {
    node.get(key).ok_or_else(|| (node.line, format!("`{key}` is missing")))
}

fn function(name: &str, it: &Node, defaults: Option<&Node>, names: &Names) -> Result<Function, Wrong> {
    const KEYS: [&str; 15] = [
        "CodeUri",
        "Handler",
        "Runtime",
        "Architectures",
        "MemorySize",
        "Timeout",
        "Environment",
        "Events",
        "Policies",
        "LoggingConfig",
        "ReservedConcurrentExecutions",
        "EphemeralStorage",
        "Layers",
        "Tracing",
        "Description",
    ];
    known(it, "function", &KEYS)?;
    let setting = |key: &str| it.get(key).or_else(|| defaults?.get(key));
    let code = names.text(needed(it, "CodeUri")?)?;
    let binary = code.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned();
    let mut environment = std::collections::BTreeMap::new();
    for scope in [defaults, Some(it)].into_iter().flatten() {
        let variables =
            scope.get("Environment").and_then(|it| it.get("Variables")).map(Node::entries).unwrap_or_default();
        for (key, value) in variables {
            environment.insert(key.clone(), names.text(value)?);
        }
    }
    if let Some(level) = it.get("LoggingConfig").and_then(|it| it.get("ApplicationLogLevel")) {
        environment.insert("AWS_LAMBDA_LOG_LEVEL".to_owned(), names.text(level)?);
    }
    let reserved = number(setting("ReservedConcurrentExecutions"), names, MOST_PROCESSES)?;
    let mut function = Function {
        name: local_name(name),
        binary,
        timeout: seconds(setting("Timeout"), names, 3)?,
        memory_mb: number(setting("MemorySize"), names, 128)?,
        environment,
        concurrency: reserved.clamp(1, MOST_PROCESSES),
        routes: Vec::new(),
        queues: Vec::new(),
        stream: None,
        schedule: None,
    };
    for (event, node) in it.get("Events").map(Node::entries).unwrap_or_default() {
        trigger(&mut function, event, node, names)?;
    }
    Ok(function)
}

fn trigger(function: &mut Function, name: &str, node: &Node, names: &Names) -> Result<(), Wrong> {
    known(node, "trigger", &["Type", "Properties"])?;
    let kind = needed(node, "Type")?;
    let it = needed(node, "Properties")?;
    match kind.text().unwrap_or_default() {
        "HttpApi" => {
            known(it, "route", &["ApiId", "Method", "Path"])?;
            // without both it takes what no other route takes (SAM, HttpApi event source)
            let route = match it.get("Path") {
                None => Route { method: "ANY".to_owned(), path: DEFAULT_ROUTE.to_owned() },
                Some(path) => {
                    Route { method: names.text(needed(it, "Method")?)?.to_uppercase(), path: names.text(path)? }
                }
            };
            function.routes.push(route);
        }
        "SQS" => {
            let keys =
                ["Queue", "BatchSize", "MaximumBatchingWindowInSeconds", "FunctionResponseTypes", "ScalingConfig"];
            known(it, "queue trigger", &keys)?;
            let arn = names.text(needed(it, "Queue")?)?;
            function.queues.push(QueueSource {
                queue: arn.rsplit(':').next().unwrap_or_default().to_owned(),
                batch: number(it.get("BatchSize"), names, 10)?,
                window: seconds(it.get("MaximumBatchingWindowInSeconds"), names, 0)?,
                partial: partial(it, names)?,
            });
            if let Some(scaling) = it.get("ScalingConfig") {
                known(scaling, "scaling", &["MaximumConcurrency"])?;
                let most = number(scaling.get("MaximumConcurrency"), names, MOST_PROCESSES)?;
                // of several triggers the smallest bound holds for all: one machine is smaller than Lambda
                function.concurrency = function.concurrency.min(most);
            }
        }
        "DynamoDB" => function.stream = Some(stream(it, names)?),
        "Schedule" => {
            known(it, "schedule", &["Schedule"])?;
            let rule = needed(it, "Schedule")?;
            let text = names.text(rule)?;
            crate::schedule::Rule::parse(&text).ok_or_else(|| (rule.line, format!("`{text}` is no schedule")))?;
            function.schedule = Some(text);
        }
        other => return Err((kind.line, format!("the local stack does not know triggers of type {other} (`{name}`)"))),
    }
    Ok(())
}

fn partial(it: &Node, names: &Names) -> Result<bool, Wrong> {
    let Some(types) = it.get("FunctionResponseTypes") else { return Ok(false) };
    for each in types.items() {
        if names.text(each)? != "ReportBatchItemFailures" {
            return Err((each.line, "only ReportBatchItemFailures is known".to_owned()));
        }
    }
    Ok(!types.items().is_empty())
}

fn stream(it: &Node, names: &Names) -> Result<StreamSource, Wrong> {
    const KEYS: [&str; 11] = [
        "Stream",
        "StartingPosition",
        "BatchSize",
        "MaximumBatchingWindowInSeconds",
        "ParallelizationFactor",
        "BisectBatchOnFunctionError",
        "MaximumRetryAttempts",
        "MaximumRecordAgeInSeconds",
        "FunctionResponseTypes",
        "DestinationConfig",
        "FilterCriteria",
    ];
    known(it, "stream trigger", &KEYS)?;
    names.text(needed(it, "Stream")?)?;
    let mut filters = Vec::new();
    for filter in it.get("FilterCriteria").and_then(|it| it.get("Filters")).map(Node::items).unwrap_or_default() {
        let pattern = needed(filter, "Pattern")?;
        let text = names.text(pattern)?;
        let parsed: Json =
            serde_json::from_str(&text).map_err(|error| (pattern.line, format!("the pattern is not JSON: {error}")))?;
        crate::stream_filter::check(&parsed).map_err(|what| (pattern.line, what))?;
        filters.push(parsed);
    }
    let destination =
        it.get("DestinationConfig").and_then(|it| it.get("OnFailure")).and_then(|it| it.get("Destination"));
    let on_failure = destination.map(|it| names.text(it)).transpose()?;
    Ok(StreamSource {
        batch: number(it.get("BatchSize"), names, 100)?,
        window: seconds(it.get("MaximumBatchingWindowInSeconds"), names, 0)?,
        partial: partial(it, names)?,
        bisect: flag(it.get("BisectBatchOnFunctionError"), names)?,
        retries: number(it.get("MaximumRetryAttempts"), names, u32::MAX)?,
        max_age: seconds(it.get("MaximumRecordAgeInSeconds"), names, 86_400)?,
        filters,
        on_failure: on_failure.map(|it| it.rsplit(':').next().unwrap_or_default().to_owned()),
    })
}

fn queue(name: &str, it: &Node, names: &Names) -> Result<Queue, Wrong> {
    known(it, "queue", &["SqsManagedSseEnabled", "VisibilityTimeout", "MessageRetentionPeriod", "RedrivePolicy"])?;
    let redrive = match it.get("RedrivePolicy") {
        None => None,
        Some(policy) => {
            known(policy, "redrive policy", &["deadLetterTargetArn", "maxReceiveCount"])?;
            let target = names.text(needed(policy, "deadLetterTargetArn")?)?;
            let most = number(policy.get("maxReceiveCount"), names, 10)?;
            Some((target.rsplit(':').next().unwrap_or_default().to_owned(), most))
        }
    };
    Ok(Queue {
        name: local_name(name),
        visibility: seconds(it.get("VisibilityTimeout"), names, 30)?,
        retention: seconds(it.get("MessageRetentionPeriod"), names, 345_600)?,
        redrive,
    })
}

fn table(name: &str, it: &Node, names: &Names) -> Result<Table, Wrong> {
    const KEYS: [&str; 8] = [
        "BillingMode",
        "AttributeDefinitions",
        "KeySchema",
        "GlobalSecondaryIndexes",
        "StreamSpecification",
        "TimeToLiveSpecification",
        "PointInTimeRecoverySpecification",
        "SSESpecification",
    ];
    known(it, "table", &KEYS)?;
    let mut definition = json!({ "TableName": local_name(name) });
    for key in ["BillingMode", "AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "StreamSpecification"] {
        if let Some(node) = it.get(key) {
            definition[key] = as_json(node, names)?;
        }
    }
    if it.get("StreamSpecification").is_some() {
        definition["StreamSpecification"]["StreamEnabled"] = json!(true);
    }
    let ttl = it.get("TimeToLiveSpecification").and_then(|it| it.get("AttributeName"));
    Ok(Table { name: local_name(name), definition, ttl: ttl.map(|it| names.text(it)).transpose()? })
}

fn as_json(node: &Node, names: &Names) -> Result<Json, Wrong> {
    Ok(match &node.value {
        Value::Text(_) => Json::String(names.text(node)?),
        Value::List(all) => Json::Array(all.iter().map(|it| as_json(it, names)).collect::<Result<_, _>>()?),
        Value::Map(all) => Json::Object(
            all.iter().map(|(key, it)| Ok((key.clone(), as_json(it, names)?))).collect::<Result<_, Wrong>>()?,
        ),
    })
}
