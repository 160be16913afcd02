//! How much work it is to hold data against a schema: counted before the work is done, and cheaper than it.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde_json::Value;

/// Steps of an automaton that cost as much as one step of ours, the visit of one subschema to one value. A step of the
/// slowest engine of `regex` (PikeVM) takes some nanoseconds, a visit some tens of them.
const NFA_STEPS_PER_STEP: u64 = 16;
/// Subschemas one in another, over all levels of the data. Each is a few frames on the stack: 4 KB in a build without
/// optimisation, of which the stack (`types.rs`, `STACK`) has room for 8,192.
const MAX_NESTING: usize = 2_048;

/// A subschema, and which others it applies to what.
#[derive(Default)]
pub(crate) struct SchemaNode {
    /// Applied to the same value: `allOf`, `if`, `$ref` and the like.
    pub(crate) in_place: Vec<usize>,
    /// How many in a row, with this one, are applied to the same value.
    pub(crate) chain: usize,
    /// To the members of these names.
    pub(crate) properties: BTreeMap<String, usize>,
    /// To the members of all other names: `additionalProperties`.
    pub(crate) additional_properties: Option<usize>,
    /// To members whose names match a pattern; taken for all members.
    pub(crate) pattern_properties: Vec<usize>,
    /// To the names.
    pub(crate) property_names: Option<usize>,
    /// To the items with these indexes.
    pub(crate) prefix_items: Vec<Vec<usize>>,
    /// To all items: `items`, `contains`.
    pub(crate) items: Vec<usize>,
    /// To what the subschemas that are applied to the same value have left over: the compiled schema asks them once more.
    pub(crate) unevaluated: Vec<usize>,
    /// What a visit costs without its strings: what its keywords list is looked through.
    pub(crate) cost: u64,
    /// States of the automata that a string is run through, and those for the names of members.
    pub(crate) string_states: u64,
    pub(crate) name_states: u64,
    /// `uniqueItems`.
    pub(crate) unique: bool,
}

impl SchemaNode {
    /// The subschemas that are applied to what is within a value.
    pub(crate) fn children(&self) -> Vec<usize> {
        let members = self
            .properties
            .values()
            .chain(&self.additional_properties)
            .chain(&self.pattern_properties)
            .chain(&self.property_names);
        members.chain(self.prefix_items.iter().flatten()).chain(&self.items).chain(&self.unevaluated).copied().collect()
    }

    fn has_child_applicators(&self) -> bool {
        let members = self.additional_properties.is_some() || self.property_names.is_some() || self.name_states > 0;
        let lists = [&self.pattern_properties, &self.items, &self.unevaluated];
        members || !self.properties.is_empty() || !self.prefix_items.is_empty() || lists.iter().any(|it| !it.is_empty())
    }

    /// What a visit costs; `asked_again`: of one that only asks what was evaluated.
    fn visit_cost(&self, it: &Value, asked_again: bool) -> u64 {
        let own = if asked_again { 1 } else { self.cost };
        let more = match it {
            Value::String(text) if !asked_again => nfa_steps(text, self.string_states),
            Value::Object(all) if asked_again || self.has_child_applicators() => {
                let names = if self.name_states > 0 {
                    all.keys().map(|it| nfa_steps(it, self.name_states)).fold(0, u64::saturating_add)
                } else {
                    0
                };
                names.saturating_add(to_u64(all.len()))
            }
            Value::Array(all) => {
                let length = if asked_again || self.has_child_applicators() { to_u64(all.len()) } else { 0 };
                if self.unique && !asked_again { length.saturating_add(unique_items_cost(all)) } else { length }
            }
            _ => 0,
        };
        own.saturating_add(more)
    }
}

/// A schema that is within its bounds; the first node is the whole.
pub(crate) struct CostModel {
    nodes: Vec<SchemaNode>,
    chain: usize,
    weight: u64,
}

/// Why data is not held against a schema.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum CostError {
    TooManySteps,
    TooDeep,
}

/// How often which subschema is applied to a value. The order is that of the work: whoever applies comes before those that
/// it applies, since its chain is longer, and an answer before what it asks again.
type PendingVisits = BTreeMap<(Reverse<usize>, bool, usize), u64>;

impl CostModel {
    /// `weight`: what the compiled schema takes of the memory, in nodes.
    pub(crate) fn new(nodes: Vec<SchemaNode>, weight: u64) -> Self {
        let chain = nodes.iter().map(|it| it.chain).max().unwrap_or_default();
        Self { nodes, chain, weight }
    }

    pub(crate) fn weight(&self) -> u64 {
        self.weight
    }

    /// The steps that it takes at most to hold data against the schema: each visit of a subschema to a value is one, and
    /// more if its keywords have more to look through. What recursion costs shows here, since it follows the data.
    pub(crate) fn steps(&self, data: &Value, max: u64) -> Result<u64, CostError> {
        if (nesting_depth(data) + 1).saturating_mul(self.chain + 1) > MAX_NESTING {
            return Err(CostError::TooDeep);
        }
        let mut count = StepCounter { nodes: &self.nodes, steps: 0, max };
        let mut applied = PendingVisits::new();
        count.apply(&mut applied, 0, false, 1);
        count.value(data, applied)?;
        Ok(count.steps)
    }
}

struct StepCounter<'a> {
    nodes: &'a [SchemaNode],
    steps: u64,
    max: u64,
}

impl StepCounter<'_> {
    fn apply(&self, applied: &mut PendingVisits, to: usize, asked_again: bool, times: u64) {
        let before = applied.entry((Reverse(self.nodes[to].chain), asked_again, to)).or_default();
        *before = before.saturating_add(times);
    }

    /// Counts the visits to a value and to what is within. Each pair of a subschema and a value is looked at once, however
    /// often it is visited, so that counting takes less than the work.
    fn value(&mut self, it: &Value, mut applied: PendingVisits) -> Result<(), CostError> {
        let mut within = Vec::new();
        while let Some(((_, asked_again, own), times)) = applied.pop_first() {
            let node = &self.nodes[own];
            self.steps = self.steps.saturating_add(times.saturating_mul(node.visit_cost(it, asked_again)));
            if self.steps > self.max {
                return Err(CostError::TooManySteps);
            }
            for &to in &node.in_place {
                self.apply(&mut applied, to, false, times);
                if asked_again {
                    self.apply(&mut applied, to, true, times);
                }
            }
            if !asked_again && !node.unevaluated.is_empty() {
                self.apply(&mut applied, own, true, times);
            }
            if node.has_child_applicators() {
                within.push((own, asked_again, times));
            }
        }
        match it {
            Value::Object(all) if !within.is_empty() => {
                all.iter().try_for_each(|(name, it)| self.member(name, it, &within))
            }
            Value::Array(all) if !within.is_empty() => {
                all.iter().enumerate().try_for_each(|(index, it)| self.item(index, it, &within))
            }
            _ => Ok(()),
        }
    }

    fn member(&mut self, name: &str, it: &Value, within: &[(usize, bool, u64)]) -> Result<(), CostError> {
        let (mut below, mut to_name) = (PendingVisits::new(), PendingVisits::new());
        for &(own, asked_again, times) in within {
            let node = &self.nodes[own];
            if !asked_again {
                for &to in node
                    .properties
                    .get(name)
                    .or(node.additional_properties.as_ref())
                    .into_iter()
                    .chain(&node.pattern_properties)
                {
                    self.apply(&mut below, to, false, times);
                }
                if let Some(to) = node.property_names {
                    self.apply(&mut to_name, to, false, times);
                }
            }
            for &to in &node.unevaluated {
                self.apply(&mut below, to, false, times);
            }
        }
        if !to_name.is_empty() {
            self.value(&Value::String(name.to_owned()), to_name)?;
        }
        self.value(it, below)
    }

    fn item(&mut self, index: usize, it: &Value, within: &[(usize, bool, u64)]) -> Result<(), CostError> {
        let mut below = PendingVisits::new();
        for &(own, asked_again, times) in within {
            let node = &self.nodes[own];
            let first = if asked_again { None } else { node.prefix_items.get(index) };
            for &to in first.into_iter().flatten().chain(&node.items).chain(&node.unevaluated) {
                self.apply(&mut below, to, false, times);
            }
        }
        self.value(it, below)
    }
}

/// A text of `n` bytes takes an automaton of `m` states `n * m` steps at most (documentation of `regex`).
fn nfa_steps(text: &str, states: u64) -> u64 {
    to_u64(text.len() + 1).saturating_mul(states) / NFA_STEPS_PER_STEP
}

/// `uniqueItems` compares up to 15 items in pairs and hashes more (`jsonschema-value`, `unique.rs`): some steps for each
/// value. Whole numbers beyond 2^53 have the hash of their neighbours, since it is that of a float, and meet in pairs.
fn unique_items_cost(items: &[Value]) -> u64 {
    let large = to_u64(items.iter().filter(|it| holds_large(it)).count());
    let all = items.iter().map(value_count).fold(0, u64::saturating_add);
    all.saturating_mul(4).saturating_add(large.saturating_mul(large) / 8)
}

fn holds_large(it: &Value) -> bool {
    match it {
        Value::Number(it) => {
            it.as_u64().is_some_and(|it| it > 1 << 53) || it.as_i64().is_some_and(|it| it < -(1 << 53))
        }
        Value::Array(all) => all.iter().any(holds_large),
        Value::Object(all) => all.values().any(holds_large),
        _ => false,
    }
}

/// How many values there are, with all within.
pub(crate) fn value_count(it: &Value) -> u64 {
    let within = match it {
        Value::Array(all) => all.iter().map(value_count).fold(0, u64::saturating_add),
        Value::Object(all) => all.values().map(value_count).fold(0, u64::saturating_add),
        _ => 0,
    };
    within.saturating_add(1)
}

/// How many levels there are.
fn nesting_depth(it: &Value) -> usize {
    let within = match it {
        Value::Array(all) => all.iter().map(nesting_depth).max(),
        Value::Object(all) => all.values().map(nesting_depth).max(),
        _ => None,
    };
    within.unwrap_or_default() + 1
}

pub(crate) fn to_u64(it: usize) -> u64 {
    u64::try_from(it).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::schema_limits::{LIMITS, analyze};

    /// Far more than the cases that are let through need.
    const MOST: u64 = 500_000;

    fn steps(schema: &Value, data: &Value) -> Result<u64, CostError> {
        analyze(schema, &LIMITS).unwrap().steps(data, MOST)
    }

    fn nested(levels: usize, inmost: Value, around: impl Fn(Value) -> Value) -> Value {
        (0..levels).fold(inmost, |it, _| around(it))
    }

    #[test]
    fn each_subschema_that_meets_a_value_is_a_step() {
        assert_eq!(steps(&json!(true), &json!({ "a": 1 })), Ok(1));
        assert_eq!(steps(&json!({ "allOf": [{}, {}, {}] }), &json!(1)), Ok(4));
        // the list, its length, and each item
        assert_eq!(steps(&json!({ "items": { "type": "integer" } }), &json!([1, 2, 3])), Ok(1 + 3 + 3));
        // the object, its member, the property that is looked for, and the value if it has that name
        let schema = json!({ "properties": { "a": { "type": "integer" } } });
        assert_eq!(steps(&schema, &json!({ "a": 1 })), Ok(2 + 1 + 1));
        assert_eq!(steps(&schema, &json!({ "b": 1 })), Ok(2 + 1));
        assert_eq!(steps(&json!({ "required": ["a", "b", "c"] }), &json!({})), Ok(1 + 3));
        assert_eq!(steps(&json!({ "enum": [1, [2, 3]] }), &json!(1)), Ok(1 + 5));
    }

    #[test]
    fn recursion_costs_what_the_data_has() {
        let comments = json!({ "type": "object", "properties": { "text": { "type": "string" },
            "replies": { "type": "array", "items": { "$ref": "#" } } } });
        let thread = |levels| nested(levels, json!({ "text": "end" }), |it| json!({ "text": "on", "replies": [it] }));
        let (short, long) = (steps(&comments, &thread(10)).unwrap(), steps(&comments, &thread(40)).unwrap());
        assert!(long < 5 * short && long < 1_000, "{short}, {long}");
        // two properties of one kind: each value meets one of them
        let tree = json!({ "$ref": "#/$defs/e", "$defs": { "e": { "type": "object", "properties": {
            "left": { "$ref": "#/$defs/e" }, "right": { "$ref": "#/$defs/e" }, "value": { "type": "number" } } } } });
        let full = nested(8, json!({ "value": 1 }), |it| json!({ "left": it.clone(), "right": it }));
        assert!(steps(&tree, &full).unwrap() < 511 * 10);
    }

    #[test]
    fn recursion_that_branches_on_one_value_is_too_much_for_deep_data() {
        let twice = json!({ "anyOf": [{ "items": { "$ref": "#" } }, { "items": { "$ref": "#" } }] });
        let list = |levels| nested(levels, json!(1), |it| json!([it]));
        assert!(steps(&twice, &list(8)).is_ok());
        assert_eq!(steps(&twice, &list(60)), Err(CostError::TooManySteps));
    }

    #[test]
    fn what_is_asked_again_counts_again() {
        let plain = json!({ "allOf": [{ "properties": { "a": {} } }] });
        let mut strict = plain.clone();
        strict["unevaluatedProperties"] = json!(false);
        let data = json!({ "a": 1, "b": 2 });
        assert!(steps(&strict, &data).unwrap() > steps(&plain, &data).unwrap() + 3);
    }

    #[test]
    fn texts_and_lists_count_as_they_are_looked_through() {
        let word = json!({ "pattern": "^[a-z]+$" });
        assert!(steps(&word, &json!("a".repeat(16_000))).unwrap() > 1_000);
        let names = json!({ "patternProperties": { "^[a-z]+$": true } });
        assert!(steps(&names, &json!({ "a".repeat(16_000): 1 })).unwrap() > 1_000);
        let own = json!({ "propertyNames": { "pattern": "^[a-z]+$" } });
        assert!(steps(&own, &json!({ "a".repeat(16_000): 1 })).unwrap() > 1_000);
        let unlike = json!({ "uniqueItems": true });
        let from = |first: u64| json!((first..first + 500).collect::<Vec<u64>>());
        assert!(steps(&unlike, &from(0)).unwrap() < 3_000);
        assert!(steps(&unlike, &from(1 << 60)).unwrap() > 30_000);
    }

    #[test]
    fn a_long_chain_over_deep_data_is_nested_too_deeply() {
        let chain = nested(20, json!({ "items": { "$ref": "#" } }), |it| json!({ "allOf": [it] }));
        let list = |levels| nested(levels, json!([]), |it| json!([it]));
        assert!(steps(&chain, &list(10)).is_ok());
        assert_eq!(steps(&chain, &list(110)), Err(CostError::TooDeep));
    }
}
