//! `iconik-webhook` as a program of its own, as Lambda starts it.

fn main() -> Result<(), entry::Error> {
    iconik_webhook::run()
}
