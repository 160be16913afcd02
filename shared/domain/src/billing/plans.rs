//! Plans: what is sold, at which prices, and with which limits. They are configuration: `plans.json`, product → plan →
//! prices and defaults.

use std::collections::{BTreeMap, HashMap};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

use crate::billing::limits::Limits;

/// The largest quantity of a subscription (billing, section 2.2).
pub const MAX_QUANTITY: u32 = 10_000;
/// The longest trial, in days (billing, section 2.2).
pub const MAX_TRIAL_DAYS: u32 = 90;
/// The length of a trial, in days, if neither the request nor the plan names one.
const DEFAULT_TRIAL_DAYS: u32 = 14;
/// The most characters of the name of a product or a plan.
const MAX_NAME_CHARS: usize = 40;

/// How often a subscription is paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cycle {
    Month,
    Year,
}

impl Cycle {
    /// Both cycles.
    pub const ALL: [Self; 2] = [Self::Month, Self::Year];

    /// The name in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Month => "month",
            Self::Year => "year",
        }
    }
}

/// A plan of a product.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Plan {
    /// The provider's ids of its monthly prices. The first one is sold; the others are those of earlier customers.
    #[serde(default, deserialize_with = "one_or_more")]
    month: Vec<String>,
    /// The same of its yearly prices.
    #[serde(default, deserialize_with = "one_or_more")]
    year: Vec<String>,
    /// The cycle of a new subscription whose request names none; `month` by default.
    #[serde(default)]
    default_cycle: Option<Cycle>,
    /// The length of a trial whose request names none.
    #[serde(default)]
    trial_days: Option<u32>,
    #[serde(default)]
    max_quantity: Option<u32>,
    /// Its place among the plans of its product: a change to a higher rank is an upgrade.
    #[serde(default)]
    pub rank: u32,
    #[serde(default)]
    pub limits: Limits,
}

impl Plan {
    /// The price of a cycle, if the plan is sold in it.
    pub fn price(&self, cycle: Cycle) -> Option<&str> {
        self.prices(cycle).first().map(String::as_str)
    }

    /// The cycle of a new subscription whose request names none.
    pub fn default_cycle(&self) -> Cycle {
        self.default_cycle.unwrap_or(Cycle::Month)
    }

    /// The length of a trial, in days, whose request names none.
    pub fn trial_days(&self) -> u32 {
        self.trial_days.unwrap_or(DEFAULT_TRIAL_DAYS)
    }

    /// The largest quantity of a subscription.
    pub fn max_quantity(&self) -> u32 {
        self.max_quantity.unwrap_or(MAX_QUANTITY)
    }

    /// Whether it has prices. One that has none is what an application has without a subscription.
    pub fn is_sold(&self) -> bool {
        !(self.month.is_empty() && self.year.is_empty())
    }

    fn prices(&self, cycle: Cycle) -> &[String] {
        match cycle {
            Cycle::Month => &self.month,
            Cycle::Year => &self.year,
        }
    }
}

/// What a price is the price of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceOf {
    pub product: String,
    pub plan: String,
    pub cycle: Cycle,
}

/// All plans, and the index from prices to them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plans {
    products: BTreeMap<String, BTreeMap<String, Plan>>,
    by_price: HashMap<String, PriceOf>,
}

/// Why a text is no `plans.json`.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidPlans(String);

impl Plans {
    /// Whether nothing is sold.
    pub fn is_empty(&self) -> bool {
        self.products.is_empty()
    }

    /// The names of the products, sorted.
    pub fn products(&self) -> impl Iterator<Item = &str> {
        self.products.keys().map(String::as_str)
    }

    /// The plans of a product by their names; `None` if there is no such product.
    pub fn of_product(&self, product: &str) -> Option<&BTreeMap<String, Plan>> {
        self.products.get(product)
    }

    /// A plan of a product.
    pub fn plan(&self, product: &str, plan: &str) -> Option<&Plan> {
        self.products.get(product)?.get(plan)
    }

    /// The plan of applications without a subscription for a product, if it has one.
    pub fn free_plan(&self, product: &str) -> Option<&Plan> {
        self.products.get(product)?.values().find(|plan| !plan.is_sold())
    }

    /// What a price is the price of.
    pub fn of_price(&self, price: &str) -> Option<&PriceOf> {
        self.by_price.get(price)
    }

    /// Whether any plan limits anything.
    pub fn have_limits(&self) -> bool {
        self.products.values().flat_map(BTreeMap::values).any(|plan| !plan.limits.is_empty())
    }
}

impl FromStr for Plans {
    type Err = InvalidPlans;

    /// Reads `plans.json`. An empty text has no plans.
    fn from_str(text: &str) -> Result<Self, InvalidPlans> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        let products: BTreeMap<String, BTreeMap<String, Plan>> =
            serde_json::from_str(text).map_err(|error| InvalidPlans(error.to_string()))?;
        let mut by_price = HashMap::new();
        for (product, plans) in &products {
            check_name(product)?;
            if plans.values().filter(|plan| !plan.is_sold()).count() > 1 {
                return Err(InvalidPlans(format!("{product} has more than one plan without prices")));
            }
            for (name, plan) in plans {
                check_name(name)?;
                check_plan(&format!("{product}.{name}"), plan)?;
                for cycle in Cycle::ALL {
                    for price in plan.prices(cycle) {
                        let of = PriceOf { product: product.clone(), plan: name.clone(), cycle };
                        if by_price.insert(price.clone(), of).is_some() {
                            return Err(InvalidPlans(format!("the price {price} stands there twice")));
                        }
                    }
                }
            }
        }
        Ok(Self { products, by_price })
    }
}

/// Names stand in keys of rows and in messages.
fn check_name(name: &str) -> Result<(), InvalidPlans> {
    let is_allowed = |it: u8| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'_');
    if (1..=MAX_NAME_CHARS).contains(&name.len()) && name.bytes().all(is_allowed) {
        return Ok(());
    }
    let rule = format!("1 to {MAX_NAME_CHARS} letters, digits, hyphens and underlines");
    Err(InvalidPlans(format!("`{name}` is no name: {rule}")))
}

fn check_plan(name: &str, plan: &Plan) -> Result<(), InvalidPlans> {
    let check = |holds: bool, what: &str| {
        if holds { Ok(()) } else { Err(InvalidPlans(format!("{name}: {what}"))) }
    };
    let is_price = |it: &String| (1..=255).contains(&it.len()) && it.bytes().all(|byte| byte.is_ascii_graphic());
    check(plan.month.iter().chain(&plan.year).all(is_price), "a price is an id of the payment provider")?;
    check((1..=MAX_TRIAL_DAYS).contains(&plan.trial_days()), "trialDays is 1 to 90")?;
    check((1..=MAX_QUANTITY).contains(&plan.max_quantity()), "maxQuantity is 1 to 10000")?;
    check(plan.limits.items_per_day != Some(0), "itemsPerDay is 1 or more")?;
    let has_default = !plan.is_sold() || plan.price(plan.default_cycle()).is_some();
    check(has_default, "it has no price for its default cycle")
}

/// One text, or a list of texts.
fn one_or_more<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrMore {
        One(String),
        More(Vec<String>),
    }
    Ok(match OneOrMore::deserialize(from)? {
        OneOrMore::One(one) => vec![one],
        OneOrMore::More(all) => all,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = include_str!("../../../../events/plans.example.json");

    #[test]
    fn the_example_has_the_plans_of_both_products() {
        let plans: Plans = EXAMPLE.parse().unwrap();
        let names = |product: &str| plans.of_product(product).unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(plans.products().collect::<Vec<_>>(), ["analyze", "publish"]);
        assert_eq!(names("publish"), ["agency", "business", "free", "pro", "small"]);
        assert_eq!(names("analyze"), ["early-access-10", "early-access-100", "early-access-25", "early-access-50"]);
        let order = ["free", "pro", "small", "business", "agency"].map(|it| plans.plan("publish", it).unwrap().rank);
        assert!(order.is_sorted_by(|one, other| one < other), "{order:?}");
        assert!(plans.have_limits() && plans.free_plan("analyze").is_none());
        assert!(!plans.free_plan("publish").unwrap().is_sold());
        for (product, plan) in plans.products.iter().flat_map(|(name, all)| all.values().map(move |it| (name, it))) {
            for cycle in Cycle::ALL {
                let Some(price) = plan.price(cycle) else { continue };
                let of = plans.of_price(price).unwrap();
                assert_eq!((&of.product, of.cycle), (product, cycle), "{price}");
                assert_eq!(plans.plan(&of.product, &of.plan), Some(plan), "{price}");
            }
        }
    }

    #[test]
    fn an_earlier_price_is_known_and_not_sold() {
        let plans: Plans = r#"{"a": {"b": {"month": ["new", "old"]}}}"#.parse().unwrap();
        let plan = plans.plan("a", "b").unwrap();
        assert_eq!((plan.price(Cycle::Month), plan.price(Cycle::Year)), (Some("new"), None));
        assert_eq!(plans.of_price("old").map(|it| it.plan.as_str()), Some("b"));
        assert_eq!((plan.default_cycle(), plan.trial_days(), plan.max_quantity()), (Cycle::Month, 14, 10_000));
    }

    #[test]
    fn nothing_is_sold_without_plans() {
        for text in ["", " \n", "{}"] {
            let plans: Plans = text.parse().unwrap();
            assert!(plans.is_empty() && !plans.have_limits(), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_is_said() {
        for (text, want) in [
            ("[]", "invalid type: sequence"),
            (r#"{"a": {"b": {"mounth": "p"}}}"#, "unknown field `mounth`"),
            (r#"{"a#b": {}}"#, "`a#b` is no name"),
            (r#"{"a": {"": {}}}"#, "`` is no name"),
            (r#"{"a": {"b": {"year": "p"}}}"#, "a.b: it has no price for its default cycle"),
            (r#"{"a": {"b": {"month": "p", "trialDays": 91}}}"#, "a.b: trialDays is 1 to 90"),
            (r#"{"a": {"b": {"month": "p", "maxQuantity": 0}}}"#, "a.b: maxQuantity is 1 to 10000"),
            (r#"{"a": {"b": {"month": ""}}}"#, "a.b: a price is an id"),
            (r#"{"a": {"b": {"month": "p"}, "c": {"month": "p"}}}"#, "the price p stands there twice"),
            (r#"{"a": {"b": {}, "c": {}}}"#, "a has more than one plan without prices"),
            (r#"{"a": {"b": {"limits": {"itemsPerDay": 0}}}}"#, "a.b: itemsPerDay is 1 or more"),
            (r#"{"a": {"b": {"limits": {"emails": 1}}}}"#, "unknown field `emails`"),
        ] {
            let error = text.parse::<Plans>().unwrap_err().to_string();
            assert!(error.contains(want), "{text}: {error}");
        }
    }
}
