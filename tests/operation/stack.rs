//! The stack itself: what it keeps, and how it says what is wrong.

use std::cell::RefCell;
use std::collections::BTreeSet;

use local::{Event, Options, Programs, Stack};
use serde_json::Value;
use system_tests::{Place, World, media, own_stack, program, project, until};

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
        let keys = local::demo::ApplicationKeys {
            application_id: again.application_id,
            api_key: again.api_key,
            api_secret: again.api_secret,
            jwt_private_key: String::new(),
        };
        let world = World { stack: Place::of(&stack), keys, http: system_tests::http(), seed: 1 };
        // the minute's sweep, more often: the lease of the killed worker ends after 20 seconds
        world
            .until("the item is completed", async || {
                stack.fire_schedule("sweep").await;
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
            let options = Options {
                programs: Programs::AllInOne(program()),
                project,
                data: data.to_owned(),
                fresh: false,
                port,
                parameters: Default::default(),
                call_log: None,
            };
            Stack::start(options).await.err().map(|it| it.to_string()).unwrap_or_default()
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
            "Parameters:\n  OperatorKeyHash: { Type: String }\n  SocketEndpoint: { Type: String }\n  ServerRoot: { Type: String }\n  StripeUrl: { Type: String }\n  StripeSecretKey: { Type: String }\n  StripeWebhookSecret: { Type: String }\nResources:\n  X:\n    Type: AWS::Kinesis::Stream\n",
        )
        .unwrap();
        let fresh = tempfile::tempdir().unwrap();
        assert!(
            start(fresh.path(), 0, broken.path().to_owned()).await.contains(
                "template.yaml, line 10: the local stack does not know resources of type AWS::Kinesis::Stream"
            )
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
                && text.contains(
                    "those there are: amqp, billing, faces, iconik, nms, objects, push, render, scan, signalr, stream, \
                     translations, webhook"
                ),
            "{text}"
        );
        let (good, text) = world.notify(&["completions", "bash"]).await;
        assert!(good && text.contains("dead-letters"));
    });
}

/// A process that runs the program: its id, its arguments, and the names of its environment (proc(5)).
#[cfg(target_os = "linux")]
struct Running {
    pid: String,
    arguments: Vec<String>,
    environment: BTreeSet<String>,
}

/// The processes that run this program.
#[cfg(target_os = "linux")]
fn processes(program: &std::path::Path) -> Vec<Running> {
    let parts = |path: std::path::PathBuf| -> Vec<String> {
        let bytes = std::fs::read(path).unwrap_or_default(); // it may have ended
        let parts = bytes.split(|byte| *byte == 0).filter(|part| !part.is_empty());
        parts.map(|part| String::from_utf8_lossy(part).into_owned()).collect()
    };
    let name = |it: String| it.split('=').next().unwrap_or_default().to_owned();
    let all = std::fs::read_dir("/proc").unwrap().flatten().map(|it| it.path());
    all.filter_map(|folder| {
        let arguments = parts(folder.join("cmdline"));
        let (first, arguments) = arguments.split_first()?;
        (std::path::Path::new(first) == program).then(|| Running {
            pid: folder.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            arguments: arguments.to_vec(),
            environment: parts(folder.join("environ")).into_iter().map(name).collect(),
        })
    })
    .collect()
}

#[test]
fn one_program_is_each_function_of_the_template_and_is_noticed_when_it_is_built_anew() {
    World::alone(async || {
        let (data, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        drop(own_stack(data.path(), &[]).await); // the program is built
        let copy = folder.path().join("notify");
        std::fs::hard_link(program(), &copy).or_else(|_| std::fs::copy(program(), &copy).map(drop)).unwrap();
        let stack = Stack::start(Options {
            project: project(),
            programs: Programs::AllInOne(copy.clone()),
            data: data.path().to_owned(),
            fresh: true,
            port: 0,
            parameters: Default::default(),
            call_log: None,
        })
        .await
        .unwrap();
        for function in &stack.model.functions {
            assert!(stack.measure_init(&function.binary).await.is_ok(), "the program holds {}", function.binary);
        }
        assert!(stack.measure_init("nothing").await.is_err());

        let events = stack.events();
        assert!(stack.measure_warm_invocation("docs-api").await.is_some());
        #[cfg(target_os = "linux")]
        {
            let running = processes(&copy);
            let is_docs = |it: &Running| it.arguments == ["function", "docs-api"];
            let docs = running.iter().find(|it| is_docs(it)).expect("a process of its own");
            let given = &stack.function("docs-api").unwrap().definition.environment;
            let lambda =
                |name: &str| name.starts_with("AWS_") || ["PATH", "HOME", "RUST_BACKTRACE", "_HANDLER"].contains(&name);
            let strange: Vec<_> =
                docs.environment.iter().filter(|it| !lambda(it) && !given.contains_key(*it)).collect();
            assert!(
                strange.is_empty() && given.keys().all(|it| docs.environment.contains(it)),
                "{strange:?} {:?}",
                docs.environment
            );

            // one that died while it was idle is not invoked
            let killed = std::process::Command::new("kill").args(["-9", &docs.pid]).status().unwrap();
            assert!(killed.success());
            let stat = format!("/proc/{}/stat", docs.pid);
            // its memory goes first: it has ended once it is a zombie, or reaped (proc(5))
            let has_ended = || std::fs::read_to_string(&stat).map_or(true, |it| it.contains(") Z "));
            until("it has ended", async || has_ended().then_some(())).await;
            assert!(stack.measure_warm_invocation("docs-api").await.is_some());
        }

        // as cargo does: the file is another one, and newer. The file system is asked once a second
        std::fs::remove_file(&copy).unwrap();
        std::fs::copy(program(), &copy).unwrap();
        let (events, seen) = (RefCell::new(events), RefCell::new(Vec::new()));
        until("the new build runs", async || {
            let answered = stack.measure_warm_invocation("docs-api").await.is_some();
            while let Ok(event) = events.borrow_mut().try_recv() {
                match event {
                    Event::Note(text) if text.contains("docs-api") => seen.borrow_mut().push(text),
                    Event::ProcessStarted { function, .. } if function == "docs-api" => {
                        seen.borrow_mut().push("started".to_owned());
                    }
                    _ => {}
                }
            }
            let seen = seen.borrow();
            assert!(answered, "{seen:?}");
            let noticed = seen.iter().any(|it| it.contains("built anew"));
            (noticed && seen.last().is_some_and(|it| it == "started")).then_some(())
        })
        .await;
        let mut seen = seen.into_inner();
        seen.dedup(); // the first one and the one that replaced it
        assert_eq!(seen, ["started", "docs-api was built anew and starts again", "started"]);
    });
}
