//! Customers and their cards.

use domain::AppId;
use domain::id::sha256_hex;

use crate::client::{RequestKey, Stripe, path_of};
use crate::error::StripeError;
use crate::form::Form;
use crate::models::{Customer, Identified};

impl Stripe {
    /// Creates the customer of an application, or answers with the one that an earlier try has created. `former` is the
    /// one that it had before, which was deleted: without it Stripe would answer with that one for a day. `attempt` counts
    /// the stored failures.
    pub async fn create_customer(
        &self,
        app: AppId,
        former: Option<&str>,
        attempt: u32,
    ) -> Result<Customer, StripeError> {
        let tenant = app.to_string();
        let mut key = format!("cus:{}", sha256_hex(tenant.as_bytes()));
        if let Some(former) = former {
            key = format!("{key}:{former}");
        }
        if attempt > 0 {
            key = format!("{key}:{attempt}");
        }
        let form = Form::default().with("metadata[tenant]", tenant);
        self.post("/v1/customers", form, RequestKey::Exact(&key)).await
    }

    /// A customer, which may be deleted; `None` if there never was one.
    pub async fn customer(&self, id: &str) -> Result<Option<Customer>, StripeError> {
        match self.get(&path_of("customers", id), Form::default()).await {
            Ok(customer) => Ok(Some(customer)),
            Err(error) if error.is_missing() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Turns a card's token into a payment method; answers its id. A token is good once, so the key is the token's own:
    /// whoever asks again gets the same payment method, however much later the request comes again. `attempt` counts the
    /// stored failures.
    pub async fn create_payment_method(&self, app: AppId, token: &str, attempt: u32) -> Result<String, StripeError> {
        let form = Form::default().with("type", "card").with("card[token]", token);
        let seed = format!("{app}|{attempt}");
        let method: Identified = self.post("/v1/payment_methods", form, RequestKey::Derived(&seed)).await?;
        Ok(method.id)
    }

    /// Attaches a payment method to a customer; answers its id, which is another one if Stripe has made a copy. `seed` tells
    /// one request of ours from another one.
    pub async fn attach_payment_method(&self, method: &str, customer: &str, seed: &str) -> Result<String, StripeError> {
        let path = format!("{}/attach", path_of("payment_methods", method));
        let form = Form::default().with("customer", customer);
        let attached: Identified = self.post(&path, form, RequestKey::Derived(seed)).await?;
        Ok(attached.id)
    }

    /// Makes a payment method the one that a customer's subscriptions are paid with. `seed` tells one request of ours from
    /// another one.
    pub async fn set_default_payment_method(
        &self,
        customer: &str,
        method: &str,
        seed: &str,
    ) -> Result<Customer, StripeError> {
        let form = Form::default().with("invoice_settings[default_payment_method]", method);
        self.post(&path_of("customers", customer), form, RequestKey::Derived(seed)).await
    }
}
