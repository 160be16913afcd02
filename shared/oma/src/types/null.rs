//! An empty element of a struct that has none of its members.

use serde::{Deserialize, Deserializer};

/// Null as the type's default.
pub(crate) fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(from: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}
