//! Schemas of types: what they may cost is bounded, and one application's schemas are no other's trouble.

use serde_json::{Value, json};
use system_tests::{World, text};

const PATH: &str = "/api/v1/Inbox/jane/Notifications";

async fn give(world: &World<'_>, kind: &str, schema: Value) -> (u16, Value) {
    world.ask("PUT", &format!("/api/v1/Types/{kind}"), Some(json!({ "schema": schema }))).await
}

async fn send(world: &World<'_>, kind: &str, data: &Value) -> (u16, Value) {
    world.ask("POST", PATH, Some(json!({ "title": "t", "type": kind, "data": data }))).await
}

/// A value within lists.
fn nested(levels: usize) -> Value {
    (0..levels).fold(json!(1), |it, _| json!([it]))
}

/// Lists of lists; each list is held against the schema of its items twice, and those of these lists four times.
fn doubling() -> Value {
    json!({ "additionalProperties": { "$ref": "#/$defs/list" }, "$defs": { "list": {
        "anyOf": [{ "items": { "$ref": "#/$defs/list" } }, { "items": { "$ref": "#/$defs/list" } }] } } })
}

#[test]
fn a_schema_that_could_cost_too_much_is_refused_with_the_rule_and_the_place() {
    World::run(async |world| {
        let names = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o"];
        let mut twice = json!({ "$ref": "#/$defs/a", "$defs": { "end": { "type": "string" } } });
        for (index, name) in names.iter().enumerate() {
            let next = json!({ "$ref": format!("#/$defs/{}", names.get(index + 1).unwrap_or(&"end")) });
            twice["$defs"][*name] = json!({ "allOf": [next.clone(), next] });
        }
        let deep = (0..40).fold(json!({}), |it, _| json!({ "properties": { "a": it } }));
        for (schema, rule, place) in [
            (twice, "expanded: ", "/$defs/"),
            (deep, "depth: ", "/properties/a/properties/a"),
            (json!({ "anyOf": vec![true; 1_000] }), "schemas: ", "/anyOf/999"),
            (json!({ "not": { "anyOf": [{ "$ref": "#" }] } }), "recursion: ", "#`"),
            (json!({ "items": { "$ref": "https://example.com/schema" } }), "reference: ", "/items/$ref"),
            (json!({ "properties": { "a": { "pattern": "^(?=x)x+$" } } }), "pattern: ", "/properties/a/pattern"),
            (json!({ "patternProperties": { r"(x)\1": true } }), "pattern: ", "/patternProperties/"),
            (json!({ "properties": { "a": { "type": "nonsense" } } }), "schema: ", "/properties/a/type"),
            (json!({ "description": "x".repeat(33_000) }), "size: ", ""),
        ] {
            let (status, problem) = give(world, "order.paid", schema).await;
            let detail = text(&problem["detail"]);
            assert_eq!((status, &problem["field"]), (422, &json!("schema")), "{problem}");
            assert!(
                detail.starts_with(&format!("schema: {rule}")) && detail.contains(place),
                "{rule}{place}: {detail}"
            );
        }
        assert_eq!(world.get("/api/v1/Types").await, json!([]), "nothing of that is stored");
    });
}

#[test]
fn ordinary_schemas_are_held_against_what_is_sent() {
    World::run(async |world| {
        let order = json!({ "type": "object", "required": ["total"], "properties": {
                "total": { "$ref": "#/$defs/money" }, "tax": { "$ref": "#/$defs/money" },
                "notes": { "type": "array", "items": { "$ref": "#/$defs/note" } } },
            "$defs": { "money": { "type": "string", "pattern": r"^\d+\.\d\d$" },
                "note": { "type": "object", "properties": { "text": { "type": "string" },
                    "answers": { "type": "array", "items": { "$ref": "#/$defs/note" } } } } } });
        let (status, answer) = give(world, "order.paid", order).await;
        assert_eq!(status, 200, "{answer}");
        let thread = (0..20).fold(json!({ "text": "end" }), |it, _| json!({ "text": "on", "answers": [it] }));
        let good = json!({ "total": "12.50", "tax": "0.90", "notes": [thread] });
        let (status, sent) = send(world, "order.paid", &good).await;
        assert_eq!(status, 201, "{sent}");
        for (data, field) in [
            (json!({ "total": "12.5" }), "data/total"),
            (json!({ "total": "1.00", "notes": [{ "answers": [{ "text": 7 }] }] }), "data/notes/0/answers/0/text"),
            (json!({}), "data"),
        ] {
            let (status, problem) = send(world, "order.paid", &data).await;
            assert_eq!((status, text(&problem["field"]).as_str()), (422, field), "{problem}");
        }
        let (status, problem) = world
            .ask("PUT", &format!("{PATH}/{}", text(&sent[0]["id"])), Some(json!({ "title": "t", "data": {} })))
            .await;
        assert_eq!((status, &problem["field"]), (422, &json!("data")), "a change has to fit as well: {problem}");
    });
}

#[test]
fn data_that_would_take_too_much_work_is_refused_before_it_is_done() {
    World::run(async |world| {
        assert_eq!(give(world, "lists", doubling()).await.0, 200, "recursion within lists is good");
        assert_eq!(send(world, "lists", &json!({ "a": nested(5) })).await.0, 201);
        let (status, problem) = send(world, "lists", &json!({ "a": nested(60) })).await;
        assert_eq!((status, &problem["field"]), (422, &json!("schema")), "{problem}");
        assert!(text(&problem["detail"]).starts_with("schema: work: "), "{problem}");
        // in a list of notifications it is the one entry
        let batch = json!([
            { "title": "deep", "type": "lists", "data": { "a": nested(60) } },
            { "title": "flat", "type": "lists", "data": { "a": nested(2) } },
        ]);
        let (status, sent) = world.ask("POST", PATH, Some(batch)).await;
        assert_eq!((status, &sent[0]["status"], &sent[1]["status"]), (201, &json!(422), &json!(201)), "{sent}");
    });
}

#[test]
fn an_application_with_heavy_schemas_leaves_the_others_alone() {
    World::run(async |world| {
        let other = World::at(world.stack).await;
        // 300 schemas for each of 700 items: most of what the budget of a notification lets through
        let rows = vec![json!({ "items": { "minimum": 0 } }); 300];
        let (status, answer) = give(world, "heavy", json!({ "properties": { "list": { "allOf": rows } } })).await;
        assert_eq!(status, 200, "{answer}");
        let light = json!({ "type": "object", "properties": { "name": { "type": "string", "maxLength": 20 } } });
        assert_eq!(give(&other, "light", light).await.0, 200);
        let heavy = async {
            let mut seen = Vec::new();
            for _ in 0..6 {
                seen.push(send(world, "heavy", &json!({ "list": vec![0; 700] })).await);
            }
            seen
        };
        let light = async {
            let mut seen = Vec::new();
            for _ in 0..12 {
                seen.push(send(&other, "light", &json!({ "name": "Jane" })).await);
            }
            seen
        };
        let (heavy, light) = futures_util::future::join(heavy, light).await;
        for (status, answer) in heavy {
            assert!(matches!(status, 201 | 422 | 429), "it is answered, whatever the machine is busy with: {answer}");
        }
        for (status, answer) in light {
            assert_eq!(status, 201, "{answer}");
        }
    });
}
