//! Form bodies with nested names, as Stripe takes them: `items[0][price]`, `metadata[tenant]`, `expand[]`.

use serde_json::{Map, Value};

/// Segments of a name, at most. A longer name stays one segment, and is so unknown.
const MAX_SEGMENTS: usize = 8;

/// Decodes a form. Nested names become objects; the elements of a list stand under their indexes. All values are strings.
pub(crate) fn decode(form: &str) -> Value {
    let mut root = Map::new();
    for (name, value) in form_urlencoded::parse(form.as_bytes()) {
        insert(&mut root, &segments(&name), &value);
    }
    Value::Object(root)
}

/// `items[0][price]` is `items`, `0`, `price`. A name whose brackets do not match is one segment.
fn segments(name: &str) -> Vec<&str> {
    let Some((first, rest)) = name.split_once('[') else { return vec![name] };
    let Some(inner) = rest.strip_suffix(']').filter(|_| !first.is_empty()) else { return vec![name] };
    let all: Vec<&str> = std::iter::once(first).chain(inner.split("][")).collect();
    let is_plain = all.len() <= MAX_SEGMENTS && !all.iter().any(|it| it.contains(['[', ']']));
    if is_plain { all } else { vec![name] }
}

fn insert(object: &mut Map<String, Value>, segments: &[&str], value: &str) {
    let Some((first, rest)) = segments.split_first() else { return };
    let key = if first.is_empty() { unnumbered_index(object, rest) } else { (*first).to_owned() };
    if rest.is_empty() {
        object.insert(key, value.into());
        return;
    }
    let child = object.entry(key).or_insert_with(|| Value::Object(Map::new()));
    if !child.is_object() {
        *child = Value::Object(Map::new());
    }
    if let Some(child) = child.as_object_mut() {
        insert(child, rest, value);
    }
}

/// The index of an element that is written without one: that of a new element, or of the last one if it still lacks the
/// member that follows (`items[][price]=…&items[][quantity]=…` is one element).
fn unnumbered_index(list: &Map<String, Value>, rest: &[&str]) -> String {
    let last = list.len().checked_sub(1).map(|it| it.to_string());
    let takes_member = |index: &String| match (rest.first(), list.get(index)) {
        (Some(member), Some(Value::Object(element))) => !member.is_empty() && !element.contains_key(*member),
        _ => false,
    };
    last.filter(takes_member).unwrap_or_else(|| list.len().to_string())
}

/// The elements of a decoded list with their indexes, in their order.
pub(crate) fn elements(list: &Value) -> Vec<(&str, &Value)> {
    let mut all: Vec<(&str, &Value)> =
        list.as_object().into_iter().flatten().map(|(index, element)| (index.as_str(), element)).collect();
    all.sort_by_key(|(index, _)| index.parse::<u64>().unwrap_or(u64::MAX));
    all
}

/// The names of all values, each as its segments.
pub(crate) fn names(parameters: &Value) -> Vec<Vec<&str>> {
    let mut found = Vec::new();
    for (name, value) in parameters.as_object().into_iter().flatten() {
        match value {
            Value::Object(_) => found.extend(names(value).into_iter().map(|rest| [vec![name.as_str()], rest].concat())),
            _ => found.push(vec![name.as_str()]),
        }
    }
    found
}

/// A name as a form has it: `items`, `0`, `price` is `items[0][price]`.
pub(crate) fn bracketed(segments: &[&str]) -> String {
    let (first, rest) = segments.split_first().map_or(("", &[][..]), |(first, rest)| (*first, rest));
    rest.iter().fold(first.to_owned(), |name, segment| format!("{name}[{segment}]"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(form: &str, want: Value) {
        assert_eq!(decode(form), want, "{form}");
    }

    #[test]
    fn nested_names_become_objects() {
        check("", json!({}));
        check("email=a%40b.c&name=A+B", json!({ "email": "a@b.c", "name": "A B" }));
        check(
            "items[0][price]=price_a&items[0][quantity]=2",
            json!({ "items": { "0": { "price": "price_a", "quantity": "2" } } }),
        );
        check("metadata%5Btenant%5D=t&metadata%5B0%5D=zero", json!({ "metadata": { "tenant": "t", "0": "zero" } }));
        check("expand[]=a&expand[]=b", json!({ "expand": { "0": "a", "1": "b" } }));
        check(
            "items[][price]=a&items[][quantity]=1&items[][price]=b",
            json!({ "items": { "0": { "price": "a", "quantity": "1" }, "1": { "price": "b" } } }),
        );
        check("metadata=", json!({ "metadata": "" }));
        check("a=1&a=2", json!({ "a": "2" }));
        check("a=1&a[b]=2", json!({ "a": { "b": "2" } }));
    }

    #[test]
    fn a_name_whose_brackets_do_not_match_is_one_name() {
        for name in ["a[b", "a]b", "[a]", "a[b]c", "a[[b]]", "a[b]][c]"] {
            check(&format!("{name}=1"), json!({ name: "1" }));
        }
        let deep = format!("a{}", "[b]".repeat(10_000));
        check(&format!("{deep}=1"), json!({ deep: "1" }));
    }

    #[test]
    fn lists_keep_the_order_of_their_indexes_and_names_are_written_as_they_came() {
        let decoded = decode("items[10][price]=c&items[2][price]=b&items[0][price]=a&cancel_at_period_end=true");
        let prices: Vec<(&str, &Value)> =
            elements(&decoded["items"]).into_iter().map(|(index, item)| (index, &item["price"])).collect();
        assert_eq!(prices, [("0", &json!("a")), ("2", &json!("b")), ("10", &json!("c"))]);
        let names: Vec<String> = names(&decoded).iter().map(|it| bracketed(it)).collect();
        assert_eq!(names, ["cancel_at_period_end", "items[0][price]", "items[10][price]", "items[2][price]"]);
        assert!(elements(&decoded["none"]).is_empty());
    }
}
