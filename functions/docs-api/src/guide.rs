//! The guide: pages in Markdown (`shared/docs`), out of the binary, shown as HTML.

use axum::extract::Path;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use entry::http::{PUBLIC_CACHE, Problem, ProblemType};
use pulldown_cmark::html;

use crate::markdown;

/// Pages by their names, which are those of their files, in the order in which the guide lists them.
const PAGES: &[(&str, &str)] = &[
    ("configuration", include_str!("../../../shared/docs/configuration.md")),
    ("channels", include_str!("../../../shared/docs/channels.md")),
    ("publish", include_str!("../../../shared/docs/publish.md")),
    ("inbox", include_str!("../../../shared/docs/inbox.md")),
    ("console", include_str!("../../../shared/docs/console.md")),
    ("oma", include_str!("../../../shared/docs/oma.md")),
    ("billing", include_str!("../../../shared/docs/billing.md")),
    ("iconik", include_str!("../../../shared/docs/iconik.md")),
    ("images", include_str!("../../../shared/docs/images.md")),
    ("media", include_str!("../../../shared/docs/media.md")),
    ("processors", include_str!("../../../shared/docs/processors.md")),
    ("deploy", include_str!("../../../shared/docs/deploy.md")),
    ("security", include_str!("../../../shared/docs/security.md")),
    ("architecture", include_str!("../../../shared/docs/architecture.md")),
    ("decisions", include_str!("../../../shared/docs/decisions.md")),
    ("proof", include_str!("../../../shared/docs/proof.md")),
    ("figures", include_str!("../../../shared/docs/figures.md")),
    ("tests", include_str!("../../../shared/docs/tests.md")),
];

/// The pictures that pages show, by the names of their files.
const PICTURES: &[(&str, &[u8])] = &[
    ("overview.png", include_bytes!("../../console-api/pictures/overview.png")),
    ("item.png", include_bytes!("../../console-api/pictures/item.png")),
    ("explain.png", include_bytes!("../../console-api/pictures/explain.png")),
    ("inbox.png", include_bytes!("../../console-api/pictures/inbox.png")),
];

/// Where the repository has them, from a page of the guide.
const PICTURES_FOLDER: &str = "../../functions/console-api/pictures/";

const STYLE: &str = "\
:root { color-scheme: light dark }
body { margin: 2rem auto; max-width: 46rem; padding: 0 1rem; font: 1rem/1.55 system-ui, sans-serif }
h1, h2, h3 { line-height: 1.25; margin: 2rem 0 .5rem }
code { font: .875em ui-monospace, monospace; overflow-wrap: anywhere }
pre { overflow-x: auto; padding: .75rem; border: 1px solid #8886 }
pre code { overflow-wrap: normal }
img { max-width: 100%; border: 1px solid #8886 }
table { border-collapse: collapse; width: 100% }
th, td { border: 1px solid #8886; padding: .3rem .6rem; text-align: left; vertical-align: top }
";

/// A page is text with a style and our own pictures, and nothing else: no script, no form, in nobody's frame.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src 'self'; base-uri 'none'; \
    form-action 'none'; frame-ancestors 'none'";

/// All pages.
pub(crate) async fn list() -> Response {
    let line = |(name, text): &(&str, &str)| format!("- [{}]({name}.md)\n", title(text));
    page(&format!("# Guide\n\n{}", PAGES.iter().map(line).collect::<String>()))
}

/// One page.
pub(crate) async fn show(Path(name): Path<String>) -> Response {
    match PAGES.iter().find(|it| it.0 == name) {
        Some((_, text)) => page(text),
        None => Problem::new(ProblemType::NoSuchPage, "the guide has no such page").into_response(),
    }
}

/// One picture of a page.
pub(crate) async fn picture(Path(name): Path<String>) -> Response {
    match PICTURES.iter().find(|picture| picture.0 == name) {
        Some((_, bytes)) => {
            let png = HeaderValue::from_static("image/png");
            ([(header::CONTENT_TYPE, png), (header::CACHE_CONTROL, PUBLIC_CACHE)], *bytes).into_response()
        }
        None => Problem::new(ProblemType::NoSuchPage, "the guide has no such picture").into_response(),
    }
}

/// Where the stack serves what a page links to or shows: a page of the guide, a heading, a picture, or another site. `None`
/// for a file of the repository that is not served.
fn address(link: &str) -> Option<String> {
    if link.starts_with('#') || link.starts_with("https://") || link.starts_with("http://") {
        return Some(link.to_owned());
    }
    if let Some(name) = link.strip_prefix(PICTURES_FOLDER) {
        let name = PICTURES.iter().find(|picture| picture.0 == name)?.0;
        return Some(format!("/docs/guide/pictures/{name}"));
    }
    let (file, anchor) = link.split_once('#').map_or((link, None), |(file, anchor)| (file, Some(anchor)));
    let name = file.strip_suffix(".md")?;
    let name = PAGES.iter().find(|page| page.0 == name)?.0;
    Some(anchor.map_or_else(|| format!("/docs/guide/{name}"), |anchor| format!("/docs/guide/{name}#{anchor}")))
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
    html::push_html(&mut body, markdown::events(text, address).into_iter());
    body.push_str("</body>\n</html>\n");
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, [(header::CACHE_CONTROL, PUBLIC_CACHE)], body).into_response()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};

    use pulldown_cmark::{Event, Tag};

    use super::*;

    fn project() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
    }

    /// The README and the files of the guide's pages.
    fn files() -> Vec<PathBuf> {
        let mut files = vec![project().join("README.md")];
        files.extend(std::fs::read_dir(project().join("shared/docs")).unwrap().map(|file| file.unwrap().path()));
        files
    }

    fn read(file: &Path) -> String {
        std::fs::read_to_string(file).unwrap_or_else(|why| panic!("{}: {why}", file.display()))
    }

    /// The links of a text as they are written, and the ids of its headings.
    fn links_and_ids(text: &str) -> (Vec<String>, BTreeSet<String>) {
        let (mut links, mut ids) = (Vec::new(), BTreeSet::new());
        for event in markdown::events(text, |link| Some(link.to_owned())) {
            match event {
                Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                    links.push(dest_url.to_string())
                }
                Event::Start(Tag::Heading { id, .. }) => assert!(ids.insert(id.unwrap().to_string())),
                _ => {}
            }
        }
        (links, ids)
    }

    #[test]
    fn each_file_is_a_page_with_a_title_and_a_name_of_its_own() {
        let mut names: Vec<String> = files()[1..]
            .iter()
            .map(|file| file.file_name().unwrap().to_str().unwrap().strip_suffix(".md").unwrap().to_owned())
            .collect();
        let mut pages: Vec<&str> = PAGES.iter().map(|page| page.0).collect();
        names.sort_unstable();
        pages.sort_unstable();
        assert_eq!(names, pages);
        let titles: BTreeSet<&str> = PAGES.iter().map(|page| title(page.1)).collect();
        assert_eq!(titles.len(), PAGES.len());
        for (name, text) in PAGES {
            assert!(text.starts_with("# ") && title(text).len() > 3, "{name} begins with its title");
            let titles = markdown::events(text, address)
                .iter()
                .filter(|event| match event {
                    Event::Start(Tag::Heading { level, .. }) => *level == pulldown_cmark::HeadingLevel::H1,
                    Event::Html(html) | Event::InlineHtml(html) => panic!("{name} is Markdown alone: {html}"),
                    _ => false,
                })
                .count();
            assert_eq!(titles, 1, "{name} has one title");
        }
    }

    #[test]
    fn each_link_leads_to_a_file_and_a_heading_that_are_there() {
        let (root, mut linked) = (project(), BTreeSet::new());
        for file in files() {
            let (shown, text) = (file.strip_prefix(&root).unwrap().display(), read(&file));
            let (links, own) = links_and_ids(&text);
            for link in links {
                if link.starts_with("https://") || link.starts_with("http://") {
                    continue;
                }
                let (path, anchor) = link.split_once('#').map_or((link.as_str(), None), |(path, id)| (path, Some(id)));
                let target = match path {
                    "" => file.clone(),
                    path => file.parent().unwrap().join(path).canonicalize().unwrap_or_else(|_| {
                        panic!("{shown} links to {path}, which is not there");
                    }),
                };
                assert!(target.starts_with(&root), "{shown} links to {link}, outside the repository");
                if let Some(anchor) = anchor {
                    let ids = if path.is_empty() { own.clone() } else { links_and_ids(&read(&target)).1 };
                    assert!(ids.contains(anchor), "{shown} links to {link}, and there are the headings {ids:?}");
                }
                if shown.to_string() == "README.md" {
                    linked.extend(target.strip_prefix(root.join("shared/docs")).map(Path::to_owned));
                }
            }
        }
        assert_eq!(linked.len(), PAGES.len(), "the README links to each page: {linked:?}");
    }

    #[test]
    fn served_links_lead_to_pages_and_what_is_not_served_is_text() {
        for (link, want) in [
            ("media.md", Some("/docs/guide/media")),
            ("media.md#times", Some("/docs/guide/media#times")),
            ("#times", Some("#times")),
            ("https://www.rfc-editor.org/rfc/rfc9457", Some("https://www.rfc-editor.org/rfc/rfc9457")),
            ("../../functions/console-api/pictures/item.png", Some("/docs/guide/pictures/item.png")),
            ("../../functions/console-api/pictures/nothing.png", None),
            ("../../template.yaml", None),
            ("../../README.md", None),
            ("nothing.md", None),
            ("javascript:alert(1)", None),
        ] {
            assert_eq!(address(link).as_deref(), want, "{link}");
        }
        let mut served = String::new();
        let text = "# Two `words`, and *more*\n\n[a](media.md#times) [`b`](../x.rs) ![c](../x.png) [d](tests.md)\n\n## Same\n\n## Same\n";
        html::push_html(&mut served, markdown::events(text, address).into_iter());
        let want = "<h1 id=\"two-words-and-more\">Two <code>words</code>, and <em>more</em></h1>\n\
            <p><a href=\"/docs/guide/media#times\">a</a> <code>b</code> c <a href=\"/docs/guide/tests\">d</a></p>\n\
            <h2 id=\"same\">Same</h2>\n<h2 id=\"same-1\">Same</h2>\n";
        assert_eq!(served, want);
    }
}
