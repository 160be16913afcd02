//! The emulated Stripe account: its objects, its clock, and the events that its changes emit.

use std::io;
use std::path::Path;

use serde_json::{Value, json};

use crate::clock::now_ms;
use crate::error::ApiError;
use crate::json::{changed_members, elements, integer, is_true, text};
use crate::random::random_id;
use crate::store::Store;
use crate::version::LATEST;

/// The scope of settings that are for every customer.
pub(crate) const EVERYBODY: &str = "*";

/// An account. The changes of a request are committed, or rolled back, together.
pub(crate) struct Account {
    store: Store,
    /// The time of what is being carried out, while a clock moves past it.
    moment: Option<i64>,
    /// The request that events name: its id, and its idempotency key.
    request: Value,
}

impl Account {
    /// Opens the account that a journal holds, or one in memory.
    ///
    /// # Errors
    /// If the journal cannot be read or written.
    pub(crate) fn open(journal: Option<&Path>) -> io::Result<Self> {
        Ok(Self { store: Store::open(journal)?, moment: None, request: no_request() })
    }

    /// Begins the changes of a request. Those of one that did not come to its end are undone.
    pub(crate) fn begin(&mut self, request_id: &str, idempotency_key: Option<&str>) {
        self.store.roll_back();
        self.request = json!({ "id": request_id, "idempotency_key": idempotency_key });
    }

    /// Keeps the changes.
    pub(crate) fn commit(&mut self) {
        self.store.commit();
        self.request = no_request();
    }

    /// Undoes the changes.
    pub(crate) fn roll_back(&mut self) {
        self.store.roll_back();
        self.request = no_request();
    }

    pub(crate) fn get(&self, kind: &str, id: &str) -> Option<&Value> {
        self.store.get(kind, id)
    }

    /// A copy of an object; null if it is not there.
    pub(crate) fn copy(&self, kind: &str, id: &str) -> Value {
        self.get(kind, id).cloned().unwrap_or_default()
    }

    /// The objects of a kind, oldest first.
    pub(crate) fn all(&self, kind: &str) -> impl DoubleEndedIterator<Item = &Value> {
        self.store.all(kind)
    }

    /// The object that a path names.
    ///
    /// # Errors
    /// 404 `resource_missing`.
    pub(crate) fn find(&self, kind: &str, id: &str) -> Result<Value, ApiError> {
        self.get(kind, id).cloned().ok_or_else(|| ApiError::no_such(kind, id, "id"))
    }

    /// The object that a parameter names. What was deleted is not there.
    ///
    /// # Errors
    /// 400 `resource_missing`.
    pub(crate) fn referenced(&self, kind: &str, id: &str, param: &str) -> Result<Value, ApiError> {
        let found = self.get(kind, id).filter(|it| !is_true(&it["deleted"]));
        found.cloned().ok_or_else(|| ApiError::no_such(kind, id, param))
    }

    /// Adds or replaces an object, under its `id`, without an event.
    pub(crate) fn put(&mut self, kind: &str, object: Value) {
        let id = text(&object["id"]).to_owned();
        self.store.put(kind, &id, object);
    }

    /// Removes an object without an event.
    pub(crate) fn remove(&mut self, kind: &str, id: &str) {
        self.store.remove(kind, id);
    }

    /// Adds an object and emits an event of it.
    pub(crate) fn create(&mut self, kind: &str, object: Value, event: &str) {
        self.put(kind, object.clone());
        self.emit(event, object, None);
    }

    /// Replaces an object, and emits an event of it if a member changed. A `_silent` object is only replaced: the request
    /// that made it so emits one event of all its changes.
    pub(crate) fn save(&mut self, kind: &str, object: Value, event: &str) {
        let previous = changed_members(&self.copy(kind, text(&object["id"])), &object);
        self.put(kind, object.clone());
        if !previous.is_empty() && !is_true(&object["_silent"]) {
            self.emit(event, object, Some(Value::Object(previous)));
        }
    }

    /// Emits an event: stores it, and a delivery for each endpoint that wants it.
    pub(crate) fn emit(&mut self, kind: &str, object: Value, previous: Option<Value>) {
        let former = previous.as_ref().map(|it| text(&it["customer"])).unwrap_or_default();
        let customer = Some(customer_of(&object)).filter(|it| !it.is_empty()).unwrap_or(former).to_owned();
        let endpoints = self.endpoints_for(kind);
        let mut data = json!({ "object": object });
        if let Some(previous) = previous {
            data["previous_attributes"] = previous;
        }
        let event = json!({
            "id": random_id("evt"), "object": "event", "api_version": LATEST, "created": self.now_of(&customer),
            "data": data, "livemode": false, "pending_webhooks": endpoints.len(), "request": self.request, "type": kind,
            "_customer": customer,
        });
        let copies = integer(&self.webhook_setting("copies", &customer)).max(1);
        for endpoint in endpoints {
            for _ in 0..copies {
                self.put(
                    "delivery",
                    json!({
                        "id": random_id("del"), "event": event["id"], "type": kind, "customer": customer,
                        "endpoint": endpoint, "attempts": 0, "due_ms": now_ms(),
                    }),
                );
            }
        }
        self.put("event", event);
    }

    /// The ids of the webhook endpoints that want events of a type.
    pub(crate) fn endpoints_for(&self, kind: &str) -> Vec<String> {
        let is_wanted = |endpoint: &&Value| {
            let wants = |it: &Value| it == "*" || it == kind;
            endpoint["status"] == "enabled" && elements(&endpoint["enabled_events"]).iter().any(wants)
        };
        self.all("webhook_endpoint").filter(is_wanted).map(|it| text(&it["id"]).to_owned()).collect()
    }

    /// A setting of webhooks, for a customer or else for everybody; null if nobody set it.
    pub(crate) fn webhook_setting(&self, name: &str, customer: &str) -> Value {
        let scopes = [customer, EVERYBODY].into_iter();
        let mut set = scopes.filter_map(|it| self.get("webhook_setting", it)).map(|it| &it[name]);
        set.find(|it| !it.is_null()).cloned().unwrap_or_default()
    }

    /// The time, in Unix seconds, for what belongs to no test clock.
    pub(crate) fn now(&self) -> i64 {
        self.moment.unwrap_or_else(|| now_ms() / 1_000 + integer(&self.copy("clock", EVERYBODY)["offset"]))
    }

    /// The time for what belongs to a customer: that of its test clock, if it has one.
    pub(crate) fn now_of(&self, customer: &str) -> i64 {
        if let Some(moment) = self.moment {
            return moment;
        }
        let clock = self.get("customer", customer).map(|it| text(&it["test_clock"])).unwrap_or_default();
        self.get("test_clock", clock).map_or_else(|| self.now(), |it| integer(&it["frozen_time"]))
    }

    /// Lets the clock stand at a moment while what falls due then is carried out; `None` lets it run on.
    pub(crate) fn stand_at(&mut self, moment: Option<i64>) {
        self.moment = moment;
    }

    /// Sets the clock to a time.
    pub(crate) fn set_clock(&mut self, now: i64) {
        self.put("clock", json!({ "id": EVERYBODY, "offset": now - now_ms() / 1_000 }));
    }
}

/// What events name that no request caused.
fn no_request() -> Value {
    json!({ "id": null, "idempotency_key": null })
}

/// The id of the customer that an object is, or belongs to; empty without one.
fn customer_of(object: &Value) -> &str {
    match text(&object["object"]) {
        "customer" => text(&object["id"]),
        _ => text(&object["customer"]),
    }
}
