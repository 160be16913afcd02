//! How large the JSON Schema of a type may be: bounds that are checked when it is stored, before it is compiled. Reading a
//! schema takes time in proportion to its text, whatever it says.

use std::collections::HashMap;
use std::error::Error as _;
use std::fmt;

use percent_encoding::percent_decode_str;
use regex_automata::nfa::thompson::NFA;
use serde_json::Value;

use crate::schema_cost::{CostModel, SchemaNode, to_u64, value_count};

/// The bounds. The numbers are ours: several times what schemas in 32 KB say that were written for data, and little enough
/// that compiling one takes a moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Subschemas one in another as they are written.
    pub(crate) depth: usize,
    /// Subschemas as they are written.
    pub(crate) schemas: usize,
    /// Subschemas if each reference is replaced by what it refers to, with those that `unevaluated…` asks again.
    pub(crate) expanded: u64,
    /// Subschemas in a row that are applied to the same value, by references too.
    pub(crate) chain: usize,
    /// Different patterns. Each keeps caches of up to `DFA_MEMORY` for either direction.
    pub(crate) patterns: usize,
    /// `\d`, `\s` and the like in all patterns: for each of them the translation into Rust's syntax begins again
    /// (`jsonschema-regex`, `to_rust_regex`).
    pub(crate) classes: usize,
    /// States of the automata of all patterns. Some tens of bytes each, twice.
    pub(crate) nfa_states: u64,
}

pub(crate) const LIMITS: Limits =
    Limits { depth: 32, schemas: 1_000, expanded: 10_000, chain: 64, patterns: 32, classes: 256, nfa_states: 16_384 };

/// The longest pattern, in bytes. The patterns for IPv6 or RFC 5322 have some hundred.
const MAX_PATTERN: usize = 1_024;
/// The largest automaton of a pattern, in bytes: `.{1,500}` fits, nested repetitions do not. `regex` allows 10 MB.
pub(crate) const PATTERN_MEMORY: usize = 512 * 1024;
/// What `regex` may keep of the automaton of a pattern that it builds while it matches; its own default is 2 MB.
pub(crate) const DFA_MEMORY: usize = 64 * 1024;
/// `format` and its like read a text once, with a handful of operations for each byte.
const FORMAT_STATES: u64 = 8;
/// What a pattern takes beside its states, in nodes of a compiled schema.
const PATTERN_WEIGHT: u64 = 100;

/// The drafts that `jsonschema` knows, without `http:` or `https:`; one without number is the newest.
const DRAFTS: [&str; 6] = [
    "//json-schema.org/draft/2020-12/schema",
    "//json-schema.org/draft/2019-09/schema",
    "//json-schema.org/draft-07/schema",
    "//json-schema.org/draft-06/schema",
    "//json-schema.org/draft-04/schema",
    "//json-schema.org/schema",
];

/// Why a schema is refused: by which rule, where, and what the rule is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SchemaError {
    rule: &'static str,
    pointer: String,
    why: String,
}

impl fmt::Display for SchemaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}, at `#{}`", self.rule, self.why, self.pointer)
    }
}

fn reject<T>(rule: &'static str, at: &str, why: impl Into<String>) -> Result<T, SchemaError> {
    Err(SchemaError { rule, pointer: at.to_owned(), why: why.into() })
}

/// Reads a schema that nobody has looked at. What has not the form that its keyword wants is left to the compiler, which
/// tells it better.
pub(crate) fn analyze(schema: &Value, bounds: &Limits) -> Result<CostModel, SchemaError> {
    let draft = schema.get("$schema").and_then(Value::as_str).unwrap_or("https://json-schema.org/schema");
    let draft = draft.trim_end_matches('#').trim_start_matches("https:").trim_start_matches("http:");
    if !DRAFTS.contains(&draft) {
        return reject("draft", "/$schema", "one of json-schema.org's, from draft-04 to 2020-12");
    }
    let mut reader = Analyzer {
        limits: bounds,
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
    reader.schema(schema, "", 1)?;
    reader.resolve_references()?;
    reader.chains = vec![None; reader.nodes.len()];
    for own in 0..reader.nodes.len() {
        reader.measure_chain(own, 1)?;
    }
    reader.expanded = vec![None; reader.nodes.len()];
    let (expanded, _) = reader.measure_expansion(0)?;
    // references share what they refer to, but not below `unevaluated…`
    let copied = reader.nodes.iter().any(|it| !it.unevaluated.is_empty());
    let nodes = if copied { expanded } else { to_u64(reader.nodes.len()) };
    let weight = nodes + reader.states + PATTERN_WEIGHT * to_u64(reader.patterns.len());
    Ok(CostModel::new(reader.nodes, weight))
}

struct Analyzer<'a> {
    limits: &'a Limits,
    /// The keyword of ids, and whether it also names anchors.
    id_keyword: &'static str,
    id_names_anchors: bool,
    nodes: Vec<SchemaNode>,
    /// The JSON Pointer of each node.
    pointers: Vec<String>,
    anchors: HashMap<&'a str, usize>,
    /// Who refers, where, and to what.
    references: Vec<(usize, String, &'a str)>,
    /// The states of each pattern.
    patterns: HashMap<&'a str, u64>,
    classes: usize,
    states: u64,
    /// The chain of each node; 0 while it is looked for.
    chains: Vec<Option<usize>>,
    /// How many visits each node stands for: to answer, and to say what was evaluated.
    expanded: Vec<Option<(u64, u64)>>,
}

impl<'a> Analyzer<'a> {
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
        for (keyword, it) in schema.as_object().into_iter().flatten() {
            self.keyword(own, keyword, it, &child(at, keyword), depth + 1)?;
        }
        Ok(own)
    }

    /// The subschemas that a keyword has in a list or by names.
    fn subschemas(&mut self, held: &'a Value, at: &str, depth: usize) -> Result<Vec<usize>, SchemaError> {
        match held {
            Value::Array(all) => {
                all.iter().enumerate().map(|(index, it)| self.schema(it, &format!("{at}/{index}"), depth)).collect()
            }
            Value::Object(all) => all.iter().map(|(name, it)| self.schema(it, &child(at, name), depth)).collect(),
            _ => Ok(Vec::new()),
        }
    }

    fn keyword(
        &mut self,
        own: usize,
        keyword: &'a str,
        it: &'a Value,
        at: &str,
        depth: usize,
    ) -> Result<(), SchemaError> {
        match (keyword, it) {
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
                self.subschemas(it, at, depth)?;
            }
            ("contentSchema", _) => {
                self.schema(it, at, depth)?;
            }
            ("allOf" | "anyOf" | "oneOf", Value::Array(_)) | ("dependentSchemas", Value::Object(_)) => {
                let all = self.subschemas(it, at, depth)?;
                self.nodes[own].in_place.extend(all);
            }
            ("not" | "if" | "then" | "else", _) => {
                let one = self.schema(it, at, depth)?;
                self.nodes[own].in_place.push(one);
            }
            ("dependencies", Value::Object(all)) => {
                for (name, it) in all {
                    if it.is_array() {
                        self.nodes[own].cost += value_count(it);
                    } else {
                        let one = self.schema(it, &child(at, name), depth)?;
                        self.nodes[own].in_place.push(one);
                    }
                }
            }
            ("properties", Value::Object(all)) => {
                let read = self.subschemas(it, at, depth)?;
                self.nodes[own].cost += to_u64(read.len());
                self.nodes[own].properties = all.keys().cloned().zip(read).collect();
            }
            ("patternProperties", Value::Object(all)) => {
                for pattern in all.keys() {
                    let states = self.pattern(pattern, &child(at, pattern))?;
                    self.nodes[own].name_states += states;
                }
                self.nodes[own].pattern_properties = self.subschemas(it, at, depth)?;
            }
            ("additionalProperties", _) => {
                let one = self.schema(it, at, depth)?;
                self.nodes[own].additional_properties = Some(one);
            }
            ("propertyNames", _) => {
                let one = self.schema(it, at, depth)?;
                self.nodes[own].property_names = Some(one);
            }
            ("unevaluatedProperties" | "unevaluatedItems", _) => {
                let one = self.schema(it, at, depth)?;
                self.nodes[own].unevaluated.push(one);
            }
            ("items" | "prefixItems", Value::Array(_)) => {
                for (index, one) in self.subschemas(it, at, depth)?.into_iter().enumerate() {
                    let prefix = &mut self.nodes[own].prefix_items;
                    if prefix.len() == index {
                        prefix.push(Vec::new());
                    }
                    prefix[index].push(one);
                }
            }
            ("items" | "additionalItems" | "contains", _) => {
                let one = self.schema(it, at, depth)?;
                self.nodes[own].items.push(one);
            }
            ("pattern", Value::String(pattern)) => {
                let states = self.pattern(pattern, at)?;
                self.nodes[own].string_states += states;
            }
            ("format" | "contentMediaType" | "contentEncoding", _) => self.nodes[own].string_states += FORMAT_STATES,
            // a set of texts is hashed, any other is compared one after another (`jsonschema`, `enum_.rs`)
            ("enum", Value::Array(all)) if all.iter().all(|it| it.is_string() || it.is_null()) => {}
            ("enum" | "const" | "dependentRequired", _) => self.nodes[own].cost += value_count(it),
            ("required", Value::Array(all)) => self.nodes[own].cost += to_u64(all.len()),
            ("uniqueItems", Value::Bool(true)) => self.nodes[own].unique = true,
            _ => {}
        }
        Ok(())
    }

    fn anchor(&mut self, own: usize, name: &'a str, at: &str) -> Result<(), SchemaError> {
        match self.anchors.insert(name, own) {
            Some(other) if other != own => reject("reference", at, "another subschema has this anchor"),
            _ => Ok(()),
        }
    }

    /// The states of a pattern's automaton.
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
        self.classes += classes(pattern);
        if self.classes > self.limits.classes {
            let most = self.limits.classes;
            return reject("patterns", at, format!("at most {most} classes such as `\\d` or `\\s` in all of them"));
        }
        let states = states(pattern).or_else(|why| reject("pattern", at, why))?;
        self.states += states;
        if self.states > self.limits.nfa_states {
            return reject("patterns", at, format!("at most {} states in all of them", self.limits.nfa_states));
        }
        self.patterns.insert(pattern, states);
        Ok(states)
    }

    /// Follows the references: all lead to subschemas of this very schema.
    fn resolve_references(&mut self) -> Result<(), SchemaError> {
        let places: HashMap<&str, usize> =
            self.pointers.iter().enumerate().map(|(own, at)| (at.as_str(), own)).collect();
        for (own, at, to) in &self.references {
            let Some(fragment) = to.strip_prefix('#').or(to.is_empty().then_some("")) else {
                return reject("reference", at, "only within the schema: `#/$defs/…` or `#anchor`");
            };
            let fragment = percent_decode_str(fragment).decode_utf8_lossy();
            let by_place = fragment.is_empty() || fragment.starts_with('/');
            let found = if by_place { places.get(&*fragment) } else { self.anchors.get(&*fragment) };
            let Some(found) = found else {
                return reject("reference", at, "it refers to no subschema");
            };
            self.nodes[*own].in_place.push(*found);
        }
        Ok(())
    }

    /// How many subschemas in a row, from this one on, are applied to the same value; `above` are known to come before.
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
            let most = self.limits.chain;
            return reject(
                "chain",
                &self.pointers[own],
                format!("at most {most} subschemas applied to the same value in a row"),
            );
        }
        self.nodes[own].chain = longest + 1;
        self.chains[own] = Some(longest + 1);
        Ok(longest + 1)
    }

    /// How many visits a subschema stands for if each reference is replaced by what it refers to: those that answer, and
    /// those that ask again what was evaluated (`jsonschema`, `unevaluated_properties.rs`). A reference back to what is
    /// being counted is one: what recursion costs, the data decides.
    fn measure_expansion(&mut self, own: usize) -> Result<(u64, u64), SchemaError> {
        if let Some(known) = self.expanded[own] {
            return Ok(known);
        }
        self.expanded[own] = Some((1, 1));
        let (mut answers, mut again) = (1_u64, 1_u64);
        for to in self.nodes[own].in_place.clone() {
            let (one, more) = self.measure_expansion(to)?;
            answers = answers.saturating_add(one);
            again = again.saturating_add(one).saturating_add(more);
        }
        for to in self.nodes[own].children() {
            answers = answers.saturating_add(self.measure_expansion(to)?.0);
        }
        let node = &self.nodes[own];
        for to in node.unevaluated.iter().chain(&node.items) {
            again = again.saturating_add(self.expanded[*to].unwrap_or((1, 1)).0);
        }
        if !node.unevaluated.is_empty() {
            answers = answers.saturating_add(again);
        }
        if answers > self.limits.expanded {
            let most = self.limits.expanded;
            return reject(
                "expanded",
                &self.pointers[own],
                format!("at most {most} subschemas when references are followed"),
            );
        }
        self.expanded[own] = Some((answers, again));
        Ok((answers, again))
    }
}

/// The place of a member.
fn child(at: &str, name: &str) -> String {
    format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"))
}

/// The escapes of a pattern that stand for classes, and those for control characters.
fn classes(pattern: &str) -> usize {
    pattern.as_bytes().windows(2).filter(|it| it[0] == b'\\' && b"dDwWsSc".contains(&it[1])).count()
}

/// The states of the automaton of a pattern, or why it has none that is small enough and takes linear time.
fn states(pattern: &str) -> Result<u64, String> {
    let Ok(pattern) = jsonschema_regex::to_rust_regex(pattern) else {
        return Err("it is no regular expression".to_owned());
    };
    let config = NFA::config().nfa_size_limit(Some(PATTERN_MEMORY));
    match NFA::compiler().configure(config).build(&pattern) {
        Ok(it) => Ok(to_u64(it.states().len())),
        Err(why) if why.size_limit().is_some() => Err("it repeats too much: its automaton is too large".to_owned()),
        // `regex` shows the pattern over several lines, and what is wrong with it in the last one
        Err(why) => {
            let why = why.source().map_or_else(|| why.to_string(), ToString::to_string);
            Err(why.lines().next_back().unwrap_or_default().trim_start_matches("error: ").to_owned())
        }
    }
}

#[cfg(test)]
mod tests;
