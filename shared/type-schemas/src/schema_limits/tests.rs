//! What is within the bounds, and what is refused, where.

use serde_json::json;

use super::*;

/// Few enough that the cases stay small.
const SMALL: Limits =
    Limits { depth: 4, schemas: 40, expanded: 60, chain: 20, patterns: 3, classes: 8, nfa_states: 2_000 };

#[track_caller]
fn refuses(bounds: &Limits, schema: Value, rule: &str, at: &str) -> String {
    let why = analyze(&schema, bounds).err().unwrap_or_else(|| panic!("{schema} is within the bounds"));
    assert_eq!((why.rule, why.pointer.as_str()), (rule, at), "{schema}: {why}");
    why.to_string()
}

#[track_caller]
fn accepts(schema: Value) {
    if let Err(why) = analyze(&schema, &LIMITS) {
        panic!("{schema}: {why}");
    }
}

/// Definitions `a`, `b` and so on, each of which has the next one twice.
fn twice(names: &[&str], refer: impl Fn(&str) -> Value) -> Value {
    let mut all = json!({ "last": { "type": "string" } });
    for (index, name) in names.iter().enumerate() {
        all[*name] = refer(&format!("#/$defs/{}", names.get(index + 1).unwrap_or(&"last")));
    }
    json!({ "$ref": format!("#/$defs/{}", names[0]), "$defs": all })
}

#[test]
fn what_doubles_with_each_definition_is_refused() {
    let all_of = |to: &str| json!({ "allOf": [{ "$ref": to }, { "$ref": to }] });
    let members = |to: &str| json!({ "properties": { "x": { "$ref": to }, "y": { "$ref": to } } });
    let names = ["a", "b", "c", "d", "e"];
    // 1, 5, 13, 29, 61: a definition is itself and two references to the next one
    refuses(&SMALL, twice(&names, all_of), "expanded", "/$defs/b");
    refuses(&SMALL, twice(&names, members), "expanded", "/$defs/b");
    assert!(analyze(&twice(&names[..3], all_of), &SMALL).is_ok());
    accepts(twice(&names, all_of));
    // 2^200, in the time that it takes to read it
    let many: Vec<String> = (0..200).map(|it| format!("d{it}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let why = analyze(&twice(&many, members), &LIMITS).err().unwrap();
    assert_eq!(why.rule, "expanded");
}

#[test]
fn what_unevaluated_asks_again_counts_as_often() {
    let levels = |count| (0..count).fold(json!({}), |it, _| json!({ "allOf": [it], "unevaluatedProperties": false }));
    accepts(levels(4));
    assert_eq!(analyze(&levels(12), &LIMITS).err().unwrap().rule, "expanded");
}

#[test]
fn recursion_needs_a_value_within() {
    for (schema, at) in [
        (json!({ "$ref": "#" }), ""),
        (json!({ "$defs": { "a": { "$ref": "#/$defs/a" } } }), "/$defs/a"),
        (
            json!({ "$ref": "#/$defs/a", "$defs": { "a": { "anyOf": [{ "$ref": "#/$defs/b" }] }, "b": { "not": { "$ref": "#/$defs/a" } } } }),
            "/$defs/a",
        ),
        (json!({ "if": { "$ref": "#" } }), ""),
        (json!({ "dependentSchemas": { "a": { "$dynamicRef": "#top" } }, "$dynamicAnchor": "top" }), ""),
        (json!({ "oneOf": [{ "else": { "$recursiveRef": "#" } }] }), ""),
    ] {
        refuses(&LIMITS, schema, "recursion", at);
    }
    // the library takes it for the root, whatever it says: so nothing else is taken
    let elsewhere = json!({ "items": { "$recursiveRef": "#/$defs/x" }, "$defs": { "x": {} } });
    refuses(&LIMITS, elsewhere, "reference", "/items/$recursiveRef");
    accepts(json!({ "items": { "$recursiveRef": "#" } }));
    for keyword in ["items", "contains", "additionalProperties", "propertyNames", "unevaluatedItems"] {
        accepts(json!({ keyword: { "$ref": "#" } }));
    }
    accepts(json!({ "prefixItems": [{ "$ref": "#" }], "properties": { "a": { "$dynamicRef": "#" } } }));
    accepts(json!({ "patternProperties": { "^x": { "$ref": "#top" } }, "$anchor": "top" }));
}

#[test]
fn sizes_are_bounded() {
    let deep = (0..4).fold(json!({}), |it, _| json!({ "properties": { "a": it } }));
    refuses(&SMALL, deep, "depth", "/properties/a/properties/a/properties/a/properties/a");
    refuses(&SMALL, json!({ "anyOf": vec![true; 40] }), "schemas", "/anyOf/39");
    let row: Value = (0..21).map(|it| (format!("d{it}"), json!({ "$ref": format!("#/$defs/d{}", it + 1) }))).collect();
    let mut row = json!({ "$defs": row });
    row["$defs"]["d21"] = json!({});
    let why = analyze(&row, &SMALL).err().unwrap();
    assert_eq!(why.rule, "chain");
    accepts(row);
}

#[test]
fn references_stay_within_the_schema() {
    for to in [
        "https://json-schema.org/draft/2020-12/schema",
        "other.json#/$defs/a",
        "#/$defs/none",
        "#none",
        "#/properties/a/enum/0",
        "#/examples/0",
    ] {
        let schema = json!({ "items": { "$ref": to }, "properties": { "a": { "enum": [{}] } }, "examples": [{}] });
        refuses(&LIMITS, schema, "reference", "/items/$ref");
    }
    refuses(&LIMITS, json!({ "$defs": { "a": { "$id": "https://example.com/a" } } }), "reference", "/$defs/a/$id");
    refuses(&LIMITS, json!({ "items": { "$anchor": "a" }, "not": { "$anchor": "a" } }), "reference", "/not/$anchor");
    refuses(&LIMITS, json!({ "$schema": "https://example.com/own" }), "draft", "/$schema");
    refuses(&LIMITS, json!({ "items": { "$schema": "http://json-schema.org/schema" } }), "draft", "/items/$schema");
    accepts(json!({ "items": { "$ref": "#/$defs/a%20~1b" }, "$defs": { "a /b": { "type": "string" } } }));
    accepts(json!({ "properties": { "$ref": { "type": "string" }, "$schema": { "type": "string" } } }));
}

#[test]
fn patterns_take_linear_time() {
    let of = |pattern: &str| json!({ "properties": { "a": { "pattern": pattern } } });
    for (pattern, why) in [
        ("^(?=.*[0-9]).+$", "look-around"),
        ("^(?!x)", "look-around"),
        (r"(?<=a)b", "look-around"),
        (r"(a)\1", "backreferences"),
        ("((a{100}){100}){100}", "repeats too much"),
        ("(", "no regular expression"),
    ] {
        let said = refuses(&LIMITS, of(pattern), "pattern", "/properties/a/pattern");
        assert!(said.contains(why), "{pattern}: {said}");
    }
    refuses(&LIMITS, of(&"a".repeat(1_025)), "pattern", "/properties/a/pattern");
    refuses(&LIMITS, json!({ "patternProperties": { "^(?!x)": {} } }), "pattern", "/patternProperties/^(?!x)");
    for good in
        ["^[A-Z]{2}[0-9]{4}$", r"^\d{4}-\d{2}-\d{2}$", r"^\S+@\S+$", r"^\p{L}+$", "^.{1,255}$", "^(a|aa)+$", "x*"]
    {
        accepts(of(good));
    }
    let several = |all: &[&str]| json!({ "anyOf": all.iter().map(|it| json!({ "pattern": it })).collect::<Vec<_>>() });
    refuses(&SMALL, several(&["a", "b", "c", "d"]), "patterns", "/anyOf/3/pattern");
    assert!(analyze(&several(&["a", "b", "c", "a", "b", "c"]), &SMALL).is_ok(), "the same ones are few");
    refuses(&SMALL, several(&[r"\d\d\d\d", r"\w\w\s\S\D"]), "patterns", "/anyOf/1/pattern");
    refuses(&SMALL, several(&["x{900}", "y{900}", "z{900}"]), "patterns", "/anyOf/2/pattern");
}

#[test]
fn schemas_that_people_write_are_within() {
    let money = json!({ "type": "object", "required": ["amount", "currency"], "additionalProperties": false,
        "properties": { "amount": { "type": "string", "pattern": r"^-?\d+(\.\d{1,2})?$" },
            "currency": { "type": "string", "enum": ["CHF", "EUR", "USD"] } } });
    let shared: Value = ["price", "tax", "shipping", "discount", "total", "paid", "due"]
        .into_iter()
        .map(|it| (it.to_owned(), json!({ "$ref": "#/$defs/money" })))
        .collect();
    accepts(
        json!({ "$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "https://example.com/order.json",
        "type": "object", "properties": shared, "$defs": { "money": money } }),
    );
    accepts(json!({ "$schema": "http://json-schema.org/draft-07/schema#", "$ref": "#/definitions/comment",
        "definitions": { "comment": { "type": "object", "required": ["text"], "properties": {
            "text": { "type": "string", "maxLength": 1000 }, "at": { "type": "string", "format": "date-time" },
            "replies": { "type": "array", "items": { "$ref": "#/definitions/comment" } } } } } }));
    // a generator of the days of draft 7 gave each subschema an id like this
    accepts(json!({ "$schema": "http://json-schema.org/draft-07/schema", "$id": "http://example.com/root.json",
        "properties": { "checked": { "$id": "#/properties/checked", "type": "boolean" } } }));
    accepts(json!({ "$schema": "https://json-schema.org/draft/2019-09/schema", "$recursiveAnchor": true,
        "properties": { "child": { "$recursiveRef": "#" } }, "unevaluatedProperties": false }));
    let shape = |kind: &str| json!({ "required": ["kind", "at"], "properties": { "kind": { "const": kind }, "at": { "$ref": "#point" } } });
    accepts(json!({ "oneOf": [shape("circle"), shape("square"), shape("line")], "unevaluatedProperties": false,
        "$defs": { "point": { "$anchor": "point", "type": "array", "prefixItems": [{ "type": "number" }, { "type": "number" }], "items": false } } }));
    for plain in [json!(true), json!(false), json!({})] {
        accepts(plain);
    }
}
