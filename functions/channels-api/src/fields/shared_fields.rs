//! The fields that all kinds of channels have.

use adcreative_api::{ApiError, Form};
use domain::channel::{MessageFormat, Ordering, is_type_pattern};
use domain::delivery::RetrySchedule;
use domain::filter::Filter;
use serde_json::Value;

use crate::fields::reader::{FieldReader, shortened};

/// What all kinds of channels have. Of our additions, a PUT keeps those that it leaves out.
pub(super) struct SharedFields {
    pub(super) active: bool,
    pub(super) include_image_data: bool,
    pub(super) types: Vec<String>,
    pub(super) filter: Option<Filter>,
    pub(super) per_second: Option<u32>,
    pub(super) every_progress: bool,
    pub(super) ordering: Ordering,
}

impl SharedFields {
    pub(super) fn read(reader: &FieldReader<'_>) -> Result<Self, ApiError> {
        let (form, before) = (reader.form, reader.before);
        Ok(Self {
            active: form.boolean("IsActive", true)?,
            include_image_data: form.boolean("IncludeImageData", false)?,
            types: match form.list("Types")? {
                None => before.map(|it| it.types.clone()).unwrap_or_default(),
                Some(text) => types(text)?,
            },
            filter: match form.text("Filter")? {
                None => before.and_then(|it| it.filter.clone()),
                Some(text) => filter(text)?,
            },
            per_second: match form.has("MaxPerSecond") {
                false => before.and_then(|it| it.per_second),
                // 0 removes the limit
                true => Some(form.number("MaxPerSecond", 0, 0, 1_000)?).filter(|it| *it > 0),
            },
            every_progress: form.boolean("EveryProgress", before.is_some_and(|it| it.every_progress))?,
            ordering: match form.text("Ordering")?.map(str::to_ascii_lowercase).as_deref() {
                None => before.map(|it| it.ordering).unwrap_or_default(),
                Some("none") => Ordering::None,
                Some("key") => Ordering::Key,
                Some(other) => {
                    let reason = format!("The value '{}' is neither none nor key.", shortened(other));
                    return Err(ApiError::InvalidField("Ordering", reason));
                }
            },
        })
    }
}

pub(super) fn format(reader: &FieldReader<'_>) -> Result<MessageFormat, ApiError> {
    match reader.form.text("Format")?.map(str::to_ascii_lowercase).as_deref() {
        None => Ok(reader.before.map(|it| it.format).unwrap_or_default()),
        Some("adcreative") => Ok(MessageFormat::AdCreative),
        Some("native") => Ok(MessageFormat::Native),
        Some("cloudevents") => Ok(MessageFormat::CloudEvents),
        Some(other) => Err(ApiError::InvalidField(
            "Format",
            format!("The value '{}' is none of adcreative, native and cloudevents.", shortened(other)),
        )),
    }
}

/// The retry schedule: the published one, or the standard one if the form names it. A PUT that names none keeps
/// `before`.
pub(super) fn schedule(form: &Form, before: Option<RetrySchedule>) -> Result<RetrySchedule, ApiError> {
    let named = ["RetryCount", "ExponentialBackoffFactor"].iter().any(|it| form.has(it));
    // in their bounds, whether the schedule takes them or not
    let exponential = RetrySchedule::Exponential {
        retries: form.number("RetryCount", 5, 0, 20)?,
        factor: form.number("ExponentialBackoffFactor", 2.0, 1.0, 10.0)?,
    };
    match form.text("Schedule")?.map(str::to_ascii_lowercase).as_deref() {
        Some("standard") => Ok(RetrySchedule::Standard),
        None if !named && before.is_some() => Ok(before.unwrap_or_default()),
        // it is shown as ten attempts: a form that repeats those numbers does not ask for another schedule
        None if before == Some(RetrySchedule::Standard) => Ok(RetrySchedule::Standard),
        None | Some("exponential") => Ok(exponential),
        Some(other) => Err(ApiError::InvalidField(
            "Schedule",
            format!("The value '{}' is neither standard nor exponential.", shortened(other)),
        )),
    }
}

fn types(text: &str) -> Result<Vec<String>, ApiError> {
    let all: Vec<String> = text.split(',').map(|it| it.trim().to_owned()).filter(|it| !it.is_empty()).collect();
    if all.iter().any(|it| it == "*") {
        return Ok(Vec::new());
    }
    match all.iter().find(|it| !is_type_pattern(it)) {
        Some(bad) => Err(ApiError::InvalidField(
            "Types",
            format!("The value '{}' is no type such as item.completed or item.*.", shortened(bad)),
        )),
        None if all.len() > 50 => Err(ApiError::InvalidField("Types", "There are at most 50 types.".to_owned())),
        None => Ok(all),
    }
}

/// A filter as JSON; `{}` or `null` removes it.
fn filter(text: &str) -> Result<Option<Filter>, ApiError> {
    let value: Value = serde_json::from_str(text)
        .map_err(|error| ApiError::InvalidField("Filter", format!("The Filter is not JSON: {error}.")))?;
    if value.is_null() || value.as_object().is_some_and(serde_json::Map::is_empty) {
        return Ok(None);
    }
    Filter::try_from(value)
        .map(Some)
        .map_err(|error| ApiError::InvalidField("Filter", format!("The Filter is refused: {error}.")))
}
