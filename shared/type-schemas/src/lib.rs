//! The JSON Schemas that applications give to types of notifications: compiled within limits, cached, and applied within a
//! budget of work.

mod schema;
mod schema_cost;
mod schema_limits;
mod schema_patterns;
mod schema_quota;
mod type_schemas;

pub use schema::Schema;
pub use type_schemas::{TypeSchemas, runtime};
