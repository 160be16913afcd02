//! `notify --stack`: what the program does at a deployment on AWS, whose CloudFormation is a stand-in here.

use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use local::stack::Stack;
use serde_json::{Value, json};
use system_tests::client::http;
use system_tests::{World, own_stack, program, serve, text};
use tokio::process::Command;

/// A resource of a stack: logical name, type, and what AWS knows it by.
type Resource = (String, &'static str, String);

fn resources(stack: &Stack) -> Vec<Resource> {
    let queue = |name: &str| {
        let url = format!("{}/000000000000/notifications-{name}", stack.sqs_url);
        (name.to_owned(), "AWS::SQS::Queue", url)
    };
    let names = ["ScanQueue", "ScanDead", "WebhookQueue", "WebhookDead", "StreamDead"];
    let mut all: Vec<Resource> = names.map(queue).into();
    all.push(("Table".to_owned(), "AWS::DynamoDB::Table", "notifications-Table".to_owned()));
    all
}

/// An answer to `ListStackResources`, one resource a page.
fn page(all: &[Resource], number: usize) -> String {
    let member = all.get(number).map_or_else(String::new, |(logical, kind, physical)| {
        format!(
            "<member><ResourceStatus>UPDATE_COMPLETE</ResourceStatus><LogicalResourceId>{logical}</LogicalResourceId>\
             <PhysicalResourceId>{physical}</PhysicalResourceId><ResourceType>{kind}</ResourceType></member>"
        )
    });
    let next = if number + 1 < all.len() { format!("<NextToken>{}</NextToken>", number + 1) } else { String::new() };
    format!(
        "<ListStackResourcesResponse xmlns=\"http://cloudformation.amazonaws.com/doc/2010-05-15/\"><ListStackResourcesResult>\
         <StackResourceSummaries>{member}</StackResourceSummaries>{next}</ListStackResourcesResult>\
         <ResponseMetadata/></ListStackResourcesResponse>"
    )
}

/// A stand-in for CloudFormation, and who has signed its requests.
async fn cloudformation(all: Vec<Resource>, api: &str) -> (String, Arc<Mutex<Vec<String>>>) {
    let signers = Arc::new(Mutex::new(Vec::new()));
    let seen = signers.clone();
    let outputs = format!(
        "<DescribeStacksResponse><DescribeStacksResult><Stacks><member><StackName>operations</StackName><Outputs><member>\
         <OutputKey>Url</OutputKey><OutputValue>{api}</OutputValue></member></Outputs></member></Stacks>\
         </DescribeStacksResult></DescribeStacksResponse>"
    );
    let answer = move |headers: HeaderMap, body: String| {
        let (all, seen, outputs) = (all.clone(), seen.clone(), outputs.clone());
        async move {
            let signed = headers.get("authorization").and_then(|it| it.to_str().ok()).unwrap_or_default();
            seen.lock().unwrap().push(signed.to_owned());
            let field = |name: &str| {
                form_urlencoded::parse(body.as_bytes()).find(|it| it.0 == name).map(|it| it.1.into_owned())
            };
            let refused = |status: StatusCode, code: &str, message: &str| {
                (
                    status,
                    format!(
                        "<ErrorResponse><Error><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
                    ),
                )
            };
            let number = field("NextToken").and_then(|it| it.parse().ok()).unwrap_or(0);
            match (field("Action").as_deref(), field("StackName").as_deref()) {
                (Some("ListStackResources"), Some("operations")) => (StatusCode::OK, page(&all, number)),
                (Some("ListStackResources"), Some("another-product")) => (StatusCode::OK, page(&[], 0)),
                (Some("DescribeStacks"), Some("operations")) => (StatusCode::OK, outputs),
                (Some("DescribeStacks"), Some("another-product")) => {
                    (StatusCode::OK, "<DescribeStacksResponse/>".to_owned())
                }
                (_, Some("not-mine")) => {
                    refused(StatusCode::FORBIDDEN, "AccessDenied", "not authorized to perform this")
                }
                _ => refused(StatusCode::BAD_REQUEST, "ValidationError", "Stack with id x does not exist"),
            }
        }
    };
    (serve(Router::new().route("/", post(answer))).await, signers)
}

/// Runs the program with the profile `operator`, whose credentials a program gives.
async fn run(stack: &Stack, cloudformation: &str, folder: &Path, arguments: &[&str]) -> (bool, String) {
    let credentials = json!({ "Version": 1, "AccessKeyId": "AKIAOPERATOR", "SecretAccessKey": "test" });
    std::fs::write(folder.join("credentials.json"), credentials.to_string()).unwrap();
    let profile = format!(
        "[profile operator]\nregion = us-east-1\ncredential_process = cat {}\n",
        folder.join("credentials.json").display()
    );
    std::fs::write(folder.join("aws-config"), profile).unwrap();
    let mut command = Command::new(program());
    command.args(arguments).env("AWS_CONFIG_FILE", folder.join("aws-config")).env("AWS_PROFILE", "operator");
    command.env("AWS_SHARED_CREDENTIALS_FILE", folder.join("none")).env("AWS_ENDPOINT_URL", cloudformation);
    command.env("AWS_ENDPOINT_URL_SQS", &stack.sqs_url).env("AWS_ENDPOINT_URL_DYNAMODB", &stack.dynamodb_url);
    for set in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_DEFAULT_REGION"] {
        command.env_remove(set);
    }
    let output = command.output().await.unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

#[test]
fn a_deployment_is_found_by_its_stack_and_nothing_else_is_taken_for_it() {
    World::alone(async || {
        let folder = tempfile::tempdir().unwrap();
        let stack = own_stack(folder.path(), &[]).await;
        let world = &World::open(&stack).await;
        let (url, signers) = cloudformation(resources(&stack), &stack.url).await;
        let said = async |arguments: &[&str]| run(&stack, &url, folder.path(), arguments).await;

        let (good, queues) = said(&["queues", "--stack", "operations", "--json"]).await;
        let names: Vec<Value> =
            queues.lines().map(|it| serde_json::from_str::<Value>(it).unwrap()["queue"].take()).collect();
        assert!(good && names == ["ScanDead", "ScanQueue", "StreamDead", "WebhookDead", "WebhookQueue"], "{queues}");
        let signed = signers.lock().unwrap().clone();
        assert_eq!(signed.len(), 6, "a page each");
        assert!(
            signed
                .iter()
                .all(|it| it.contains("AKIAOPERATOR") && it.contains("/us-east-1/cloudformation/aws4_request"))
        );

        // what cannot be seen is not said to be empty
        for (name, reason) in [
            ("nowhere", "does not exist"),
            ("not-mine", "AccessDenied"),
            ("another-product", "is it the stack of a Notifications API?"),
        ] {
            for command in [&["dead-letters"][..], &["redrive", "webhook"], &["queues"]] {
                let (good, refused) = said(&[command, &["--stack", name]].concat()).await;
                assert!(!good && refused.contains(reason) && !refused.contains('✓'), "{command:?} {name}: {refused}");
            }
        }

        // from end to end, with an application's keys
        let keys = &world.keys;
        let (app, key, secret) = (&keys.application_id, &keys.api_key, &keys.api_secret);
        let doctor = async |secret: &str| {
            let keys = ["--application-id", app, "--api-key", key, "--api-secret", secret];
            let (good, checks) = said(&[&["doctor", "--stack", "operations", "--json"][..], &keys].concat()).await;
            let checks: Vec<Value> = checks.lines().filter_map(|it| serde_json::from_str(it).ok()).collect();
            (good, checks)
        };
        let failed = |checks: &[Value]| {
            let failed = checks.iter().filter(|it| it["good"] == false).map(|it| text(&it["check"]));
            failed.collect::<Vec<String>>()
        };
        let (good, checks) = doctor(secret).await;
        let names: Vec<String> = checks.iter().map(|it| text(&it["check"])).collect();
        assert_eq!(names, ["queues", "api", "key", "socket", "webhook", "buckets"], "{checks:?}");
        assert!(good && failed(&checks).is_empty(), "{checks:?}");
        let (good, checks) = doctor("guessed").await;
        assert!(!good && failed(&checks) == ["key"], "{checks:?}");
        let (good, costs) = world.notify_as(&["cost", "--days", "2", "--json"]).await;
        let days: Vec<Value> = costs.lines().filter_map(|it| serde_json::from_str(it).ok()).collect();
        assert!(good && days.len() == 3 && days[2]["listPrice"].as_f64() > Some(0.0), "{costs}");

        let letter = json!({ "PK": { "S": "APP#none" }, "SK": { "S": "APP" } }).to_string();
        world.queue("StreamDead", &letter);
        world.queue("WebhookDead", "{}");
        let (good, checks) = doctor(secret).await;
        assert!(!good && failed(&checks) == ["queues"], "{checks:?}");
        assert!(text(&checks[0]["said"]).contains("1 in StreamDead, 1 in WebhookDead"), "{checks:?}");
        let (good, shown) = said(&["dead-letters", "--stack", "operations", "--json"]).await;
        assert!(good && shown.lines().count() == 2, "{shown}");
        let (good, done) = said(&["redrive", "stream", "--stack", "operations", "--json"]).await;
        assert!(good && done.contains(r#""redriven":1"#), "its row is in the stack's table, and gone: {done}");
        let (good, done) = said(&["redrive", "webhook", "--stack", "operations"]).await;
        assert!(good && done.contains("1 letters are back"), "{done}");
        world
            .until("it is a dead letter again", async || {
                let (good, shown) = said(&["dead-letters", "webhook", "--stack", "operations"]).await;
                (good && shown.contains("1 of 1 letters") && shown.contains("--stack operations")).then_some(())
            })
            .await;
    });
}

/// The API under a path, as behind a company's proxy.
async fn under_a_path(api: &str) -> String {
    let (api, http) = (api.to_owned(), http());
    let forward = move |request: Request| {
        let (api, http) = (api.clone(), http.clone());
        async move {
            let (mut parts, body) = request.into_parts();
            parts.headers.remove("host");
            let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
            let request = http.request(parts.method, format!("{api}{}", parts.uri)).headers(parts.headers);
            let answer = request.body(body).send().await.unwrap();
            (answer.status(), answer.bytes().await.unwrap())
        }
    };
    let proxy = Router::new().nest("/company/api", Router::new().fallback(forward));
    format!("{}/company/api", serve(proxy).await)
}

#[test]
fn an_api_under_a_path_is_called_there() {
    World::run(async |world| {
        let url = under_a_path(&world.stack.url).await;
        let keys = &world.keys;
        let target = ["--url", &url, "--application-id", &keys.application_id];
        let secrets = ["--api-key", &keys.api_key, "--api-secret", &keys.api_secret];
        for command in [
            &["bucket", "list"][..],
            &["channel", "list"],
            &["config", "show"],
            &["console"],
            &["cost", "--days", "1"],
            &["dead-letters"],
            &["key", "list"],
            &["send", "--user", "jane", "--title", "t"],
        ] {
            let (good, said) = world.notify(&[command, &target, &secrets].concat()).await;
            assert!(good, "{command:?}: {said}");
            assert!(command != ["console"] || said.starts_with(&format!("{url}/console#sign-in=")), "{said}");
        }
    });
}
