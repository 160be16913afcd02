//! Limits of a type's JSON Schema, checked when it is stored, before it is compiled. The check takes time in proportion to
//! the schema's text.

use std::collections::HashMap;
use std::fmt;

use percent_encoding::percent_decode_str;
use serde_json::Value;

use crate::schema_cost::{CostModel, SchemaNode, to_u64, value_count};
use crate::schema_patterns::{MAX_PATTERN, count_classes, count_nfa_states};

/// The limits. The numbers are our own: several times what ordinary schemas of 32 KB need, and low enough that compiling one
/// takes milliseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Nesting of subschemas in the text.
    pub(crate) depth: usize,
    /// Subschemas in the text.
    pub(crate) schemas: usize,
    /// Subschemas when each reference is replaced by its target, with those that `unevaluated…` applies again.
    pub(crate) expanded: u64,
    /// The longest chain of in-place applicators, by references too: subschemas applied to the same value.
    pub(crate) chain: usize,
    /// Distinct patterns. Each keeps caches of up to `DFA_MEMORY` (`schema_patterns.rs`) per direction.
    pub(crate) patterns: usize,
    /// Classes such as `\d` or `\s` in all patterns: the translation into Rust's syntax starts over for each of them
    /// (`jsonschema-regex`, `to_rust_regex`).
    pub(crate) classes: usize,
    /// NFA states of all patterns, some tens of bytes each, in both directions.
    pub(crate) nfa_states: u64,
}

/// The limits in use.
pub(crate) const LIMITS: Limits =
    Limits { depth: 32, schemas: 1_000, expanded: 10_000, chain: 64, patterns: 32, classes: 256, nfa_states: 16_384 };

/// The cost of `format` and the like, in NFA states: they read a string once, with a few operations per byte.
const FORMAT_STATES: u64 = 8;
/// The memory of a pattern beside its states, in nodes of a compiled schema.
const PATTERN_WEIGHT: u64 = 100;

/// The drafts that `jsonschema` supports, without `http:` or `https:`; the one without a number is the newest.
const DRAFTS: [&str; 6] = [
    "//json-schema.org/draft/2020-12/schema",
    "//json-schema.org/draft/2019-09/schema",
    "//json-schema.org/draft-07/schema",
    "//json-schema.org/draft-06/schema",
    "//json-schema.org/draft-04/schema",
    "//json-schema.org/schema",
];

/// Why a schema is rejected: the rule, the JSON Pointer of the violation, and the reason.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SchemaError {
    rule: &'static str,
    pointer: String,
    reason: String,
}

impl fmt::Display for SchemaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}, at `#{}`", self.rule, self.reason, self.pointer)
    }
}

fn reject<T>(rule: &'static str, at: &str, reason: impl Into<String>) -> Result<T, SchemaError> {
    Err(SchemaError { rule, pointer: at.to_owned(), reason: reason.into() })
}

/// Checks an untrusted schema against the limits, and returns its cost model. Malformed keywords are left to the compiler,
/// whose errors are better.
///
/// # Errors
/// If a limit is exceeded, or the schema uses a feature that is not supported.
pub(crate) fn analyze(schema: &Value, limits: &Limits) -> Result<CostModel, SchemaError> {
    let draft = schema.get("$schema").and_then(Value::as_str).unwrap_or("https://json-schema.org/schema");
    let draft = draft.trim_end_matches('#').trim_start_matches("https:").trim_start_matches("http:");
    if !DRAFTS.contains(&draft) {
        return reject("draft", "/$schema", "one of json-schema.org's, from draft-04 to 2020-12");
    }
    let mut analyzer = Analyzer {
        limits,
        id_keyword: if draft.contains("draft-04") { "id" } else { "$id" },
        id_names_anchors: draft.contains("/draft-0"),
        nodes: Vec::new(),
        pointers: Vec::new(),
        anchors: HashMap::new(),
        references: Vec::new(),
        patterns: HashMap::new(),
        classes: 0,
        states: 0,
        chains: Vec::new(),
        expanded: Vec::new(),
    };
    analyzer.schema(schema, "", 1)?;
    analyzer.resolve_references()?;
    analyzer.chains = vec![None; analyzer.nodes.len()];
    for index in 0..analyzer.nodes.len() {
        analyzer.measure_chain(index, 1)?;
    }
    analyzer.expanded = vec![None; analyzer.nodes.len()];
    let (expanded, _) = analyzer.measure_expansion(0)?;
    // references share their compiled target, but not below `unevaluated…`
    let is_copied = analyzer.nodes.iter().any(|it| !it.unevaluated.is_empty());
    let nodes = if is_copied { expanded } else { to_u64(analyzer.nodes.len()) };
    let weight = nodes + analyzer.states + PATTERN_WEIGHT * to_u64(analyzer.patterns.len());
    Ok(CostModel::new(analyzer.nodes, weight))
}

/// The state of an analysis.
struct Analyzer<'a> {
    limits: &'a Limits,
    /// The keyword of ids in the draft, and whether it also names anchors.
    id_keyword: &'static str,
    id_names_anchors: bool,
    nodes: Vec<SchemaNode>,
    /// The JSON Pointer of each node.
    pointers: Vec<String>,
    anchors: HashMap<&'a str, usize>,
    /// References: the referring node, the pointer of the keyword, and the target.
    references: Vec<(usize, String, &'a str)>,
    /// The NFA states of each pattern.
    patterns: HashMap<&'a str, u64>,
    classes: usize,
    states: u64,
    /// The chain of each node; 0 while it is being measured.
    chains: Vec<Option<usize>>,
    /// The expansion of each node: visits that validate, and visits that only collect what was evaluated.
    expanded: Vec<Option<(u64, u64)>>,
}

impl<'a> Analyzer<'a> {
    /// Adds a subschema and everything below it. Returns its index.
    fn schema(&mut self, schema: &'a Value, at: &str, depth: usize) -> Result<usize, SchemaError> {
        if depth > self.limits.depth {
            return reject("depth", at, format!("at most {} subschemas one in another", self.limits.depth));
        }
        if self.nodes.len() == self.limits.schemas {
            return reject("schemas", at, format!("at most {} subschemas", self.limits.schemas));
        }
        let own = self.nodes.len();
        self.nodes.push(SchemaNode { cost: 1, ..SchemaNode::default() });
        self.pointers.push(at.to_owned());
        for (keyword, value) in schema.as_object().into_iter().flatten() {
            self.keyword(own, keyword, value, &child(at, keyword), depth + 1)?;
        }
        Ok(own)
    }

    /// Adds the subschemas of a keyword's list or object.
    fn subschemas(&mut self, value: &'a Value, at: &str, depth: usize) -> Result<Vec<usize>, SchemaError> {
        match value {
            Value::Array(items) => {
                items.iter().enumerate().map(|(index, it)| self.schema(it, &format!("{at}/{index}"), depth)).collect()
            }
            Value::Object(members) => {
                members.iter().map(|(name, it)| self.schema(it, &child(at, name), depth)).collect()
            }
            _ => Ok(Vec::new()),
        }
    }

    /// Adds what a keyword of the node `own` contributes.
    fn keyword(
        &mut self,
        own: usize,
        keyword: &'a str,
        value: &'a Value,
        at: &str,
        depth: usize,
    ) -> Result<(), SchemaError> {
        match (keyword, value) {
            ("$schema", _) if own > 0 => return reject("draft", at, "the whole schema is of one draft"),
            ("$id" | "id", Value::String(id)) if keyword == self.id_keyword && own > 0 => match id.strip_prefix('#') {
                Some(name) if self.id_names_anchors => self.anchor(own, name, at)?,
                _ => return reject("reference", at, "a subschema has no id of its own; use `$defs` or `$anchor`"),
            },
            ("$anchor" | "$dynamicAnchor", Value::String(name)) => self.anchor(own, name, at)?,
            // draft 2019-09, section 8.2.4.2.1: always the root, whatever else it says
            ("$recursiveRef", to) if to != "#" => return reject("reference", at, "`$recursiveRef` is always `#`"),
            ("$ref" | "$dynamicRef" | "$recursiveRef", Value::String(to)) => {
                self.references.push((own, at.to_owned(), to.as_str()));
            }
            ("$defs" | "definitions", Value::Object(_)) => {
                self.subschemas(value, at, depth)?;
            }
            ("contentSchema", _) => {
                self.schema(value, at, depth)?;
            }
            ("allOf" | "anyOf" | "oneOf", Value::Array(_)) | ("dependentSchemas", Value::Object(_)) => {
                let all = self.subschemas(value, at, depth)?;
                self.nodes[own].in_place.extend(all);
            }
            ("not" | "if" | "then" | "else", _) => {
                let one = self.schema(value, at, depth)?;
                self.nodes[own].in_place.push(one);
            }
            ("dependencies", Value::Object(all)) => {
                for (name, dependency) in all {
                    if dependency.is_array() {
                        self.nodes[own].cost += value_count(dependency);
                    } else {
                        let one = self.schema(dependency, &child(at, name), depth)?;
                        self.nodes[own].in_place.push(one);
                    }
                }
            }
            ("properties", Value::Object(all)) => {
                let read = self.subschemas(value, at, depth)?;
                self.nodes[own].cost += to_u64(read.len());
                self.nodes[own].properties = all.keys().cloned().zip(read).collect();
            }
            ("patternProperties", Value::Object(all)) => {
                for pattern in all.keys() {
                    let states = self.pattern(pattern, &child(at, pattern))?;
                    self.nodes[own].name_states += states;
                }
                self.nodes[own].pattern_properties = self.subschemas(value, at, depth)?;
            }
            ("additionalProperties", _) => {
                let one = self.schema(value, at, depth)?;
                self.nodes[own].additional_properties = Some(one);
            }
            ("propertyNames", _) => {
                let one = self.schema(value, at, depth)?;
                self.nodes[own].property_names = Some(one);
            }
            ("unevaluatedProperties" | "unevaluatedItems", _) => {
                let one = self.schema(value, at, depth)?;
                self.nodes[own].unevaluated.push(one);
            }
            ("items" | "prefixItems", Value::Array(_)) => {
                for (index, one) in self.subschemas(value, at, depth)?.into_iter().enumerate() {
                    let prefix = &mut self.nodes[own].prefix_items;
                    if prefix.len() == index {
                        prefix.push(Vec::new());
                    }
                    prefix[index].push(one);
                }
            }
            ("items" | "additionalItems" | "contains", _) => {
                let one = self.schema(value, at, depth)?;
                self.nodes[own].items.push(one);
            }
            ("pattern", Value::String(pattern)) => {
                let states = self.pattern(pattern, at)?;
                self.nodes[own].string_states += states;
            }
            ("format" | "contentMediaType" | "contentEncoding", _) => self.nodes[own].string_states += FORMAT_STATES,
            // an `enum` of strings is hashed, any other is compared value by value (`jsonschema`, `enum_.rs`)
            ("enum", Value::Array(all)) if all.iter().all(|it| it.is_string() || it.is_null()) => {}
            ("enum" | "const" | "dependentRequired", _) => self.nodes[own].cost += value_count(value),
            ("required", Value::Array(all)) => self.nodes[own].cost += to_u64(all.len()),
            ("uniqueItems", Value::Bool(true)) => self.nodes[own].unique = true,
            _ => {}
        }
        Ok(())
    }

    /// Names a node by an anchor.
    fn anchor(&mut self, own: usize, name: &'a str, at: &str) -> Result<(), SchemaError> {
        match self.anchors.insert(name, own) {
            Some(other) if other != own => reject("reference", at, "another subschema has this anchor"),
            _ => Ok(()),
        }
    }

    /// Adds a pattern. Returns the states of its NFA.
    fn pattern(&mut self, pattern: &'a str, at: &str) -> Result<u64, SchemaError> {
        if let Some(known) = self.patterns.get(pattern) {
            return Ok(*known);
        }
        if pattern.len() > MAX_PATTERN {
            return reject("pattern", at, format!("at most {MAX_PATTERN} bytes"));
        }
        if self.patterns.len() == self.limits.patterns {
            return reject("patterns", at, format!("at most {} different ones", self.limits.patterns));
        }
        self.classes += count_classes(pattern);
        if self.classes > self.limits.classes {
            let max = self.limits.classes;
            return reject("patterns", at, format!("at most {max} classes such as `\\d` or `\\s` in all of them"));
        }
        let states = count_nfa_states(pattern).or_else(|reason| reject("pattern", at, reason))?;
        self.states += states;
        if self.states > self.limits.nfa_states {
            return reject("patterns", at, format!("at most {} states in all of them", self.limits.nfa_states));
        }
        self.patterns.insert(pattern, states);
        Ok(states)
    }

    /// Resolves the references, all within the schema.
    fn resolve_references(&mut self) -> Result<(), SchemaError> {
        let by_pointer: HashMap<&str, usize> =
            self.pointers.iter().enumerate().map(|(own, at)| (at.as_str(), own)).collect();
        for (own, at, to) in &self.references {
            let Some(fragment) = to.strip_prefix('#').or(to.is_empty().then_some("")) else {
                return reject("reference", at, "only within the schema: `#/$defs/…` or `#anchor`");
            };
            let fragment = percent_decode_str(fragment).decode_utf8_lossy();
            let is_pointer = fragment.is_empty() || fragment.starts_with('/');
            let target = if is_pointer { by_pointer.get(&*fragment) } else { self.anchors.get(&*fragment) };
            let Some(target) = target else {
                return reject("reference", at, "it refers to no subschema");
            };
            self.nodes[*own].in_place.push(*target);
        }
        Ok(())
    }

    /// The longest chain of subschemas, from this one on, that are applied to the same value; `above` precede it.
    fn measure_chain(&mut self, own: usize, above: usize) -> Result<usize, SchemaError> {
        match self.chains[own] {
            Some(0) => {
                return reject("recursion", &self.pointers[own], "it is applied to the same value again, without end");
            }
            Some(known) => return Ok(known),
            None => self.chains[own] = Some(0),
        }
        let mut longest = 0;
        if above <= self.limits.chain {
            for to in self.nodes[own].in_place.clone() {
                longest = longest.max(self.measure_chain(to, above + 1)?);
            }
        }
        if above > self.limits.chain || longest >= self.limits.chain {
            let max = self.limits.chain;
            return reject(
                "chain",
                &self.pointers[own],
                format!("at most {max} subschemas applied to the same value in a row"),
            );
        }
        self.nodes[own].chain = longest + 1;
        self.chains[own] = Some(longest + 1);
        Ok(longest + 1)
    }

    /// The visits of a subschema when each reference is replaced by its target: those that validate, and those that only
    /// collect what was evaluated (`jsonschema`, `unevaluated_properties.rs`). A reference back to a subschema that is being
    /// measured counts as one: the cost of recursion depends on the data.
    fn measure_expansion(&mut self, own: usize) -> Result<(u64, u64), SchemaError> {
        if let Some(known) = self.expanded[own] {
            return Ok(known);
        }
        self.expanded[own] = Some((1, 1));
        let (mut validations, mut collections) = (1_u64, 1_u64);
        for to in self.nodes[own].in_place.clone() {
            let (validating, collecting) = self.measure_expansion(to)?;
            validations = validations.saturating_add(validating);
            collections = collections.saturating_add(validating).saturating_add(collecting);
        }
        for to in self.nodes[own].children() {
            validations = validations.saturating_add(self.measure_expansion(to)?.0);
        }
        let node = &self.nodes[own];
        for to in node.unevaluated.iter().chain(&node.items) {
            collections = collections.saturating_add(self.expanded[*to].unwrap_or((1, 1)).0);
        }
        if !node.unevaluated.is_empty() {
            validations = validations.saturating_add(collections);
        }
        if validations > self.limits.expanded {
            let max = self.limits.expanded;
            return reject(
                "expanded",
                &self.pointers[own],
                format!("at most {max} subschemas when references are followed"),
            );
        }
        self.expanded[own] = Some((validations, collections));
        Ok((validations, collections))
    }
}

/// The JSON Pointer of a member (RFC 6901, section 4).
fn child(at: &str, name: &str) -> String {
    format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"))
}

#[cfg(test)]
mod tests;
