//! The hostile-receiver contract (realtime, 4.3): whatever a receiver does, it costs one attempt, and says why; and
//! what it has answered counts.

use reqwest::Method;
use serde_json::{Value, json};
use system_tests::client::{CHANNELS, outcomes};
use system_tests::receiver::Answer;
use system_tests::tools::{node, piped, python};
use system_tests::{World, project, text};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// What a receiver does that does not speak HTTP as it should.
#[derive(Clone, Copy)]
enum Bad {
    /// Closes before it has read anything.
    Shut,
    /// Closes in the middle of the request.
    Reset,
    /// Half a status line, then the end.
    Half,
    /// 200 and ten megabytes of headers.
    Headers,
    /// 200 and three hundred headers, all of them good.
    Many,
    /// 200 and a header that is none.
    Odd,
    /// 200, one header, and then nothing more.
    Stall,
    /// An answer of this status line and these headers, whose body is cut off.
    Short(&'static str),
}

/// A receiver of that kind; answers its URL.
async fn bad(kind: Bad) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut buffer = [0; 4_096];
                let most = match kind {
                    Bad::Shut => 0,
                    Bad::Reset => 10,
                    _ => buffer.len(),
                };
                drop(socket.read(&mut buffer[..most]).await); // whatever there is
                let answer: Vec<u8> = match kind {
                    Bad::Shut | Bad::Reset => return,
                    Bad::Half => b"HTTP/1.1 20".to_vec(),
                    Bad::Headers => {
                        let mut all = b"HTTP/1.1 200 OK\r\n".to_vec();
                        (0..10_000).for_each(|it| all.extend(format!("x-{it}: {}\r\n", "y".repeat(1_000)).bytes()));
                        all
                    }
                    Bad::Many => {
                        let mut all = b"HTTP/1.1 200 OK\r\n".to_vec();
                        (0..300).for_each(|it| all.extend(format!("x-{it}: y\r\n").bytes()));
                        [all, b"content-length: 4\r\n\r\ngood".to_vec()].concat()
                    }
                    Bad::Odd => b"HTTP/1.1 200 OK\r\nno header at all\r\ncontent-length: 4\r\n\r\ngood".to_vec(),
                    Bad::Stall => b"HTTP/1.1 200 OK\r\ndate: today\r\n".to_vec(),
                    Bad::Short(head) => format!("HTTP/1.1 {head}\r\ncontent-length: 100\r\n\r\nhalf").into_bytes(),
                };
                drop(socket.write_all(&answer).await);
                if !matches!(kind, Bad::Stall) {
                    drop(socket.shutdown().await);
                }
                drop(socket.read_to_end(&mut Vec::new()).await); // until we are given up: a reset could overtake the answer
            });
        }
    });
    url
}

/// A channel that is not asked whether it wants to be called, since it gets published messages alone.
async fn published(world: &World<'_>, url: &str) -> String {
    let form = [("webHookUrl", url), ("retryCount", "1"), ("exponentialBackoffFactor", "1.0")];
    let (status, made) = world.channels(Method::POST, &format!("{CHANNELS}/WebHook"), &[], Some(&form)).await;
    assert_eq!(status, 200, "{made}");
    text(&made["id"])
}

/// Tells a channel and waits for its delivery to be in a state; answers it. Then the channel is removed.
async fn first(world: &World<'_>, url: &str, state: &str) -> Value {
    let id = published(world, url).await;
    let told = world.send_test(&id).await;
    let delivery = world.delivery(&id, &told, state).await;
    assert_eq!(world.channels(Method::DELETE, CHANNELS, &[("configurationId", &id)], None).await.0, 200);
    delivery
}

#[test]
fn receivers_that_break_the_protocol_cost_one_attempt_each() {
    World::run(async |world| {
        for kind in [Bad::Shut, Bad::Reset, Bad::Half] {
            let outcome = outcomes(&first(world, &bad(kind).await, "retrying").await).remove(0);
            assert!(outcome.starts_with("no whole answer"), "{outcome}");
        }
        // the status line is the answer (RFC 9112, section 4), whatever comes behind it
        let kinds = [Bad::Headers, Bad::Many, Bad::Odd, Bad::Stall, Bad::Short("200 OK"), Bad::Short("204 No Content")];
        let delivered = kinds.map(async |kind| first(world, &bad(kind).await, "delivered").await);
        for delivery in futures_util::future::join_all(delivered).await {
            assert!(outcomes(&delivery)[0].starts_with("delivered (20"), "{delivery}");
        }
        let kept = first(world, &bad(Bad::Short("200 OK")).await, "delivered").await;
        assert_eq!(kept["attempts"][0]["answer"], "half", "what came of the body is on record");
        // so it is for each status and each control header
        for (head, state, outcome) in [
            ("410 Gone", "disabled", "the receiver wants no more of this channel"),
            ("200 OK\r\nwebhook-delivery: disable", "disabled", "the receiver wants no more of this channel"),
            ("500 No\r\nwebhook-delivery: abort-message", "dropped", "the receiver does not want this message"),
            ("503 Busy", "retrying", "the receiver answered 503"),
        ] {
            let delivery = first(world, &bad(Bad::Short(head)).await, state).await;
            assert_eq!(outcomes(&delivery), [outcome], "{head}: {delivery}");
        }
        // a date in the oldest of the three forms (RFC 9110, section 5.6.7), against the receiver's own clock: an hour
        let later = "429 Slow\r\ndate: Sun Nov  6 08:49:37 1994\r\nretry-after: Sunday, 06-Nov-94 09:49:37 GMT";
        let delivery = first(world, &bad(Bad::Short(later)).await, "retrying").await;
        let (at, next) = (text(&delivery["attempts"][0]["at"]), text(&delivery["nextAttemptAt"]));
        let time = |it: &str| time::OffsetDateTime::parse(it, &time::format_description::well_known::Rfc3339).unwrap();
        let pause = time(&next) - time(&at);
        assert!(pause >= time::Duration::HOUR && pause < time::Duration::hours(2), "{delivery}");
        // nobody listens; TLS is spoken to who knows none; the name is nobody's
        let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let plain = bad(Bad::Half).await.replace("http://", "https://");
        for url in [format!("http://{gone}/"), plain, "https://nobody.invalid/hook".to_owned()] {
            let outcome = outcomes(&first(world, &url, "retrying").await).remove(0);
            assert!(outcome.starts_with("no connection: "), "{url}: {outcome}");
        }
    });
}

#[test]
fn what_a_receiver_answers_is_on_record_as_far_as_it_is_kept() {
    World::run(async |world| {
        let hook = world.webhook(&[("exponentialBackoffFactor", "1.0")]).await;
        let id = hook.channel.lock().unwrap().clone();
        hook.answers([Answer::Flood]);
        let told = world.send_test(&id).await;
        let delivery = world.delivery(&id, &told, "delivered").await;
        let answer = text(&delivery["attempts"][0]["answer"]);
        assert_eq!(
            (answer.len(), delivery["attempts"][0]["status"].as_u64()),
            (1_024, Some(200)),
            "cut off, and taken for what it says"
        );
        // the headers that take a message, or the channel, away
        hook.answers([Answer::Status(500, vec![("webhook-delivery".into(), "abort-message".into())])]);
        let told = world.send_test(&id).await;
        let delivery = world.delivery(&id, &told, "dropped").await;
        assert_eq!(outcomes(&delivery), ["the receiver does not want this message"]);
        hook.answers([Answer::Status(200, vec![("webhook-delivery".into(), "disable".into())])]);
        let told = world.send_test(&id).await;
        world.delivery(&id, &told, "disabled").await;
        // the delivery ends before its channel is switched off
        let why = world
            .until("the channel is switched off", async || {
                let why = world.explain(&id, &told).await;
                (why["reasons"][0] == "the channel is inactive").then_some(why)
            })
            .await;
        assert_eq!(why["verdict"], "disabled");
        let shown = world.configuration(&id).await;
        assert_eq!(
            (&shown["status"], &shown["disabledReason"]),
            (&json!("disabled"), &json!("the receiver wants no more of this channel"))
        );
        // whoever puts it to active gives it another chance
        let form = [("webHookUrl", hook.url.as_str()), ("isActive", "true")];
        let one = [("configurationId", id.as_str())];
        let (_, again) = world.channels(Method::PUT, &format!("{CHANNELS}/WebHook"), &one, Some(&form)).await;
        assert_eq!(
            (&again["isActive"], &again["disabledReason"], &again["status"]),
            (&json!(true), &Value::Null, &json!("active"))
        );
        let told = world.send_test(&id).await;
        world.delivery(&id, &told, "delivered").await;
    });
}

/// Nothing is sent to whoever does not want it, and the signature holds for whoever does (realtime, H-9 and W-2).
#[test]
fn a_receiver_is_asked_first_and_its_secret_can_be_replaced() {
    World::run(async |world| {
        let hook = system_tests::receiver::Receiver::start().await;
        hook.unwilling();
        let made = world.channel(&hook.url, &[("retryCount", "2"), ("exponentialBackoffFactor", "1.0")]).await;
        hook.knows(&text(&made["signingSecret"]));
        let id = text(&made["id"]);
        assert_eq!(made["status"], "unconfirmed");
        world.until("it is asked", async || (!hook.of("channel.challenge").is_empty()).then_some(())).await;
        let one = [("configurationId", id.as_str())];
        let (status, refused) = world.channels(Method::POST, &format!("{CHANNELS}/Test"), &one, None).await;
        assert_eq!(status, 409, "{refused}");
        let other = world.webhook(&[]).await;
        let bucket = world.bucket().await;
        std::fs::write(bucket.folder.join("a.txt"), "a").unwrap();
        world.scan(&bucket.id).await;
        world.until("the other one is told", async || other.first("scan.completed")).await;
        let news = other.first("scan.completed").unwrap().id;
        let why = world.explain(&id, &news).await;
        assert_eq!(
            (&why["verdict"], &why["reasons"][0]),
            (&json!("unwanted"), &json!("the channel has not answered its challenge yet"))
        );
        assert!(hook.messages().iter().all(|it| it.body["type"] == "channel.challenge"), "nothing else is sent");

        // the second receiver gets a new secret; for a day both sign
        let id = other.channel.lock().unwrap().clone();
        let one = [("configurationId", id.as_str())];
        let path = format!("{CHANNELS}/WebHook/RotateSecret");
        let (status, rotated) = world.channels(Method::POST, &path, &one, Some(&[("overlapSeconds", "60")])).await;
        assert_eq!(status, 200, "{rotated}");
        let told = world.send_test(&id).await;
        world.delivery(&id, &told, "delivered").await;
        assert_eq!(world.channels(Method::POST, &path, &one, Some(&[("overlapSeconds", "60")])).await.0, 409);
        other.knows(&text(&rotated["signingSecret"]));
        let told = world.send_test(&id).await;
        world.delivery(&id, &told, "delivered").await;
        // an emergency: the old one ends at once
        let (_, last) = world.channels(Method::POST, &path, &one, Some(&[("overlapSeconds", "0")])).await;
        other.knows(&text(&last["signingSecret"]));
        let told = world.send_test(&id).await;
        world.delivery(&id, &told, "delivered").await;
        assert!(other.forged().is_empty());

        // the public key of `v1a`, for everybody, verifies what came
        let keys = world.http.get(format!("{}/api/v1/Notification/Jwks", world.stack.url));
        let keys: Value =
            keys.query(&[("applicationId", &world.keys.application_id)]).send().await.unwrap().json().await.unwrap();
        assert_eq!(keys["keys"][0]["kid"], world.configuration(&id).await["signingKeyId"]);
        assert!(other.verified_by(&keys["keys"][0]), "v1a holds");

        // the official libraries of other languages agree, and those of Svix
        let (python, node) = (python().await.to_string_lossy(), node().await.to_string_lossy());
        let (clients, last) = (project().join("tests/clients"), other.last());
        let script = |name: &str| clients.join(name).to_string_lossy().into_owned();
        for (program, script) in [
            (&*python, script("verify.py")),
            (&*python, script("verify_svix.py")),
            ("node", script("verify.mjs")),
            ("node", script("verify_svix.mjs")),
        ] {
            let (good, said) = piped(program, &[&script], &[("MODULES", &node)], &last.to_string()).await;
            assert!(good && said.contains(&format!("verified {told}")), "{said}");
            let mut forged = last.clone();
            forged["body"] = json!(text(&last["body"]).replace("channel.test", "channel.best"));
            assert!(!piped(program, &[&script], &[("MODULES", &node)], &forged.to_string()).await.0, "{program}");
        }
    });
}
