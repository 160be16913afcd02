//! `notify bench proof`, small: what it accounts for by the seed that anybody can repeat.

use std::time::Duration;

use serde_json::Value;
use system_tests::tools::{install_rabbit, piped};
use system_tests::{World, program};

/// How long a small run may take; a large one waits longer for what is missing.
const PATIENCE: Duration = Duration::from_secs(600);

/// Runs the proof; answers its report.
async fn proof(arguments: &[&str]) -> Value {
    install_rabbit().await;
    let program = program();
    let all = [&["bench", "proof", "--json"], arguments].concat();
    let run = piped(program.to_str().unwrap(), &all, &[], "");
    let (good, said) = tokio::time::timeout(PATIENCE, run).await.expect("everything is accounted for in ten minutes");
    let report = said.lines().find(|it| it.starts_with('{')).unwrap_or_else(|| panic!("no report: {said}"));
    let report: Value = serde_json::from_str(report).unwrap();
    assert!(good, "{report}\n{said}");
    report
}

fn receiver<'a>(report: &'a Value, name: &str) -> &'a Value {
    report["receivers"].as_array().unwrap().iter().find(|it| it["receiver"] == name).unwrap()
}

#[test]
fn every_accepted_event_is_accounted_for_at_every_receiver_whatever_is_killed() {
    World::alone(async || {
        // few; by this seed each kind of event is among them, each of seven functions is to be killed, the sockets are cut three
        // times, the stack is killed three times and the broker twice
        let report = proof(&["--messages", "200", "--seed", "140"]).await;
        assert_eq!((&report["accepted"], &report["faults"]), (&200.into(), &Value::Array(Vec::new())), "{report}");
        for kind in ["functions_killed", "stack_restarts", "broker_kills"] {
            assert!(report[kind].as_u64().unwrap() > 0, "{kind}: {report}");
        }
        for name in ["healthy", "ordered", "slow", "rabbitmq", "long-poll", "native", "signalr", "seed"] {
            let it = receiver(&report, name);
            let count = |field: &str| it[field].as_u64().unwrap();
            // While the broker is down, a newer event of a `collapseKey` replaces the one that waits.
            let superseded = if name == "rabbitmq" { count("superseded") } else { 0 };
            assert!(count("came") > 0 && count("came") + superseded == count("wanted"), "{it}");
        }
        let failing = receiver(&report, "failing");
        assert!(failing["came"] == 0 && failing["lost"] == 0, "{failing}");
    });
}

#[test]
fn without_kills_no_event_comes_twice() {
    World::alone(async || {
        let report = proof(&["--messages", "150", "--no-kills", "--seed", "7"]).await;
        assert_eq!(report["faults"], Value::Array(Vec::new()), "{report}");
        assert_eq!((&report["functions_killed"], &report["reordered"]), (&0.into(), &0.into()));
    });
}
