//! The published contract: answers byte for byte, parameters and their defaults, errors, credentials; with forms and JSON.

use reqwest::header;
use serde_json::{Value, json};
use system_tests::{World, text};

use super::client::{
    Answer, CANCEL, CANCEL_TRIAL, Encoding, PRODUCTS, RETRIEVE, SUBSCRIBE, SUCCESS, Subscriber, TRIAL,
};

/// What the published page shows as the response of each endpoint that changes something.
const DOCUMENTED_SUCCESS: &str = "{\n    \"success\": true\n}";
const DOCUMENTED_ERROR: &str = "{\n    \"code\": 1000,\n    \"error\": \"An error message\"\n}";

#[test]
fn each_endpoint_answers_a_success_byte_for_byte() {
    World::run(async |world| {
        assert_eq!(SUCCESS, DOCUMENTED_SUCCESS);
        let other = World::at(world.stack).await;
        for (subscriber, encoding) in
            [(Subscriber::new(world), Encoding::Form), (Subscriber::new(&other), Encoding::Json)]
        {
            for (endpoint, params) in [
                (TRIAL, &[("product", "publish"), ("plan", "pro"), ("trialLength", "30"), ("cta", "banner-1")][..]),
                (CANCEL_TRIAL, &[("product", "publish"), ("cta", "banner-2")]),
                (
                    SUBSCRIBE,
                    &[
                        ("product", "publish"),
                        ("plan", "small"),
                        ("stripeToken", "tok_visa"),
                        ("cycle", "year"),
                        ("quantity", "3"),
                        ("cta", "banner-3"),
                    ],
                ),
                (CANCEL, &[("product", "publish"), ("atPeriodEnd", "false"), ("cta", "banner-4")]),
            ] {
                let answer = Answer::to(encoding.write(subscriber.request("POST", endpoint), params)).await;
                answer.is_success();
                assert_eq!(answer.header("content-type"), "application/json", "{endpoint} {encoding:?}");
            }
            subscriber.settled().await;
        }
        other.until("no message of the other's is left", async || other.leftovers().is_empty().then_some(())).await;
    });
}

#[test]
fn an_error_has_the_documented_bytes() {
    World::run(async |world| {
        let subscriber = Subscriber::new(world);
        let answer = subscriber.post(CANCEL, &[("product", "analyze")]).await;
        let text = answer.is_error(404, 1000);
        assert_eq!(answer.text, DOCUMENTED_ERROR.replace("An error message", &text));
        assert_eq!(text, "No active subscription for product 'analyze'.");
    });
}

#[test]
fn what_there_is_is_shown_as_documented() {
    World::run(async |world| {
        let subscriber = Subscriber::new(world);
        for product in PRODUCTS {
            let answer = Answer::to(subscriber.request("GET", RETRIEVE).query(&[("product", product)])).await;
            let nothing = "{\n    \"success\": true,\n    \"data\": {\n        \"subscriptions\": []\n    }\n}";
            assert_eq!((answer.status, answer.text.as_str()), (200, nothing));
        }
        let params = [("product", "publish"), ("plan", "pro"), ("payment_method_id", "pm_card_visa")];
        subscriber.done(SUBSCRIBE, &params).await;
        let period_end = subscriber.remote("publish").await["items"]["data"][0]["current_period_end"].clone();
        let query = [("product", "publish"), ("organization_id", "5e0f")];
        let answer = Answer::to(subscriber.request("GET", RETRIEVE).query(&query)).await;
        let documented = [
            "{".to_owned(),
            "    \"success\": true,".to_owned(),
            "    \"data\": {".to_owned(),
            "        \"subscriptions\": [".to_owned(),
            "            {".to_owned(),
            "                \"plan_name\": \"pro\",".to_owned(),
            "                \"quantity\": 1,".to_owned(),
            "                \"cycle\": \"month\",".to_owned(),
            format!("                \"current_period_end\": {period_end},"),
            "                \"cancel_at_period_end\": false,".to_owned(),
            "                \"is_paying\": true,".to_owned(),
            "                \"is_trialing\": false,".to_owned(),
            "                \"is_trial\": false".to_owned(),
            "            }".to_owned(),
            "        ]".to_owned(),
            "    }".to_owned(),
            "}".to_owned(),
        ];
        assert_eq!(answer.text, documented.join("\n"));
        assert_eq!(subscriber.shown("analyze").await, [] as [Value; 0], "each product by itself");
    });
}

#[test]
fn each_error_has_its_status_and_code() {
    World::run(async |world| {
        let subscriber = Subscriber::new(world);
        let publish = ("product", "publish");
        for (endpoint, params, status, code, says) in [
            (SUBSCRIBE, &[("plan", "pro")][..], 400, 1004, "product"),
            (SUBSCRIBE, &[publish], 400, 1004, "plan"),
            (SUBSCRIBE, &[publish, ("plan", "")], 400, 1004, "plan"),
            (TRIAL, &[publish], 400, 1004, "plan"),
            (CANCEL, &[], 400, 1004, "product"),
            (CANCEL_TRIAL, &[], 400, 1004, "product"),
            (SUBSCRIBE, &[("product", "reply"), ("plan", "pro")], 400, 1003, "product is `analyze` or `publish`"),
            (CANCEL, &[("product", "reply")], 400, 1003, "product"),
            (CANCEL_TRIAL, &[("product", "PUBLISH")], 400, 1003, "product"),
            (
                SUBSCRIBE,
                &[publish, ("plan", "early-access-10")],
                400,
                1003,
                "plan is `agency`, `business`, `pro` or `small`",
            ),
            (TRIAL, &[publish, ("plan", "awesome")], 400, 1003, "plan"),
            (SUBSCRIBE, &[publish, ("plan", "pro"), ("cycle", "week")], 400, 1003, "cycle"),
            (TRIAL, &[publish, ("plan", "pro"), ("cycle", "week")], 400, 1003, "cycle"),
            (SUBSCRIBE, &[publish, ("plan", "pro"), ("stripeToken", "visa")], 400, 1003, "stripeToken"),
            (SUBSCRIBE, &[publish, ("plan", "pro"), ("payment_method_id", "tok_visa")], 400, 1003, "payment_method_id"),
            (SUBSCRIBE, &[publish, ("plan", "pro"), ("payment_behavior", "allow")], 400, 1003, "payment_behavior"),
            (CANCEL, &[publish, ("atPeriodEnd", "perhaps")], 400, 1003, "atPeriodEnd"),
            (SUBSCRIBE, &[publish, ("plan", "pro"), ("quantity", "0")], 400, 1006, "quantity"),
            (SUBSCRIBE, &[publish, ("plan", "pro"), ("quantity", "-1")], 400, 1006, "quantity"),
            (SUBSCRIBE, &[publish, ("plan", "pro"), ("quantity", "101")], 400, 1006, "1 to 100"),
            (SUBSCRIBE, &[publish, ("plan", "pro"), ("quantity", "2.5")], 400, 1006, "quantity"),
            (TRIAL, &[publish, ("plan", "pro"), ("quantity", "10001")], 400, 1006, "quantity"),
            (TRIAL, &[publish, ("plan", "pro"), ("trialLength", "0")], 400, 1006, "trialLength"),
            (TRIAL, &[publish, ("plan", "pro"), ("trialLength", "91")], 400, 1006, "1 to 90"),
            (SUBSCRIBE, &[publish, ("plan", "pro")], 400, 1004, "stripeToken is required"),
            (CANCEL, &[publish], 404, 1000, "No active subscription for product 'publish'."),
            (CANCEL_TRIAL, &[publish], 404, 1000, "No active subscription for product 'publish'."),
            (SUBSCRIBE, &[publish, ("plan", "pro"), ("stripeToken", "tok_nobody")], 400, 1000, "tok_nobody"),
            (SUBSCRIBE, &[publish, ("plan", "pro"), ("payment_method_id", "pm_nobody")], 400, 1000, "pm_nobody"),
            (SUBSCRIBE, &[publish, ("plan", "pro"), ("stripeToken", "tok_chargeDeclined")], 402, 1000, "declined"),
            (SUBSCRIBE, &[publish, ("plan", "pro"), ("stripeToken", "tok_chargeCustomerFail")], 402, 1000, "declined"),
        ] {
            for encoding in Encoding::BOTH {
                let answer = Answer::to(encoding.write(subscriber.request("POST", endpoint), params)).await;
                let text = answer.is_error(status, code);
                assert!(text.contains(says), "{endpoint} {params:?} {encoding:?}: {text}");
            }
        }
        for (query, code) in [(&[][..], 1004), (&[("product", "reply")], 1003)] {
            Answer::to(subscriber.request("GET", RETRIEVE).query(query)).await.is_error(400, code);
        }
        for (kind, body) in [("application/json", "[]"), ("application/json", "{"), ("text/xml", "<a/>")] {
            let request = subscriber.request("POST", TRIAL).header(header::CONTENT_TYPE, kind).body(body);
            Answer::to(request).await.is_error(400, 1003);
        }
        let large = subscriber.request("POST", TRIAL).form(&[("cta", "x".repeat(70_000))]);
        Answer::to(large).await.is_error(413, 1000);
        for product in PRODUCTS {
            assert_eq!(subscriber.shown(product).await, [] as [Value; 0], "nothing was started");
        }
        let paid = subscriber.stripe.paid(&subscriber.customer().await).await;
        assert_eq!(paid, [] as [i64; 0], "and nothing was paid");
    });
}

#[test]
fn a_trial_is_started_one_time() {
    World::run(async |world| {
        let subscriber = Subscriber::new(world);
        let trial = [("product", "publish"), ("plan", "pro")];
        subscriber.done(TRIAL, &trial).await;
        let again = [("product", "publish"), ("plan", "pro"), ("trialLength", "20")];
        for encoding in Encoding::BOTH {
            let answer = Answer::to(encoding.write(subscriber.request("POST", TRIAL), &again)).await;
            assert_eq!(answer.is_error(400, 1000), "There was a trial for product 'publish' before.");
        }
        subscriber.done(TRIAL, &[("product", "analyze"), ("plan", "early-access-10")]).await;
        subscriber.done(CANCEL, &[("product", "publish"), ("atPeriodEnd", "false")]).await;
        subscriber.post(TRIAL, &again).await.is_error(400, 1000);
    });
}

#[test]
fn paths_and_methods_have_errors_of_the_same_shape() {
    World::run(async |world| {
        let (subscriber, root) = (Subscriber::new(world), format!("{}/1/billing", world.stack.url));
        for (method, path, status, code) in [
            ("POST", "start-trial.xml", 406, 1005),
            ("GET", "retrieve-billing-data.csv", 406, 1005),
            ("POST", "start-trial", 404, 404),
            ("GET", "nothing.json", 404, 404),
            ("POST", "a/b/c.json", 404, 404),
            ("GET", "start-trial.json", 405, 405),
            ("POST", "retrieve-billing-data.json", 405, 405),
            ("DELETE", "cancel-subscription.json", 405, 405),
            ("GET", "stripe-webhook", 405, 405),
        ] {
            // nobody has to be known for that
            let answer = Answer::to(world.http.request(method.parse().unwrap(), format!("{root}/{path}"))).await;
            answer.is_error(status, code);
            let allowed = if path.starts_with("retrieve") { "GET,HEAD" } else { "POST" };
            assert!(status != 405 || answer.header("allow") == allowed, "{path}: {answer:?}");
        }
        let head = Answer::to(subscriber.request("HEAD", RETRIEVE).query(&[("product", "publish")])).await;
        assert_eq!((head.status, head.text.as_str()), (200, ""));
    });
}

/// A token of an application.
async fn token_of(world: &World<'_>) -> String {
    let ask = json!({ "applicationId": world.keys.application_id, "jwtPrivateKey": world.keys.jwt_private_key });
    let (status, answer) = world.ask("POST", "/api/v1/Authorization/GenerateJwtToken", Some(ask)).await;
    assert_eq!(status, 200, "{answer}");
    text(&answer["accessToken"])
}

#[test]
fn a_token_comes_in_the_header_or_the_form_or_the_query() {
    World::run(async |world| {
        let (subscriber, token) = (Subscriber::new(world), token_of(world).await);
        let params = [("product", "publish")];
        let in_header = subscriber.bare("GET", RETRIEVE).bearer_auth(&token).query(&params);
        assert_eq!(Answer::to(in_header).await.status, 200);
        let in_query = subscriber.bare("GET", RETRIEVE).query(&[("product", "publish"), ("access_token", &token)]);
        assert_eq!(Answer::to(in_query).await.status, 200);
        for encoding in Encoding::BOTH {
            let in_body = [("product", "publish"), ("access_token", token.as_str())];
            let answer = Answer::to(encoding.write(subscriber.bare("POST", CANCEL), &in_body)).await;
            answer.is_error(404, 1000);
            let queried = subscriber.bare("POST", CANCEL).query(&[("access_token", &token)]);
            Answer::to(encoding.write(queried, &params)).await.is_error(404, 1000);
            // the header comes first
            let right = subscriber.bare("POST", CANCEL).bearer_auth(&token);
            let answer = Answer::to(encoding.write(right, &[("product", "publish"), ("access_token", "wrong")])).await;
            answer.is_error(404, 1000);
            let wrong = subscriber.bare("POST", CANCEL).bearer_auth("wrong");
            Answer::to(encoding.write(wrong, &in_body)).await.is_error(403, 1001);
        }
    });
}

#[test]
fn credentials_are_needed_and_their_scope() {
    World::run(async |world| {
        let (subscriber, other) = (Subscriber::new(world), World::at(world.stack).await);
        let url = format!("{}/api/v1/Applications/{}/Keys", world.stack.url, world.keys.application_id);
        let made = world.http.post(url).header("x-operator-key", &world.stack.operator_key);
        let made =
            made.json(&json!({ "name": "no billing", "scopes": ["media", "messages", "keys"] })).send().await.unwrap();
        assert_eq!(made.status(), 201);
        let lacking: Value = made.json().await.unwrap();
        let (key, secret) = (text(&lacking["apiKey"]), text(&lacking["apiSecret"]));
        let user = world.token("jane", &[]).await;
        for (what, headers, status, code) in [
            ("nobody", &[][..], 403, 1001),
            ("a key without its secret", &[("x-api-key", world.keys.api_key.as_str())], 403, 1001),
            ("a key with a wrong secret", &[("x-api-key", &world.keys.api_key), ("x-api-secret", &secret)], 403, 1001),
            ("a key without the scope", &[("x-api-key", &key), ("x-api-secret", &secret)], 403, 1002),
            ("a user's token", &[("authorization", &format!("Bearer {user}"))], 403, 1002),
            ("no token at all", &[("authorization", "Bearer x.y.z")], 403, 1001),
            (
                "another application",
                &[
                    ("x-api-key", &other.keys.api_key),
                    ("x-api-secret", &other.keys.api_secret),
                    ("x-application-id", &world.keys.application_id),
                ],
                403,
                403,
            ),
        ] {
            for (method, endpoint) in [("GET", RETRIEVE), ("POST", TRIAL), ("POST", CANCEL), ("POST", SUBSCRIBE)] {
                let request = subscriber.bare(method, endpoint);
                let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
                let answer = Answer::to(request).await;
                assert!(!answer.is_error(status, code).is_empty(), "{what}: {method} {endpoint}");
            }
        }
    });
}
