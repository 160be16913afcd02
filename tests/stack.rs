//! The stack itself: what it keeps, and how it says what is wrong.

use serde_json::Value;
use system_tests::{World, media, own_stack, project};

#[test]
fn everything_is_still_there_after_a_restart_and_what_was_under_way_goes_on() {
    World::alone(async || {
        let data = tempfile::tempdir().unwrap();
        let stack = own_stack(data.path(), &[]).await;
        let demo = local::demo::set_up(&stack).await.unwrap();
        std::fs::write(demo.buckets[0].folder.join("one.jpg"), media("astronaut.jpg")).unwrap();
        let (done, text) = World::open(&stack).await.notify(&["scan", "datacore-demo", "--no-wait", "--json"]).await;
        assert!(done, "{text}");
        drop(stack); // at once, as a kill
        let stack = own_stack(data.path(), &[]).await;
        let again = local::demo::set_up(&stack).await.unwrap();
        assert_eq!(
            (&again.application_id, &again.api_key, &again.buckets),
            (&demo.application_id, &demo.api_key, &demo.buckets)
        );
        let keys = local::demo::Keys {
            application_id: again.application_id,
            api_key: again.api_key,
            api_secret: again.api_secret,
            jwt_private_key: String::new(),
        };
        let world = World { stack: &stack, keys, http: system_tests::http(), seed: 1 };
        // the minute's sweep, more often: the lease of the killed worker ends after 20 seconds
        world
            .until("the item is completed", async || {
                stack.fire("sweep").await;
                let items = world.items(&format!("bucket={}", again.buckets[0].id)).await;
                items.iter().any(|it| it["status"] == "Completed").then_some(())
            })
            .await;
        let file: Value = serde_json::from_slice(&std::fs::read(data.path().join("stack.json")).unwrap()).unwrap();
        for member in ["url", "websocket_url", "application_id", "api_key", "api_secret", "token", "buckets"] {
            assert!(!file[member].is_null(), "{member}");
        }
    });
}

#[test]
fn what_keeps_the_stack_from_starting_is_said() {
    World::alone(async || {
        let data = tempfile::tempdir().unwrap();
        let stack = own_stack(data.path(), &[]).await;
        let start = async |data: &std::path::Path, port: u16, project: std::path::PathBuf| {
            let options = local::Options {
                binaries: project.join("target/debug"),
                project,
                data: data.to_owned(),
                fresh: false,
                port,
                parameters: Default::default(),
            };
            local::Stack::start(options).await.err().map(|it| it.to_string()).unwrap_or_default()
        };
        assert!(start(data.path(), 0, project()).await.contains("another stack runs on"));
        let other = tempfile::tempdir().unwrap();
        let port: u16 = stack.url.rsplit(':').next().unwrap().parse().unwrap();
        assert!(start(other.path(), port, project()).await.contains(&format!("port {port} is taken")));
        std::fs::write(other.path().join("sqs.db"), "this is no database, it is far too short and wrong".repeat(40))
            .unwrap();
        assert!(start(other.path(), 0, project()).await.contains("start with --fresh"));
        let broken = tempfile::tempdir().unwrap();
        std::fs::write(
            broken.path().join("template.yaml"),
            "Parameters:\n  OperatorKeyHash: { Type: String }\n  SocketEndpoint: { Type: String }\nResources:\n  X:\n    Type: AWS::SNS::Topic\n",
        )
        .unwrap();
        let fresh = tempfile::tempdir().unwrap();
        assert!(
            start(fresh.path(), 0, broken.path().to_owned())
                .await
                .contains("template.yaml, line 6: the local stack does not know resources of type AWS::SNS::Topic")
        );
    });
}

#[test]
fn the_program_explains_itself() {
    World::run(async |world| {
        let (good, help) = world.notify(&["--help"]).await;
        assert!(good && help.contains("Examples:") && help.contains("notify scan datacore-demo"), "{help}");
        let (good, made) = world.notify(&["app", "create", "newsroom", "--json"]).await;
        assert!(good && serde_json::from_str::<Value>(&made).unwrap()["apiKey"].is_string(), "{made}");
        let (good, text) = world.notify(&["scan", "nowhere"]).await;
        assert!(
            !good && text.contains("there is no bucket `nowhere`; those there are: ") && text.contains("datacore-demo"),
            "{text}"
        );
        let (good, text) = world.notify(&["redrive", "nothing"]).await;
        assert!(
            !good
                && text.contains("those there are: amqp, faces, iconik, push, render, scan, signalr, stream, webhook"),
            "{text}"
        );
        let (good, text) = world.notify(&["completions", "bash"]).await;
        assert!(good && text.contains("dead-letters"));
    });
}
