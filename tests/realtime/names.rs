//! Names of users and groups: what goes in is what comes out, whatever the transport; what cannot travel is refused.

use std::collections::BTreeSet;

use futures_util::StreamExt;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use proptest::{collection, sample};
use reqwest::header::AUTHORIZATION;
use serde_json::{Value, json};
use system_tests::socket::Socket;
use system_tests::tools::node;
use system_tests::{World, project, text};

/// Percent-encodes everything but letters and digits, as a careful client does.
fn encoded(name: &str) -> String {
    let plain = |it: &u8| it.is_ascii_alphanumeric();
    name.bytes().map(|it| if plain(&it) { char::from(it).to_string() } else { format!("%{it:02X}") }).collect()
}

/// What a token says that we wrote.
fn claims(token: &str) -> Value {
    use base64::Engine;
    let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    serde_json::from_slice(&claims).unwrap()
}

/// Names that some layer between client and handler may take for something else, and some by chance.
fn names(seed: u64) -> Vec<String> {
    let odd: Vec<char> = "%#?&=+;:@!$'()*,\\\"<>[]{}|^`~ aZ09é日\u{1f3a5}-_.".chars().collect();
    let any = collection::vec(sample::select(odd), 1..=12);
    let seed: Vec<u8> = seed.to_le_bytes().repeat(4);
    let mut runner = TestRunner::new_with_rng(Config::default(), TestRng::from_seed(RngAlgorithm::ChaCha, &seed));
    let mut any = || String::from_iter(any.new_tree(&mut runner).expect("characters are there").current());
    let chosen =
        ["victi%6D", "%2E%2E", "a#b", "a?b=c", "a\\b", "a&user=b", "a+b c", "100%25", "...", " a ", "é\u{301}"];
    // each once: a name drawn twice would be one inbox with the notifications of both
    let each: BTreeSet<String> = chosen.into_iter().map(str::to_owned).chain((0..10).map(|_| any())).collect();
    each.into_iter().filter(|it| it != "." && it != "..").collect()
}

#[test]
fn the_name_that_goes_in_is_the_name_that_comes_out() {
    World::run(async |world| {
        let side_by_side = futures_util::stream::iter(names(world.seed));
        side_by_side.for_each_concurrent(4, async |name| every_transport(world, &name).await).await;
    });
}

async fn every_transport(world: &World<'_>, name: &str) {
    let path = format!("/api/v1/Inbox/{}", encoded(name));
    // a token is for the user that was named, and nobody whose name is that text decoded once more
    let (status, pass) = world.ask("POST", &format!("{path}/Tokens"), Some(json!({ "groups": [name] }))).await;
    assert_eq!(status, 201, "{name:?}: {pass}");
    let token = text(&pass["token"]);
    assert_eq!((&claims(&token)["sub"], &claims(&token)["groups"]), (&json!(name), &json!([name])));
    let (status, sent) = world.ask("POST", &format!("{path}/Notifications"), Some(json!({ "title": "one" }))).await;
    assert_eq!((status, &sent[0]["user"]), (201, &json!(name)), "{sent}");
    // the user's own token reads that inbox over HTTP …
    let url = format!("{}{path}/Notifications", world.stack.url);
    let read = world.http.get(&url).header(AUTHORIZATION, format!("Bearer {token}")).send().await.unwrap();
    assert_eq!(read.status(), 200, "{name:?}");
    let read: Value = read.json().await.unwrap();
    assert_eq!((read["items"].as_array().unwrap().len(), &read["items"][0]["id"]), (1, &sent[0]["id"]));
    let two = Some(json!({ "title": "two" }));
    let (_, second) = world.ask("POST", &format!("{path}/Notifications"), two).await;
    // the same inbox on sockets: a ticket, and a key pair with the name in the query
    let (_, pass) = world.ask("POST", &format!("{path}/Tickets"), Some(json!({}))).await;
    let keys = [("x-api-key", world.keys.api_key.as_str()), ("x-api-secret", world.keys.api_secret.as_str())];
    for (query, headers) in
        [(format!("ticket={}", text(&pass["ticket"])), &[][..]), (format!("user={}", encoded(name)), &keys[..])]
    {
        let url = format!("{}/api/v1/Inbox/Socket?{query}", world.stack.url);
        let mut socket = Socket::open(&url, headers).await.unwrap();
        socket.say(&json!({ "action": "resume", "after": read["items"][0]["cursor"] })).await;
        let frame = socket.wait("notifications").await;
        let found = (&frame["stream"], &frame["items"][0]["id"]);
        assert_eq!(found, (&json!(format!("user:{name}")), &second[0]["id"]));
    }
    // the seed's socket has the name in its path
    let url = format!("{}/notifications/ws/{}", world.stack.url, encoded(name));
    let mut socket = Socket::open(&url, &keys).await.unwrap();
    // what is new may come before what is unread
    let mut told = String::new();
    while ![&sent, &second].iter().all(|it| told.contains(&text(&it[0]["id"]))) {
        told += &socket.next().await.unwrap().to_string();
    }
    // and SignalR's negotiation in its query
    let path = format!("/hubs/notifications/negotiate?negotiateVersion=1&user={}", encoded(name));
    assert_eq!(world.ask("POST", &path, None).await.0, 200, "{name:?}");
}

#[test]
fn a_name_that_cannot_travel_is_refused_everywhere() {
    World::run(async |world| {
        let keys = [("x-api-key", world.keys.api_key.as_str()), ("x-api-secret", world.keys.api_secret.as_str())];
        for name in ["a\tb", "a\u{7f}", "a\u{fffd}", "\u{85}", &"x".repeat(129)] {
            let (status, problem) =
                world.ask("POST", &format!("/api/v1/Inbox/{}/Tokens", encoded(name)), Some(json!({}))).await;
            assert_eq!((status, &problem["field"]), (422, &json!("user")), "{name:?}: {problem}");
        }
        for name in ["a/b", ".", "..", "a\nb", ""] {
            let many = json!({ "users": [name], "notification": { "title": "one" } });
            let (_, sent) = world.ask("POST", "/api/v1/Inbox/Notifications", Some(many)).await;
            assert_eq!(sent[0]["status"], 422, "{name:?}: {sent}");
            let query = format!("negotiateVersion=1&user={}", encoded(name));
            let (status, problem) = world.ask("POST", &format!("/hubs/notifications/negotiate?{query}"), None).await;
            assert_eq!((status, &problem["field"]), (422, &json!("user")), "{name:?}");
            let url = format!("{}/api/v1/Inbox/Socket?user={}", world.stack.url, encoded(name));
            assert_eq!(Socket::open(&url, &keys).await.err(), Some(401), "{name:?}");
            let (status, _) = world.ask("POST", "/api/v1/Inbox/jane/Tokens", Some(json!({ "groups": [name] }))).await;
            assert_eq!(status, 422, "{name:?}");
        }
        // encoded segments that a URL parser would take away: said so, and no other path is read
        let (status, problem) = world.ask("GET", "/api/v1/Inbox/jane%2F..%2Fjohn/Counts", None).await;
        assert_eq!((status, &problem["type"]), (400, &json!("about:blank#path")), "{problem}");
    });
}

#[test]
fn headers_of_strangers_build_no_url() {
    World::run(async |world| {
        let ask = |name: &'static str, value: &'static [u8]| {
            let value = reqwest::header::HeaderValue::from_bytes(value).unwrap();
            let request = world.http.get(format!("{}/iconik/ready", world.stack.url));
            async move { request.header(name, value).send().await.unwrap().status().as_u16() }
        };
        for (name, value) in [
            ("x-forwarded-proto", &b"ht tp"[..]),
            ("x-forwarded-proto", b"javascript"),
            ("x-forwarded-proto", b""),
            ("x-forwarded-host", b"a b"),
            ("x-anything", "h\u{e9}".as_bytes()),
            ("x-anything", b"\xff\xfe"),
        ] {
            assert_eq!(ask(name, value).await, 200, "{name}: {value:?}");
        }
    });
}

/// The function that CloudFront runs in front of the sockets, run by Node as it stands in the template.
#[test]
fn cloudfront_hands_the_path_over_as_it_was() {
    World::alone(async || {
        let template = std::fs::read_to_string(project().join("template.yaml")).unwrap();
        let (_, rest) = template.split_once("FunctionCode: |\n").unwrap();
        let code: String =
            rest.lines().take_while(|it| it.starts_with("        ")).map(|it| format!("{it}\n")).collect();
        let script = format!(
            "{code}\nconst all = JSON.parse(process.argv[1]);\n\
             const seen = all.map(uri => handler({{ request: {{ uri, querystring: {{}} }} }}).querystring.path.value);\n\
             // API Gateway decodes a parameter once, a plus being a blank\n\
             const read = seen.map(it => new URLSearchParams('path=' + it).getAll('path'));\n\
             console.log(JSON.stringify(read));"
        );
        let uris: Vec<String> = names(7).iter().map(|it| format!("/notifications/ws/{}", encoded(it))).collect();
        let raw =
            ["/notifications/ws/a+b", "/notifications/ws/a&user=b", "/notifications/ws/a=b", "/notifications/ws/1"];
        let all: Vec<&str> = uris.iter().map(String::as_str).chain(raw).collect();
        node().await;
        let output = tokio::process::Command::new("node").args(["-e", &script, &json!(all).to_string()]).output().await;
        let output = output.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let read: Vec<Vec<String>> = serde_json::from_slice(&output.stdout).unwrap();
        let want = names(7).into_iter().map(|it| format!("/notifications/ws/{it}"));
        let want: Vec<Vec<String>> = want.chain(raw.map(str::to_owned)).map(|it| vec![it]).collect();
        assert_eq!(read, want);
    });
}
