//! The program's commands for OMA's APIs, and what a waiting poll costs.

use serde_json::{Value, json};
use system_tests::{World, own_stack, text};

use super::client::{Client, Format, event_list, notifications};

async fn said(world: &World<'_>, arguments: &[&str]) -> Value {
    let (good, said) = world.notify_as(arguments).await;
    assert!(good, "{arguments:?}: {said}");
    serde_json::from_str(said.trim()).unwrap_or_else(|error| panic!("{error}: {said}"))
}

#[test]
fn the_program_sends_shows_and_watches_messages() {
    World::run(async |world| {
        let channel = said(world, &["oma", "channel", "--user", "jane", "--json"]).await;
        let callback = text(&channel["callbackURL"]);
        let subscribe = ["oma", "subscribe", "--callback", callback.as_str(), "--box", "jane", "--json"];
        let token = text(&said(world, &subscribe).await["restartToken"]);
        let message = ["message", "send", "--from", "tel:+1958", "--to", "jane", "--body", "Lunch?\u{1b}[2J", "--json"];
        let sent = said(world, &message).await;
        let (good, listed) = world.notify_as(&["message", "list", "--box", "jane"]).await;
        assert!(good && listed.starts_with("tel:+1958 → jane: Lunch?"), "{listed}");
        assert!(!listed.contains('\u{1b}'), "nothing of a stranger's reaches the terminal: {listed:?}");
        let watch = ["oma", "watch", "--box", "jane", "--after", token.as_str(), "--most", "1", "--json"];
        let seen = said(world, &watch).await;
        assert_eq!(seen["event"]["changedObject"]["resourceURL"], sent["resourceURL"], "{seen}");
        // a refusal is told in words
        let (good, refused) = world.notify_as(&["oma", "watch", "--box", "jane", "--after", "none"]).await;
        assert!(!good && refused.contains("Invalid input value for message part restartToken (SVC0002)"), "{refused}");
    });
}

/// At most 40 read units a minute, and nothing while no poll waits.
#[test]
fn a_waiting_poll_costs_little_and_an_idle_channel_nothing() {
    World::alone(async || {
        let data = tempfile::tempdir().unwrap();
        let stack = own_stack(data.path(), &[]).await;
        let world = &World::open(&stack).await;
        let client = Client::new(world, Format::Json);
        let channel = client.create("LongPolling", json!({})).await;
        client.notify(&channel, 1).await;
        assert_eq!(client.polled(&channel).await, [event_list(1)], "the caches are warm");
        let before = stack.meter();
        let began = std::time::Instant::now();
        let answer = client.poll(&channel).await;
        let seconds = began.elapsed().as_secs_f64();
        assert_eq!((answer.status, notifications(&answer.body())), (200, Vec::new()), "{}", answer.text);
        let used = stack.meter().since(&before);
        let read_units = used.of_function("oma-api", "read_units") * 60.0 / seconds;
        let writes = used.of_function("oma-api", "write_units");
        println!("a waiting poll: {read_units:.1} read units a minute; a poll: {writes:.1} write units");
        assert!(read_units > 10.0 && read_units <= 40.0, "{read_units} read units a minute");
        assert!(writes <= 8.0, "{writes} write units");
        assert_eq!(used.of_function("oma-api", "sqs_requests"), 0.0);
    });
}
