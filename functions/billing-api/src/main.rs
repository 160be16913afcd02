//! `billing-api` as a program of its own, as Lambda starts it.

fn main() -> Result<(), entry::Error> {
    billing_api::run()
}
