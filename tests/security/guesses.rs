//! Guesses are counted, whatever is guessed; issuers that fail are not asked again and again; nobody gives away what he
//! does not have.

use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};
use system_tests::client::CHANNELS;
use system_tests::issuer::Issuer;
use system_tests::{World, in_seconds, text};

/// More than an address may guess at all processes of a function.
const MOST: usize = 1_000;

/// Guesses until it is told that these are too many; answers that.
async fn guess(what: &str, request: impl Fn() -> RequestBuilder) -> Response {
    for _ in 0..MOST {
        let answer = request().send().await.unwrap();
        match answer.status().as_u16() {
            401 => assert!(answer.headers().contains_key("www-authenticate"), "{what}"),
            429 => return answer,
            other => panic!("{what}: {other}"),
        }
    }
    panic!("{what}: {MOST} guesses were listened to");
}

#[test]
fn guesses_of_every_kind_are_counted_and_right_credentials_are_never_locked_out() {
    World::run(async |world| {
        let issuer = Issuer::start().await;
        trusting(world, &issuer).await;
        let url = |path: &str| format!("{}{path}", world.stack.url);
        let app = world.keys.application_id.as_str();
        let from = |request: RequestBuilder, last: u32| request.header("x-forwarded-for", format!("203.0.113.{last}"));
        let right = format!("Bearer {}", world.token("jane", &[]).await);
        let (front, _) = right.rsplit_once('.').unwrap();
        let forged = format!("{front}.{}", "A".repeat(43)); // the claims are ours, the signature is nobody's
        let pair = |it: RequestBuilder| {
            it.header("x-api-key", &world.keys.api_key).header("x-api-secret", &world.keys.api_secret)
        };
        let inbox = url("/api/v1/Inbox/jane/Counts");
        let negotiate = url("/hubs/notifications/negotiate?negotiateVersion=1&user=jane");
        let refresh = || {
            let body = json!({ "applicationId": app, "refreshToken": "guessed" });
            from(world.http.post(url("/api/v1/Authorization/RefreshJwtToken")).json(&body), 1)
        };
        let answer = guess("refresh tokens", refresh).await;
        assert_eq!(answer.headers()["retry-after"], "60");
        let no_app = json!({ "applicationId": "nonsense", "jwtPrivateKey": "guessed" });
        guess("applications", || from(world.http.post(url("/api/v1/Authorization/GenerateJwtToken")).json(&no_app), 2))
            .await;
        let operator = |key: &str| from(world.http.get(url("/api/v1/Applications")).header("x-operator-key", key), 3);
        // what a client says before its address is no address of its own, whoever it says has passed it on
        let count = std::sync::atomic::AtomicU32::new(1);
        let elsewhere = |request: RequestBuilder| {
            let other = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let request =
                request.header("x-edge-token", "guessed").header("x-client-address", format!("192.0.2.{other}"));
            request.header("x-forwarded-for", format!("198.51.100.{other}, 203.0.113.8"))
        };
        let forged_operator = || world.http.get(url("/api/v1/Applications")).header("x-operator-key", "op_guessed");
        guess("the operator's key from ever other addresses", || elsewhere(forged_operator())).await;
        let answer = guess("the operator's key", || operator("op_guessed")).await;
        assert_eq!(answer.headers()["retry-after"], "60");
        assert_eq!(
            operator(&world.stack.operator_key).send().await.unwrap().status(),
            200,
            "the right one is listened to"
        );
        guess("users' tokens", || from(world.http.get(&inbox), 4).header("authorization", &forged)).await;
        guess("tickets", || from(world.http.post(&negotiate), 5).header("authorization", "Bearer tkt_guessed")).await;
        let half = || from(world.http.get(&inbox), 6).header("x-api-key", &world.keys.api_key);
        guess("secrets", || half().header("x-api-secret", "guessed")).await;
        guess("keys that tokens are asked for with", || {
            let body = json!({ "applicationId": app, "jwtPrivateKey": "guessed" });
            from(world.http.post(url("/api/v1/Authorization/GenerateJwtToken")).json(&body), 2)
        })
        .await;
        let foreign = issuer.token_with(json!({}), &claims(json!({ "ApplicationId": app, "aud": "another" })));
        guess("another issuer's tokens", || {
            from(world.http.get(&inbox), 7).header("authorization", format!("Bearer {foreign}"))
        })
        .await;
        // whoever guesses, right ones of every kind pass from the same address, as often as they come
        let post = async |path: &str, body: Value, last: u32| {
            let answer = from(world.http.post(url(path)).json(&body), last).send().await.unwrap();
            let status = answer.status().as_u16();
            (status, answer.json::<Value>().await.unwrap_or_default())
        };
        for _ in 0..10 {
            let key = json!({ "applicationId": app, "jwtPrivateKey": &world.keys.jwt_private_key });
            let (status, issued) = post("/api/v1/Authorization/GenerateJwtToken", key, 2).await;
            assert_eq!(status, 200, "a right JWT private key: {issued}");
            let renewal = json!({ "applicationId": app, "refreshToken": &issued["refreshToken"] });
            let (status, renewed) = post("/api/v1/Authorization/RefreshJwtToken", renewal, 1).await;
            assert_eq!(status, 200, "a right refresh token: {renewed}");
            let (_, pass) = world.ask("POST", "/api/v1/Inbox/jane/Tickets", None).await;
            let ticket = format!("Bearer {}", text(&pass["ticket"]));
            let opened = from(world.http.post(&negotiate), 5).header("authorization", ticket).send().await.unwrap();
            assert_eq!(opened.status(), 200, "a right ticket");
            let theirs = issuer.token(&claims(json!({ "ApplicationId": app })));
            let listed = from(world.http.get(&inbox), 7).header("authorization", format!("Bearer {theirs}"));
            assert_eq!(listed.send().await.unwrap().status(), 200, "a right token of another issuer");
        }
        guess("refresh tokens after a right one", refresh).await;
        for last in 4..=6 {
            for _ in 0..10 {
                assert_eq!(pair(from(world.http.get(&inbox), last)).send().await.unwrap().status(), 200);
                let with_token = from(world.http.get(&inbox), last).header("authorization", &right);
                assert_eq!(with_token.send().await.unwrap().status(), 200, "nor is a right token of ours");
                assert_eq!(from(world.http.get(&inbox), last).send().await.unwrap().status(), 401, "no guess");
            }
        }
    });
}

/// Trusts an issuer; answers a maker of its tokens' claims.
async fn trusting(world: &World<'_>, issuer: &Issuer) {
    let trusted = json!([{ "issuer": issuer.url, "audience": "notifications", "scopes": ["channels"] }]);
    let (status, set) = world.ask("PUT", "/api/v1/Media/Settings", Some(json!({ "oidc_issuers": trusted }))).await;
    assert_eq!(status, 200, "{set}");
}

fn claims(more: Value) -> Value {
    let at = in_seconds(600);
    let at = time::OffsetDateTime::parse(&at, &time::format_description::well_known::Rfc3339).unwrap();
    let mut claims = json!({ "aud": "notifications", "sub": "jane", "exp": at.unix_timestamp(), "scope": "channels" });
    for (name, value) in more.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
}

#[test]
fn an_issuer_that_fails_is_remembered_and_said_to_fail() {
    World::run(async |world| {
        let issuer = Issuer::start().await;
        issuer.fail(true);
        trusting(world, &issuer).await;
        let path = format!("{}{CHANNELS}/All?applicationId={}", world.stack.url, world.keys.application_id);
        let ask = async |token: String| {
            let request = world.http.get(&path).header("authorization", format!("Bearer {token}"));
            request.header("x-forwarded-for", "203.0.113.20").send().await.unwrap()
        };
        // no key is needed to see that this one was signed by nobody
        let unsigned = issuer.token_with(json!({ "alg": "none" }), &claims(json!({})));
        assert_eq!((ask(unsigned).await.status(), issuer.visits()), (reqwest::StatusCode::UNAUTHORIZED, 0));
        for _ in 0..40 {
            let answer = ask(issuer.token(&claims(json!({})))).await;
            let after: u32 = answer.headers()["retry-after"].to_str().unwrap().parse().unwrap();
            assert_eq!((answer.status().as_u16(), (1..=15).contains(&after)), (503, true));
        }
        // each process of the function asks once
        assert!(issuer.visits() <= 8, "asked {} times", issuer.visits());
        // beside a key pair as well
        let (status, _) =
            world.ask("GET", &format!("{CHANNELS}/All?applicationId={}", world.keys.application_id), None).await;
        assert_eq!(status, 200, "who needs no issuer waits for none");
    });
}

#[test]
fn tokens_are_read_as_their_specifications_say() {
    World::run(async |world| {
        let issuer = Issuer::start().await;
        trusting(world, &issuer).await;
        let app = world.keys.application_id.as_str();
        let path = format!("{}{CHANNELS}/All?applicationId={app}", world.stack.url);
        let ask = async |path: &str, token: String, keyed: bool| {
            let mut request = world.http.get(path).header("authorization", format!("bearer {token}"));
            request = request.header("x-application-id", app).header("x-forwarded-for", "203.0.113.21");
            if keyed {
                request =
                    request.header("x-api-key", &world.keys.api_key).header("x-api-secret", &world.keys.api_secret);
            }
            request.send().await.unwrap().status().as_u16()
        };
        for (header, more, want) in [
            (json!({}), json!({}), 200),
            // RFC 7515, section 4.1.11: what must be understood, and is not
            (json!({ "crit": ["exp"] }), json!({}), 401),
            (json!({ "crit": [] }), json!({}), 401),
            // OpenID Connect Core 1.0, section 10.1: one key needs no name
            (json!({ "kid": null }), json!({}), 200),
            (json!({ "kid": "another" }), json!({}), 401),
            (json!({}), json!({ "groups": "editors" }), 200),
            (json!({}), json!({ "groups": { "a": 1 } }), 200),
            (json!({}), json!({ "scope": "openid", "scp": ["channels"] }), 200),
            (json!({}), json!({ "scope": ["channels"], "scp": "openid" }), 200),
            (json!({}), json!({ "scope": "openid" }), 403),
            (json!({}), json!({ "sub": "a/b" }), 401),
        ] {
            let token = issuer.token_with(header.clone(), &claims(more.clone()));
            assert_eq!(ask(&path, token, false).await, want, "{header} {more}");
        }
        let group = format!("{}/api/v1/Groups/editors/Notifications", world.stack.url);
        assert_eq!(ask(&group, issuer.token(&claims(json!({ "groups": "editors" }))), false).await, 200);
        // a good token of another application beside this one's key pair is none
        let other = World::at(world.stack).await;
        trusting(&other, &issuer).await;
        let theirs = claims(json!({ "ApplicationId": other.keys.application_id }));
        assert_eq!(ask(&path, issuer.token(&theirs), true).await, 401);
        assert_eq!(ask(&path, issuer.token(&claims(json!({ "ApplicationId": app }))), true).await, 200);
    });
}

#[test]
fn nobody_gives_away_what_he_does_not_have() {
    World::run(async |world| {
        let app = world.keys.application_id.as_str();
        let keys = format!("/api/v1/Applications/{app}/Keys");
        let make = async |scopes: Value| {
            let (status, made) = world.ask("POST", &keys, Some(json!({ "name": "one", "scopes": scopes }))).await;
            assert_eq!(status, 201, "{made}");
            made
        };
        let weak = make(json!(["keys", "media"])).await;
        let with_key = async |key: &Value, method: Method, path: &str, body: Value| {
            let request = world.http.request(method, format!("{}{path}", world.stack.url)).json(&body);
            let request =
                request.header("x-api-key", text(&key["apiKey"])).header("x-api-secret", text(&key["apiSecret"]));
            let answer = request.send().await.unwrap();
            (answer.status().as_u16(), answer.json::<Value>().await.unwrap_or_default())
        };
        let as_weak = async |method: Method, path: &str, body: Value| with_key(&weak, method, path, body).await;
        let strong = make(json!(["channels", "inbox"])).await;
        let id = |it: &Value| text(&it["id"]);
        // three doors
        let (status, refused) = as_weak(Method::POST, &keys, json!({ "name": "x", "scopes": ["channels"] })).await;
        assert_eq!((status, &refused["type"]), (403, &json!("about:blank#scope")));
        let (status, refused) = as_weak(Method::POST, &format!("{keys}/{}/rotate", id(&strong)), json!({})).await;
        assert_eq!((status, refused.get("apiKey")), (403, None), "{refused}");
        for scopes in [json!([]), json!(["channels"])] {
            let own =
                json!({ "oidc_issuers": [{ "issuer": "http://127.0.0.1:9", "audience": "x", "scopes": scopes }] });
            let (status, refused) = as_weak(Method::PUT, "/api/v1/Media/Settings", own).await;
            assert_eq!((status, &refused["type"]), (403, &json!("about:blank#scope")), "{refused}");
        }
        // who signs in at an issuer is nothing that whoever has no keys may change, be it by the secret of its client alone
        let settings = "/api/v1/Media/Settings";
        let trusting = |secret: Option<&str>| {
            let client = json!({ "client_id": "console", "client_secret": secret });
            json!({ "oidc_issuers": [{ "issuer": "http://127.0.0.1:9", "audience": "x", "console": client }] })
        };
        let keyless = make(json!(["media"])).await;
        assert_eq!(world.ask("PUT", settings, Some(trusting(Some("hush")))).await.0, 200);
        for (secret, want) in [(Some("other"), 403), (Some(""), 403), (Some("********"), 200), (None, 200)] {
            let (status, answer) = with_key(&keyless, Method::PUT, settings, trusting(secret)).await;
            assert_eq!(status, want, "{secret:?}: {answer}");
        }
        // what it has it may replace, but nothing that has ended comes back to life
        let mine = make(json!(["media"])).await;
        let at_once = json!({ "overlapSeconds": 0 });
        assert_eq!(as_weak(Method::POST, &format!("{keys}/{}/rotate", id(&mine)), at_once.clone()).await.0, 201);
        assert_eq!(as_weak(Method::POST, &format!("{keys}/{}/rotate", id(&mine)), at_once.clone()).await.0, 404);
        let own = id(&weak);
        assert_eq!(as_weak(Method::POST, &format!("{keys}/{own}/rotate"), json!({})).await.0, 201);
        // fifty at most, however they are made
        let count = async || world.get(&keys).await.as_array().unwrap().len();
        while count().await < 50 {
            make(json!(["media"])).await;
        }
        let (status, full) = world.ask("POST", &keys, Some(json!({ "name": "one more" }))).await;
        assert_eq!((status, &full["field"]), (422, &json!("name")));
        let (status, full) = world.ask("POST", &format!("{keys}/{}/rotate", id(&strong)), Some(json!({}))).await;
        assert_eq!((status, &full["field"]), (422, &json!("name")), "the old one would stay good beside the new one");
        assert_eq!(world.ask("POST", &format!("{keys}/{}/rotate", id(&strong)), Some(at_once)).await.0, 201);
        assert_eq!(count().await, 50);
    });
}
