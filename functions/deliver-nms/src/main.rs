//! `deliver-nms` as a program of its own, as Lambda starts it.

fn main() -> Result<(), entry::Error> {
    deliver_nms::run()
}
