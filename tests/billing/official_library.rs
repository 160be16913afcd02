//! The Stripe emulator, held against the official library, and against Stripe itself where there is a key.

use serde_json::Value;
use stripe_emulator::{Options, SeedPrice, StripeEmulator};
use system_tests::tools::{piped, python};
use system_tests::{World, http, project, text};
use tokio::net::TcpListener;

/// How an emulator of a test starts: with one price.
fn options() -> Options {
    let price = SeedPrice {
        id: "price_of_the_test".to_owned(),
        product: "prod_of_the_test".to_owned(),
        unit_amount: 500,
        interval: "month".to_owned(),
    };
    Options { file: None, http: http(), webhook: None, prices: vec![price] }
}

async fn start(options: Options) -> (StripeEmulator, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    StripeEmulator::start(listener, options).unwrap()
}

/// A request with the secret key; answers status and body.
async fn ask(stripe: &StripeEmulator, method: &str, path: &str, form: &[(&str, &str)]) -> (u16, Value) {
    let request = http().request(method.parse().unwrap(), format!("{}{path}", stripe.url())).form(form);
    let answer = request.bearer_auth(stripe.secret_key()).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

#[test]
fn the_official_library_finds_stripe_as_it_is_described() {
    World::alone(async || {
        let (stripe, serving) = start(options()).await;
        let python = python().await.to_string_lossy().into_owned();
        let script = project().join("tests/clients/stripe_official.py").to_string_lossy().into_owned();
        let publishable = stripe.publishable_key();
        let arguments = [script.as_str(), stripe.url(), stripe.secret_key(), &publishable];
        let (ended, said) = piped(&python, &arguments, &[], "").await;
        assert!(ended, "{said}");
        println!("{said}");
        let count = |name: &str| said.lines().filter(|it| it.starts_with(&format!("{name}: "))).count();
        let (contract, own) = (count("contract with the emulator"), count("emulator"));
        assert!(contract >= 20 && own >= 7, "{contract} {own}: {said}");
        assert!([0, contract].contains(&count("contract with Stripe")), "{said}");
        serving.abort();
    });
}

#[test]
fn the_emulator_keeps_its_account_over_a_restart() {
    World::alone(async || {
        let folder = tempfile::tempdir().unwrap();
        let file = Some(folder.path().join("stripe.jsonl"));
        let (stripe, serving) = start(Options { file: file.clone(), ..options() }).await;
        let (key, secret) = (stripe.secret_key().to_owned(), stripe.webhook_secret().to_owned());
        assert!(key.starts_with("sk_test_") && secret.starts_with("whsec_"));
        let (_, customer) = ask(&stripe, "POST", "/v1/customers", &[("payment_method", "pm_card_visa")]).await;
        let customer = text(&customer["id"]);
        let (_, methods) = ask(&stripe, "GET", &format!("/v1/customers/{customer}/payment_methods"), &[]).await;
        let method = text(&methods["data"][0]["id"]);
        let form = [("customer", customer.as_str()), ("items[0][price]", "price_of_the_test")];
        let form = [&form[..], &[("default_payment_method", method.as_str())]].concat();
        let (status, made) = ask(&stripe, "POST", "/v1/subscriptions", &form).await;
        assert!(status == 200 && made["status"] == "active", "{made}");
        let moved = http().post(format!("{}/_control/clock", stripe.url())).body(r#"{"advance_seconds":864000}"#);
        assert_eq!(moved.send().await.unwrap().status(), 200);
        serving.abort();
        assert!(serving.await.is_err_and(|it| it.is_cancelled()));

        let (again, serving) = start(Options { file, ..options() }).await;
        assert_eq!((again.secret_key(), again.webhook_secret()), (key.as_str(), secret.as_str()));
        let (status, kept) = ask(&again, "GET", &format!("/v1/subscriptions/{}", text(&made["id"])), &[]).await;
        assert_eq!((status, &kept), (200, &made), "it is as it was");
        let (_, token) = ask(&again, "POST", "/v1/products", &[("name", "later")]).await;
        let ten_days = token["created"].as_i64().unwrap() - made["created"].as_i64().unwrap();
        assert!((864_000..868_000).contains(&ten_days), "its clock goes on: {ten_days}");
        serving.abort();
    });
}
