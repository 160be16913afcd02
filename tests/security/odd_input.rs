//! What callers make up: cursors that were never given, addresses with line breaks, and who may look at the data.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::Method;
use serde_json::json;
use system_tests::client::CHANNELS;
use system_tests::receiver::Receiver;
use system_tests::socket::Socket;
use system_tests::{World, text};

/// A cursor as it is given out, with other values: its members stand in one order.
fn token(json: &str) -> String {
    URL_SAFE_NO_PAD.encode(json)
}

#[test]
fn cursors_that_were_never_given_are_refused() {
    World::run(async |world| {
        let bucket = world.bucket().await;
        std::fs::write(bucket.folder.join("a.txt"), "a").unwrap();
        world.scan(&bucket.id).await;
        for (row, want) in [
            ("9999999999999#~", 200),
            ("0000000000000#", 200),
            ("", 422),
            ("#", 422),
            ("~~~~~~~~~~~~~#", 200),
            (&"9".repeat(2_000), 422),
        ] {
            for entry in [0, usize::MAX] {
                let path =
                    format!("/api/v1/Media/Items?cursor={}", token(&format!(r#"{{"row":"{row}","entry":{entry}}}"#)));
                assert_eq!(world.ask("GET", &path, None).await.0, want, "{row} {entry}");
            }
        }
        for since in ["0000-01-01T00:00:00Z", "9999-12-31T23:59:59Z"] {
            assert_eq!(world.ask("GET", &format!("/api/v1/Media/Items?since={since}"), None).await.0, 200);
        }
        let sent = world.send("jane", "one").await;
        let mut socket = world.listen("jane", None).await;
        socket.caught_up().await;
        for (epoch, sequence) in [(1, u64::MAX), (1, u64::MAX - 1), (i64::MIN, 1), (1, (1 << 53) + 1)] {
            let app = world.keys.application_id.as_str();
            let made = |stream: &str| {
                token(&format!(r#"{{"app":"{app}","stream":"{stream}","epoch":{epoch},"sequence":{sequence}}}"#))
            };
            let jane = made("user:jane");
            for name in ["after", "before"] {
                let path = format!("/api/v1/Inbox/jane/Notifications?{name}={jane}");
                let (status, refused) = world.ask("GET", &path, None).await;
                assert_eq!((status, &refused["field"]), (422, &json!(name)), "{epoch} {sequence}");
            }
            let marks = json!({ "change": "read", "upTo": jane });
            let status = world.ask("POST", "/api/v1/Inbox/jane/Marks", Some(marks)).await.0;
            assert_eq!(status, 422, "{epoch} {sequence}");
            let id = text(&sent["id"]);
            let (front, _) = id.rsplit_once('_').unwrap();
            let id = format!("{front}_{}", sequence.max(1 << 60));
            assert_eq!(world.ask("GET", &format!("/api/v1/Inbox/jane/Notifications/{id}"), None).await.0, 404);
            socket.say(&json!({ "action": "resume", "after": jane })).await;
            assert_eq!(socket.wait("error").await["type"], "error");
            let hook = [("after", made("app"))];
            let hook: Vec<(&str, &str)> = hook.iter().map(|it| (it.0, it.1.as_str())).collect();
            let receiver = Receiver::start().await;
            let form = [("webHookUrl", receiver.url.as_str())];
            let (_, channel) = world.channels(Method::POST, &format!("{CHANNELS}/WebHook"), &[], Some(&form)).await;
            let id = text(&channel["id"]);
            let one = [("configurationId", id.as_str())];
            let (status, refused) =
                world.channels(Method::POST, "/api/v1/Notification/Replay", &one, Some(&hook)).await;
            assert_eq!(status, 400, "{refused}");
        }
        let url = format!("{}/api/v1/Inbox/Socket?ticket={}", world.stack.url, world.ticket("jane", &[]).await);
        assert!(Socket::open(&url, &[]).await.is_ok());
    });
}

#[test]
fn addresses_with_line_breaks_are_refused_wherever_they_are_given() {
    World::run(async |world| {
        for blank in ["\r", "\n", "\t", "\u{7f}"] {
            let url = format!("http://127.0.0.1:9/a{blank}b");
            for (kind, form) in [
                ("WebHook", vec![("webHookUrl", url.as_str())]),
                ("SignalR", vec![("hubUrl", &url)]),
                (
                    "RabbitMQ",
                    vec![
                        ("url", &*url.replace("http", "amqp")),
                        ("username", "u"),
                        ("password", "p"),
                        ("queueName", "q"),
                    ],
                ),
            ] {
                let path = format!("{CHANNELS}/{kind}");
                assert_eq!(world.channels(Method::POST, &path, &[], Some(&form)).await.0, 400, "{kind} {blank:?}");
            }
            for name in ["system_endpoint", "iconik_url", "datacore_endpoint", "sqs_queue_url"] {
                let (status, refused) = world.ask("PUT", "/api/v1/Media/Settings", Some(json!({ name: url }))).await;
                assert_eq!((status, &refused["field"]), (422, &json!(name)), "{blank:?}");
            }
            let issuer = json!({ "oidc_issuers": [{ "issuer": url, "audience": "x" }] });
            assert_eq!(world.ask("PUT", "/api/v1/Media/Settings", Some(issuer)).await.0, 422);
            let bucket = json!({ "system": "datacore", "endpoint": url, "bucket": "b", "schedule": "rate(1 day)" });
            let (status, refused) = world.ask("POST", "/api/v1/Media/Buckets", Some(bucket)).await;
            assert_eq!((status, &refused["field"]), (422, &json!("endpoint")), "{blank:?}");
        }
        // an endpoint has no query: nothing in it would be sealed
        for name in ["system_endpoint", "iconik_url", "datacore_endpoint", "sqs_queue_url"] {
            let with_query = json!({ name: "http://127.0.0.1:9/?token=abc" });
            let (status, refused) = world.ask("PUT", "/api/v1/Media/Settings", Some(with_query)).await;
            assert_eq!((status, &refused["field"]), (422, &json!(name)));
        }
        // what a parser changes is stored as it reads it
        let form = [("webHookUrl", "http://127.0.0.1:9\\hook")];
        let (status, made) = world.channels(Method::POST, &format!("{CHANNELS}/WebHook"), &[], Some(&form)).await;
        assert_eq!(status, 200);
        assert!(text(&made["notificationChannelConfigurationJSON"]).contains("\"http://127.0.0.1:9/hook\""), "{made}");
    });
}

#[test]
fn whoever_has_not_consented_is_not_asked_by_hand_again() {
    World::run(async |world| {
        let stranger = Receiver::start().await;
        stranger.unwilling();
        let channel = world.channel(&stranger.url, &[("retryCount", "0")]).await;
        stranger.knows(&text(&channel["signingSecret"]));
        let asked = world.until("the challenge has come", async || stranger.first("channel.challenge")).await;
        let id = text(&channel["id"]);
        let one = [("configurationId", id.as_str())];
        let replay = [("since", "2026-01-01T00:00:00Z")];
        let (status, refused) = world.channels(Method::POST, "/api/v1/Notification/Replay", &one, Some(&replay)).await;
        assert_eq!(status, 409, "{refused}");
        let path = format!("/api/v1/Notification/Deliveries/{id}~{}/retry", asked.id);
        let (status, refused) = world.channels(Method::POST, &path, &[], None).await;
        assert_eq!(status, 409, "{refused}");
        assert_eq!(stranger.of("channel.challenge").len(), 1);
        assert_eq!(world.channels(Method::DELETE, CHANNELS, &one, None).await.0, 200);
        world.until("nothing is left", async || world.leftovers().is_empty().then_some(())).await;
    });
}

#[cfg(unix)]
#[test]
fn nobody_else_on_the_machine_reads_the_data() {
    World::run(async |world| {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(world.stack.data()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    });
}
