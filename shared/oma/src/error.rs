//! Why a body could not be read.

/// Why a body could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// Not JSON or XML, or XML with more than a server accepts from strangers.
    #[error("the body cannot be read: {0}")]
    Malformed(String),
    /// Another document than the resource takes.
    #[error("the root element is `{found}`, not {expected}")]
    Root { expected: String, found: String },
    /// A member or an element with another content than its type has, or a mandatory one that is missing.
    #[error("`{part}` is invalid: {reason}")]
    Invalid { part: String, reason: String },
    /// A value that its enumeration does not have.
    #[error("`{part}` is none of {allowed}")]
    Enumeration { part: String, allowed: String },
}

impl ReadError {
    /// The message part that is at fault: the variable `%1` of SVC0002 and SVC0003.
    pub fn part(&self) -> &str {
        match self {
            Self::Malformed(_) => "body",
            Self::Root { found, .. } if found.is_empty() => "body",
            Self::Root { found, .. } => found,
            Self::Invalid { part, .. } | Self::Enumeration { part, .. } => part,
        }
    }

    pub(crate) fn invalid(part: &str, reason: &str) -> Self {
        Self::Invalid { part: part.to_owned(), reason: reason.to_owned() }
    }

    pub(crate) fn root(expected: &[&str], found: &str) -> Self {
        Self::Root { expected: expected.join(" or "), found: found.to_owned() }
    }
}
