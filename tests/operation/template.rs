//! The template: least privilege, a place for what fails, and an operator who is told. What is deployed is its expansion.

use std::collections::{BTreeMap, BTreeSet};

use local::yaml::{Node, read};
use serde_json::Value;
use system_tests::tools::expanded_template;
use system_tests::{World, project, text};

fn template() -> Node {
    read(&std::fs::read_to_string(project().join("template.yaml")).unwrap()).unwrap()
}

fn resources(template: &Node, kind: &str) -> Vec<(String, Node)> {
    let all = template.get("Resources").unwrap().entries();
    all.iter().filter(|it| it.1.get("Type").and_then(Node::text) == Some(kind)).cloned().collect()
}

/// The properties of all resources of a type in the expansion, by their names.
fn expanded<'a>(template: &'a Value, kind: &str) -> BTreeMap<&'a str, &'a Value> {
    let all = template["Resources"].as_object().unwrap().iter();
    all.filter(|it| it.1["Type"] == kind).map(|(name, it)| (name.as_str(), &it["Properties"])).collect()
}

/// All texts below a value.
fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(it) => vec![it.as_str()],
        Value::Array(all) => all.iter().flat_map(texts).collect(),
        Value::Object(all) => all.values().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

/// The name of the resource that a `Fn::GetAtt` is of.
fn resource_of(value: &Value) -> &str {
    value["Fn::GetAtt"][0].as_str().unwrap_or_else(|| panic!("an attribute of a resource is expected: {value}"))
}

/// The statements of a role, those included that a parameter switches on.
fn statements(role: &Value) -> Vec<&Value> {
    let policies = role["Policies"].as_array().unwrap().iter();
    let all = policies.flat_map(|it| it["PolicyDocument"]["Statement"].as_array().unwrap());
    all.map(|it| it.get("Fn::If").map_or(it, |choice| &choice[1])).collect()
}

/// A number, or the parameter whose bound it is.
fn bound(template: &Value, value: &Value, of_parameter: &str) -> u64 {
    match value["Ref"].as_str() {
        Some(parameter) => template["Parameters"][parameter][of_parameter].as_u64().unwrap(),
        None => value.as_u64().unwrap(),
    }
}

/// Roles are our own: those that the transform makes let a function touch every queue of the account
/// (`AWSLambdaSQSQueueExecutionRole`). Two actions have no resources: X-Ray's, and those by which Lambda puts a function
/// into a VPC, which the function's own code is denied.
#[test]
fn no_function_may_touch_more_than_it_names() {
    World::alone(async || {
        let template = expanded_template().await;
        let roles = expanded(template, "AWS::IAM::Role");
        let mut used = BTreeSet::new();
        for (name, function) in expanded(template, "AWS::Lambda::Function") {
            let role = resource_of(&function["Role"]);
            assert_eq!(role, format!("{name}Role"), "each function has a role of its own");
            used.insert(role);
            let role = roles[role];
            assert!(role.get("ManagedPolicyArns").is_none(), "{name} has policies that are not ours");
            for statement in statements(role) {
                let actions = texts(&statement["Action"]);
                if statement["Effect"] == "Deny" {
                    assert_eq!(actions, ["ec2:*"], "{name}");
                    continue;
                }
                let without_resources = actions.iter().all(|it| it.starts_with("xray:") || it.starts_with("ec2:"));
                assert!(!actions.iter().any(|it| it.contains('*')), "{name}: {actions:?} are too wide");
                for resource in texts(&statement["Resource"]) {
                    let wide = resource == "*" || resource.ends_with(":*");
                    assert!(!wide || without_resources && statement.get("Condition").is_none(), "{name}: {resource}");
                }
            }
            let denies = statements(role).iter().filter(|it| it["Effect"] == "Deny").count();
            assert_eq!(
                denies == 1,
                function.get("VpcConfig").is_some(),
                "{name}: its code has nothing to do with VPCs"
            );
            let logging = &function["LoggingConfig"];
            assert_eq!(logging["LogFormat"], "JSON", "{name}");
            assert_eq!(logging["LogGroup"]["Ref"], "Log", "{name}");
            let variables = function["Environment"]["Variables"].as_object();
            let numbers = variables.into_iter().flatten().filter(|it| it.1.is_number() || it.1.is_boolean());
            assert_eq!(numbers.count(), 0, "{name}: variables are texts");
            assert!(function.get("ReservedConcurrentExecutions").is_none(), "{name}: a new account can reserve none");
        }
        assert_eq!(used, roles.keys().copied().collect::<BTreeSet<_>>(), "no role is left over");
    });
}

/// Inboxes are read and written without a way to open connections.
#[test]
fn connections_are_managed_by_six_functions() {
    World::alone(async || {
        let roles = expanded(expanded_template().await, "AWS::IAM::Role");
        let manages = |role: &Value| texts(role).contains(&"execute-api:ManageConnections");
        let managing: Vec<&str> = roles.iter().filter(|it| manages(it.1)).map(|it| *it.0).collect();
        let six = ["ConnectionsApi", "DeliverPush", "InboxApi", "MessagesApi", "OmaApi", "Socket"];
        assert_eq!(managing, six.map(|it| format!("{it}Role")));
    });
}

/// Each queue has dead letters, and `sweep` looks at both; each event source may read its queue, whose messages stay
/// hidden for longer than its function runs (AWS Lambda, "Configuring a queue to use with Lambda").
#[test]
fn what_fails_has_a_place_and_is_seen() {
    World::alone(async || {
        let template = expanded_template().await;
        let (queues, functions) = (expanded(template, "AWS::SQS::Queue"), expanded(template, "AWS::Lambda::Function"));
        for (name, queue) in &queues {
            let redrive = &queue["RedrivePolicy"];
            assert_eq!(name.ends_with("Dead"), redrive.is_null(), "{name}");
            assert!(redrive.is_null() || redrive["maxReceiveCount"] == 5, "the functions' MAX_RECEIVES is 5");
        }
        let sweep = &functions["Sweep"]["Environment"]["Variables"];
        let listed = |variable: &str| -> BTreeSet<&str> {
            sweep[variable]["Fn::Join"][1].as_array().unwrap().iter().map(resource_of).collect()
        };
        let (dead, work): (BTreeSet<&str>, BTreeSet<&str>) =
            queues.keys().copied().partition(|it| it.ends_with("Dead"));
        assert_eq!((listed("DEAD_LETTER_QUEUES"), listed("WORK_QUEUES")), (dead, work));

        let roles = expanded(template, "AWS::IAM::Role");
        for (name, mapping) in expanded(template, "AWS::Lambda::EventSourceMapping") {
            let function = mapping["FunctionName"]["Ref"].as_str().unwrap();
            let source = &mapping["EventSourceArn"];
            if source.get("Fn::If").is_some() {
                assert!(mapping["DestinationConfig"]["OnFailure"].is_object(), "the stream has dead letters");
                continue;
            }
            let reads = |it: &&Value| texts(&it["Action"]).contains(&"sqs:ReceiveMessage");
            let readable: Vec<&str> = statements(roles[format!("{function}Role").as_str()])
                .into_iter()
                .filter(reads)
                .flat_map(|it| texts(&it["Resource"]))
                .collect();
            assert!(readable.contains(&resource_of(source)), "{name}: {function} may read its queue");
            let hidden = bound(template, &queues[resource_of(source)]["VisibilityTimeout"], "MinValue");
            let runs = bound(template, &functions[function]["Timeout"], "MaxValue");
            assert!(hidden >= runs, "{name}: hidden for {hidden} s while the function runs for up to {runs} s");
        }
    });
}

/// Each alarm tells the topic. Its price is that of the metrics that it reads, so that one alarm watches all functions, and
/// one all queues.
#[test]
fn the_operator_is_told_by_few_alarms() {
    World::alone(async || {
        let template = expanded_template().await;
        let alarms = expanded(template, "AWS::CloudWatch::Alarm");
        let names: Vec<&str> = alarms.keys().copied().collect();
        let want = [
            "ApiErrors",
            "DeadLetters",
            "Failures",
            "SocketErrors",
            "StreamAge",
            "StuckQueues",
            "SweepStopped",
            "Throttles",
        ];
        assert_eq!(names, want);
        for (name, alarm) in &alarms {
            let acts = [&alarm["AlarmActions"], &alarm["InsufficientDataActions"]];
            assert!(acts.iter().any(|it| it["Fn::If"][0] == "HasAlarms"), "{name} tells nobody");
            assert!(alarm.get("Metrics").is_none(), "{name} reads one metric");
        }
        let counted: BTreeSet<&str> = expanded(template, "AWS::Logs::MetricFilter")
            .values()
            .map(|it| it["MetricTransformations"][0]["MetricName"].as_str().unwrap())
            .collect();
        let of_log = alarms.values().filter(|it| it["Namespace"]["Ref"] == "AWS::StackName");
        let watched: BTreeSet<&str> = of_log.map(|it| it["MetricName"].as_str().unwrap()).collect();
        assert_eq!(counted, watched);
    });
}

/// Two stacks, two regions and long names meet nowhere: the only names that are given are the log groups', with the stack's
/// whole name, those of the APIs, which need not differ, and one from the stack's id. What holds data stays when the stack
/// goes, but not when its first deployment fails.
#[test]
fn stacks_do_not_meet_and_data_stays() {
    World::alone(async || {
        let template = expanded_template().await;
        let given = ["Name", "BucketName", "FunctionName", "QueueName", "RoleName", "TableName", "TopicName"];
        for (name, resource) in template["Resources"].as_object().unwrap() {
            let (kind, properties) = (text(&resource["Type"]), &resource["Properties"]);
            for key in given.iter().filter(|it| properties.get(**it).is_some()) {
                let names_another = ["AWS::Lambda::Permission", "AWS::Lambda::EventSourceMapping"].contains(&&*kind);
                let value = properties[*key].to_string();
                let of_stack = value.contains("AWS::StackId") || value == r#"{"Ref":"AWS::StackName"}"#;
                assert!(names_another || of_stack, "{name}: {key} is {value}");
            }
        }
        let stays: BTreeSet<&str> = template["Resources"]
            .as_object()
            .unwrap()
            .iter()
            .filter(|it| it.1["DeletionPolicy"] == "RetainExceptOnCreate" && it.1["UpdateReplacePolicy"] == "Retain")
            .map(|it| it.0.as_str())
            .collect();
        assert_eq!(stays, BTreeSet::from(["MasterKey", "Results", "Table"]));
    });
}

/// A delivery that comes alone waits for no others. A batch of more than ten would have to: it needs a window of at least a
/// second (AWS Lambda, using Lambda with Amazon SQS).
#[test]
fn deliveries_wait_for_no_batching_window() {
    let template = template();
    let mut immediate = Vec::new();
    for (name, function) in resources(&template, "AWS::Serverless::Function") {
        let Some(events) = function.get("Properties").unwrap().get("Events") else { continue };
        for (_, event) in events.entries() {
            if event.get("Type").and_then(Node::text) != Some("SQS") {
                continue;
            }
            let properties = event.get("Properties").unwrap();
            let number = |key: &str| properties.get(key).and_then(Node::text).map(|it| it.parse::<u32>().unwrap());
            let (size, window) = (number("BatchSize").unwrap_or(10), number("MaximumBatchingWindowInSeconds"));
            assert!(size <= 10 || window > Some(0), "{name}: a batch of {size} needs a window");
            if window == Some(0) {
                immediate.push(name.clone());
            }
        }
    }
    immediate.sort_unstable();
    assert_eq!(
        immediate,
        ["DeliverAmqp", "DeliverNms", "DeliverPush", "DeliverSignalr", "DeliverWebhook", "DeliverWebhookSlow"]
    );
}

#[test]
fn every_event_that_a_function_takes_has_a_fixture() {
    let template = template();
    for (name, function) in resources(&template, "AWS::Serverless::Function") {
        let code = function
            .get("Properties")
            .unwrap()
            .get("CodeUri")
            .and_then(Node::text)
            .unwrap()
            .trim_end_matches('/')
            .to_owned();
        let binary = code.rsplit('/').next().unwrap();
        let there = std::fs::read_dir(project().join("events")).unwrap().flatten();
        let count = there.filter(|it| it.file_name().to_string_lossy().starts_with(&format!("{binary}."))).count();
        assert!(count > 0, "{name}: events/{binary}.<case>.json is missing");
    }
}
