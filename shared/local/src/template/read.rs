//! Reads the model from the template's YAML.

use serde_json::Value as Json;

use super::model::{DEFAULT_ROUTE, Function, Model, Route, SqsEventSource, StreamEventSource, WebSocketApi};
use super::resolve::{Resolver, physical_name};
use super::storage::{read_cors_rules, read_queue, read_table};
use super::values::{boolean, number, reject_unknown_keys, required, seconds};
use crate::yaml::{LineError, Node, Value};

/// Processes of one function, unless the template allows fewer: this machine is smaller than Lambda. They are started
/// on demand. A caller of an API waits for its response, while messages can wait in their queue.
const MAX_CONCURRENCY: usize = 16;
const MAX_SQS_CONCURRENCY: usize = 4;

/// Resource types that need no emulator.
const IGNORED_TYPES: [&str; 9] = [
    "AWS::CloudWatch::Alarm",
    "AWS::CloudWatch::Dashboard",
    "AWS::Logs::LogGroup",
    "AWS::Logs::MetricFilter",
    "AWS::SNS::Topic",
    // what a function may do is not checked on this machine
    "AWS::IAM::Role",
    "AWS::SQS::QueuePolicy",
    "AWS::KMS::Key",
    // adds the path of a socket to its query; the WebSocket gateway does that itself
    "AWS::CloudFront::Function",
];

pub(super) fn model(root: &Node, resolver: &Resolver) -> Result<Model, LineError> {
    let sections = [
        "AWSTemplateFormatVersion",
        "Transform",
        "Description",
        "Metadata",
        "Parameters",
        "Rules",
        "Conditions",
        "Globals",
        "Resources",
        "Outputs",
    ];
    reject_unknown_keys(root, "template", &sections)?;
    let globals = root.get("Globals");
    if let Some(globals) = globals {
        reject_unknown_keys(globals, "Globals section", &["Function"])?;
    }
    let defaults = globals.and_then(|it| it.get("Function"));
    let mut model = Model::default();
    let mut paths = Vec::new();
    for (name, node) in root.get("Resources").map(Node::entries).unwrap_or_default() {
        reject_unknown_keys(
            node,
            "resource",
            &["Type", "Properties", "Condition", "DeletionPolicy", "UpdateReplacePolicy", "Metadata"],
        )?;
        let kind = node.get("Type").and_then(Node::text).ok_or((node.line, format!("`{name}` has no Type")))?;
        let empty = Node { line: node.line, tag: None, value: Value::Mapping(Vec::new()) };
        let properties = node.get("Properties").unwrap_or(&empty);
        // its paths are used whatever its condition says: this machine has one host
        if kind == "AWS::CloudFront::Distribution" {
            paths = socket_paths(properties, resolver)?;
            continue;
        }
        if !resolver.is_made(node)? {
            continue;
        }
        match kind {
            "AWS::Serverless::Function" => model.functions.push(read_function(name, properties, defaults, resolver)?),
            "AWS::SQS::Queue" => model.queues.push(read_queue(name, properties, resolver)?),
            "AWS::DynamoDB::Table" => model.table = Some(read_table(name, properties, resolver)?),
            "AWS::S3::Bucket" => {
                let name = physical_name(name).to_lowercase();
                model.cors.insert(name.clone(), read_cors_rules(properties, resolver)?);
                model.buckets.push(name);
            }
            "AWS::Serverless::HttpApi" => {
                reject_unknown_keys(
                    properties,
                    "HTTP API",
                    &["StageName", "DefaultRouteSettings", "AccessLogSettings"],
                )?;
            }
            "AWS::Serverless::WebSocketApi" => model.websocket_api = Some(websocket_api(properties, resolver)?),
            ignored if IGNORED_TYPES.contains(&ignored) => {}
            other => return Err((node.line, format!("the local stack does not know resources of type {other}"))),
        }
    }
    if let Some(sockets) = &mut model.websocket_api {
        sockets.paths = paths;
    }
    Ok(model)
}

fn websocket_api(properties: &Node, resolver: &Resolver) -> Result<WebSocketApi, LineError> {
    let keys = ["Name", "RouteSelectionExpression", "StageName", "Routes", "DefaultRouteSettings", "AccessLogSettings"];
    reject_unknown_keys(properties, "WebSocket API", &keys)?;
    let mut api = WebSocketApi { stage: resolver.text(required(properties, "StageName")?)?, ..WebSocketApi::default() };
    for (key, route) in required(properties, "Routes")?.entries() {
        if !["$connect", "$disconnect", "$default"].contains(&key.as_str()) {
            return Err((route.line, format!("the local stack does not know the route `{key}`")));
        }
        reject_unknown_keys(route, "route", &["FunctionArn"])?;
        let arn = resolver.text(required(route, "FunctionArn")?)?;
        api.routes.insert(key.clone(), arn.rsplit(':').next().unwrap_or_default().to_owned());
    }
    Ok(api)
}

/// The path patterns of a distribution that lead to the origin called `sockets`.
fn socket_paths(properties: &Node, resolver: &Resolver) -> Result<Vec<String>, LineError> {
    let config = required(properties, "DistributionConfig")?;
    let mut paths = Vec::new();
    for behaviour in config.get("CacheBehaviors").map(Node::items).unwrap_or_default() {
        if resolver.text(required(behaviour, "TargetOriginId")?)? == "sockets" {
            paths.push(resolver.text(required(behaviour, "PathPattern")?)?);
        }
    }
    Ok(paths)
}

fn read_function(
    name: &str,
    properties: &Node,
    defaults: Option<&Node>,
    resolver: &Resolver,
) -> Result<Function, LineError> {
    const KEYS: [&str; 17] = [
        "CodeUri",
        "Role",
        "VpcConfig",
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
    reject_unknown_keys(properties, "function", &KEYS)?;
    if let Some(role) = properties.get("Role") {
        resolver.text(role)?;
    }
    let setting = |key: &str| properties.get(key).or_else(|| defaults?.get(key));
    let code = resolver.text(required(properties, "CodeUri")?)?;
    let binary = code.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned();
    let mut environment = std::collections::BTreeMap::new();
    for scope in [defaults, Some(properties)].into_iter().flatten() {
        let variables =
            scope.get("Environment").and_then(|it| it.get("Variables")).map(Node::entries).unwrap_or_default();
        for (key, value) in variables {
            environment.insert(key.clone(), resolver.text(value)?);
        }
    }
    if let Some(level) = setting("LoggingConfig").and_then(|it| it.get("ApplicationLogLevel")) {
        environment.insert("AWS_LAMBDA_LOG_LEVEL".to_owned(), resolver.text(level)?);
    }
    let reserved = number(setting("ReservedConcurrentExecutions"), resolver, MAX_CONCURRENCY)?;
    let mut function = Function {
        name: physical_name(name),
        binary,
        timeout: seconds(setting("Timeout"), resolver, 3)?,
        memory_mb: number(setting("MemorySize"), resolver, 128)?,
        environment,
        concurrency: reserved.clamp(1, MAX_CONCURRENCY),
        routes: Vec::new(),
        sqs_sources: Vec::new(),
        stream_source: None,
        schedule: None,
    };
    for (event, node) in properties.get("Events").map(Node::entries).unwrap_or_default() {
        read_event_source(&mut function, event, node, resolver)?;
    }
    Ok(function)
}

fn read_event_source(function: &mut Function, name: &str, node: &Node, resolver: &Resolver) -> Result<(), LineError> {
    reject_unknown_keys(node, "trigger", &["Type", "Properties"])?;
    let kind = required(node, "Type")?;
    let properties = required(node, "Properties")?;
    match kind.text().unwrap_or_default() {
        "HttpApi" => {
            reject_unknown_keys(properties, "route", &["ApiId", "Method", "Path"])?;
            // without both it is the default route (SAM, HttpApi event source)
            let route = match properties.get("Path") {
                None => Route { method: "ANY".to_owned(), path: DEFAULT_ROUTE.to_owned() },
                Some(path) => Route {
                    method: resolver.text(required(properties, "Method")?)?.to_uppercase(),
                    path: resolver.text(path)?,
                },
            };
            function.routes.push(route);
        }
        "SQS" => {
            const KEYS: [&str; 6] = [
                "Queue",
                "Enabled",
                "BatchSize",
                "MaximumBatchingWindowInSeconds",
                "FunctionResponseTypes",
                "ScalingConfig",
            ];
            reject_unknown_keys(properties, "queue trigger", &KEYS)?;
            let enabled = properties.get("Enabled").map(|it| resolver.text(it)).transpose()?;
            if enabled.is_some_and(|it| it == "false") {
                return Ok(());
            }
            let arn = resolver.text(required(properties, "Queue")?)?;
            function.sqs_sources.push(SqsEventSource {
                queue: arn.rsplit(':').next().unwrap_or_default().to_owned(),
                batch_size: number(properties.get("BatchSize"), resolver, 10)?,
                batching_window: seconds(properties.get("MaximumBatchingWindowInSeconds"), resolver, 0)?,
                reports_item_failures: reports_item_failures(properties, resolver)?,
            });
            let mut max_concurrency = MAX_SQS_CONCURRENCY;
            if let Some(scaling) = properties.get("ScalingConfig") {
                reject_unknown_keys(scaling, "scaling", &["MaximumConcurrency"])?;
                max_concurrency = max_concurrency.min(number(scaling.get("MaximumConcurrency"), resolver, usize::MAX)?);
            }
            // the smallest bound of several event sources holds for all of them
            function.concurrency = function.concurrency.min(max_concurrency);
        }
        "DynamoDB" => function.stream_source = Some(read_stream_source(properties, resolver)?),
        "Schedule" => {
            reject_unknown_keys(properties, "schedule", &["Schedule"])?;
            let rule = required(properties, "Schedule")?;
            let text = resolver.text(rule)?;
            crate::schedule::Rule::parse(&text).ok_or_else(|| (rule.line, format!("`{text}` is no schedule")))?;
            function.schedule = Some(text);
            // a run that comes while another one works would find nothing to do, which a test could not tell from a failure
            function.concurrency = 1;
        }
        other => return Err((kind.line, format!("the local stack does not know triggers of type {other} (`{name}`)"))),
    }
    Ok(())
}

fn reports_item_failures(properties: &Node, resolver: &Resolver) -> Result<bool, LineError> {
    let Some(types) = properties.get("FunctionResponseTypes") else { return Ok(false) };
    for each in types.items() {
        if resolver.text(each)? != "ReportBatchItemFailures" {
            return Err((each.line, "only ReportBatchItemFailures is known".to_owned()));
        }
    }
    Ok(!types.items().is_empty())
}

fn read_stream_source(properties: &Node, resolver: &Resolver) -> Result<StreamEventSource, LineError> {
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
    reject_unknown_keys(properties, "stream trigger", &KEYS)?;
    let stream = required(properties, "Stream")?;
    let table = resolver.text(stream)?;
    let table = table.split_once(":table/").and_then(|it| it.1.split_once("/stream/")).map(|it| it.0.to_owned());
    let table = table.ok_or_else(|| (stream.line, "the ARN of a table's stream is expected here".to_owned()))?;
    let mut filters = Vec::new();
    for filter in properties.get("FilterCriteria").and_then(|it| it.get("Filters")).map(Node::items).unwrap_or_default()
    {
        let pattern = required(filter, "Pattern")?;
        let text = resolver.text(pattern)?;
        let parsed: Json =
            serde_json::from_str(&text).map_err(|error| (pattern.line, format!("the pattern is not JSON: {error}")))?;
        crate::stream_filter::validate_pattern(&parsed).map_err(|what| (pattern.line, what))?;
        filters.push(parsed);
    }
    let destination =
        properties.get("DestinationConfig").and_then(|it| it.get("OnFailure")).and_then(|it| it.get("Destination"));
    let on_failure = destination.map(|it| resolver.text(it)).transpose()?;
    Ok(StreamEventSource {
        table,
        batch_size: number(properties.get("BatchSize"), resolver, 100)?,
        batching_window: seconds(properties.get("MaximumBatchingWindowInSeconds"), resolver, 0)?,
        reports_item_failures: reports_item_failures(properties, resolver)?,
        bisect_on_error: boolean(properties.get("BisectBatchOnFunctionError"), resolver)?,
        max_retries: number(properties.get("MaximumRetryAttempts"), resolver, u32::MAX)?,
        max_record_age: seconds(properties.get("MaximumRecordAgeInSeconds"), resolver, 86_400)?,
        filters,
        on_failure: on_failure.map(|it| it.rsplit(':').next().unwrap_or_default().to_owned()),
    })
}
