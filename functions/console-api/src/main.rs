//! `console-api` as a program of its own, as Lambda starts it.

fn main() -> Result<(), entry::Error> {
    console_api::run()
}
