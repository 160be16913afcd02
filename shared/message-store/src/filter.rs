//! Criteria of searches and of subscriptions' filters (NMS 5.3.3).

use domain::message_store::Stored;
use oma::{LogicalOperator, SearchCriteria, SearchType};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Criteria that can be held against what is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Filter {
    operator: LogicalOperator,
    criteria: Vec<Criterion>,
}

#[derive(Debug, Clone, PartialEq)]
enum Criterion {
    /// From the first, included, to the second, excluded; in milliseconds since 1970.
    Date(Option<i64>, Option<i64>),
    Attribute(String, String),
    /// In lower case.
    TextIn(String),
    Flag(String, bool),
    /// In lower case.
    Word(String),
    Vanished,
    Created,
}

/// Why criteria are none of ours: the part of the message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    #[error("{0} is invalid")]
    Invalid(&'static str),
    /// The types that are offered.
    #[error("the type is none of {0}")]
    Unsupported(&'static str),
}

/// When a change is held against a subscription's filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// The number of the box's latest change when the subscription was created.
    pub created_seq: u64,
    /// Whether it is told again, from a restart token.
    pub is_replay: bool,
}

/// The types that are offered.
const OFFERED: &str = "Date, Attribute, AllTextAttributes, Flag, WholeWord, VanishedObjects, CreatedObjects";

impl Filter {
    /// Reads criteria.
    ///
    /// # Errors
    /// If a type is not offered, or a name or a value is missing or invalid.
    pub fn new(criteria: &SearchCriteria) -> Result<Self, FilterError> {
        if criteria.criterion.is_empty() {
            return Err(FilterError::Invalid("criterion"));
        }
        let mut all = Vec::new();
        for one in &criteria.criterion {
            let name = || one.name.clone().filter(|it| !it.is_empty()).ok_or(FilterError::Invalid("name"));
            all.push(match one.kind {
                SearchType::Date => date(&one.value)?,
                SearchType::Attribute => Criterion::Attribute(name()?, one.value.clone()),
                SearchType::AllTextAttributes => Criterion::TextIn(one.value.to_lowercase()),
                SearchType::Flag => Criterion::Flag(name()?, flag_value(&one.value)?),
                SearchType::WholeWord => Criterion::Word(one.value.to_lowercase()),
                SearchType::VanishedObjects => Criterion::Vanished,
                SearchType::CreatedObjects => Criterion::Created,
                SearchType::PresetSearch | SearchType::Conversation => return Err(FilterError::Unsupported(OFFERED)),
            });
        }
        Ok(Self { operator: criteria.operator.unwrap_or_default(), criteria: all })
    }

    /// Whether a thing fits, as it is now.
    pub fn matches(&self, thing: &Stored, moment: Moment) -> bool {
        let mut each = self.criteria.iter().map(|it| it.matches(thing, moment));
        match self.operator {
            LogicalOperator::And => each.all(|it| it),
            LogicalOperator::Or => each.any(|it| it),
            LogicalOperator::Not => !each.all(|it| it),
        }
    }

    /// Whether it asks for what is gone.
    pub fn wants_vanished(&self) -> bool {
        self.criteria.contains(&Criterion::Vanished)
    }
}

impl Criterion {
    fn matches(&self, thing: &Stored, moment: Moment) -> bool {
        match self {
            Self::Date(from, to) => {
                from.is_none_or(|it| thing.created_at >= it) && to.is_none_or(|it| thing.created_at < it)
            }
            Self::Attribute(name, value) => thing.attribute(name).contains(value),
            Self::TextIn(text) => texts(thing).any(|it| it.to_lowercase().contains(text)),
            Self::Flag(name, wanted) => thing.has_flag(name) == *wanted,
            Self::Word(word) => texts(thing).any(|it| words(it).any(|it| it == *word)),
            Self::Vanished => !thing.is_live(),
            // told once, while it is new
            Self::Created => thing.is_live() && !moment.is_replay && thing.created_seq > moment.created_seq,
        }
    }
}

fn texts(thing: &Stored) -> impl Iterator<Item = &str> {
    thing.attributes.iter().flat_map(|it| &it.values).map(String::as_str).chain(thing.folder_name.as_deref())
}

fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|it: char| !it.is_alphanumeric()).filter(|it| !it.is_empty()).map(str::to_lowercase)
}

fn flag_value(value: &str) -> Result<bool, FilterError> {
    match value.trim() {
        "" | "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err(FilterError::Invalid("value")),
    }
}

/// `minDate=T`, `maxDate=T`, or both with `&`.
fn date(value: &str) -> Result<Criterion, FilterError> {
    let invalid = FilterError::Invalid("value");
    let (mut from, mut to) = (None, None);
    for part in value.split('&') {
        let (name, text) = part.split_once('=').ok_or_else(|| invalid.clone())?;
        let at = OffsetDateTime::parse(text.trim(), &Rfc3339).map_err(|_| invalid.clone())?;
        match name.trim() {
            "minDate" => from = Some(domain::millis(at)),
            "maxDate" => to = Some(domain::millis(at)),
            _ => return Err(invalid),
        }
    }
    Ok(Criterion::Date(from, to))
}

#[cfg(test)]
mod tests {
    use domain::AppId;
    use domain::message_store::{BoxId, StoredAttribute};
    use oma::SearchCriterion;

    use super::*;

    fn thing() -> Stored {
        let attribute = |name: &str, values: &[&str]| StoredAttribute {
            name: name.into(),
            values: values.iter().map(|it| (*it).to_owned()).collect(),
        };
        let in_box = BoxId { app: AppId::random([1; 16]), store: "s".into(), name: "b".into() };
        Stored {
            attributes: vec![attribute("From", &["tel:+1958"]), attribute("Subject", &["Lunch in Sorrento"])],
            flags: vec!["\\Seen".into()],
            created_seq: 5,
            changed_seq: 9,
            revision: 2,
            ..Stored::new(&in_box, 7, 0, 1_384_162_210_000) // 2013-11-11T09:30:10Z
        }
    }

    fn filter(operator: Option<LogicalOperator>, all: &[(SearchType, &str, &str)]) -> Result<Filter, FilterError> {
        let criterion = |(kind, name, value): &(SearchType, &str, &str)| SearchCriterion {
            kind: *kind,
            name: Some((*name).to_owned()),
            value: (*value).to_owned(),
        };
        Filter::new(&SearchCriteria { criterion: all.iter().map(criterion).collect(), operator })
    }

    const LIVE: Moment = Moment { created_seq: 4, is_replay: false };

    #[test]
    fn each_type_compares_what_it_says() {
        use SearchType::{AllTextAttributes, Attribute, CreatedObjects, Date, Flag, VanishedObjects, WholeWord};
        for (kind, name, value, want) in [
            (Attribute, "from", "tel:+1958", true),
            (Attribute, "From", "TEL:+1958", false),
            (AllTextAttributes, "", "sorren", true),
            (WholeWord, "", "sorren", false),
            (WholeWord, "", "SORRENTO", true),
            (Flag, "\\seen", "", true),
            (Flag, "\\Seen", "false", false),
            (Flag, "\\Flagged", "false", true),
            (Date, "", "minDate=2013-11-11T09:30:10Z", true),
            (Date, "", "maxDate=2013-11-11T09:30:10Z", false),
            (Date, "", "minDate=2013-11-11T10:30:10+01:00&maxDate=2013-11-12T00:00:00Z", true),
            (VanishedObjects, "", "", false),
            (CreatedObjects, "", "", true),
        ] {
            let filter = filter(None, &[(kind, name, value)]).unwrap();
            assert_eq!(filter.matches(&thing(), LIVE), want, "{kind:?} {name} {value}");
        }
        let created = filter(None, &[(CreatedObjects, "", "")]).unwrap();
        assert!(!created.matches(&thing(), Moment { is_replay: true, ..LIVE }), "such events are not recovered");
        assert!(!created.matches(&thing(), Moment { created_seq: 5, ..LIVE }), "it was there before");
    }

    #[test]
    fn criteria_combine() {
        use LogicalOperator::{And, Not, Or};
        let (seen, unseen) = ((SearchType::Flag, "\\Seen", "true"), (SearchType::Flag, "\\Seen", "false"));
        for (operator, all, want) in [
            (None, [seen, unseen], false),
            (Some(And), [seen, seen], true),
            (Some(Or), [seen, unseen], true),
            (Some(Not), [seen, unseen], true),
            (Some(Not), [seen, seen], false),
        ] {
            assert_eq!(filter(operator, &all).unwrap().matches(&thing(), LIVE), want, "{operator:?}");
        }
    }

    #[test]
    fn what_is_not_offered_or_wrong_is_named() {
        let unsupported = Err(FilterError::Unsupported(OFFERED));
        assert_eq!(filter(None, &[(SearchType::PresetSearch, "a", "b")]), unsupported);
        assert_eq!(filter(None, &[(SearchType::Date, "", "yesterday")]), Err(FilterError::Invalid("value")));
        assert_eq!(filter(None, &[(SearchType::Flag, "", "true")]), Err(FilterError::Invalid("name")));
        assert_eq!(filter(None, &[]), Err(FilterError::Invalid("criterion")));
    }
}
