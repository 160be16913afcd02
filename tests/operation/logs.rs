//! Logs at the most detailed level: our own lines, and no secrets.

use serde_json::json;
use system_tests::receiver::Receiver;
use system_tests::stripe::StripeAccount;
use system_tests::{World, media, own_stack, project, text};

#[test]
fn the_most_detailed_level_logs_no_secrets() {
    World::alone(async || {
        let folder = project().join("target/tmp");
        std::fs::create_dir_all(&folder).unwrap();
        let data = tempfile::Builder::new().prefix("logs-").tempdir_in(folder).unwrap();
        let stack = own_stack(data.path(), &[("LogLevel", "TRACE")]).await;
        let world = World::open(&stack).await;
        let marker = |what: &str| format!("{what}{}x{}", world.seed, &world.keys.application_id[..8]);
        let (token, password, body) = (marker("token"), marker("password"), marker("body"));
        let hook = Receiver::start().await;
        let channel = world.channel(&format!("{}?token={token}", hook.url), &[]).await;
        let signing = text(&channel["signingSecret"]);
        hook.knows(&signing);
        let id = text(&channel["id"]);
        world
            .until("the receiver has answered its challenge", async || {
                (world.configuration(&id).await["status"] == "active").then_some(())
            })
            .await;
        let settings = json!({ "datacore_endpoint": stack.s3_url, "datacore_token": format!("access:{password}") });
        assert_eq!(world.ask("PUT", "/api/v1/Media/Settings", Some(settings)).await.0, 200);
        let bucket = world.bucket().await;
        std::fs::write(bucket.folder.join("one.jpg"), media("astronaut.jpg")).unwrap();
        world.scan(&bucket.id).await;
        world.until("it is told", async || hook.first("scan.completed")).await;
        let user = world.token("jane", &[]).await;
        world.send("jane", &body).await;
        let mut socket = world.listen("jane", None).await;
        socket.caught_up().await;
        socket.close().await;
        let (access, card) = subscribe(&world).await;
        let log = std::fs::read_to_string(data.path().join("events.log")).unwrap();
        assert!(log.contains("scan.completed"), "our own lines are there");
        for (what, secret) in [
            ("an API key", &world.keys.api_key),
            ("an API secret", &world.keys.api_secret),
            ("a JWT private key", &world.keys.jwt_private_key),
            ("the operator's key", &stack.operator_key),
            ("a token in a URL", &token),
            ("a bucket's password", &password),
            ("a signing secret", &signing),
            ("a user's token", &user),
            ("what a user is told", &body),
            ("an application's token", &access),
            ("a card's token", &card),
            ("the deployment's key of Stripe", &stack.stripe.secret_key().to_owned()),
            ("the secret of Stripe's webhooks", &stack.stripe.webhook_secret().to_owned()),
        ] {
            assert!(!log.contains(secret.as_str()), "{what} is in the log");
        }
        // what KMS hands out is the key to all of them
        for word in ["Plaintext", "CiphertextBlob", "x-amz-security-token"] {
            assert!(!log.contains(word), "{word} is in the log");
        }
    });
}

/// A subscription, with the token where older clients have it; answers the token and that of the card.
async fn subscribe(world: &World<'_>) -> (String, String) {
    let ask = json!({ "applicationId": world.keys.application_id, "jwtPrivateKey": world.keys.jwt_private_key });
    let (status, answer) = world.ask("POST", "/api/v1/Authorization/GenerateJwtToken", Some(ask)).await;
    assert_eq!(status, 200, "{answer}");
    let access = text(&answer["accessToken"]);
    let card = [("card[number]", "4242424242424242"), ("card[exp_month]", "12"), ("card[exp_year]", "2034")];
    let card = text(&StripeAccount::of(world.stack).post("/v1/tokens", &card).await["id"]);
    let root = format!("{}/1/billing", world.stack.url);
    let form = [("product", "publish"), ("plan", "pro"), ("stripeToken", &*card), ("access_token", &*access)];
    let answer = world.http.post(format!("{root}/start-or-update-subscription.json")).form(&form).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let query = [("product", "publish"), ("access_token", &*access)];
    let answer = world.http.get(format!("{root}/retrieve-billing-data.json")).query(&query).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    (access, card)
}
