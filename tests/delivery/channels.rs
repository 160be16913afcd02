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
    let (status, text) = text_of(world, method, path, query, form).await;
    (status, serde_json::from_str(&text).unwrap())
}

/// What a caller gets as text: the order of members counts.
async fn text_of(
    world: &World<'_>,
    method: Method,
    path: &str,
    query: &[(&str, &str)],
    form: Option<&[(&str, &str)]>,
) -> (u16, String) {
    let request = world.http.request(method, format!("{}{path}", world.stack.url)).query(query);
    let request = request.header("x-api-key", &world.keys.api_key).header("x-api-secret", &world.keys.api_secret);
    let answer = match form {
        Some(form) => request.form(form),
        None => request,
    };
    let answer = answer.send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// The published samples, in and out, byte for byte but for ids, times and what is masked (channel API, 3.2 to 3.8).
#[test]
fn each_endpoint_answers_the_published_sample() {
    World::run(async |world| {
        let app = world.keys.application_id.as_str();
        let query = [("applicationId", app)];
        // 3.6, sent as the page says: form-data
        let boundary = "----sample";
        let rabbit = [
            ("isActive", "true"),
            ("password", "securePassword123"),
            ("queueName", "TaskQueue"),
            ("username", "admin"),
            ("url", "amqp://localhost/Test"),
            ("includeImageData", "true"),
        ];
        let part = |(name, value): &(&str, &str)| {
            format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
        };
        let body = rabbit.iter().map(part).collect::<String>() + &format!("--{boundary}--\r\n");
        let request = world.http.post(format!("{}{PATH}/RabbitMQ", world.stack.url)).query(&query);
        let request = request.header("x-api-key", &world.keys.api_key).header("x-api-secret", &world.keys.api_secret);
        let request = request.header("content-type", format!("multipart/form-data; boundary={boundary}")).body(body);
        let made = request.send().await.unwrap().text().await.unwrap();
        let it: Value = serde_json::from_str(&made).unwrap();
        let (id, created, updated) = (text(&it["id"]), text(&it["createdAt"]), text(&it["updatedAt"]));
        assert_eq!(created, updated, "on create both are the same");
        let json = r#"{\"Url\":\"amqp://localhost/Test\",\"Username\":\"admin\",\"Password\":\"********\",\"QueueName\":\"TaskQueue\"}"#;
        let front = format!(
            r#"{{"id":"{id}","applicationId":"{app}","channel":2,"notificationChannelConfigurationJSON":"{json}""#
        );
        let end = |updated: &str| {
            format!(r#","isActive":true,"includeImageData":true,"createdAt":"{created}","updatedAt":"{updated}"}}"#)
        };
        assert_eq!(made, format!("{front}{}", end(&updated)));

        // 3.7, with the mask that was read: the password stays
        let one = [("applicationId", app), ("configurationId", id.as_str())];
        let mut masked = rabbit;
        masked[1].1 = "********";
        let (status, changed) = text_of(world, Method::PUT, &format!("{PATH}/RabbitMQ"), &one, Some(&masked)).await;
        let it: Value = serde_json::from_str(&changed).unwrap();
        assert_eq!((status, changed), (200, format!("{front}{}", end(&text(&it["updatedAt"])))));

        // 3.4 and 3.2: with the part that only GET has
        let short =
            r#","notificationChannelConfiguration":{"isActive":true,"includeImageData":true,"notificationChannel":2}"#;
        let whole = format!("{front}{short}{}", end(&text(&it["updatedAt"])));
        assert_eq!(text_of(world, Method::GET, PATH, &one, None).await, (200, whole.clone()));
        assert_eq!(
            text_of(world, Method::GET, &format!("{PATH}/All"), &query, None).await,
            (200, format!("[{whole}]"))
        );
        // 3.3
        let wrapped = format!(r#"{{"$id":"1","$values":[{whole}]}}"#);
        assert_eq!(text_of(world, Method::GET, &format!("{PATH}/Active"), &query, None).await, (200, wrapped.clone()));
        let other = [("applicationId", app), ("references", "none")];
        assert_eq!(text_of(world, Method::GET, &format!("{PATH}/Active"), &other, None).await.1, format!("[{whole}]"));
        let other = [("applicationId", app), ("references", "preserve")];
        assert_eq!(text_of(world, Method::GET, &format!("{PATH}/All"), &other, None).await.1, wrapped);

        // a webhook's endpoint does not know it
        let hook = [
            ("isActive", "true"),
            ("retryCount", "5"),
            ("webHookUrl", "https://webhook.site/example"),
            ("exponentialBackoffFactor", "2.0"),
            ("includeImageData", "true"),
        ];
        let (status, gone) = ask(world, Method::PUT, &format!("{PATH}/WebHook"), &one, Some(&hook)).await;
        assert_eq!(status, 404);
        assert!(gone["errors"]["engine: Update"][0].as_str().unwrap().contains(&id));

        // 3.5: the bare value, then a 404
        assert_eq!(text_of(world, Method::DELETE, PATH, &one, None).await, (200, "true".to_owned()));
        let (status, gone) = ask(world, Method::DELETE, PATH, &one, None).await;
        assert_eq!(status, 404);
        assert_eq!(
            gone["errors"]["engine: Delete"][0],
            format!("Notification channel configuration {id} not found for Application {app}.")
        );

        // 3.3, none active: the full form, in its order of members
        let (status, none) = text_of(world, Method::GET, &format!("{PATH}/Active"), &query, None).await;
        let it: Value = serde_json::from_str(&none).unwrap();
        let trace = text(&it["extensions"]["traceId"]);
        let want = format!(
            r#"{{"errors":{{"engine: Active":["No active notification channel configurations found for Application {app}."],"business: Active":["Error getting active notification channel configurations for Application: {app}"]}},"type":"https://tools.ietf.org/html/rfc7231#section-6.5.1","title":"One or more errors occurred.","status":404,"detail":null,"instance":null,"extensions":{{"traceId":"{trace}"}}}}"#
        );
        assert_eq!((status, none), (404, want));
        assert_eq!(text_of(world, Method::GET, &format!("{PATH}/All"), &query, None).await, (200, "[]".to_owned()));

        // 3.8
        let (status, made) = text_of(world, Method::POST, &format!("{PATH}/WebHook"), &query, Some(&hook)).await;
        let it: Value = serde_json::from_str(&made).unwrap();
        let (id, created) = (text(&it["id"]), text(&it["createdAt"]));
        let json =
            r#"{\"WebHookUrl\":\"https://webhook.site/example\",\"RetryCount\":5,\"ExponentialBackoffFactor\":2.0}"#;
        let want = format!(
            r#"{{"id":"{id}","applicationId":"{app}","channel":0,"notificationChannelConfigurationJSON":"{json}","isActive":true,"includeImageData":true,"createdAt":"{created}","updatedAt":"{created}"}}"#
        );
        assert_eq!((status, made), (200, want));

        // 3.9 and 8.1: ours
        let hub = [("hubUrl", "https://hub.example.com/hub"), ("accessToken", "secret")];
        let (status, made) = ask(world, Method::POST, &format!("{PATH}/SignalR"), &query, Some(&hub)).await;
        let json =
            r#"{"HubUrl":"https://hub.example.com/hub","HubMethod":"ReceiveNotification","AccessToken":"********"}"#;
        assert_eq!(
            (status, &made["channel"], &made["notificationChannelConfigurationJSON"]),
            (200, &json!(1), &json!(json))
        );
        let one = [("applicationId", app), ("configurationId", made["id"].as_str().unwrap())];
        let changed = [("hubUrl", "https://hub.example.com/hub"), ("hubMethod", "Take"), ("isActive", "FALSE")];
        let (_, changed) = ask(world, Method::PUT, &format!("{PATH}/SignalR"), &one, Some(&changed)).await;
        let json = r#"{"HubUrl":"https://hub.example.com/hub","HubMethod":"Take","AccessToken":"********"}"#;
        assert_eq!(
            (&changed["isActive"], &changed["notificationChannelConfigurationJSON"]),
            (&json!(false), &json!(json))
        );
        let (_, all) = ask(world, Method::GET, &format!("{PATH}/All"), &query, None).await;
        assert_eq!(all.as_array().unwrap().len(), 2);
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
            (&[("webHookUrl", "https://example.com/"), ("retryCount", "3.5")], "RetryCount"),
            (
                &[("webHookUrl", "https://example.com/"), ("exponentialBackoffFactor", "2,0")],
                "ExponentialBackoffFactor",
            ),
            (&[("webHookUrl", "https://example.com/"), ("signingSecret", "whsec_AA==")], "SigningSecret"),
            (&[("webHookUrl", "https://example.com/"), ("types", "item.*.x")], "Types"),
            (&[("webHookUrl", "https://example.com/"), ("filter", "{\"type\":[]}")], "Filter"),
            (&[("webHookUrl", "https://example.com/"), ("format", "xml")], "Format"),
            (&[("webHookUrl", "https://example.com/"), ("maxPerSecond", "5000")], "MaxPerSecond"),
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
        let rabbit = |url: &'static str, queue: &'static str| {
            [("url", url), ("username", "admin"), ("password", "p"), ("queueName", queue)]
        };
        for (form, field) in [
            (&rabbit("amqp://mq.example.com/", "q")[..], "Url"),
            (&rabbit("amqps://admin:p@mq.example.com/", "q"), "Url"),
            (&rabbit("amqps://10.0.0.1/", "q"), "Url"),
            (&rabbit("amqps://mq.example.com/", "amq.topic"), "QueueName"),
            (&rabbit("amqps://mq.example.com/", "q")[..2], "Password"),
        ] {
            let (status, envelope) =
                ask(world, Method::POST, &format!("{PATH}/RabbitMQ"), &[("applicationId", app)], Some(form)).await;
            assert!(status == 400 && envelope["errors"][field].is_array(), "{field}: {envelope}");
        }
        for (form, field) in [
            (&[("hubUrl", "http://hub.example.com/")][..], "HubUrl"),
            (&[("hubUrl", "https://hub.example.com/"), ("hubMethod", "1st")], "HubMethod"),
        ] {
            let (status, envelope) =
                ask(world, Method::POST, &format!("{PATH}/SignalR"), &[("applicationId", app)], Some(form)).await;
            assert!(status == 400 && envelope["errors"][field].is_array(), "{field}: {envelope}");
        }
        let version = [("applicationId", app), ("x-api-version", "9.0")];
        assert_eq!(ask(world, Method::GET, &format!("{PATH}/All"), &version, None).await.0, 400);
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
async fn publish_one(world: &World<'_>) {
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
        publish_one(world).await;
        let channel = hook.channel.lock().unwrap().clone();
        let query = [("applicationId", world.keys.application_id.as_str()), ("configurationId", channel.as_str())];
        world
            .until("both, and the challenge, are delivered by the record", async || {
                let (_, deliveries) = ask(world, Method::GET, "/api/v1/Notification/Deliveries", &query, None).await;
                let all = deliveries.as_array().unwrap();
                (all.len() == 3 && all.iter().all(|it| it["state"] == "delivered")).then_some(())
            })
            .await;
        for kind in ["item.skipped", "scan.completed"] {
            let ids: std::collections::HashSet<String> = hook.of(kind).into_iter().map(|it| it.id).collect();
            assert_eq!(ids.len(), 1, "one notification, one id");
        }
        assert!(hook.messages().len() >= 5, "three answers that are no success are each followed by an attempt");
    });
}

#[test]
fn a_receiver_that_never_ends_its_answer_costs_one_attempt() {
    World::run(async |world| {
        let slow = world.webhook(&[("retryCount", "1"), ("exponentialBackoffFactor", "1.0")]).await;
        let quick = world.webhook(&[]).await;
        slow.answers([Answer::Drip, Answer::Silence]);
        publish_one(world).await;
        world.until("the quick one has both", async || (quick.messages().len() == 2).then_some(())).await;
        // 200 was said before the body that does not end: that one is delivered
        world.until("the one without an answer comes again", async || slow.well_since().pop()).await;
        let id = slow.channel.lock().unwrap().clone();
        for message in quick.messages() {
            let record = world.delivery(&id, &message.id, "delivered").await;
            assert!(text(&record["attempts"][0]["outcome"]).starts_with("delivered"), "{record}");
        }
        let ids: std::collections::HashSet<String> = slow.messages().into_iter().map(|it| it.id).collect();
        assert_eq!(ids.len(), 2, "each came");
    });
}

#[test]
fn a_receiver_that_wants_no_more_is_switched_off_and_that_is_told() {
    World::run(async |world| {
        let (gone, other) = (world.webhook(&[]).await, world.webhook(&[]).await);
        gone.answers([Answer::Status(410, vec![]), Answer::Status(410, vec![])]);
        publish_one(world).await;
        let told = world.until("channel.disabled", async || other.first("channel.disabled")).await;
        let channel = gone.channel.lock().unwrap().clone();
        assert_eq!(told.body["data"]["channel"]["id"], json!(channel));
        let query = [("applicationId", world.keys.application_id.as_str()), ("configurationId", channel.as_str())];
        let (_, read) = ask(world, Method::GET, PATH, &query, None).await;
        assert_eq!(read["isActive"], false);
        let seen = gone.messages().len();
        publish_one(world).await;
        world
            .until("the other hears of the second scan", async || (other.of("scan.completed").len() == 2).then_some(()))
            .await;
        assert_eq!(gone.messages().len(), seen, "nothing more is sent");
    });
}

#[test]
fn what_cannot_be_delivered_is_the_applications_and_can_be_brought_back_or_discarded() {
    World::run(async |world| {
        let _letters = world.letters().await;
        let hook = world.webhook(&[("retryCount", "1"), ("exponentialBackoffFactor", "1.0")]).await;
        hook.answers((0..4).map(|_| Answer::Status(500, vec![])));
        publish_one(world).await;
        let app = &world.keys.application_id;
        let letters = world
            .until("both are used up", async || {
                let (good, text) = world.notify_as(&["dead-letters", "webhook", "--json"]).await;
                assert!(good, "{text}");
                let ours: Vec<Value> = text.lines().filter_map(|it| serde_json::from_str(it).ok()).collect();
                assert!(ours.iter().all(|it| it.to_string().contains(app.as_str())), "{text}");
                (ours.len() == 2).then_some(ours)
            })
            .await;
        // a dead receiver is its application's trouble: no queue of the deployment's holds anything of it
        assert_eq!(world.leftovers(), Vec::<String>::new());
        let exhausted = async || {
            let published = world.get("/api/v1/Notification/Messages?limit=100").await;
            let all = published["items"].as_array().cloned().unwrap_or_default();
            all.into_iter().filter(|it| it["type"] == "delivery.exhausted").count()
        };
        world.until("it is told", async || (exhausted().await == 2).then_some(())).await;
        for letter in letters {
            assert!(
                text(&letter["reason"]).contains("2 attempts to reach channel")
                    && text(&letter["reason"]).contains("the receiver answered 500"),
                "{letter}"
            );
        }
        world
            .until("they are delivered after a redrive", async || {
                let (good, text) = world.notify_as(&["redrive", "webhook"]).await;
                assert!(good, "{text}");
                let well: std::collections::HashSet<String> = hook.well_since().into_iter().collect();
                (well.len() == 2).then_some(())
            })
            .await;
        let (good, text) = world.notify_as(&["dead-letters", "webhook"]).await;
        assert!(good && text.contains("there are no dead letters"), "{text}");
        // what nobody wants any more is discarded
        hook.answers((0..2).map(|_| Answer::Status(500, vec![])));
        let channel = hook.channel.lock().unwrap().clone();
        let told = world.send_test(&channel).await;
        world.delivery(&channel, &told, "dead").await;
        let id = format!("{channel}~{told}");
        let (good, text) = world.notify_as(&["discard", "webhook", &id, "--json"]).await;
        assert!(good && text.contains(r#""discarded":1"#), "{text}");
        world.delivery(&channel, &told, "dropped").await;
        let (good, text) = world.notify_as(&["discard", "webhook", &id, "--json"]).await;
        assert!(good && text.contains(r#""discarded":0"#), "{text}");
    });
}
