//! What the tables of types consist of.

/// The namespace of an API, and the prefix that root elements are written with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Namespace {
    pub(crate) prefix: &'static str,
    pub(crate) uri: &'static str,
}

/// A root element.
#[derive(Debug)]
pub(crate) struct Root {
    pub(crate) name: &'static str,
    pub(crate) namespace: Namespace,
    pub(crate) kind: Kind,
}

/// A complex type: its elements in the order of the schema, and its attributes.
#[derive(Debug)]
pub(crate) struct Type {
    pub(crate) name: &'static str,
    pub(crate) fields: &'static [Field],
}

/// What an element, an attribute or a member holds.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    Text,
    /// `anyURI`: text without white space around it.
    Uri,
    /// An unsigned integer.
    Number,
    Bool,
    /// An element that never has content.
    Empty,
    Type(&'static Type),
    /// The type that `channelType`, a field beside it, selects.
    ChannelData,
    /// Root elements of enablers' notifications.
    Notifications,
}

/// How often a field occurs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Occurs {
    Optional,
    /// Any number of times. Left out if there is none.
    Repeated,
    /// Any number of times, as the content of a list type. `[]` if there is none.
    List,
}

/// A child element or an attribute of a type.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) occurs: Occurs,
    /// Whether XML has it as an attribute.
    pub(crate) attribute: bool,
}

impl Field {
    pub(crate) const fn optional(name: &'static str, kind: Kind) -> Self {
        Self { name, kind, occurs: Occurs::Optional, attribute: false }
    }

    pub(crate) const fn repeated(name: &'static str, kind: Kind) -> Self {
        Self { name, kind, occurs: Occurs::Repeated, attribute: false }
    }

    pub(crate) const fn list(name: &'static str, kind: Kind) -> Self {
        Self { name, kind, occurs: Occurs::List, attribute: false }
    }

    pub(crate) const fn attribute(name: &'static str, kind: Kind) -> Self {
        Self { name, kind, occurs: Occurs::Optional, attribute: true }
    }
}
