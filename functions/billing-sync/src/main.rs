//! `billing-sync` as a program of its own, as Lambda starts it.

fn main() -> Result<(), entry::Error> {
    billing_sync::run()
}
