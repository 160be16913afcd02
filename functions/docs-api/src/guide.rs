//! The guide: pages in Markdown (`shared/docs`), out of the binary, shown as HTML.

use axum::extract::Path;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use entry::http::{PUBLIC_CACHE, Problem, ProblemType};
use pulldown_cmark::{Options, Parser, html};

/// Pages by their names, which are those of their files.
const PAGES: &[(&str, &str)] = &[
    ("media", include_str!("../../../shared/docs/media.md")),
    ("security", include_str!("../../../shared/docs/security.md")),
    ("tests", include_str!("../../../shared/docs/tests.md")),
];

const STYLE: &str = "\
:root { color-scheme: light dark }
body { margin: 2rem auto; max-width: 46rem; padding: 0 1rem; font: 1rem/1.55 system-ui, sans-serif }
h1, h2, h3 { line-height: 1.25; margin: 2rem 0 .5rem }
code { font: .875em ui-monospace, monospace; overflow-wrap: anywhere }
pre { overflow-x: auto; padding: .75rem; border: 1px solid #8886 }
pre code { overflow-wrap: normal }
table { border-collapse: collapse; width: 100% }
th, td { border: 1px solid #8886; padding: .3rem .6rem; text-align: left; vertical-align: top }
";

/// A page is text with a style, and nothing else: no script, no picture, no form, in nobody's frame.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// All pages.
pub(crate) async fn list() -> Response {
    let line = |(name, text): &(&str, &str)| format!("- [{}](/docs/guide/{name})\n", title(text));
    page(&format!("# Guide\n\n{}", PAGES.iter().map(line).collect::<String>()))
}

/// One page.
pub(crate) async fn show(Path(name): Path<String>) -> Response {
    match PAGES.iter().find(|it| it.0 == name) {
        Some((_, text)) => page(text),
        None => Problem::new(ProblemType::NoSuchPage, "the guide has no such page").into_response(),
    }
}

/// A page's heading.
fn title(text: &str) -> &str {
    text.lines().next().and_then(|it| it.strip_prefix("# ")).unwrap_or("Guide")
}

fn page(text: &str) -> Response {
    let mut body = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n",
        title(text)
    );
    html::push_html(&mut body, Parser::new_ext(text, Options::ENABLE_TABLES));
    body.push_str("</body>\n</html>\n");
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, [(header::CACHE_CONTROL, PUBLIC_CACHE)], body).into_response()
}
