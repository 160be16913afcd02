//! `notify listen`: prints each notification once, in order, over any protocol, whatever drops.

use serde_json::Value;
use system_tests::tools::Talker;
use system_tests::{World, own_stack, program, text};

#[test]
fn it_goes_on_where_it_stopped_over_each_protocol() {
    World::alone(async || {
        let folder = tempfile::tempdir().unwrap();
        let stack = own_stack(folder.path(), &[]).await;
        let world = &World::open(&stack).await;
        let keys = &world.keys;
        let program = program().to_string_lossy().into_owned();
        for protocol in ["native", "signalr", "seed"] {
            let user = format!("{protocol} user");
            let encoded = format!("{protocol}%20user");
            let arguments = [
                "listen",
                "--json",
                "--count",
                "6",
                "--user",
                &user,
                "--protocol",
                protocol,
                "--url",
                &stack.url,
                "--application-id",
                &keys.application_id,
                "--api-key",
                &keys.api_key,
                "--api-secret",
                &keys.api_secret,
            ];
            let mut listener = Talker::start(&program, &arguments, &[]);
            let open = async || (stack.sockets.connection_count() == 1).then_some(());
            world.until("it listens", open).await;
            // the first is sent until it is heard of: what came before the socket was live is not asked for
            let mut sent = 0;
            let first = loop {
                sent += 1;
                world.send(&encoded, &format!("{sent}")).await;
                if let Some(line) = listener.soon().await {
                    break line;
                }
            };
            let title = |line: &str| text(&serde_json::from_str::<Value>(line).unwrap()["title"]);
            let mut heard = vec![title(&first)];
            for round in 0..2 {
                assert!(stack.sockets.abort_all() > 0, "{protocol}, round {round}");
                sent += 1;
                world.send(&encoded, &format!("{sent}")).await; // while nobody is connected
                heard.push(title(&listener.line().await.unwrap()));
                world.until("it listens again", open).await;
            }
            while heard.len() < 6 {
                sent += 1;
                world.send(&encoded, &format!("{sent}")).await;
                heard.push(title(&listener.line().await.unwrap()));
            }
            let first: u64 = heard[0].parse().unwrap();
            let wanted: Vec<String> = (first..first + 6).map(|it| it.to_string()).collect();
            assert_eq!(heard, wanted, "{protocol}: each once, in order");
            assert_eq!(listener.line().await, None, "it ends after as many as were wanted");
            world.until("its socket is gone", async || (stack.sockets.connection_count() == 0).then_some(())).await;
        }
        // what cannot be is said, and ends it
        let (done, said) = world.notify_as(&["listen", "--user", ""]).await;
        assert!(!done && said.contains("user"), "{said}");
    });
}
