//! What an endpoint is asked, by whom, and the product and the plan that it is asked about.

use axum::http::request::Parts;
use domain::AppId;
use domain::billing::plans::{Plan, Plans};

use crate::answer::Fault;
use crate::context::Context;
use crate::params::Params;

/// What an endpoint is asked, by whom.
pub(crate) struct Asked<'a> {
    pub(crate) context: &'a Context,
    pub(crate) app: AppId,
    pub(crate) parts: &'a Parts,
    pub(crate) params: Params,
}

impl Asked<'_> {
    /// The product that the request names.
    ///
    /// # Errors
    /// 1004 if there is none, 1003 if it is none of ours.
    pub(crate) fn product(&self, plans: &Plans) -> Result<&str, Fault> {
        let product = self.params.required("product")?;
        match plans.of_product(product) {
            Some(_) => Ok(product),
            None => Err(Fault::unknown_value("product", &listed(plans.products()))),
        }
    }

    /// The plan that the request names.
    ///
    /// # Errors
    /// 1004 if there is none, 1003 if it is none of the product's.
    pub(crate) fn plan<'a>(&self, plans: &'a Plans, product: &str) -> Result<(&str, &'a Plan), Fault> {
        let plan = self.params.required("plan")?;
        if let Some(of) = plans.plan(product, plan).filter(|it| it.is_sold()) {
            return Ok((plan, of));
        }
        let sold = plans.of_product(product).into_iter().flatten().filter(|it| it.1.is_sold());
        Err(Fault::unknown_value("plan", &listed(sold.map(|it| it.0.as_str()))))
    }
}

/// Names as a text lists them: `a`, `b` or `c`.
fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.map(|it| format!("`{it}`")).collect();
    match names.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => names.concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_listed_as_a_text() {
        for (names, want) in
            [(&[] as &[&str], ""), (&["a"], "`a`"), (&["a", "b"], "`a` or `b`"), (&["a", "b", "c"], "`a`, `b` or `c`")]
        {
            assert_eq!(listed(names.iter().copied()), want);
        }
    }
}
