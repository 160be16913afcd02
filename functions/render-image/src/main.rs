//! `render-image` as a program of its own, as Lambda starts it.

fn main() -> Result<(), entry::Error> {
    render_image::run()
}
