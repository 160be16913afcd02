//! Sessions of the console: how one begins, goes on and ends, and what its tokens are good for.

use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use system_tests::issuer::Issuer;
use system_tests::socket::Socket;
use system_tests::{World, in_seconds, text};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

const SESSION: &str = "/console/session";
/// What a page of the console sends with its cookie.
const OWN: [(&str, &str); 2] = [("x-console", "1"), ("sec-fetch-site", "same-origin")];

/// An answer: its status, its headers, its body.
struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Value,
}

impl Answer {
    /// What a browser keeps of its cookie.
    fn cookie(&self) -> String {
        let set = self.headers["set-cookie"].to_str().unwrap();
        set.split(';').next().unwrap().to_owned()
    }
}

async fn ask(world: &World<'_>, method: &str, path: &str, headers: &[(&str, &str)], body: Option<Value>) -> Answer {
    let request = world.http.request(method.parse().unwrap(), format!("{}{path}", world.stack.url));
    let request = headers.iter().fold(request, |it, (name, value)| it.header(*name, *value));
    let answer = match body {
        Some(body) => request.json(&body),
        None => request,
    };
    let answer = answer.send().await.unwrap();
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    Answer { status, headers, body: answer.json().await.unwrap_or_default() }
}

/// Signs in with a key pair.
async fn sign_in(world: &World<'_>, key: &str, secret: &str) -> Answer {
    let answer = ask(world, "POST", SESSION, &[("x-api-key", key), ("x-api-secret", secret)], None).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer
}

/// A request to the API with a session's token; answers status and body.
async fn call(world: &World<'_>, session: &Answer, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
    let token = format!("Bearer {}", text(&session.body["accessToken"]));
    let answer = ask(world, method, path, &[("authorization", &token)], body).await;
    (answer.status, answer.body)
}

async fn new_key(world: &World<'_>, scopes: &[&str]) -> Value {
    let path = format!("/api/v1/Applications/{}/Keys", world.keys.application_id);
    let (status, key) = world.ask("POST", &path, Some(json!({ "name": "session", "scopes": scopes }))).await;
    assert_eq!(status, 201, "{key}");
    key
}

#[test]
fn a_session_begins_goes_on_and_ends() {
    World::run(async |world| {
        let app = &world.keys.application_id;
        let begun = sign_in(world, &world.keys.api_key, &world.keys.api_secret).await;
        let set = begun.headers["set-cookie"].to_str().unwrap();
        for part in ["; HttpOnly", "; SameSite=Strict", "; Path=/console"] {
            assert!(set.contains(part), "{set}");
        }
        assert!(!set.contains("Secure"), "the local stack has no HTTPS: {set}");
        let proxied = [("x-api-key", world.keys.api_key.as_str()), ("x-api-secret", &world.keys.api_secret)];
        let proxied = [proxied[0], proxied[1], ("x-forwarded-proto", "https")];
        let secure = ask(world, "POST", SESSION, &proxied, None).await;
        let set = secure.headers["set-cookie"].to_str().unwrap();
        assert!(set.starts_with("__Host-console=") && set.contains("; Path=/;") && set.ends_with("; Secure"), "{set}");
        // its token is good for what the key is good for, channels and keys included
        let channels = format!("/api/v1/Notification/ChannelConfiguration/All?applicationId={app}");
        let keys = format!("/api/v1/Applications/{app}/Keys");
        for path in [channels.as_str(), &keys, "/api/v1/Media/Buckets", "/api/v1/Inbox/jane/Counts"] {
            assert_eq!(call(world, &begun, "GET", path, None).await.0, 200, "{path}");
        }
        let other = World::at(world.stack).await;
        let theirs = format!("/api/v1/Applications/{}/Keys", other.keys.application_id);
        assert_eq!(call(world, &begun, "GET", &theirs, None).await.0, 404);

        let cookie = begun.cookie();
        let mut headers = vec![("cookie", cookie.as_str())];
        headers.extend(OWN);
        let next = ask(world, "POST", SESSION, &headers, None).await;
        assert_eq!((next.status, next.body["applicationId"].as_str()), (200, Some(app.as_str())));
        assert_eq!(call(world, &next, "GET", &keys, None).await.0, 200);
        // nobody else's page sends it
        for forged in [
            &[("cookie", cookie.as_str())][..],
            &[("cookie", cookie.as_str()), ("x-console", "1"), ("sec-fetch-site", "cross-site")],
            &[("cookie", cookie.as_str()), ("x-console", "1"), ("origin", "https://evil.example.com")],
        ] {
            for method in ["POST", "DELETE"] {
                assert_eq!(ask(world, method, SESSION, forged, None).await.status, 403, "{method} {forged:?}");
            }
        }
        // nor does another site's page sign its visitor in as somebody else
        for from in [("sec-fetch-site", "cross-site"), ("origin", "https://evil.example.com")] {
            assert_eq!(
                ask(world, "POST", SESSION, &[proxied[0], proxied[1], from], None).await.status,
                403,
                "{from:?}"
            );
        }
        let preflight = world.http.request("OPTIONS".parse().unwrap(), format!("{}{SESSION}", world.stack.url));
        let preflight = preflight.header("origin", "https://evil.example.com");
        let preflight = preflight.header("access-control-request-method", "POST").send().await.unwrap();
        assert_eq!(preflight.status(), 403);
        // a cookie is no credential of the API
        let cookie_alone = ask(world, "GET", "/api/v1/Media/Buckets", &headers, None).await;
        assert_eq!(cookie_alone.status, 401);

        // whoever signs in again leaves no session behind
        let signed_in_again = [headers[0], headers[1], headers[2], proxied[0], proxied[1]];
        let replaced = ask(world, "POST", SESSION, &signed_in_again, None).await;
        assert_eq!((replaced.status, ask(world, "POST", SESSION, &headers, None).await.status), (200, 401));
        let cookie = replaced.cookie();
        headers[0] = ("cookie", cookie.as_str());
        let gone = ask(world, "DELETE", SESSION, &headers, None).await;
        assert!(gone.status == 204 && gone.headers["set-cookie"].to_str().unwrap().contains("Max-Age=0"));
        assert_eq!(ask(world, "POST", SESSION, &headers, None).await.status, 401);
        for wrong in [&[][..], &[("x-api-key", "nk_live_x"), ("x-api-secret", "x")], &[("authorization", "Bearer x")]] {
            assert_eq!(ask(world, "POST", SESSION, wrong, None).await.status, 401, "{wrong:?}");
        }
        // a user's token is no way in
        let jane = format!("Bearer {}", world.token("jane", &[]).await);
        assert_eq!(ask(world, "POST", SESSION, &[("authorization", &jane)], None).await.status, 401);
    });
}

#[test]
fn a_code_signs_in_once() {
    World::run(async |world| {
        let (status, made) = world.ask("POST", "/console/codes", Some(json!({ "minutes": 1 }))).await;
        assert_eq!(status, 201, "{made}");
        let code = json!({ "code": made["code"] });
        let first = ask(world, "POST", SESSION, &[], Some(code.clone())).await;
        assert_eq!((first.status, first.body["applicationId"].as_str()), (200, Some(&*world.keys.application_id)));
        assert_eq!(ask(world, "POST", SESSION, &[], Some(code)).await.status, 401, "a second time");
        // a browser that is signed in is asked before a link signs it in as somebody else
        let (_, made) = world.ask("POST", "/console/codes", None).await;
        let (code, cookie) = (json!({ "code": made["code"] }), first.cookie());
        let kept = ask(world, "POST", SESSION, &[("cookie", &cookie)], Some(code)).await;
        assert_eq!((kept.status, &kept.body["type"]), (409, &json!("about:blank#signed-in")));
        let code = json!({ "code": made["code"], "replace": true });
        let replaced = ask(world, "POST", SESSION, &[("cookie", &cookie)], Some(code)).await;
        assert_eq!(replaced.status, 200, "{}", replaced.body);
        assert_eq!(
            ask(world, "POST", SESSION, &[], Some(json!({ "code": "AbCdEfGhIjKlMnOpQrStUv" }))).await.status,
            401
        );
        for minutes in [0, 1_441] {
            let (status, refused) = world.ask("POST", "/console/codes", Some(json!({ "minutes": minutes }))).await;
            assert_eq!((status, &refused["field"]), (422, &json!("minutes")));
        }
        assert_eq!(ask(world, "POST", "/console/codes", &[], None).await.status, 401);
        let (good, said) = world.notify_as(&["console"]).await;
        assert!(good && said.starts_with(&format!("{}/console#sign-in=", world.stack.url)), "{said}");
    });
}

#[test]
fn a_token_begins_no_session_that_outlasts_it() {
    World::run(async |world| {
        let begun = sign_in(world, &world.keys.api_key, &world.keys.api_secret).await;
        let time = |it: &Value| OffsetDateTime::parse(&text(it), &Rfc3339).unwrap();
        let expires = time(&begun.body["accessTokenExpiration"]);
        let token = format!("Bearer {}", text(&begun.body["accessToken"]));
        for headers in
            [&[("authorization", token.as_str())][..], &[("authorization", token.as_str()), ("x-api-key", "")]]
        {
            let again = ask(world, "POST", SESSION, headers, None).await;
            assert_eq!(again.status, 200, "{}", again.body);
            assert!(time(&again.body["sessionExpiration"]) <= expires, "{}", again.body);
            let made = ask(world, "POST", "/console/codes", headers, Some(json!({ "minutes": 60 }))).await;
            assert!(made.status == 201 && time(&made.body["expiresAt"]) <= expires, "{}", made.body);
            let code = ask(world, "POST", SESSION, &[], Some(json!({ "code": made.body["code"] }))).await;
            assert_eq!(code.status, 200, "{}", code.body);
            assert!(time(&code.body["sessionExpiration"]) <= expires, "{}", code.body);
        }
    });
}

#[test]
fn a_session_ends_with_its_key() {
    World::run(async |world| {
        let key = new_key(world, &["media"]).await;
        let begun = sign_in(world, &text(&key["apiKey"]), &text(&key["apiSecret"])).await;
        assert_eq!(begun.body["scopes"], json!(["media"]));
        let channels =
            format!("/api/v1/Notification/ChannelConfiguration/All?applicationId={}", world.keys.application_id);
        assert_eq!(call(world, &begun, "GET", &channels, None).await.0, 403, "no more than the key");
        let path = format!("/api/v1/Applications/{}/Keys/{}", world.keys.application_id, text(&key["id"]));
        assert_eq!(world.ask("DELETE", &path, None).await.0, 204);
        let cookie = begun.cookie();
        let mut headers = vec![("cookie", cookie.as_str())];
        headers.extend(OWN);
        assert_eq!(ask(world, "POST", SESSION, &headers, None).await.status, 401);
    });
}

#[test]
fn a_viewer_reads_everything_and_changes_nothing() {
    World::run(async |world| {
        let app = &world.keys.application_id;
        let sent = text(&world.send("jane", "for the viewer").await["id"]);
        let key = new_key(world, &["read"]).await;
        let viewer = sign_in(world, &text(&key["apiKey"]), &text(&key["apiSecret"])).await;
        let of_channels = format!("?applicationId={app}");
        for path in [
            "/api/v1/Media/Buckets".to_owned(),
            "/api/v1/Media/Settings".to_owned(),
            "/api/v1/Inbox/jane/Notifications".to_owned(),
            "/api/v1/Notification/Messages".to_owned(),
            "/api/v1/Usage".to_owned(),
            "/api/v1/Everyone/Connections".to_owned(),
            format!("/api/v1/Applications/{app}/Keys"),
            format!("/api/v1/Notification/ChannelConfiguration/All{of_channels}"),
            format!("/api/v1/Notification/Deliveries/Summary{of_channels}"),
        ] {
            assert_eq!(call(world, &viewer, "GET", &path, None).await.0, 200, "{path}");
        }
        for (method, path, body) in [
            ("PUT", "/api/v1/Media/Settings".to_owned(), json!({})),
            ("POST", "/api/v1/Media/Buckets".to_owned(), json!({})),
            ("POST", "/api/v1/Inbox/jane/Notifications".to_owned(), json!({ "title": "t" })),
            ("POST", "/api/v1/Inbox/jane/Marks".to_owned(), json!({ "change": "read", "ids": [sent] })),
            ("POST", "/api/v1/Inbox/jane/Tokens".to_owned(), json!({})),
            ("POST", "/api/v1/Notification/Messages".to_owned(), json!({ "type": "a.b" })),
            ("POST", "/api/v1/DeadLetters/webhook/redrive".to_owned(), json!({})),
            ("POST", format!("/api/v1/Applications/{app}/Keys"), json!({ "name": "x", "scopes": ["read"] })),
            ("POST", format!("/api/v1/Notification/ChannelConfiguration/WebHook{of_channels}"), json!({})),
        ] {
            let (status, refused) = call(world, &viewer, method, &path, Some(body)).await;
            assert_eq!(status, 403, "{method} {path}: {refused}");
        }
        // its socket receives, and changes no read state
        let (status, made) = call(world, &viewer, "POST", "/api/v1/Inbox/jane/Tickets", Some(json!({}))).await;
        assert_eq!(status, 201, "{made}");
        let url = format!("{}/api/v1/Inbox/Socket?ticket={}", world.stack.url, text(&made["ticket"]));
        let mut socket = Socket::open(&url, &[]).await.unwrap();
        socket.say(&json!({ "action": "resume" })).await;
        socket.wait("resumed").await;
        for action in [
            json!({ "action": "mark", "change": "read", "ids": [sent] }),
            json!({ "action": "ack", "cursor": "x", "device": "d" }),
        ] {
            socket.say(&action).await;
            let refused = socket.wait("error").await;
            assert!(text(&refused["message"]).contains("reading alone"), "{refused}");
        }
        let counts = world.get("/api/v1/Inbox/jane/Counts").await;
        assert_eq!((&counts["unread"], &counts["total"]), (&json!(1), &json!(1)));
    });
}

#[test]
fn a_token_of_the_applications_issuer_signs_in() {
    World::run(async |world| {
        let issuer = Issuer::start().await;
        let trusted = json!([{ "issuer": issuer.url, "audience": "console", "scopes": ["media", "read"] }]);
        let (status, answer) =
            world.ask("PUT", "/api/v1/Media/Settings", Some(json!({ "oidc_issuers": trusted }))).await;
        assert_eq!(status, 200, "{answer}");
        let expires = OffsetDateTime::parse(&in_seconds(600), &Rfc3339).unwrap();
        let claims =
            |scope: &str| json!({ "aud": "console", "sub": "jane", "scope": scope, "exp": expires.unix_timestamp() });
        let app = &world.keys.application_id;
        let with = async |claims: Value| {
            let token = format!("Bearer {}", issuer.token(&claims));
            ask(world, "POST", SESSION, &[("authorization", &token), ("x-application-id", app)], None).await
        };
        let begun = world
            .until("the issuer is trusted", async || {
                let answer = with(claims("media read channels")).await;
                (answer.status == 200).then_some(answer)
            })
            .await;
        assert_eq!(begun.body["scopes"], json!(["media", "read"]), "no more than the application grants");
        let ends = OffsetDateTime::parse(&text(&begun.body["sessionExpiration"]), &Rfc3339).unwrap();
        assert!(ends <= expires, "no longer than its token");
        assert_eq!(call(world, &begun, "GET", "/api/v1/Media/Buckets", None).await.0, 200);
        assert_eq!(with(claims("")).await.status, 403, "a token for the user's own inbox alone");
    });
}

#[test]
fn the_pages_are_served_compressed_and_under_a_strict_policy() {
    World::run(async |world| {
        let page = world.http.get(format!("{}/console", world.stack.url)).header("accept-encoding", "gzip");
        let page = page.send().await.unwrap();
        let policy = page.headers()["content-security-policy"].to_str().unwrap().to_owned();
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"), "{policy}");
        assert!(!policy.contains("unsafe") && policy.contains("frame-ancestors 'none'"), "{policy}");
        assert_eq!(
            (&page.headers()["content-encoding"], &page.headers()["cache-control"]),
            (&"gzip".parse().unwrap(), &"no-cache".parse().unwrap())
        );
        let plain = world.http.get(format!("{}/console/", world.stack.url)).send().await.unwrap();
        assert_eq!(plain.headers().get("content-encoding"), None);
        let plain = plain.text().await.unwrap();
        let files: Vec<&str> = plain.split("\"/console/").skip(1).map(|it| it.split('"').next().unwrap()).collect();
        assert!(files.len() > 3, "{plain}");
        for file in files {
            let answer = world.http.get(format!("{}/console/{file}", world.stack.url)).send().await.unwrap();
            assert_eq!(answer.status(), 200, "{file}");
            assert_eq!(answer.headers()["cache-control"], "public, max-age=31536000, immutable");
            assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
        }
        let missing = world.http.get(format!("{}/console/main-00000000.js", world.stack.url)).send().await.unwrap();
        assert_eq!(missing.status(), 404);
    });
}
