//! An environment file, read as the original system reads it: python-dotenv's dialect (its README, "File format", and
//! `parser.py` of version 1). A line that it would skip with a warning is an error here, with number and name. Values
//! are secrets: no error shows one.

use std::collections::BTreeMap;

/// The content of a file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct EnvFile {
    /// Values by variable. The last line of a name counts.
    pub(crate) values: BTreeMap<String, String>,
    /// The line that gives a variable its value, from 1.
    pub(crate) lines: BTreeMap<String, usize>,
    /// Notes for the user.
    pub(crate) notes: Vec<String>,
}

/// A name, or its line number if the name may be a secret: the second line of a wrapped key looks like `abc==`.
pub(crate) fn shown_name(name: &str, line: usize) -> String {
    let is_plain =
        name.len() <= 64 && name.bytes().all(|it| it.is_ascii_alphanumeric() || matches!(it, b'_' | b'.' | b'-'));
    let begins_like_a_name = name.starts_with(|it: char| it.is_ascii_alphabetic() || it == '_');
    if is_plain && begins_like_a_name { name.to_owned() } else { format!("the name in line {line}") }
}

/// Reads a file's text.
pub(crate) fn parse(text: &str) -> Result<EnvFile, String> {
    let mut reader = Parser { text: text.strip_prefix('\u{feff}').unwrap_or(text), position: 0 };
    let mut file = EnvFile::default();
    loop {
        reader.skip(char::is_whitespace);
        if reader.rest().is_empty() {
            return Ok(file);
        }
        let line = reader.line_number();
        let (name, value) = reader.binding().map_err(|(name, why)| {
            let name = name.map_or_else(String::new, |it| format!("{}: ", shown_name(&it, line)));
            format!("line {line}: {name}{why}")
        })?;
        if let (Some(name), Some(value)) = (name, value) {
            let value = expand_references(&value, &file.values, |unknown| {
                let what = shown_name(&name, line);
                let why = "the file gives it no value before";
                file.notes.push(format!("line {line}: {what} names a variable as ${{…}}, and {why}: {unknown}"));
            });
            file.lines.insert(name.clone(), line);
            file.values.insert(name, value);
        }
    }
}

/// Replaces `${NAME}` and `${NAME:-default}` by the value that the file gave before, in quotes as well. A bare `$`
/// stays. The environment of this program is not that of the original system, and is ignored.
fn expand_references(value: &str, known: &BTreeMap<String, String>, mut unknown: impl FnMut(&str)) -> String {
    let (mut out, mut rest) = (String::new(), value);
    while let Some(start) = rest.find("${") {
        let inside = &rest[start + 2..];
        let reference = inside.find('}').map(|end| (&inside[..end], &inside[end + 1..]));
        let parts = reference.and_then(|(inner, after)| match inner.split_once(':') {
            None => Some((inner, None, after)),
            Some((name, default)) => default.strip_prefix('-').map(|default| (name, Some(default), after)),
        });
        let Some((name, default, after)) = parts else {
            out.push_str(&rest[..start + 2]);
            rest = inside;
            continue;
        };
        out.push_str(&rest[..start]);
        match (known.get(name), default) {
            (Some(it), _) => out.push_str(it),
            (None, Some(default)) => {
                out.push_str(default);
                unknown("its default was taken");
            }
            (None, None) => unknown("nothing was put there"),
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

/// A name and a value, either of which may be absent: a comment has neither, a bare name no value.
type Binding = (Option<String>, Option<String>);

/// The name that is wrong, if it is known, and the reason.
type ParseError = (Option<String>, &'static str);

struct Parser<'a> {
    text: &'a str,
    position: usize,
}

/// White space inside a line.
fn is_blank(character: char) -> bool {
    character.is_whitespace() && !is_line_end(character)
}

fn is_line_end(character: char) -> bool {
    matches!(character, '\r' | '\n')
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.position..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// Reads while a condition holds.
    fn skip(&mut self, holds: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|it| !holds(it)).unwrap_or(rest.len());
        self.position += end;
        &rest[..end]
    }

    /// The number of the line, from 1; `\r\n`, `\n` and `\r` end one.
    fn line_number(&self) -> usize {
        let before = self.text[..self.position].replace("\r\n", "\n");
        1 + before.chars().filter(|it| is_line_end(*it)).count()
    }

    fn binding(&mut self) -> Result<Binding, ParseError> {
        let word = self.rest().strip_prefix("export").filter(|it| it.starts_with(is_blank));
        if let Some(after) = word {
            self.position = self.text.len() - after.len();
            self.skip(is_blank);
        }
        let name = match self.peek() {
            Some('#') => None,
            Some('\'') => {
                self.position += 1;
                let name = self.skip(|it| it != '\'').to_owned();
                if name.is_empty() || self.peek().is_none() {
                    return Err((None, "its name has a quote that does not end"));
                }
                self.position += 1;
                Some(name)
            }
            _ => Some(self.skip(|it| !it.is_whitespace() && !matches!(it, '=' | '#')).to_owned()),
        };
        if name.as_deref() == Some("") {
            return Err((None, "it has no name"));
        }
        self.skip(is_blank);
        let value = if self.peek() == Some('=') {
            self.position += 1;
            self.skip(is_blank);
            Some(self.value().map_err(|why| (name.clone(), why))?)
        } else {
            None
        };
        self.skip(is_blank);
        if self.peek() == Some('#') {
            self.skip(|it| !is_line_end(it));
        }
        match self.peek() {
            None | Some('\r' | '\n') => Ok((name, value)),
            _ if value.is_some() => Err((name, "something follows the quote that ends its value")),
            _ => Err((name, "it is not of the form NAME=value")),
        }
    }

    fn value(&mut self) -> Result<String, &'static str> {
        match self.peek() {
            Some(quote @ ('\'' | '"')) => {
                self.position += 1;
                self.quoted(quote)
            }
            _ => {
                let all = self.skip(|it| !is_line_end(it));
                let comment = all.char_indices().find(|(at, it)| *it == '#' && all[..*at].ends_with(is_blank));
                Ok(comment.map_or(all, |it| &all[..it.0]).trim_end().to_owned())
            }
        }
    }

    /// A value in quotes. It may have several lines.
    fn quoted(&mut self, quote: char) -> Result<String, &'static str> {
        let (mut value, mut rest) = (String::new(), self.rest().chars());
        while let Some(character) = rest.next() {
            if character == quote {
                self.position = self.text.len() - rest.as_str().len();
                return Ok(value);
            }
            if character != '\\' {
                value.push(character);
                continue;
            }
            let escaped = rest.clone().next();
            let unescaped = match (quote, escaped) {
                (_, Some(it @ ('\\' | '\''))) => Some(it),
                ('"', Some('"')) => Some('"'),
                ('"', Some('a')) => Some('\u{7}'),
                ('"', Some('b')) => Some('\u{8}'),
                ('"', Some('f')) => Some('\u{c}'),
                ('"', Some('n')) => Some('\n'),
                ('"', Some('r')) => Some('\r'),
                ('"', Some('t')) => Some('\t'),
                ('"', Some('v')) => Some('\u{b}'),
                _ => None,
            };
            value.push(unescaped.unwrap_or('\\'));
            if unescaped.is_some() {
                rest.next();
            }
        }
        Err("its value has a quote that does not end")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What python-dotenv 1.2.2 reads, `interpolate=True`, in an empty environment.
    #[test]
    fn it_reads_as_python_dotenv_does() {
        for (text, want) in [
            ("A=b", "b"),
            ("A=pa$$word$1", "pa$$word$1"),
            ("A=two words", "two words"),
            ("  export A = b  # a comment", "b"),
            ("A=a#b", "a#b"),
            ("A=a b\t# c", "a b"),
            ("A=", ""),
            ("A= # c", "# c"),
            ("A='single $x ${X} \\' \\n' # c", "single $x  ' \\n"),
            ("A=\"double \\\" \\n \\q\"", "double \" \n \\q"),
            ("A='two\nlines'", "two\nlines"),
            ("'A'=b", "b"),
            ("X=1\nA=${X}2${Y}3${Y:-4}${X:-5}${X:6}", "12341${X:6}"),
            ("A=${open", "${open"),
            ("A=1\r\nB=2\rA=3\r\n", "3"),
            ("\u{feff}A=b", "b"),
            ("# A=c\nA=b\n\n#", "b"),
            ("A=b==", "b=="),
            ("A='a\\\\b'", "a\\b"),
        ] {
            let file = parse(text).unwrap();
            assert_eq!(file.values["A"], want, "{text}");
        }
        assert_eq!(parse("A\nB=1").unwrap().values, BTreeMap::from([("B".to_owned(), "1".to_owned())]));
    }

    #[test]
    fn an_error_names_the_line_and_the_variable_and_never_the_value() {
        for (text, want) in [
            ("A=1\n\nTOKEN='hush", "line 3: TOKEN: its value has a quote that does not end"),
            ("TOKEN=\"hush\" hush", "line 1: TOKEN: something follows the quote that ends its value"),
            ("\r\nTOKEN hush", "line 2: TOKEN: it is not of the form NAME=value"),
            ("=hush", "line 1: it has no name"),
            ("hu/sh hush", "line 1: the name in line 1: it is not of the form NAME=value"),
        ] {
            assert_eq!(parse(text).unwrap_err(), want);
        }
        let file = parse("TOKEN=a${hush}b").unwrap();
        assert_eq!(file.values["TOKEN"], "ab");
        assert!(
            file.notes.len() == 1 && file.notes[0].starts_with("line 1: TOKEN ") && !file.notes[0].contains("hush")
        );
    }
}
