//! An upper bound of the cost of validating data by a schema. It is computed before validation, and costs less.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde_json::Value;

/// Steps of an NFA that cost as much as one step, the visit of one subschema to one value. A step of the slowest engine of
/// `regex` (PikeVM) takes some nanoseconds, a visit some tens of them.
const NFA_STEPS_PER_STEP: u64 = 16;
/// Nested subschemas, over all levels of the data. Each is a few frames on the stack: 4 KB in a build without optimisation,
/// of which the stack (`type_schemas.rs`, `STACK_BYTES`) has room for 8,192.
const MAX_NESTING: usize = 2_048;

/// A subschema, with the indexes of the subschemas that it applies.
#[derive(Default)]
pub(crate) struct SchemaNode {
    /// In-place applicators, to the same value: `allOf`, `if`, `$ref` and the like.
    pub(crate) in_place: Vec<usize>,
    /// The longest chain of in-place applicators, this subschema included.
    pub(crate) chain: usize,
    /// `properties`, by name.
    pub(crate) properties: BTreeMap<String, usize>,
    /// `additionalProperties`.
    pub(crate) additional_properties: Option<usize>,
    /// `patternProperties`; counted as if every name matched.
    pub(crate) pattern_properties: Vec<usize>,
    /// `propertyNames`.
    pub(crate) property_names: Option<usize>,
    /// `prefixItems`, or `items` with a list, by index.
    pub(crate) prefix_items: Vec<Vec<usize>>,
    /// Subschemas of every item: `items`, `contains`.
    pub(crate) items: Vec<usize>,
    /// `unevaluatedProperties`, `unevaluatedItems`: the compiled schema applies the in-place applicators once more for them.
    pub(crate) unevaluated: Vec<usize>,
    /// The steps of a visit without strings: the values that keywords such as `enum` and `required` list.
    pub(crate) cost: u64,
    /// NFA states that a string runs through.
    pub(crate) string_states: u64,
    /// NFA states that each member's name runs through.
    pub(crate) name_states: u64,
    /// `uniqueItems`.
    pub(crate) unique: bool,
}

impl SchemaNode {
    /// The subschemas of child applicators, for values within a value.
    pub(crate) fn children(&self) -> Vec<usize> {
        let named = self.properties.values().chain(&self.additional_properties);
        let members = named.chain(&self.pattern_properties).chain(&self.property_names);
        let items = self.prefix_items.iter().flatten().chain(&self.items);
        members.chain(items).chain(&self.unevaluated).copied().collect()
    }

    /// Whether it applies subschemas to values within a value.
    fn has_child_applicators(&self) -> bool {
        let single = self.additional_properties.is_some() || self.property_names.is_some() || self.name_states > 0;
        let lists = [&self.pattern_properties, &self.items, &self.unevaluated];
        single || !self.properties.is_empty() || !self.prefix_items.is_empty() || lists.iter().any(|it| !it.is_empty())
    }

    /// The steps of a visit; with `collects` of one that only collects what was evaluated.
    fn visit_cost(&self, value: &Value, collects: bool) -> u64 {
        let own = if collects { 1 } else { self.cost };
        let more = match value {
            Value::String(text) if !collects => nfa_steps(text, self.string_states),
            Value::Object(members) if collects || self.has_child_applicators() => {
                let names = if self.name_states > 0 {
                    members.keys().map(|it| nfa_steps(it, self.name_states)).fold(0, u64::saturating_add)
                } else {
                    0
                };
                names.saturating_add(to_u64(members.len()))
            }
            Value::Array(items) => {
                let length = if collects || self.has_child_applicators() { to_u64(items.len()) } else { 0 };
                if self.unique && !collects { length.saturating_add(unique_items_cost(items)) } else { length }
            }
            _ => 0,
        };
        own.saturating_add(more)
    }
}

/// The cost model of a schema within the limits; the first node is the root.
pub(crate) struct CostModel {
    nodes: Vec<SchemaNode>,
    chain: usize,
    weight: u64,
}

/// Why data is not validated.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum CostError {
    /// It could take more steps than the budget.
    TooManySteps,
    /// The recursion could exceed the stack.
    TooDeep,
}

/// How often each subschema is applied to one value. In the order of processing: a subschema comes before those that it
/// applies, since its chain is longer, and validation before the collection of what was evaluated.
type PendingVisits = BTreeMap<(Reverse<usize>, bool, usize), u64>;

impl CostModel {
    /// `weight` is the memory of the compiled schema, in nodes.
    pub(crate) fn new(nodes: Vec<SchemaNode>, weight: u64) -> Self {
        let chain = nodes.iter().map(|it| it.chain).max().unwrap_or_default();
        Self { nodes, chain, weight }
    }

    /// The memory of the compiled schema, in nodes of up to a kilobyte.
    pub(crate) fn weight(&self) -> u64 {
        self.weight
    }

    /// An upper bound of the steps to validate data: one for each visit of a subschema to a value, and more for keywords that
    /// list values. It includes recursion, which follows the data.
    ///
    /// # Errors
    /// If there are more than `max`, or the nesting is too deep.
    pub(crate) fn steps(&self, data: &Value, max: u64) -> Result<u64, CostError> {
        if (nesting_depth(data) + 1).saturating_mul(self.chain + 1) > MAX_NESTING {
            return Err(CostError::TooDeep);
        }
        let mut counter = StepCounter { nodes: &self.nodes, steps: 0, max };
        let mut visits = PendingVisits::new();
        counter.apply(&mut visits, 0, false, 1);
        counter.value(data, visits)?;
        Ok(counter.steps)
    }
}

/// Counts steps while it follows the data.
struct StepCounter<'a> {
    nodes: &'a [SchemaNode],
    steps: u64,
    max: u64,
}

impl StepCounter<'_> {
    /// Adds visits of a subschema.
    fn apply(&self, visits: &mut PendingVisits, to: usize, collects: bool, times: u64) {
        let before = visits.entry((Reverse(self.nodes[to].chain), collects, to)).or_default();
        *before = before.saturating_add(times);
    }

    /// Counts the visits to a value and to the values within. Each pair of a subschema and a value is processed once, however
    /// many visits it stands for, so that counting costs less than validating.
    fn value(&mut self, value: &Value, mut visits: PendingVisits) -> Result<(), CostError> {
        let mut parents = Vec::new();
        while let Some(((_, collects, own), times)) = visits.pop_first() {
            let node = &self.nodes[own];
            self.steps = self.steps.saturating_add(times.saturating_mul(node.visit_cost(value, collects)));
            if self.steps > self.max {
                return Err(CostError::TooManySteps);
            }
            for &to in &node.in_place {
                self.apply(&mut visits, to, false, times);
                if collects {
                    self.apply(&mut visits, to, true, times);
                }
            }
            if !collects && !node.unevaluated.is_empty() {
                self.apply(&mut visits, own, true, times);
            }
            if node.has_child_applicators() {
                parents.push((own, collects, times));
            }
        }
        match value {
            Value::Object(members) if !parents.is_empty() => {
                members.iter().try_for_each(|(name, it)| self.member(name, it, &parents))
            }
            Value::Array(items) if !parents.is_empty() => {
                items.iter().enumerate().try_for_each(|(index, it)| self.item(index, it, &parents))
            }
            _ => Ok(()),
        }
    }

    /// Counts the visits to a member; `parents` are the visits to its object.
    fn member(&mut self, name: &str, value: &Value, parents: &[(usize, bool, u64)]) -> Result<(), CostError> {
        let (mut visits, mut name_visits) = (PendingVisits::new(), PendingVisits::new());
        for &(own, collects, times) in parents {
            let node = &self.nodes[own];
            if !collects {
                let named = node.properties.get(name).or(node.additional_properties.as_ref());
                for &to in named.into_iter().chain(&node.pattern_properties) {
                    self.apply(&mut visits, to, false, times);
                }
                if let Some(to) = node.property_names {
                    self.apply(&mut name_visits, to, false, times);
                }
            }
            for &to in &node.unevaluated {
                self.apply(&mut visits, to, false, times);
            }
        }
        if !name_visits.is_empty() {
            self.value(&Value::String(name.to_owned()), name_visits)?;
        }
        self.value(value, visits)
    }

    /// Counts the visits to an item; `parents` are the visits to its array.
    fn item(&mut self, index: usize, value: &Value, parents: &[(usize, bool, u64)]) -> Result<(), CostError> {
        let mut visits = PendingVisits::new();
        for &(own, collects, times) in parents {
            let node = &self.nodes[own];
            let first = if collects { None } else { node.prefix_items.get(index) };
            for &to in first.into_iter().flatten().chain(&node.items).chain(&node.unevaluated) {
                self.apply(&mut visits, to, false, times);
            }
        }
        self.value(value, visits)
    }
}

/// A string of `n` bytes takes an NFA of `m` states at most `n * m` steps (documentation of `regex`).
fn nfa_steps(text: &str, states: u64) -> u64 {
    to_u64(text.len() + 1).saturating_mul(states) / NFA_STEPS_PER_STEP
}

/// `uniqueItems` compares up to 15 items in pairs and hashes more (`jsonschema-value`, `unique.rs`): some steps per value.
/// Integers beyond 2^53 are hashed as floats, so that neighbours collide and are compared in pairs.
fn unique_items_cost(items: &[Value]) -> u64 {
    let large = to_u64(items.iter().filter(|it| holds_large(it)).count());
    let all = items.iter().map(value_count).fold(0, u64::saturating_add);
    all.saturating_mul(4).saturating_add(large.saturating_mul(large) / 8)
}

/// Whether a value contains an integer beyond 2^53.
fn holds_large(it: &Value) -> bool {
    match it {
        Value::Number(number) => {
            number.as_u64().is_some_and(|it| it > 1 << 53) || number.as_i64().is_some_and(|it| it < -(1 << 53))
        }
        Value::Array(all) => all.iter().any(holds_large),
        Value::Object(all) => all.values().any(holds_large),
        _ => false,
    }
}

/// The values within a value, itself included.
pub(crate) fn value_count(it: &Value) -> u64 {
    let within = match it {
        Value::Array(all) => all.iter().map(value_count).fold(0, u64::saturating_add),
        Value::Object(all) => all.values().map(value_count).fold(0, u64::saturating_add),
        _ => 0,
    };
    within.saturating_add(1)
}

/// The levels of nesting; 1 for a value without others.
fn nesting_depth(it: &Value) -> usize {
    let within = match it {
        Value::Array(all) => all.iter().map(nesting_depth).max(),
        Value::Object(all) => all.values().map(nesting_depth).max(),
        _ => None,
    };
    within.unwrap_or_default() + 1
}

/// A count as `u64`.
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
    fn what_is_collects_counts_again() {
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
