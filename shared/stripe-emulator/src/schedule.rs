//! What falls due by time, in its order: trials, periods, invoices, and what was not paid in time.

use serde_json::Value;

use crate::account::{Account, EVERYBODY};
use crate::invoicing::{finalize, subscription_of, void};
use crate::json::{elements, integer, is_true, text};
use crate::payment::pay;
use crate::subscriptions::lifecycle::{TRIAL_NOTICE, announce_trial_end, cancel, end_trial, has_ended, renew};

/// A first invoice has to be paid within 23 hours (Stripe, How subscriptions work).
const INCOMPLETE_SECONDS: i64 = 23 * 3_600;

/// What is due. Of what is due at the same time, the first is carried out first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Action {
    AnnounceTrialEnd,
    Cancel,
    Expire,
    Void,
    EndTrial,
    Renew,
    Finalize,
    Pay,
}

/// Carries out what is due for the customers without a test clock until now.
pub(crate) fn catch_up(account: &mut Account) {
    let now = account.now();
    run(account, "", now);
}

/// Moves the account's clock to a time, and carries out what falls due on the way.
pub(crate) fn advance(account: &mut Account, to: i64) {
    run(account, "", to);
    account.set_clock(to);
}

/// Moves a test clock to a time, and carries out what falls due on the way for its customers.
pub(crate) fn advance_test_clock(account: &mut Account, id: &str, to: i64) {
    run(account, id, to);
    let mut clock = account.copy("test_clock", id);
    clock["frozen_time"] = to.into();
    account.put("test_clock", clock);
}

fn run(account: &mut Account, clock: &str, until: i64) {
    while let Some((at, action, id)) = next(account, clock).filter(|it| it.0 <= until) {
        account.stand_at(Some(at));
        match action {
            Action::AnnounceTrialEnd => announce_trial_end(account, &id),
            Action::Cancel | Action::Expire => cancel(account, &id),
            Action::Void => void(account, &id),
            Action::EndTrial => end_trial(account, &id),
            Action::Renew => renew(account, &id),
            Action::Finalize => {
                finalize(account, &id);
                charge(account, &id);
            }
            Action::Pay => charge(account, &id),
        }
    }
    account.stand_at(None);
}

/// What is due next on a clock: its time, what to do, and with which object.
fn next(account: &Account, clock: &str) -> Option<(i64, Action, String)> {
    let follows = |object: &&Value| {
        let customer = account.get("customer", text(&object["customer"]));
        customer.is_some_and(|customer| {
            let own = text(&customer["test_clock"]);
            own == clock || (clock.is_empty() && account.get("test_clock", own).is_none())
        })
    };
    let subscriptions = account.all("subscription").filter(follows).filter_map(of_subscription);
    let invoices = account.all("invoice").filter(follows).filter_map(of_invoice);
    subscriptions.chain(invoices).min()
}

fn of_subscription(subscription: &Value) -> Option<(i64, Action, String)> {
    let status = text(&subscription["status"]);
    let ends_at = subscription["cancel_at"].as_i64().map(|it| (it, Action::Cancel));
    let period_end = elements(&subscription["items"]).iter().map(|it| integer(&it["current_period_end"])).min();
    let due = match status {
        "incomplete" => Some((integer(&subscription["created"]) + INCOMPLETE_SECONDS, Action::Expire)),
        "trialing" => {
            let trial_end = integer(&subscription["trial_end"]);
            let is_announced = subscription["_trial_end_announced"] == trial_end;
            if is_announced {
                Some((trial_end, Action::EndTrial))
            } else {
                let start = integer(&subscription["trial_start"]);
                Some(((trial_end - TRIAL_NOTICE).max(start), Action::AnnounceTrialEnd))
            }
        }
        "active" | "past_due" | "unpaid" => period_end.map(|it| (it, Action::Renew)),
        _ => None,
    };
    let ends_at = ends_at.filter(|_| !has_ended(status));
    let (at, action) = [due, ends_at].into_iter().flatten().min()?;
    Some((at, action, text(&subscription["id"]).to_owned()))
}

fn of_invoice(invoice: &Value) -> Option<(i64, Action, String)> {
    let due = |name: &str, action: Action| Some((invoice[name].as_i64()?, action));
    let is_automatic = is_true(&invoice["auto_advance"]);
    let (at, action) = match text(&invoice["status"]) {
        "draft" if is_automatic => due("automatically_finalizes_at", Action::Finalize)?,
        "open" if is_automatic => {
            [due("_void_at", Action::Void), due("next_payment_attempt", Action::Pay)].into_iter().flatten().min()?
        }
        _ => return None,
    };
    Some((at, action, text(&invoice["id"]).to_owned()))
}

/// Charges an invoice. After the last attempt that failed, the subscription becomes what `after_retries` says.
fn charge(account: &mut Account, id: &str) {
    pay(account, id, None, false);
    let invoice = account.copy("invoice", id);
    let mut subscription = account.copy("subscription", subscription_of(&invoice));
    let is_over = invoice["status"] == "open" && invoice["next_payment_attempt"].is_null();
    if !is_over || subscription["status"] != "past_due" || invoice["_resumption"].is_string() {
        return;
    }
    match text(&account.copy("setting", EVERYBODY)["after_retries"]) {
        "past_due" => {}
        "unpaid" => {
            subscription["status"] = "unpaid".into();
            account.save("subscription", subscription, "customer.subscription.updated");
        }
        _ => {
            subscription["cancellation_details"]["reason"] = "payment_failed".into();
            account.put("subscription", subscription.clone());
            cancel(account, text(&subscription["id"]));
        }
    }
}
