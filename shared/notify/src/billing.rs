//! `notify billing`: the plans that are sold, and what an application has of them.

use std::path::Path;

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::client::{Client, Target};
use crate::error::CliError;
use crate::json::text_member;
use crate::print::{self, outln};

/// The limits, as the API names them, each with what is used of it and with words for both.
const LIMITS: [(&str, &str, &str); 4] = [
    ("itemsPerDay", "itemsToday", "items today"),
    ("notificationsPerMonth", "notificationsThisMonth", "notifications this month"),
    ("channels", "channels", "channels"),
    ("users", "usersThisMonth", "users this month"),
];

#[derive(Subcommand)]
pub(crate) enum Command {
    /// List the plans that are sold, with their limits
    Plans(BillingArgs),
    /// Show the application's subscriptions, its limits, and what it has used
    Show(BillingArgs),
}

/// Which application's billing.
#[derive(Args)]
#[command(after_help = "Examples:\n  notify billing plans\n  notify billing show --json")]
pub(crate) struct BillingArgs {
    #[command(flatten)]
    target: Target,
}

pub(crate) async fn run(command: Command, data: &Path, as_json: bool) -> Result<(), CliError> {
    match command {
        Command::Plans(args) => {
            let plans = answer(&Client::open(args.target, data)?, "plans").await?;
            if as_json {
                outln!("{plans}");
                return Ok(());
            }
            for (product, plans) in members(&plans["products"]) {
                print::heading(product);
                for (name, plan) in members(plans) {
                    let cycles: Vec<&str> =
                        plan["cycles"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
                    let sold = if cycles.is_empty() { "without a subscription".to_owned() } else { cycles.join(", ") };
                    print::field(name, &format!("{sold}; {}", limits_text(&plan["limits"])));
                }
            }
        }
        Command::Show(args) => {
            let client = Client::open(args.target, data)?;
            let (plans, limits) = (answer(&client, "plans").await?, answer(&client, "limits").await?);
            let mut products = json!({});
            for (product, _) in members(&plans["products"]) {
                let path = format!("retrieve-billing-data.json?product={product}");
                products[product] = answer_at(&client, &path).await?["subscriptions"].clone();
            }
            if as_json {
                outln!("{}", json!({ "products": products, "limits": limits["limits"], "usage": limits["usage"] }));
                return Ok(());
            }
            show(&products, &limits);
        }
    }
    Ok(())
}

/// The data that an endpoint answers.
async fn answer(client: &Client, endpoint: &str) -> Result<Value, CliError> {
    answer_at(client, &format!("{endpoint}.json")).await
}

async fn answer_at(client: &Client, path: &str) -> Result<Value, CliError> {
    Ok(client.get(&format!("/1/billing/{path}")).await?["data"].clone())
}

fn show(products: &Value, limits: &Value) {
    for (product, subscriptions) in members(products) {
        print::heading(product);
        let subscriptions = subscriptions.as_array().map_or(&[][..], Vec::as_slice);
        if subscriptions.is_empty() {
            outln!("  no subscription");
        }
        for subscription in subscriptions {
            print::field(text_member(subscription, "plan_name"), &subscription_text(subscription));
        }
    }
    print::heading("used");
    for (limit, used, words) in LIMITS {
        let allowed = limits["limits"][limit].as_u64().map_or_else(String::new, |it| format!(" of {it}"));
        print::field(words, &format!("{}{allowed}", limits["usage"][used]));
    }
}

/// A subscription in words: `2 × month, paid until 2026-12-21`.
fn subscription_text(subscription: &Value) -> String {
    let end = subscription["current_period_end"].as_i64().and_then(|it| OffsetDateTime::from_unix_timestamp(it).ok());
    let end = end.map_or_else(|| "an unknown day".to_owned(), |it| it.date().to_string());
    let is = |name: &str| subscription[name] == true;
    let state = match (is("is_trialing"), is("is_paying")) {
        (true, _) => format!("a trial until {end}"),
        (_, true) => format!("paid until {end}"),
        _ => "not paid".to_owned(),
    };
    let ending = if is("cancel_at_period_end") { ", and ends then" } else { "" };
    format!("{} × {}, {state}{ending}", subscription["quantity"], text_member(subscription, "cycle"))
}

/// Limits in words: `itemsPerDay 10, channels 5`.
fn limits_text(limits: &Value) -> String {
    let named = LIMITS.iter().filter_map(|(limit, _, _)| Some(format!("{limit} {}", limits[limit].as_u64()?)));
    let all: Vec<String> = named.collect();
    if all.is_empty() { "no limits".to_owned() } else { all.join(", ") }
}

fn members(object: &Value) -> impl Iterator<Item = (&str, &Value)> {
    object.as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subscription_and_limits_are_put_into_words() {
        let subscription = |paying: bool, trialing: bool, ending: bool| {
            let it = json!({
                "plan_name": "pro", "quantity": 2, "cycle": "month", "current_period_end": 1_795_205_554,
                "cancel_at_period_end": ending, "is_paying": paying, "is_trialing": trialing,
            });
            subscription_text(&it)
        };
        assert_eq!(subscription(true, false, false), "2 × month, paid until 2026-11-20");
        assert_eq!(subscription(false, true, true), "2 × month, a trial until 2026-11-20, and ends then");
        assert_eq!(subscription(false, false, false), "2 × month, not paid");
        assert_eq!(limits_text(&json!({ "channels": 5, "itemsPerDay": 10 })), "itemsPerDay 10, channels 5");
        assert_eq!(limits_text(&json!({})), "no limits");
    }
}
