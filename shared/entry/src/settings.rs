//! Settings: the environment variables of a function, read at its start.

use std::collections::BTreeMap;
use std::str::FromStr;

/// The variables that the template sets, and which of those that were asked for are missing or invalid.
#[derive(Default)]
pub struct Settings {
    values: BTreeMap<String, String>,
    missing: Vec<&'static str>,
    invalid: Vec<String>,
}

/// All settings that are missing or invalid, in one message.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.0.join("; "))]
pub struct SettingsError(Vec<String>);

impl Settings {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
    pub(crate) fn from_environment() -> Self {
        Self::from_values(std::env::vars())
    }

    /// Settings of these names and values.
    pub fn from_values(values: impl IntoIterator<Item = (String, String)>) -> Self {
        Self { values: values.into_iter().collect(), ..Self::default() }
    }

    /// A setting that may be missing.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// A setting; an empty text if it is missing, which [`Settings::finish`] reports.
    pub fn text(&mut self, name: &'static str) -> String {
        let found = self.values.get(name).cloned();
        found.unwrap_or_else(|| {
            self.missing.push(name);
            String::new()
        })
    }

    /// A setting that is a whole number; 0 if it is missing or invalid, which [`Settings::finish`] reports.
    pub fn number(&mut self, name: &'static str) -> u32 {
        self.parsed(name)
    }

    /// A setting of a type; its default if it is missing or invalid, which [`Settings::finish`] reports.
    pub fn parsed<T: FromStr + Default>(&mut self, name: &'static str) -> T
    where
        T::Err: std::fmt::Display,
    {
        let Some(text) = self.values.get(name) else {
            self.missing.push(name);
            return T::default();
        };
        text.parse().unwrap_or_else(|error| {
            self.invalid.push(format!("{name} is wrong: {error}"));
            T::default()
        })
    }

    /// Whether all settings that were asked for exist and are valid.
    ///
    /// # Errors
    /// Names all that are missing or invalid.
    pub fn finish(&mut self) -> Result<(), SettingsError> {
        let mut all = std::mem::take(&mut self.invalid);
        if !self.missing.is_empty() {
            all.insert(0, format!("missing settings: {}", std::mem::take(&mut self.missing).join(", ")));
        }
        if all.is_empty() { Ok(()) } else { Err(SettingsError(all)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_everything_that_is_missing_or_wrong_at_once() {
        let set = [("TABLE", "t"), ("LEASE_SECONDS", "soon")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        let mut settings = Settings::from_values(set);
        assert_eq!(settings.text("TABLE"), "t");
        let _others = (settings.text("WEBHOOK_QUEUE"), settings.text("AMQP_QUEUE"), settings.number("LEASE_SECONDS"));
        assert_eq!(
            settings.finish().unwrap_err().to_string(),
            "missing settings: WEBHOOK_QUEUE, AMQP_QUEUE; LEASE_SECONDS is wrong: invalid digit found in string"
        );
        assert_eq!(settings.finish(), Ok(()));
    }
}
