//! The template: least privilege, and a place for what fails.

use local::yaml::{Node, read};
use system_tests::project;

fn template() -> Node {
    read(&std::fs::read_to_string(project().join("template.yaml")).unwrap()).unwrap()
}

fn resources(template: &Node, kind: &str) -> Vec<(String, Node)> {
    let all = template.get("Resources").unwrap().entries();
    all.iter().filter(|it| it.1.get("Type").and_then(Node::text) == Some(kind)).cloned().collect()
}

/// All texts below a node, with their lines.
fn texts(node: &Node) -> Vec<(usize, String)> {
    let own = node.text().map(|it| (node.line, it.to_owned()));
    let inner = node.entries().iter().map(|it| &it.1).chain(node.items()).flat_map(texts);
    own.into_iter().chain(inner).collect()
}

#[test]
fn no_function_may_touch_everything() {
    let template = template();
    for (name, function) in resources(&template, "AWS::Serverless::Function") {
        let properties = function.get("Properties").unwrap();
        let Some(policies) = properties.get("Policies") else { continue };
        for statement in policies.items().iter().flat_map(|it| it.get("Statement").unwrap().items()) {
            for (line, text) in texts(statement.get("Resource").unwrap()) {
                assert!(text != "*" && !text.ends_with(":*"), "{name}, line {line}: `{text}` is too wide");
            }
            for (line, action) in texts(statement.get("Action").unwrap()) {
                assert!(!action.contains('*'), "{name}, line {line}: the action `{action}` is too wide");
            }
        }
        assert!(
            properties.get("LoggingConfig").and_then(|it| it.get("LogFormat")).and_then(Node::text) == Some("JSON"),
            "{name} logs JSON"
        );
        assert!(
            template.get("Resources").unwrap().get(&format!("{name}Log")).is_some(),
            "{name} keeps its log for a time"
        );
        assert!(template.get("Resources").unwrap().get(&format!("{name}Errors")).is_some(), "{name} has an alarm");
    }
}

/// Inboxes are read and written without a way to open connections.
#[test]
fn connections_are_managed_by_six_functions() {
    let template = template();
    let functions = resources(&template, "AWS::Serverless::Function");
    let manages = |function: &Node| texts(function).iter().any(|(_, text)| text == "execute-api:ManageConnections");
    let mut managing: Vec<&str> =
        functions.iter().filter(|(_, function)| manages(function)).map(|(name, _)| name.as_str()).collect();
    managing.sort_unstable();
    assert_eq!(managing, ["ConnectionsApi", "DeliverPush", "InboxApi", "MessagesApi", "OmaApi", "Socket"]);
}

#[test]
fn what_fails_has_a_place() {
    let template = template();
    for (name, queue) in resources(&template, "AWS::SQS::Queue") {
        let redrive = queue.get("Properties").unwrap().get("RedrivePolicy");
        assert!(name.ends_with("Dead") || redrive.is_some(), "{name} has no dead letters");
        if let Some(redrive) = redrive {
            assert_eq!(
                redrive.get("maxReceiveCount").and_then(Node::text),
                Some("5"),
                "the functions' MAX_RECEIVES is 5"
            );
        }
        let alarm = if name.ends_with("Dead") { format!("{name}Alarm") } else { format!("{name}Age") };
        assert!(template.get("Resources").unwrap().get(&alarm).is_some(), "{name} has an alarm");
    }
    let functions = resources(&template, "AWS::Serverless::Function");
    let stream = functions
        .iter()
        .find_map(|it| it.1.get("Properties")?.get("Events")?.get("Stream")?.get("Properties").cloned())
        .unwrap();
    assert!(stream.get("DestinationConfig").is_some(), "the stream has dead letters");
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
