//! The fast path, killed between any two of its steps: what a function has stored reaches whoever listens, at least once
//! and at most twice; what it has not stored reaches nobody.

use std::collections::HashMap;

use serde_json::{Value, json};
use system_tests::socket::Socket;
use system_tests::{World, project, text, until};

use super::proxy::{kill_at_each_step, proxied_stack};

#[test]
fn a_notification_whose_function_is_killed_at_any_step_reaches_the_socket() {
    World::alone(async || {
        let data = tempfile::tempdir_in(project().join("target/tmp")).unwrap();
        let (stack, proxy) = proxied_stack(data.path(), "InboxApi", "inbox-api", &[]).await;
        let world = World::open(&stack).await;
        let ticket = world.ticket("jane", &[]).await;
        let url = format!("{}/api/v1/Inbox/Socket?ticket={ticket}", stack.url);
        let mut socket = Socket::open(&url, &[]).await.unwrap();
        socket.say(&json!({ "action": "resume" })).await;
        socket.wait("resumed").await;
        let path = "/api/v1/Inbox/jane/Notifications";
        let send = async |title: &str| world.ask("POST", path, Some(json!({ "title": title }))).await.0;
        let sent = kill_at_each_step(&proxy, send).await;
        println!("killed at {} steps: {sent:?}", sent.len() - 1);
        assert!(sent.len() > 8 && sent.iter().any(|it| !it.1) && sent.last().unwrap().1, "{sent:?}");
        // what is stored, acknowledged or not, has a number; each number comes
        let page = world.get(&format!("{path}?limit=100")).await;
        let stored: Vec<String> = page["items"].as_array().unwrap().iter().map(|it| text(&it["title"])).collect();
        for (title, acknowledged) in &sent {
            assert!(!acknowledged || stored.contains(title), "{title} was acknowledged");
        }
        let mut came: HashMap<String, usize> = HashMap::new();
        while !stored.iter().all(|it| came.contains_key(it)) {
            let notification = socket.item("notification").await;
            *came.entry(text(&notification["title"])).or_default() += 1;
        }
        // and what comes behind all of them shows that none came a third time
        assert!(came.values().all(|it| *it <= 2), "{came:?}");
        assert!(came.keys().all(|it| stored.contains(it)), "{came:?}");
    });
}

#[test]
fn an_event_whose_function_is_killed_at_any_step_is_delivered_if_it_is_stored() {
    World::alone(async || {
        let data = tempfile::tempdir_in(project().join("target/tmp")).unwrap();
        let (stack, proxy) = proxied_stack(data.path(), "MessagesApi", "messages-api", &[]).await;
        let world = World::open(&stack).await;
        let hook = world.webhook(&[("types", "killed")]).await;
        let path = "/api/v1/Notification/Messages";
        let send = async |name: &str| world.ask("POST", path, Some(json!({ "type": "killed", "data": name }))).await.0;
        let sent = kill_at_each_step(&proxy, send).await;
        println!("killed at {} steps: {sent:?}", sent.len() - 1);
        assert!(sent.len() > 5 && sent.iter().any(|it| !it.1), "{sent:?}");
        let page = world.get(&format!("{path}?limit=100&type=killed")).await;
        let stored: Vec<String> = page["items"].as_array().unwrap().iter().map(|it| text(&it["data"])).collect();
        for (name, acknowledged) in &sent {
            assert!(!acknowledged || stored.contains(name), "{name} was acknowledged");
        }
        let came = || {
            let mut came: HashMap<String, usize> = HashMap::new();
            hook.of("killed").iter().for_each(|it| *came.entry(text(&it.body["data"])).or_default() += 1);
            came
        };
        until("all that is stored has come", async || stored.iter().all(|it| came().contains_key(it)).then_some(()))
            .await;
        let came = came();
        assert!(came.iter().all(|(name, count)| *count <= 2 && stored.contains(name)), "{came:?} {stored:?}");
        let unacknowledged: Value = json!(sent.iter().filter(|it| !it.1).count());
        println!("{unacknowledged} were not acknowledged, {} are stored", stored.len());
    });
}
