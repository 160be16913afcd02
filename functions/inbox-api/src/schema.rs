//! A type's schema, ready to use: within its bounds, and held against data that is within the budget.

use entry::http::Problem;
use jsonschema::{PatternOptions, Validator};
use serde_json::Value;

use crate::schema_cost::{CostError, CostModel};
use crate::schema_limits::{DFA_MEMORY, LIMITS, PATTERN_MEMORY, analyze};

/// The budget of one notification, in steps (`schema_work.rs`). The largest data and an ordinary schema for it make some
/// ten thousand: 1,000 objects of three members in 32 KB, each a visit of about ten steps and three of one. A step is
/// estimated at 50 ns with what counting it takes as much again: 50 ms of a processor, 0.35 s of the seventh of one that
/// 256 MB of Lambda have (1,769 MB have a whole one: AWS Lambda, "Configure memory"). The deadline is six times that.
const MAX_STEPS: u64 = 500_000;
/// Up to here a refusal says what does not fit. To say it, each branch of an `anyOf` collects all that is wrong with it, a
/// few hundred bytes each: 20,000 of these are a few megabytes.
const MAX_EXPLAINED_STEPS: u64 = 20_000;
/// The heaviest schema that is remembered, in nodes of up to a kilobyte.
const MAX_LIGHT_WEIGHT: u64 = 2_000;
/// The longest text of an error, in characters.
const MAX_ERROR_LENGTH: usize = 300;

/// A compiled schema.
pub(crate) struct Schema {
    validator: Validator,
    cost: CostModel,
}

impl Schema {
    /// Compiles a schema. It refers to nothing outside itself, and its patterns are matched in linear time.
    pub(crate) fn new(schema: &Value) -> Result<Self, String> {
        let shape = analyze(schema, &LIMITS).map_err(|why| truncated(&why.to_string()))?;
        let mut nameless = schema.clone();
        if let Some(members) = nameless.as_object_mut() {
            // all references are within the schema, whatever its name is
            members.remove("$id");
            members.remove("id");
        }
        // the automaton that reads backwards may be larger than the one that was measured
        let patterns = PatternOptions::regex().size_limit(4 * PATTERN_MEMORY).dfa_size_limit(DFA_MEMORY);
        let options = jsonschema::options().with_pattern_options(patterns).offline();
        let validator = options
            .build(&nameless)
            .map_err(|why| truncated(&format!("schema: at `#{}`: {why}", why.instance_path())))?;
        Ok(Self { validator, cost: shape })
    }

    /// Whether it may stay in memory, beside others.
    pub(crate) fn is_light(&self) -> bool {
        self.cost.weight() <= MAX_LIGHT_WEIGHT
    }

    /// Holds data against the schema.
    pub(crate) fn validate(&self, data: &Value) -> Result<(), Problem> {
        let steps = self.cost.steps(data, MAX_STEPS).map_err(|why| {
            let why = match why {
                CostError::TooManySteps => format!(
                    "work: to hold this data against the schema of its type could take more than {MAX_STEPS} steps"
                ),
                CostError::TooDeep => "nested: this data has too many levels for the schema of its type".to_owned(),
            };
            Problem::invalid("schema", why)
        })?;
        if self.validator.is_valid(data) {
            return Ok(());
        }
        if steps > MAX_EXPLAINED_STEPS {
            return Err(Problem::invalid("data", "it does not fit the schema of its type"));
        }
        match self.validator.validate(data) {
            Ok(()) => Ok(()),
            Err(why) => Err(Problem::invalid(&format!("data{}", why.instance_path()), truncated(&why.to_string()))),
        }
    }
}

fn truncated(it: &str) -> String {
    it.chars().take(MAX_ERROR_LENGTH).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(schema: &Value, good: &[Value], bad: &[(Value, &str)]) {
        let schema = Schema::new(schema).unwrap_or_else(|why| panic!("{schema}: {why}"));
        for it in good {
            assert!(schema.validate(it).is_ok(), "{it}: {:?}", schema.validate(it));
        }
        for (it, at) in bad {
            let why = schema.validate(it).unwrap_err();
            assert_eq!((why.status, why.field.as_deref()), (422, Some(*at)), "{it}: {}", why.detail);
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
        let why = Schema::new(&json!({ "properties": { "a": { "type": "nonsense" } } })).err().unwrap();
        assert!(why.starts_with("schema: at `#/properties/a/type`"), "{why}");
        let why = Schema::new(&json!({ "items": { "pattern": "^(?!x)" } })).err().unwrap();
        assert!(why.starts_with("pattern: look-around") && why.ends_with("at `#/items/pattern`"), "{why}");
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
            .unwrap_or_else(|why| panic!("{why}"))
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
            let schema = Schema::new(&schema).unwrap_or_else(|why| panic!("{why}"));
            assert_eq!(schema.is_light(), light);
        }
    }
}
