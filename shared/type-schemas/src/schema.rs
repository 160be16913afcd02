//! A type's compiled schema: within the limits of schemas, and applied to data within a budget.

use entry::http::Problem;
use jsonschema::{PatternOptions, Validator};
use serde_json::Value;

use crate::schema_cost::{CostError, CostModel};
use crate::schema_limits::{LIMITS, analyze};
use crate::schema_patterns::{DFA_MEMORY, PATTERN_MEMORY};

/// The budget of one notification, in steps (`schema_cost.rs`). The largest data with an ordinary schema makes some ten
/// thousand: 1,000 objects of three members in 32 KB, each a visit of about ten steps and three of one. A step is estimated
/// at 50 ns, and counting it at as much again: 50 ms of a processor, or 0.35 s of the seventh of one that 256 MB of Lambda
/// have (1,769 MB have a whole one: AWS Lambda, "Configure memory"). The deadline is six times that.
const MAX_STEPS: u64 = 500_000;
/// Up to this many steps an error names the value that is not valid. For that, each branch of an `anyOf` collects its errors,
/// a few hundred bytes each: 20,000 of them are a few megabytes.
const MAX_EXPLAINED_STEPS: u64 = 20_000;
/// The heaviest light schema, in nodes of up to a kilobyte.
const MAX_LIGHT_WEIGHT: u64 = 2_000;
/// The longest error text, in characters.
const MAX_ERROR_LENGTH: usize = 300;

/// A compiled schema.
pub struct Schema {
    validator: Validator,
    cost: CostModel,
}

impl Schema {
    /// Compiles a schema. References stay within it, and patterns match in linear time.
    ///
    /// # Errors
    /// The reason, if it is no JSON Schema or exceeds a limit.
    pub fn new(schema: &Value) -> Result<Self, String> {
        let cost = analyze(schema, &LIMITS).map_err(|error| truncated(&error.to_string()))?;
        let mut anonymous = schema.clone();
        if let Some(members) = anonymous.as_object_mut() {
            // references stay within the schema, so that its id does not matter
            members.remove("$id");
            members.remove("id");
        }
        // the reverse automaton may be larger than the forward one that was measured
        let patterns = PatternOptions::regex().size_limit(4 * PATTERN_MEMORY).dfa_size_limit(DFA_MEMORY);
        let options = jsonschema::options().with_pattern_options(patterns).offline();
        let validator = options
            .build(&anonymous)
            .map_err(|error| truncated(&format!("schema: at `#{}`: {error}", error.instance_path())))?;
        Ok(Self { validator, cost })
    }

    /// Whether it takes little memory, so that many can be cached.
    pub(crate) fn is_light(&self) -> bool {
        self.cost.weight() <= MAX_LIGHT_WEIGHT
    }

    /// Validates data.
    ///
    /// # Errors
    /// 422: `schema` if validating could exceed the budget, `data/…` if a value is not valid.
    pub fn validate(&self, data: &Value) -> Result<(), Problem> {
        let steps = self.cost.steps(data, MAX_STEPS).map_err(|error| {
            let detail = match error {
                CostError::TooManySteps => format!(
                    "work: to hold this data against the schema of its type could take more than {MAX_STEPS} steps"
                ),
                CostError::TooDeep => "nested: this data has too many levels for the schema of its type".to_owned(),
            };
            Problem::invalid("schema", detail)
        })?;
        if self.validator.is_valid(data) {
            return Ok(());
        }
        if steps > MAX_EXPLAINED_STEPS {
            return Err(Problem::invalid("data", "it does not fit the schema of its type"));
        }
        match self.validator.validate(data) {
            Ok(()) => Ok(()),
            Err(error) => {
                Err(Problem::invalid(&format!("data{}", error.instance_path()), truncated(&error.to_string())))
            }
        }
    }
}

fn truncated(text: &str) -> String {
    text.chars().take(MAX_ERROR_LENGTH).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(schema: &Value, good: &[Value], bad: &[(Value, &str)]) {
        let schema = Schema::new(schema).unwrap_or_else(|error| panic!("{schema}: {error}"));
        for data in good {
            assert!(schema.validate(data).is_ok(), "{data}: {:?}", schema.validate(data));
        }
        for (it, at) in bad {
            let error = schema.validate(it).unwrap_err();
            assert_eq!((error.status, error.field.as_deref()), (422, Some(*at)), "{it}: {}", error.detail);
        }
    }

    #[test]
    fn ordinary_schemas_say_what_does_not_fit() {
        let order = json!({ "$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "https://example.com/order",
            "type": "object", "required": ["total"], "properties": { "total": { "$ref": "#/$defs/money" }, "tax": { "$ref": "#/$defs/money" } },
            "$defs": { "money": { "type": "string", "pattern": r"^\d+(\.\d\d)?$" } } });
        let bad = [(json!({ "total": "x" }), "data/total"), (json!({ "tax": "1" }), "data"), (json!([]), "data")];
        check(&order, &[json!({ "total": "12.50", "tax": "1" })], &bad);
        let comment = json!({ "$schema": "http://json-schema.org/draft-07/schema#", "$ref": "#/definitions/comment", "definitions": {
            "comment": { "type": "object", "required": ["text"], "properties": { "text": { "type": "string" },
                "replies": { "type": "array", "items": { "$ref": "#/definitions/comment" } } } } } });
        let deep = (0..30).fold(json!({ "text": "end" }), |it, _| json!({ "text": "on", "replies": [it] }));
        let bad = [(json!({ "text": "a", "replies": [{ "text": 1 }] }), "data/replies/0/text")];
        check(&comment, &[deep, json!({ "text": "a", "replies": [] })], &bad);
        let strict = json!({ "anyOf": [{ "properties": { "a": { "type": "integer" } }, "required": ["a"] }, { "properties": { "b": {} } }],
            "unevaluatedProperties": false });
        check(&strict, &[json!({ "a": 1 }), json!({ "b": 1 })], &[(json!({ "c": 1 }), "data")]);
        check(&json!(true), &[json!({})], &[]);
    }

    #[test]
    fn what_is_no_schema_says_where() {
        let error = Schema::new(&json!({ "properties": { "a": { "type": "nonsense" } } })).err().unwrap();
        assert!(error.starts_with("schema: at `#/properties/a/type`"), "{error}");
        let error = Schema::new(&json!({ "items": { "pattern": "^(?!x)" } })).err().unwrap();
        assert!(error.starts_with("pattern: look-around") && error.ends_with("at `#/items/pattern`"), "{error}");
        for odd in [json!({ "properties": 3 }), json!({ "allOf": {} }), json!({ "items": 3 }), json!(3), json!(null)] {
            assert!(Schema::new(&odd).is_err(), "{odd}");
        }
    }

    #[test]
    fn patterns_that_explode_when_tried_one_way_after_another_do_not() {
        let schema = json!({ "properties": { "a": { "pattern": "^(a|aa|a*)*$" } } });
        check(&schema, &[json!({ "a": "a".repeat(3_000) })], &[(json!({ "a": "a".repeat(3_000) + "b" }), "data/a")]);
    }

    #[test]
    fn data_beyond_the_budget_is_refused() {
        let twice = json!({ "additionalProperties": { "$ref": "#/$defs/list" }, "$defs": { "list": {
            "anyOf": [{ "items": { "$ref": "#/$defs/list" } }, { "items": { "$ref": "#/$defs/list" } }] } } });
        let list = |levels| json!({ "a": (0..levels).fold(json!(1), |it, _| json!([it])) });
        check(&twice, &[list(5)], &[(list(60), "schema")]);
        let title = Schema::new(&twice)
            .unwrap_or_else(|error| panic!("{error}"))
            .validate(&list(60))
            .unwrap_err()
            .reason()
            .to_owned();
        assert!(title.starts_with("work: "), "{title}");
    }

    #[test]
    fn what_needs_much_memory_is_not_remembered() {
        let patterns: Vec<Value> = (0..30).map(|it| json!({ "pattern": format!("^x{it}$") })).collect();
        for (schema, light) in [
            (json!({ "properties": { "a": { "type": "string", "pattern": "^[a-z]{1,20}$" } } }), true),
            (json!({ "anyOf": patterns }), false),
        ] {
            let schema = Schema::new(&schema).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(schema.is_light(), light);
        }
    }
}
