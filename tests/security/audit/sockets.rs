//! Sockets: who may not open one, and that nobody overhears what another application's sockets are told.

use serde_json::json;
use system_tests::socket::Socket;
use system_tests::{World, text};

use crate::security::audit::callers::{Caller, Class};
use crate::security::audit::operations::address;
use crate::security::audit::planted::{GROUP, Planted, USER};

/// Where sockets are opened. The last one is open to whoever shows nothing, as the seed's is.
const DOORS: [&str; 3] = ["/api/v1/Inbox/Socket", "/hubs/notifications", "/notifications/ws/jane"];

/// A URL, who opens it, and what he shows.
type Trial<'a> = (String, &'a str, &'a [(&'static str, String)]);

/// Tries to open sockets with what is good for none; answers how many, and what is wrong.
pub(crate) async fn refused(world: &World<'_>, callers: &[Caller]) -> (usize, Vec<String>) {
    let (mut tried, mut wrong) = (0, Vec::new());
    for door in DOORS {
        let seed = door.starts_with("/notifications/");
        let url = format!("{}{door}", world.stack.url);
        let mut trials: Vec<Trial<'_>> = Vec::new();
        for caller in callers.iter().filter(|it| !it.broken) {
            let bearer = caller.headers.iter().find(|it| it.0 == "authorization");
            let token = bearer.and_then(|it| it.1.strip_prefix("Bearer "));
            let bad = match caller.class {
                Class::Nobody => !seed || token.is_some() || caller.has("x-api-key"),
                Class::Lacking(scope) => scope == "inbox",
                Class::Viewer => true, // a ticket is what opens one
                Class::John => seed,   // elsewhere caller is his own socket
                Class::Token | Class::ForeignToken | Class::Foreign | Class::Jane | Class::Stranger | Class::Ticket => {
                    false
                }
            };
            if !bad {
                continue;
            }
            // (a key pair says for whom)
            trials.push((format!("{url}?user={USER}&applicationId={}", caller.named), &caller.name, &caller.headers));
            if let (Some(token), [_]) = (token, &caller.headers[..]) {
                // as browsers and tickets do it
                trials.push((format!("{url}?access_token={token}"), &caller.name, &[]));
                trials.push((format!("{url}?ticket={token}"), &caller.name, &[]));
            }
        }
        if door.starts_with("/hubs/") {
            trials.push((format!("{url}?id={}", "A".repeat(43)), "nobody, with an id", &[]));
        }
        for (url, name, shown) in trials {
            tried += 1;
            let from = address();
            let mut headers: Vec<(&str, &str)> = shown.iter().map(|it| (it.0, it.1.as_str())).collect();
            headers.push(("x-forwarded-for", &from));
            let want = if url.contains("?id=") { 404 } else { 401 };
            let opened = Socket::open(&url, &headers).await;
            if opened.as_ref().err() != Some(&want) {
                let how = opened.err().map_or_else(|| "it opens".to_owned(), |it| it.to_string());
                wrong.push(format!("the socket {door} as {name}: {how}, not {want}: {url}"));
            }
        }
    }
    (tried, wrong)
}

/// Tells a user, a group and everyone something; whoever has the same names in another application hears nothing of it.
pub(crate) async fn overheard(world: &World<'_>, other: &World<'_>, planted: &mut Planted) -> Vec<String> {
    let ticket = other.ticket(USER, &[GROUP]).await;
    let mut ear = Socket::open(&format!("{}/api/v1/Inbox/Socket?ticket={ticket}", other.stack.url), &[]).await.unwrap();
    ear.say(&json!({ "action": "resume" })).await;
    ear.wait("resumed").await;
    let word = format!("whisper{}", world.seed);
    let whisper = json!({ "title": word });
    for path in [
        format!("/api/v1/Inbox/{USER}/Notifications"),
        format!("/api/v1/Groups/{GROUP}/Notifications"),
        "/api/v1/Everyone/Notifications".to_owned(),
    ] {
        let (status, sent) = world.ask("POST", &path, Some(whisper.clone())).await;
        assert_eq!(status, 201, "{sent}");
    }
    let mut heard = 0;
    while heard < 3 {
        let frame = planted.socket.wait("notifications").await;
        heard += frame["items"].as_array().unwrap().iter().filter(|it| text(&it["title"]) == word).count();
    }
    other.send(USER, "that is all").await;
    let mut wrong = Vec::new();
    loop {
        let frame = ear.next().await.unwrap().to_string();
        if planted.leaked("", &frame).is_some() || frame.contains(&word) {
            wrong.push(format!("another application's socket is told {frame}"));
        }
        if frame.contains("that is all") {
            return wrong;
        }
    }
}
