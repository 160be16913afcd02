//! Characters and names of XML 1.0.

/// Whether XML 1.0 can carry a character (XML 1.0, 2.2).
pub(crate) fn is_char(it: char) -> bool {
    matches!(it, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..='\u{10FFFF}')
}

/// Whether a text is a name without a prefix (Namespaces in XML 1.0, 3).
pub(crate) fn is_name(text: &str) -> bool {
    text.starts_with(is_name_start) && text.chars().all(is_name_char)
}

/// A text as a name: what names cannot have becomes `_`.
pub(crate) fn to_name(text: &str) -> String {
    let mut name: String = text.chars().map(|it| if is_name_char(it) { it } else { '_' }).collect();
    if !name.starts_with(is_name_start) {
        name.insert(0, '_');
    }
    name
}

/// Writes a text so that a reader finds the same. What XML cannot carry becomes U+FFFD.
pub(crate) fn escape(text: &str, attribute: bool, out: &mut String) {
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            // a reader would make another line end or a space of them
            '\r' => out.push_str("&#13;"),
            '\n' if attribute => out.push_str("&#10;"),
            '\t' if attribute => out.push_str("&#9;"),
            '"' if attribute => out.push_str("&quot;"),
            it if is_char(it) => out.push(it),
            _ => out.push('\u{FFFD}'),
        }
    }
}

fn is_name_start(it: char) -> bool {
    matches!(it,
        'A'..='Z' | '_' | 'a'..='z' | '\u{C0}'..='\u{D6}' | '\u{D8}'..='\u{F6}' | '\u{F8}'..='\u{2FF}'
        | '\u{370}'..='\u{37D}' | '\u{37F}'..='\u{1FFF}' | '\u{200C}' | '\u{200D}' | '\u{2070}'..='\u{218F}'
        | '\u{2C00}'..='\u{2FEF}' | '\u{3001}'..='\u{D7FF}' | '\u{F900}'..='\u{FDCF}' | '\u{FDF0}'..='\u{FFFD}'
        | '\u{10000}'..='\u{EFFFF}')
}

fn is_name_char(it: char) -> bool {
    is_name_start(it)
        || matches!(it,
            '-' | '.' | '0'..='9' | '\u{B7}' | '\u{300}'..='\u{36F}' | '\u{203F}' | '\u{2040}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_xml() {
        for good in ["nmsEventList", "_a", "a-1.b", "é", "名"] {
            assert!(is_name(good), "{good}");
            assert_eq!(to_name(good), good);
        }
        for (bad, name) in [("", "_"), ("1a", "_1a"), ("a b", "a_b"), ("nms:a", "nms_a"), ("@a", "_a"), ("<a>", "_a_")]
        {
            assert!(!is_name(bad), "{bad}");
            assert_eq!(to_name(bad), name);
        }
    }

    #[test]
    fn escapes_what_readers_would_change() {
        for (text, attribute, want) in [
            ("a & b < c > \"d\"", false, "a &amp; b &lt; c &gt; \"d\""),
            ("a & b < c > \"d\"", true, "a &amp; b &lt; c &gt; &quot;d&quot;"),
            ("]]>", false, "]]&gt;"),
            ("a\r\nb\tc", false, "a&#13;\nb\tc"),
            ("a\r\nb\tc", true, "a&#13;&#10;b&#9;c"),
            ("a\u{0}b\u{1F}c\u{FFFE}", false, "a\u{FFFD}b\u{FFFD}c\u{FFFD}"),
            ("😀 ü", false, "😀 ü"),
        ] {
            let mut out = String::new();
            escape(text, attribute, &mut out);
            assert_eq!(out, want);
        }
    }
}
