//! What a request for a folder wants to see of it: the parameters of its query (NMS 6.10.3).

use domain::cursor;
use domain::message_store::Stored;
use oma::Fault;

use crate::answer::FaultResponse;

/// The most things of a page, and how many there are if the client does not say.
const MAX_ENTRIES: usize = 1_000;

/// What of a folder is listed (`listFilter`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Listed {
    All,
    Subfolders,
    Objects,
}

/// A part of a folder.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct FolderView {
    /// How many things are left out, and how many follow at most.
    pub(super) start: usize,
    pub(super) most: usize,
    pub(super) list: Listed,
    /// Whether references have paths.
    pub(super) paths: bool,
    /// The names of the attributes that are shown; none for all.
    pub(super) attributes: Vec<String>,
}

impl Listed {
    pub(super) fn contains(self, thing: &Stored) -> bool {
        match self {
            Self::All => true,
            Self::Subfolders => thing.is_folder(),
            Self::Objects => !thing.is_folder(),
        }
    }
}

impl FolderView {
    /// Reads the parameters of a query.
    pub(super) fn new(query: &str) -> Result<Self, FaultResponse> {
        let mut view = Self { start: 0, most: MAX_ENTRIES, list: Listed::All, paths: false, attributes: Vec::new() };
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let invalid = || FaultResponse::from(Fault::invalid_input(name.as_ref()));
            match name.as_ref() {
                "fromCursor" => view.start = cursor::decode(&value).map_err(|_| invalid())?,
                "maxEntries" => {
                    let most = value.parse::<usize>().ok().filter(|it| *it > 0).ok_or_else(invalid)?;
                    view.most = most.min(MAX_ENTRIES);
                }
                "listFilter" => {
                    view.list = match value.as_ref() {
                        "All" => Listed::All,
                        "Subfolders" => Listed::Subfolders,
                        "Objects" => Listed::Objects,
                        _ => return Err(invalid()),
                    }
                }
                "path" => view.paths = value.eq_ignore_ascii_case("yes"),
                "attrFilter" => view.attributes.push(value.into_owned()),
                _ => {} // `resFormat`, and what is not known
            }
        }
        Ok(view)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_says_what_is_listed() {
        let view =
            FolderView::new("maxEntries=2&listFilter=Objects&path=Yes&attrFilter=Root&attrFilter=a%20b").unwrap();
        let attributes = vec!["Root".to_owned(), "a b".to_owned()];
        assert_eq!(view, FolderView { start: 0, most: 2, list: Listed::Objects, paths: true, attributes });
        assert_eq!(FolderView::new("resFormat=XML").unwrap().most, MAX_ENTRIES);
        assert_eq!(FolderView::new("maxEntries=99999999").unwrap().most, MAX_ENTRIES);
        for bad in ["maxEntries=0", "maxEntries=x", "listFilter=objects", "fromCursor=!"] {
            assert_eq!(FolderView::new(bad).unwrap_err().fault.status, 400, "{bad}");
        }
    }
}
