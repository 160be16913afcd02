//! The description is true: other people's validators take it, and the viewer's "Try it out" is answered.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};
use system_tests::tools::{Talker, checker, chromium, linters, node, piped};
use system_tests::{World, project, text};

/// Runs a checker of a document; it ends with 0.
async fn check(program: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> String {
    let (done, said) = piped(&program.to_string_lossy(), arguments, environment, "").await;
    assert!(done, "{} {arguments:?}: {said}", program.display());
    said
}

#[test]
fn validators_take_the_descriptions() {
    World::run(async |world| {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
        let [openapi, asyncapi, contract] = ["openapi.json", "asyncapi.json", "processor.json"].map(file);
        for (path, to) in
            [("/docs/openapi.json", &openapi), ("/docs/asyncapi.json", &asyncapi), ("/docs/processor.json", &contract)]
        {
            std::fs::write(to, world.get(path).await.to_string()).unwrap();
        }
        let (modules, python) = (linters().await, checker().await);
        let program = |name: &str| modules.join("node_modules/.bin").join(name);
        let rules = |name: &str| project().join("tests/api/described").join(name).to_string_lossy().into_owned();
        let [spectral, redocly] = ["spectral.yaml", "redocly.yaml"].map(rules);
        let parser = project().join("tests/clients/parse_asyncapi.mjs").to_string_lossy().into_owned();
        let modules = modules.to_string_lossy().into_owned();
        check(&python.join("bin/openapi-spec-validator"), &[&openapi, &contract], &[]).await;
        check(&program("spectral"), &["lint", "--fail-severity", "warn", "--ruleset", &spectral, &openapi], &[]).await;
        let quiet = [("REDOCLY_TELEMETRY", "off"), ("REDOCLY_SUPPRESS_UPDATE_NOTICE", "true")];
        check(&program("redocly"), &["lint", "--config", &redocly, &openapi], &quiet).await;
        let said = check(Path::new("node"), &[&parser], &[("FILE", &asyncapi), ("MODULES", &modules)]).await;
        assert!(said.contains("messages ") && !said.contains("messages 0"), "{said}");
    });
}

#[test]
fn what_the_description_says_of_errors_is_answered() {
    World::run(async |world| {
        let api = world.get("/docs/openapi.json").await;
        let problem = &api["components"]["schemas"]["Problem"]["properties"];
        let cases = [
            (
                "POST",
                "/api/v1/Inbox/jane/Notifications",
                json!({ "title": "t", "priority": 256 }),
                "priority",
                "0 to 255",
            ),
            ("POST", "/api/v1/Inbox/jane/Notifications", json!({ "priority": 5 }), "title", "it is missing"),
            ("POST", "/api/v1/Inbox/jane/Notifications", json!({ "title": 5 }), "title", "a text is expected"),
            (
                "POST",
                "/api/v1/Media/Buckets/bkt_00000000000000000000000000000001/scan?dryRun=maybe",
                Value::Null,
                "dryRun",
                "`true` or `false`",
            ),
            ("GET", "/api/v1/Media/Items?limit=many", Value::Null, "limit", "a whole number"),
            ("GET", "/api/v1/Everyone/Notifications?limit=101", Value::Null, "limit", "1 to 100"),
        ];
        for (method, path, body, field, rule) in cases {
            let (status, answer) = world.ask(method, path, Some(body).filter(|it| !it.is_null())).await;
            assert_eq!((status, &answer["status"], &answer["field"]), (422, &json!(422), &json!(field)), "{answer}");
            let detail = answer["detail"].as_str().unwrap();
            assert!(detail.starts_with(field) && detail.contains(rule), "{detail}");
            for member in answer.as_object().unwrap().keys() {
                assert!(problem.get(member).is_some(), "{member} is described");
            }
        }
        for (path, methods) in api["paths"].as_object().unwrap() {
            for (method, operation) in methods.as_object().unwrap() {
                for (status, response) in operation["responses"].as_object().unwrap() {
                    let text = response["description"].as_str().unwrap_or_default();
                    assert!(!text.is_empty(), "{method} {path}: {status} says something");
                    let (content, kinds) = (response["content"].as_object(), error_types(path, status));
                    let typed = content.is_none_or(|it| kinds.iter().all(|kind| it.contains_key(*kind)));
                    let own = path.starts_with("/notifications/") && status == "404"; // the seed's own shape
                    assert!(own || !status.starts_with(['4', '5']) || typed, "{method} {path}: {status} is {kinds:?}");
                }
                // an example of a body that is not described would leave a content without a schema
                let bodies = operation["responses"].as_object().unwrap().values().chain([&operation["requestBody"]]);
                for content in bodies.filter_map(|it| it["content"].as_object()).flat_map(|it| it.values()) {
                    assert!(content["schema"].is_object(), "{method} {path}: a body has a schema: {content}");
                }
            }
        }
    });
}

/// In which media types an API answers an error: problems (RFC 9457), or where a protocol or a published API has them, shapes
/// of its own.
fn error_types(path: &str, status: &str) -> &'static [&'static str] {
    let starts = |all: &[&str]| all.iter().any(|it| path.starts_with(it));
    let of_oma = starts(&["/notificationchannel/", "/nms/"]);
    if of_oma && status != "406" {
        &["application/json", "application/xml"]
    } else if of_oma || starts(&["/{userId}/channels", "/proxy", "/replay", "/1/billing/"]) {
        &["application/json"]
    } else {
        &["application/problem+json"]
    }
}

#[test]
fn faults_are_described_in_their_protocols_terms() {
    World::run(async |world| {
        let api = world.get("/docs/openapi.json").await;
        let (mut operations, mut ids) = (0, BTreeSet::new());
        for (path, methods) in api["paths"].as_object().unwrap() {
            if !path.starts_with("/notificationchannel/") && !path.starts_with("/nms/") {
                continue;
            }
            for (method, operation) in methods.as_object().unwrap() {
                operations += 1;
                let responses = operation["responses"].as_object().unwrap();
                let statuses = responses.iter().filter(|it| it.0.starts_with(['4', '5']));
                for (status, response) in statuses {
                    let schema = response["content"]["application/json"]["schema"].to_string();
                    assert!(schema.contains("RequestErrorDocument"), "{method} {path}: {status} is no fault: {schema}");
                    let text = text(&response["description"]);
                    let words = text.split(|it: char| !it.is_ascii_alphanumeric());
                    ids.extend(words.filter(|it| it.starts_with("SVC") || it.starts_with("POL")).map(str::to_owned));
                }
                let token = path.contains("/{token}");
                assert_eq!(responses.contains_key("401"), !token, "{method} {path}");
                assert_eq!(operation["security"], if token { json!([]) } else { keyed() }, "{method} {path}");
            }
        }
        assert!(operations > 30, "{operations}");
        let all = [
            "POL0001", "POL1023", "POL1030", "SVC0001", "SVC0002", "SVC0003", "SVC0004", "SVC0005", "SVC1009",
            "SVC1012", "SVC2001", "SVC2003",
        ];
        assert_eq!(ids.iter().collect::<Vec<_>>(), all, "the faults that the handlers answer with");
    });
}

/// A key pair, or a token.
fn keyed() -> Value {
    json!([{ "key": [], "secret": [] }, { "token": [] }])
}

#[test]
fn try_it_out_is_answered() {
    World::run(async |world| {
        chromium().await;
        let modules = node().await.to_string_lossy().into_owned();
        let script = project().join("tests/clients/try_it.mjs").to_string_lossy().into_owned();
        let page = format!("{}/docs/index.html", world.stack.url);
        let environment = [
            ("PAGE", page.as_str()),
            ("MODULES", &modules),
            ("KEY", &world.keys.api_key),
            ("SECRET", &world.keys.api_secret),
            ("OPERATION", "getMediaBuckets"),
        ];
        let mut browser = Talker::start("node", &[&script], &environment);
        assert_eq!(browser.until("status ").await, "status 200");
    });
}
