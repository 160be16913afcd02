//! Markdown (CommonMark with tables) as events: headings that a link can name, and links rewritten for where they are shown.

use std::collections::HashMap;

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

/// The events of a text. Each heading gets its id, and each link and each picture the address that `address` gives; where
/// it gives none, the text alone stays.
pub(crate) fn events(text: &str, address: impl Fn(&str) -> Option<String>) -> Vec<Event<'_>> {
    let mut events: Vec<Event<'_>> = Parser::new_ext(text, Options::ENABLE_TABLES).collect();
    name_headings(&mut events);
    // Whether what is open leads somewhere. A picture may stand inside a link (CommonMark, section 6.3), so this is a stack.
    let mut open: Vec<bool> = Vec::new();
    events.retain_mut(|event| match event {
        Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
            let address = address(dest_url);
            let leads = address.is_some();
            open.push(leads);
            if let Some(address) = address {
                *dest_url = address.into();
            }
            leads
        }
        Event::End(TagEnd::Link | TagEnd::Image) => open.pop().unwrap_or(true),
        _ => true,
    });
    events
}

/// Gives each heading the id that GitHub gives it; one that comes again is numbered from 1 on.
fn name_headings(events: &mut [Event<'_>]) {
    let mut seen: HashMap<String, usize> = HashMap::new();
    for start in 0..events.len() {
        if !matches!(events[start], Event::Start(Tag::Heading { .. })) {
            continue;
        }
        let inside = events[start + 1..].iter().take_while(|event| !matches!(event, Event::End(TagEnd::Heading(_))));
        let words = inside.filter_map(|event| match event {
            Event::Text(text) | Event::Code(text) => Some(text.as_ref()),
            _ => None,
        });
        let name = anchor(&words.collect::<String>());
        let before = seen.entry(name.clone()).or_default();
        let name = if *before == 0 { name } else { format!("{name}-{before}") };
        *before += 1;
        if let Event::Start(Tag::Heading { id, .. }) = &mut events[start] {
            *id = Some(name.into());
        }
    }
}

/// A heading as an id: lower case, letters, digits, `_` and `-` alone, and a hyphen for each blank.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|it| it.is_alphanumeric() || matches!(it, '-' | '_' | ' '));
    kept.flat_map(char::to_lowercase).map(|it| if it == ' ' { '-' } else { it }).collect()
}
