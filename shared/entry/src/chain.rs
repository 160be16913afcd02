//! An error with all its causes, for logs.

use std::error::Error;
use std::fmt;

/// Displays an error and its sources: `could not read ITEM#…: timed out: connection reset`. A source whose text the error
/// above contains is left out.
pub struct Chain<'a>(pub &'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut next, mut last) = (Some(self.0), String::new());
        while let Some(error) = next {
            let text = error.to_string();
            if last.is_empty() {
                f.write_str(&text)?;
            } else if !last.contains(&text) {
                write!(f, ": {text}")?;
            }
            last = text;
            next = error.source();
        }
        Ok(())
    }
}
