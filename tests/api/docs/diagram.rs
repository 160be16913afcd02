//! The README's picture of the data flow: each arrow is in the template, and no function and no queue is missing.

use std::collections::{BTreeMap, BTreeSet};

use system_tests::project;

/// The text of each resource of the template, by its logical id.
fn resources(template: &str) -> BTreeMap<String, String> {
    let body = template.split_once("\nResources:\n").expect("resources").1.split("\nOutputs:\n").next().unwrap();
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    let mut current = String::new();
    for line in body.lines() {
        let name = line.strip_prefix("  ").and_then(|it| it.strip_suffix(':'));
        match name.filter(|it| it.chars().all(char::is_alphanumeric)) {
            Some(name) => current = name.to_owned(),
            None => found.entry(current.clone()).or_default().push_str(&format!("{line}\n")),
        }
    }
    found
}

/// The id that a node of the picture has: what stands before its shape.
fn id(node: &str) -> &str {
    let node = node.trim();
    let node = if node.starts_with('|') { node.rsplit('|').next().unwrap().trim() } else { node };
    node.split(['[', '(']).next().unwrap().trim()
}

/// The picture's arrows.
fn arrows(readme: &str) -> Vec<(String, String)> {
    let picture = readme.split("```mermaid\n").nth(1).expect("a picture").split("```").next().unwrap();
    assert!(picture.starts_with("flowchart "));
    let mut arrows = Vec::new();
    for line in picture.lines().skip(1) {
        let nodes: Vec<&str> = line.split("-->").map(id).collect();
        assert!(nodes.len() > 1, "a line of the picture has an arrow: {line}");
        arrows.extend(nodes.windows(2).map(|it| (it[0].to_owned(), it[1].to_owned())));
    }
    arrows
}

#[test]
fn each_arrow_of_the_picture_is_in_the_template_and_nothing_is_missing() {
    let readme = std::fs::read_to_string(project().join("README.md")).unwrap();
    let resources = resources(&std::fs::read_to_string(project().join("template.yaml")).unwrap());
    let is = |name: &str, kind: &str| resources[name].contains(&format!("Type: AWS::{kind}\n"));
    let arrows = arrows(&readme);
    for (from, to) in &arrows {
        // what is outside the stack has a small letter
        let outside = |it: &str| it.starts_with(char::is_lowercase);
        for node in [from, to] {
            assert!(outside(node) || resources.contains_key(node), "{node} is not in the template");
        }
        if outside(from) || outside(to) {
            continue;
        }
        // what a function may do stands in its role
        let role = |name: &str| resources.get(&format!("{name}Role")).map_or("", String::as_str);
        let (sender, receiver) = (format!("{}{}", resources[from], role(from)), &resources[to]);
        let there = if is(to, "SQS::Queue") {
            sender
                .lines()
                .skip_while(|it| !it.contains("Action: sqs:SendMessage"))
                .nth(1)
                .unwrap_or_default()
                .contains(&format!("!GetAtt {to}.Arn"))
        } else if is(from, "SQS::Queue") {
            receiver.contains(&format!("Queue: !GetAtt {from}.Arn"))
        } else if is(from, "DynamoDB::Table") {
            receiver.contains(&format!("Stream: !If [OwnsTable, !GetAtt {from}.StreamArn,"))
        } else if is(from, "Serverless::HttpApi") {
            receiver.contains(&format!("ApiId: !Ref {from}"))
        } else if is(from, "Serverless::WebSocketApi") {
            sender.contains(&format!("!GetAtt {to}.Arn"))
        } else if is(to, "DynamoDB::Table") {
            sender.contains("dynamodb:PutItem")
        } else if is(to, "S3::Bucket") {
            sender.contains("s3:PutObject")
        } else if is(to, "Serverless::WebSocketApi") {
            sender.contains("execute-api:ManageConnections")
        } else {
            panic!("{from} --> {to}: such an arrow is not known")
        };
        assert!(there, "{from} --> {to} is not in the template");
    }
    let shown: BTreeSet<&str> = arrows.iter().flat_map(|it| [it.0.as_str(), it.1.as_str()]).collect();
    let wanted = resources.keys().filter(|name| {
        is(name, "Serverless::Function") && *name != "DocsApi" || is(name, "SQS::Queue") && !name.ends_with("Dead")
    });
    let missing: Vec<&String> = wanted.filter(|it| !shown.contains(it.as_str())).collect();
    assert!(missing.is_empty(), "{missing:?} are not in the picture");
}
