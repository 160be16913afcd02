//! Keys, tokens and other issuers' tokens: made, replaced, revoked, and what they are good for.

use reqwest::Method;
use serde_json::{Value, json};
use system_tests::client::CHANNELS;
use system_tests::issuer::Issuer;
use system_tests::{World, in_seconds, text};

/// Asks with headers of one's own; answers status and body.
async fn with(world: &World<'_>, path: &str, headers: &[(&str, &str)]) -> (u16, Value) {
    let request = world.http.get(format!("{}{path}", world.stack.url));
    let answer = headers.iter().fold(request, |it, (name, value)| it.header(*name, *value)).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap_or_default())
}

async fn token(world: &World<'_>, route: &str, body: Value) -> (u16, Value) {
    let path = format!("{}/api/v1/Authorization/{route}", world.stack.url);
    // the media type as the page prints it
    let request = world.http.post(path).header("content-type", "application/json; x-api-version=1.0");
    let answer = request.body(body.to_string()).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

#[test]
fn a_refresh_token_is_good_once_and_a_copy_of_it_ends_its_family() {
    World::run(async |world| {
        let app = &world.keys.application_id;
        let ask = json!({ "applicationId": format!("urn:uuid:{app}"), "jwtPrivateKey": world.keys.jwt_private_key });
        let (status, first) = token(world, "GenerateJwtToken", ask).await;
        assert_eq!((status, &first["$id"], &first["applicationId"]), (200, &json!("1"), &json!(app)));
        assert_eq!(text(&first["refreshToken"]).len(), 44, "32 bytes in base64");
        let refresh = |token: &Value| json!({ "applicationId": app, "refreshToken": token });
        let (status, second) = token(world, "RefreshJwtToken", refresh(&first["refreshToken"])).await;
        assert_eq!(status, 200, "{second}");
        assert_ne!(second["refreshToken"], first["refreshToken"]);
        let bearer = format!("Bearer {}", text(&second["accessToken"]));
        let keys = [("x-api-key", world.keys.api_key.as_str()), ("x-api-secret", world.keys.api_secret.as_str())];
        let path = format!("{CHANNELS}/All?applicationId={app}");
        assert_eq!(with(world, &path, &[keys[0], keys[1], ("authorization", &bearer)]).await.0, 200);
        // the first one again: somebody has a copy; what came of it is void as well
        let (status, refused) = token(world, "RefreshJwtToken", refresh(&first["refreshToken"])).await;
        assert_eq!(
            (status, &refused["errors"]["business:"][0]),
            (401, &json!("Token is missing, invalid or ApplicationId is not found in the token."))
        );
        assert_eq!(token(world, "RefreshJwtToken", refresh(&second["refreshToken"])).await.0, 401);
        assert_eq!(token(world, "RefreshJwtToken", refresh(&json!("nonsense"))).await.0, 401);
        let version = world.http.post(format!("{}/api/v1/Authorization/GenerateJwtToken", world.stack.url));
        let version = version.header("content-type", "application/json").body("{}").send().await.unwrap();
        assert_eq!(version.status(), 400, "fields are missing");
    });
}

#[test]
fn keys_are_made_replaced_and_revoked_and_good_for_their_scopes_alone() {
    World::run(async |world| {
        let app = &world.keys.application_id;
        let (good, made) = world.notify_as(&["key", "create", "player", "--scope", "channels", "--json"]).await;
        assert!(good, "{made}");
        let made: Value = serde_json::from_str(&made).unwrap();
        let (key, secret) = (text(&made["apiKey"]), text(&made["apiSecret"]));
        let pair = [("x-api-key", key.as_str()), ("x-api-secret", secret.as_str())];
        let all = format!("{CHANNELS}/All?applicationId={app}");
        assert_eq!(with(world, &all, &pair).await.0, 200);
        let (status, refused) = with(world, "/api/v1/Media/Buckets", &pair).await;
        assert_eq!((status, &refused["detail"]), (403, &json!("the key lacks the scope media")));
        let keys = format!("/api/v1/Applications/{app}/Keys");
        assert_eq!(with(world, &keys, &pair).await.0, 403, "it does not manage keys");
        let listed = world.get(&keys).await;
        let names: Vec<&Value> = listed.as_array().unwrap().iter().map(|it| &it["name"]).collect();
        assert!(names.contains(&&json!("first")) && names.contains(&&json!("player")), "{listed}");
        assert!(!listed.to_string().contains(&secret) && !listed.to_string().contains("Hash"), "no secrets in a list");

        // replaced with an overlap: both are good
        let (good, new) = world.notify_as(&["key", "rotate", &text(&made["id"]), "--json"]).await;
        assert!(good, "{new}");
        let new: Value = serde_json::from_str(&new).unwrap();
        let newer =
            [("x-api-key", new["apiKey"].as_str().unwrap()), ("x-api-secret", new["apiSecret"].as_str().unwrap())];
        assert_eq!((with(world, &all, &pair).await.0, with(world, &all, &newer).await.0), (200, 200));
        assert_eq!(new["scopes"], json!(["channels"]));
        // revoked: over everywhere within a minute, since it is remembered for so long
        let (good, text) = world.notify_as(&["key", "revoke", new["id"].as_str().unwrap()]).await;
        assert!(good, "{text}");
        world
            .until("the revoked key is refused", async || (with(world, &all, &newer).await.0 == 401).then_some(()))
            .await;
        // another application's key is none
        let other = "00000000-0000-4000-8000-000000000000";
        assert_eq!(with(world, &format!("/api/v1/Applications/{other}/Keys"), &pair).await.0, 403);
        assert_eq!(world.ask("GET", &format!("/api/v1/Applications/{other}/Keys"), None).await.0, 404);
        let (status, refused) = world.ask("POST", &keys, Some(json!({ "name": "x", "scopes": ["root"] }))).await;
        assert_eq!((status, &refused["field"]), (422, &json!("scopes")));
        // the JWT private key, with its overlap
        let (good, rotated) = world.notify_as(&["app", "rotate-jwt-key", "--json"]).await;
        assert!(good, "{rotated}");
        let rotated: Value = serde_json::from_str(&rotated).unwrap();
        for key in [&world.keys.jwt_private_key, rotated["jwtPrivateKey"].as_str().unwrap()] {
            let ask = json!({ "applicationId": app, "jwtPrivateKey": key });
            assert_eq!(token(world, "GenerateJwtToken", ask).await.0, 200);
        }
        let (good, listed) = world.notify(&["app", "list"]).await;
        assert!(good && listed.contains(app.as_str()), "{listed}");
    });
}

#[test]
fn tokens_of_a_trusted_issuer_are_taken_and_its_keys_may_change() {
    World::run(async |world| {
        let issuer = Issuer::start().await;
        let app = world.keys.application_id.as_str();
        let trusted = json!([{ "issuer": issuer.url, "audience": "notifications", "scopes": ["channels"] }]);
        let (status, set) = world.ask("PUT", "/api/v1/Media/Settings", Some(json!({ "oidc_issuers": trusted }))).await;
        assert_eq!((status, &set["oidc_issuers"]), (200, &trusted));
        let exp = |seconds: i64| {
            let at = in_seconds(seconds);
            time::OffsetDateTime::parse(&at, &time::format_description::well_known::Rfc3339).unwrap().unix_timestamp()
        };
        let claims = |more: Value| {
            let mut claims =
                json!({ "aud": "notifications", "sub": "jane", "exp": exp(600), "scope": "openid channels media" });
            for (name, value) in more.as_object().unwrap() {
                claims[name] = value.clone();
            }
            claims
        };
        let channels = format!("{CHANNELS}/All?applicationId={app}");
        let bearer = |claims: Value| format!("Bearer {}", issuer.token(&claims));
        let status = async |path: &str, claims: Value| with(world, path, &[("authorization", &bearer(claims))]).await.0;
        assert_eq!(status(&channels, claims(json!({}))).await, 200);
        // what the issuer may not grant is not granted, whatever the token says
        let media = with(
            world,
            "/api/v1/Media/Buckets",
            &[("authorization", &bearer(claims(json!({})))), ("x-application-id", app)],
        )
        .await;
        assert_eq!(media.0, 403);
        for wrong in [
            json!({ "aud": "another" }),
            json!({ "exp": exp(-120) }),
            json!({ "exp": "soon" }),
            json!({ "nbf": exp(600) }),
            json!({ "iss": "https://login.example.com" }),
            json!({ "ApplicationId": "d5eabbb8-c0f6-4640-94fd-3566edad499f" }),
        ] {
            assert_eq!(status(&channels, claims(wrong.clone())).await, 401, "{wrong}");
        }
        // a clock that is a little ahead is none of its faults; one that is far ahead is named
        assert_eq!(status(&channels, claims(json!({ "nbf": exp(30) }))).await, 200);
        let ahead = bearer(claims(json!({ "nbf": exp(600) })));
        let headers = [("authorization", ahead.as_str()), ("x-application-id", app)];
        let (status_of, said) = with(world, "/api/v1/Inbox/jane/Notifications", &headers).await;
        assert!(status_of == 401 && said.to_string().contains("not valid yet"), "{said}");
        let own = issuer.token(&claims(json!({})));
        let (front, _) = own.rsplit_once('.').unwrap();
        let forged = format!("Bearer {front}.{}", "A".repeat(86));
        assert_eq!(with(world, &channels, &[("authorization", &forged)]).await.0, 401);
        // a user reads the own inbox with it, and no other
        let (_, told) = world.ask("POST", "/api/v1/Inbox/jane/Notifications", Some(json!({ "title": "Hello" }))).await;
        assert_eq!(told[0]["user"], "jane", "{told}");
        let own = bearer(claims(json!({ "scope": "openid" })));
        let headers = [("authorization", own.as_str()), ("x-application-id", app)];
        assert_eq!(with(world, "/api/v1/Inbox/jane/Notifications", &headers).await.0, 200);
        assert_eq!(with(world, "/api/v1/Inbox/joe/Notifications", &headers).await.0, 403);
        // beside a key pair it counts as the token
        let pair = [("x-api-key", world.keys.api_key.as_str()), ("x-api-secret", world.keys.api_secret.as_str())];
        assert_eq!(with(world, &channels, &[pair[0], pair[1], ("authorization", &own)]).await.0, 200);
        // the issuer's keys change: unknown ones are asked for, known keys are not asked for each time
        let before = issuer.asked();
        for _ in 0..5 {
            assert_eq!(status(&channels, claims(json!({}))).await, 200);
        }
        assert!(issuer.asked() <= before + 4, "the keys are remembered: {} then {}", before, issuer.asked());
        issuer.rotate("second");
        world
            .until("tokens by the new key are taken", async || {
                (status(&channels, claims(json!({}))).await == 200).then_some(())
            })
            .await;
        let (status, refused) = world
            .ask(
                "PUT",
                "/api/v1/Media/Settings",
                Some(json!({ "oidc_issuers": [{ "issuer": "http://example.com", "audience": "x" }] })),
            )
            .await;
        assert_eq!((status, &refused["field"]), (422, &json!("oidc_issuers")));
    });
}

#[test]
fn secrets_are_shown_to_nobody_unless_the_deployment_allows_it() {
    World::run(async |world| {
        let hub = [("hubUrl", "https://hub.example.com/hub"), ("accessToken", "very secret")];
        let (_, made) = world.channels(Method::POST, &format!("{CHANNELS}/SignalR"), &[], Some(&hub)).await;
        let path =
            format!("{CHANNELS}?applicationId={}&configurationId={}", world.keys.application_id, text(&made["id"]));
        let pair = [("x-api-key", world.keys.api_key.as_str()), ("x-api-secret", world.keys.api_secret.as_str())];
        let (status, refused) = with(world, &path, &[pair[0], pair[1], ("x-reveal-secrets", "true")]).await;
        assert_eq!(status, 403, "{refused}");
        let (_, shown) = with(world, &path, &pair).await;
        assert!(!shown.to_string().contains("very secret"), "{shown}");
    });
}
