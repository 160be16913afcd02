//! The emulator's handle: its identity, its state, and how it starts.

use std::collections::{HashSet, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::account::{Account, EVERYBODY};
use crate::faults::Fault;
use crate::json::text;
use crate::options::Options;
use crate::prices::NewPrice;
use crate::products::new_product;
use crate::random::random_text;
use crate::webhook_endpoints::{new_endpoint, secrets};

/// The id of the webhook endpoint that the emulator starts with.
const FIRST_ENDPOINT: &str = "we_emulated";

/// A running emulator. Clones share it.
#[derive(Clone)]
pub struct StripeEmulator {
    inner: Arc<Inner>,
}

struct Inner {
    url: String,
    secret_key: String,
    webhook_secret: String,
    http: reqwest::Client,
    state: Mutex<State>,
    /// Wakes what delivers webhooks.
    wake: Notify,
}

/// What requests and controls change. The account is kept; the rest is of this run.
pub(crate) struct State {
    pub(crate) account: Account,
    pub(crate) faults: Vec<Fault>,
    /// The requests so far, oldest first.
    pub(crate) requests: VecDeque<Value>,
    /// The idempotency keys of requests that are under way.
    pub(crate) keys_in_use: HashSet<String>,
    /// The deliveries that are under way.
    pub(crate) deliveries: HashSet<String>,
}

impl StripeEmulator {
    /// Opens an emulator that will be served at `url`, which has no slash at the end.
    ///
    /// # Errors
    /// If its data cannot be read or written.
    pub fn open(url: &str, options: Options) -> io::Result<Self> {
        let mut account = Account::open(options.file.as_deref())?;
        let mut keys = account.copy("key", EVERYBODY);
        if keys.is_null() {
            let (secret, webhook) = (format!("sk_test_{}", random_text(32)), format!("whsec_{}", random_text(32)));
            keys = json!({ "id": EVERYBODY, "secret": secret, "webhook": webhook });
            account.put("key", keys.clone());
        }
        let webhook_secret = match account.get("webhook_endpoint", FIRST_ENDPOINT) {
            Some(endpoint) => secrets(&account, endpoint).into_iter().next().unwrap_or_default(),
            None => text(&keys["webhook"]).to_owned(),
        };
        if let Some(target) = options.webhook {
            let mut endpoint = account.copy("webhook_endpoint", FIRST_ENDPOINT);
            if endpoint.is_null() {
                endpoint = new_endpoint(&account, FIRST_ENDPOINT, &webhook_secret);
            }
            endpoint["url"] = target.url.into();
            endpoint["enabled_events"] = target.events.into();
            account.put("webhook_endpoint", endpoint);
        }
        for price in &options.prices {
            if account.get("product", &price.product).is_none() {
                let product = new_product(&account, &price.product, &price.product);
                account.put("product", product);
            }
            if account.get("price", &price.id).is_none() {
                let recurring = Some((price.interval.as_str(), 1));
                let (id, product, unit_amount) = (&price.id, &price.product, price.unit_amount);
                let new = NewPrice { id, product, currency: "usd", unit_amount, recurring }.object(&account);
                account.put("price", new);
            }
        }
        account.commit();
        let state = State {
            account,
            faults: Vec::new(),
            requests: VecDeque::new(),
            keys_in_use: HashSet::new(),
            deliveries: HashSet::new(),
        };
        let secret_key = text(&keys["secret"]).to_owned();
        let (url, http) = (url.to_owned(), options.http);
        let (state, wake) = (Mutex::new(state), Notify::new());
        Ok(Self { inner: Arc::new(Inner { url, secret_key, webhook_secret, http, state, wake }) })
    }

    /// Its base URL, without a slash at the end.
    pub fn url(&self) -> &str {
        &self.inner.url
    }

    /// The secret key (`sk_test_…`).
    pub fn secret_key(&self) -> &str {
        &self.inner.secret_key
    }

    /// The publishable key (`pk_test_…`), which makes tokens and payment methods.
    pub fn publishable_key(&self) -> String {
        self.inner.secret_key.replacen("sk_", "pk_", 1)
    }

    /// The secret (`whsec_…`) of the webhook endpoint that it started with.
    pub fn webhook_secret(&self) -> &str {
        &self.inner.webhook_secret
    }

    /// The client that webhooks are sent with.
    pub(crate) fn http(&self) -> &reqwest::Client {
        &self.inner.http
    }

    /// The state. What a panic left half done is used as it stands: the account's changes are committed together.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets what delivers webhooks look at once for deliveries.
    pub(crate) fn wake(&self) {
        self.inner.wake.notify_one();
    }

    /// Waits for `wake`.
    pub(crate) async fn woken(&self) {
        self.inner.wake.notified().await;
    }
}
