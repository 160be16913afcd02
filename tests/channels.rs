//! Webhook channels: the published shapes, and receivers good and bad.

use reqwest::Method;
use serde_json::{Value, json};
use system_tests::receiver::Answer;
use system_tests::{World, text};

const PATH: &str = "/api/v1/Notification/ChannelConfiguration";

async fn ask(
    world: &World<'_>,
    method: Method,
    path: &str,
    query: &[(&str, &str)],
    form: Option<&[(&str, &str)]>,
) -> (u16, Value) {
    let request = world.http.request(method, format!("{}{path}", world.stack.url)).query(query);
    let request = request.header("x-api-key", &world.keys.api_key).header("x-api-secret", &world.keys.api_secret);
    let answer = match form {
        Some(form) => request.form(form),
        None => request,
    };
    let answer = answer.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

#[test]
fn configurations_have_the_published_shape() {
    World::run(async |world| {
        let app = world.keys.application_id.as_str();
        let form =
            [("webHookUrl", "https://webhook.example.com/hook?token=abc"), ("retryCount", "3"), ("IsActive", "true")];
        let (status, made) =
            ask(world, Method::POST, &format!("{PATH}/WebHook"), &[("applicationId", app)], Some(&form)).await;
        assert_eq!(status, 200, "{made}");
        let members: Vec<&String> = made.as_object().unwrap().keys().collect();
        assert_eq!(
            members,
            [
                "applicationId",
                "channel",
                "createdAt",
                "id",
                "includeImageData",
                "isActive",
                "notificationChannelConfigurationJSON",
                "updatedAt"
            ]
        );
        let settings = r#"{"WebHookUrl":"https://webhook.example.com/hook?token=********","RetryCount":3,"ExponentialBackoffFactor":2.0}"#;
        assert_eq!(made["notificationChannelConfigurationJSON"], settings);
        let id = text(&made["id"]);
        let one = [("applicationId", app), ("configurationId", id.as_str())];
        let (_, read) = ask(world, Method::GET, PATH, &one, None).await;
        assert_eq!(
            read["notificationChannelConfiguration"],
            json!({ "isActive": true, "includeImageData": false, "notificationChannel": 0 })
        );
        let (_, all) = ask(world, Method::GET, &format!("{PATH}/All"), &one[..1], None).await;
        let (_, active) = ask(world, Method::GET, &format!("{PATH}/Active"), &one[..1], None).await;
        assert_eq!(
            (all.as_array().unwrap().len(), &active["$id"], &active["$values"][0]["id"]),
            (1, &json!("1"), &json!(id))
        );
        let (status, gone) = ask(world, Method::DELETE, PATH, &one, None).await;
        assert_eq!((status, gone), (200, json!(true)));
        let (status, gone) = ask(world, Method::DELETE, PATH, &one, None).await;
        assert_eq!(status, 404);
        assert_eq!(
            gone["errors"]["engine: Delete"][0],
            format!("Notification channel configuration {id} not found for Application {app}.")
        );
        let (status, none) = ask(world, Method::GET, &format!("{PATH}/Active"), &one[..1], None).await;
        assert_eq!((status, &none["type"]), (404, &json!("https://tools.ietf.org/html/rfc7231#section-6.5.1")));
    });
}

#[test]
fn wrong_fields_and_addresses_are_refused_by_name() {
    World::run(async |world| {
        let app = world.keys.application_id.as_str();
        for (form, field) in [
            (&[][..], "WebHookUrl"),
            (&[("webHookUrl", "http://example.com/")], "WebHookUrl"),
            (&[("webHookUrl", "https://169.254.169.254/latest")], "WebHookUrl"),
            (&[("webHookUrl", "https://[::ffff:10.0.0.1]/")], "WebHookUrl"),
            (&[("webHookUrl", "https://user:pass@example.com/")], "WebHookUrl"),
            (&[("webHookUrl", "https://example.com/"), ("retryCount", "21")], "RetryCount"),
            (
                &[("webHookUrl", "https://example.com/"), ("exponentialBackoffFactor", "2,0")],
                "ExponentialBackoffFactor",
            ),
            (&[("webHookUrl", "https://example.com/"), ("signingSecret", "whsec_AA==")], "SigningSecret"),
        ] {
            let (status, envelope) =
                ask(world, Method::POST, &format!("{PATH}/WebHook"), &[("applicationId", app)], Some(form)).await;
            assert_eq!(
                (status, &envelope["title"]),
                (400, &json!("One or more validation errors occurred.")),
                "{envelope}"
            );
            assert!(envelope["errors"][field].is_array(), "{field}: {envelope}");
        }
        let other = "d5eabbb8-c0f6-4640-94fd-3566edad499f";
        let (status, _) = ask(world, Method::GET, &format!("{PATH}/All"), &[("applicationId", other)], None).await;
        assert_eq!(status, 403);
        let (status, _) = ask(world, Method::GET, &format!("{PATH}/All"), &[("applicationId", "x")], None).await;
        assert_eq!(status, 400);
    });
}

#[test]
fn credentials_are_checked_and_a_token_beside_them_too() {
    World::run(async |world| {
        let app = world.keys.application_id.as_str();
        let body = json!({ "applicationId": format!("urn:uuid:{app}"), "jwtPrivateKey": world.keys.jwt_private_key });
        let (status, token) = world.ask("POST", "/api/v1/Authorization/GenerateJwtToken", Some(body)).await;
        assert_eq!((status, &token["applicationId"]), (200, &json!(app)));
        let wrong = json!({ "applicationId": app, "jwtPrivateKey": "0".repeat(128) });
        assert_eq!(world.ask("POST", "/api/v1/Authorization/GenerateJwtToken", Some(wrong)).await.0, 401);
        let good = (world.keys.api_key.as_str(), world.keys.api_secret.as_str());
        let token = text(&token["accessToken"]);
        let forged = format!("{}x", &token[..token.len() - 1]);
        for (key, secret, bearer, want) in [
            (good.0, good.1, None, 200),
            (good.0, good.1, Some(token.as_str()), 200),
            (good.0, good.1, Some(forged.as_str()), 401),
            (good.0, good.1, Some("nonsense"), 401),
            (good.0, "wrong", None, 401),
            ("nk_live_AAAAAAAAAA_x_00000000", good.1, None, 401),
            ("", "", Some(token.as_str()), 401),
        ] {
            for path in [format!("{PATH}/All?applicationId={app}"), "/api/v1/Media/Buckets".to_owned()] {
                let mut request = world
                    .http
                    .get(format!("{}{path}", world.stack.url))
                    .header("x-api-key", key)
                    .header("x-api-secret", secret);
                if let Some(bearer) = bearer {
                    request = request.header("authorization", format!("Bearer {bearer}"));
                }
                assert_eq!(request.send().await.unwrap().status(), want, "{path} {bearer:?}");
            }
        }
    });
}

/// Makes one notification: an object that nobody wants is told as skipped.
async fn tell(world: &World<'_>) {
    let bucket = world.bucket().await;
    std::fs::write(bucket.folder.join("a.txt"), "a").unwrap();
    world.scan(&bucket.id).await;
}

#[test]
fn a_refused_delivery_is_tried_again_under_the_same_id() {
    World::run(async |world| {
        let hook = world.webhook(&[("exponentialBackoffFactor", "1.0")]).await;
        let redirect = vec![("location".to_owned(), "http://127.0.0.1:9/".to_owned())];
        hook.answers([
            Answer::Status(500, vec![]),
            Answer::Status(302, redirect),
            Answer::Flood,
            Answer::Status(429, vec![("retry-after".into(), "1".into())]),
        ]);
        tell(world).await;
        world
            .until("both notifications are delivered", async || {
                let (skipped, completed) = (hook.of("item.skipped"), hook.of("scan.completed"));
                (skipped.len() + completed.len() == 5).then_some(())
            })
            .await;
        for kind in ["item.skipped", "scan.completed"] {
            let ids: std::collections::HashSet<String> = hook.of(kind).into_iter().map(|it| it.id).collect();
            assert_eq!(ids.len(), 1, "one notification, one id");
        }
        let channel = hook.channel.lock().unwrap().clone();
        let query = [("applicationId", world.keys.application_id.as_str()), ("configurationId", channel.as_str())];
        world
            .until("the attempts are on record", async || {
                let (_, deliveries) = ask(world, Method::GET, "/api/v1/Notification/Deliveries", &query, None).await;
                let all = deliveries.as_array().unwrap();
                let attempts: usize = all.iter().map(|it| it["attempts"].as_array().unwrap().len()).sum();
                (all.len() == 2 && attempts == 5 && all.iter().all(|it| it["state"] == "delivered")).then_some(())
            })
            .await;
    });
}

#[test]
fn a_receiver_that_never_ends_its_answer_costs_one_attempt() {
    World::run(async |world| {
        let slow = world.webhook(&[("retryCount", "1"), ("exponentialBackoffFactor", "1.0")]).await;
        let quick = world.webhook(&[]).await;
        slow.answers([Answer::Drip, Answer::Silence]);
        tell(world).await;
        world.until("the quick one has both", async || (quick.messages().len() == 2).then_some(())).await;
        world.until("the slow one gets both again", async || (slow.messages().len() == 4).then_some(())).await;
    });
}

#[test]
fn a_receiver_that_wants_no_more_is_switched_off_and_that_is_told() {
    World::run(async |world| {
        let (gone, other) = (world.webhook(&[]).await, world.webhook(&[]).await);
        gone.answers([Answer::Status(410, vec![]), Answer::Status(410, vec![])]);
        tell(world).await;
        let told = world.until("channel.disabled", async || other.first("channel.disabled")).await;
        let channel = gone.channel.lock().unwrap().clone();
        assert_eq!(told.body["data"]["channel"]["id"], json!(channel));
        let query = [("applicationId", world.keys.application_id.as_str()), ("configurationId", channel.as_str())];
        let (_, read) = ask(world, Method::GET, PATH, &query, None).await;
        assert_eq!(read["isActive"], false);
        let seen = gone.messages().len();
        tell(world).await;
        world
            .until("the other hears of the second scan", async || (other.of("scan.completed").len() == 2).then_some(()))
            .await;
        assert_eq!(gone.messages().len(), seen, "nothing more is sent");
    });
}

#[test]
fn what_cannot_be_delivered_is_a_dead_letter_that_can_be_brought_back() {
    World::run(async |world| {
        let _letters = world.letters().await;
        let hook = world.webhook(&[("retryCount", "1"), ("exponentialBackoffFactor", "1.0")]).await;
        hook.answers((0..4).map(|_| Answer::Status(500, vec![])));
        tell(world).await;
        let app = &world.keys.application_id;
        let letters = world
            .until("both are dead letters", async || {
                let (good, text) = world.notify(&["dead-letters", "webhook", "--json"]).await;
                assert!(good, "{text}");
                let ours: Vec<Value> = text
                    .lines()
                    .filter(|it| it.contains(app.as_str()))
                    .filter_map(|it| serde_json::from_str(it).ok())
                    .collect();
                (ours.len() == 2).then_some(ours)
            })
            .await;
        for it in letters {
            assert!(
                text(&it["reason"]).contains("2 attempts to reach channel")
                    && text(&it["reason"]).contains("the receiver answered 500"),
                "{it}"
            );
        }
        world
            .until("they are delivered after a redrive", async || {
                let (good, text) = world.notify(&["redrive", "webhook"]).await;
                assert!(good, "{text}");
                (hook.messages().len() == 6).then_some(())
            })
            .await;
    });
}
