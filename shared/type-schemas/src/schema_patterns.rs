//! Patterns of JSON Schemas: their limits, and the size of their automata.

use std::error::Error as _;

use regex_automata::nfa::thompson::NFA;

use crate::schema_cost::to_u64;

/// The longest pattern, in bytes. Patterns of IPv6 or RFC 5322 have some hundred.
pub(crate) const MAX_PATTERN: usize = 1_024;
/// The largest NFA of a pattern, in bytes: `.{1,500}` is within it, nested repetitions are not. `regex` allows 10 MB.
pub(crate) const PATTERN_MEMORY: usize = 512 * 1024;
/// The cache of a pattern's lazy DFA, in bytes. The default of `regex` is 2 MB.
pub(crate) const DFA_MEMORY: usize = 64 * 1024;

/// The escapes of a pattern for classes, and those for control characters.
pub(crate) fn count_classes(pattern: &str) -> usize {
    pattern.as_bytes().windows(2).filter(|it| it[0] == b'\\' && b"dDwWsSc".contains(&it[1])).count()
}

/// The states of a pattern's NFA, or why the pattern is rejected: it cannot match in linear time, or its NFA is too large.
pub(crate) fn count_nfa_states(pattern: &str) -> Result<u64, String> {
    let Ok(pattern) = jsonschema_regex::to_rust_regex(pattern) else {
        return Err("it is no regular expression".to_owned());
    };
    let config = NFA::config().nfa_size_limit(Some(PATTERN_MEMORY));
    match NFA::compiler().configure(config).build(&pattern) {
        Ok(nfa) => Ok(to_u64(nfa.states().len())),
        Err(error) if error.size_limit().is_some() => Err("it repeats too much: its automaton is too large".to_owned()),
        // `regex` prints the pattern over several lines, and the reason in the last one
        Err(error) => {
            let text = error.source().map_or_else(|| error.to_string(), ToString::to_string);
            Err(text.lines().next_back().unwrap_or_default().trim_start_matches("error: ").to_owned())
        }
    }
}
