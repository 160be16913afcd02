//! `notify cost`: what an application did on the last days, by path, and its list price.

use std::path::Path;

use clap::Args as ClapArgs;
use serde_json::{Value, json};
use time::{Date, Duration, OffsetDateTime};

use crate::client::{Client, Target};
use crate::error::CliError;
use crate::json::text_member;
use crate::print::{self, outln};

/// How many days.
#[derive(ClapArgs)]
#[command(after_help = "Example:\n  notify cost --days 30")]
pub(crate) struct CostArgs {
    /// How many days, today included; at most 31
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(i64).range(1..=31))]
    days: i64,
    #[command(flatten)]
    target: Target,
}

pub(crate) async fn run(args: CostArgs, data: &Path, as_json: bool) -> Result<(), CliError> {
    let client = Client::open(args.target, data)?;
    let today = today();
    let (mut sum, mut incomplete) = (0.0, false);
    if !as_json {
        print::heading("day         item      delivery  inbox     list price");
    }
    for age in (0..args.days).rev() {
        let usage = client.get(&format!("/api/v1/Usage?day={}", today - Duration::days(age))).await?;
        sum += usage["listPrice"].as_f64().unwrap_or_default();
        incomplete |= usage["more"] == true;
        if as_json {
            outln!("{usage}");
        } else {
            outln!("{}", line(&usage));
        }
    }
    if as_json {
        outln!("{}", json!({ "days": args.days, "listPrice": sum }));
        return Ok(());
    }
    outln!("{:<12}{:>40}", "sum", dollars(sum));
    if incomplete {
        print::note("there was more than is counted; the prices of those days are too low");
    }
    print::note(
        "list prices of AWS in us-east-1 for requests and capacity units, without computing time, storage and traffic",
    );
    Ok(())
}

/// A day on a line.
fn line(usage: &Value) -> String {
    let units = |path: &str| {
        let all = usage["paths"].as_array().into_iter().flatten();
        all.filter(|it| it["path"] == path).filter_map(|it| it["units"].as_u64()).sum::<u64>()
    };
    let price = dollars(usage["listPrice"].as_f64().unwrap_or_default());
    let [item, delivery, inbox] = ["item", "delivery", "inbox"].map(units);
    format!("{:<12}{item:<10}{delivery:<10}{inbox:<10}{price:>10}", text_member(usage, "day"))
}

fn dollars(price: f64) -> String {
    format!("${price:.4}")
}

#[expect(clippy::disallowed_methods, reason = "the last days are those before now")]
fn today() -> Date {
    OffsetDateTime::now_utc().date()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_a_line() {
        let usage = json!({ "day": "2026-11-29", "listPrice": 0.01234, "paths": [
            { "path": "item", "units": 12 }, { "path": "delivery", "units": 345 }, { "path": "inbox", "units": 6 },
        ] });
        assert_eq!(line(&usage), "2026-11-29  12        345       6            $0.0123");
    }
}
