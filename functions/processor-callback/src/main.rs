//! `processor-callback` as a program of its own, as Lambda starts it.

fn main() -> Result<(), entry::Error> {
    processor_callback::run()
}
