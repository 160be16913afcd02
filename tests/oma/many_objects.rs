//! Requests about many objects at once, and payloads of several parts.

use serde_json::{Value, json};
use system_tests::{World, text};

use super::client::{Client, in_both};

async fn bulk(client: &Client<'_>, root: &str, content: Value) -> super::client::Answer {
    client.ask("POST", &client.store(&format!("objects/operations/{root}")), Some(json!({ root: content }))).await
}

async fn flags(client: &Client<'_>, object: &str) -> Value {
    client.ask("GET", &format!("{object}/flags"), None).await.root("flagList")["flag"].clone()
}

#[test]
fn flags_of_many_objects_change_and_many_objects_go() {
    World::run(async |world| {
        in_both(world, async |client| {
            let mut objects = Vec::new();
            for _ in 0..3 {
                objects.push(client.object(json!({ "flags": { "flag": ["\\Flagged"] } })).await);
            }
            let missing = format!("{}9", objects[2]);
            let named = |urls: &[&String]| {
                json!({ "objectReference": urls.iter().map(|it| json!({ "resourceURL": it })).collect::<Vec<_>>() })
            };
            let two = named(&[&objects[0], &missing, &objects[1]]);
            let seen = json!({ "objects": two, "flags": { "flag": ["\\Seen"] }, "operation": "AddFlag" });
            let list = bulk(client, "bulkUpdate", seen).await.root("bulkResponseList");
            let codes: Vec<u64> = list["response"].as_array().unwrap().iter().filter_map(|it| it["code"].as_u64()).collect();
            assert_eq!(codes, [200, 404, 200], "{list}");
            assert_eq!(flags(client, &objects[0]).await, json!(["\\Flagged", "\\Seen"]));
            assert_eq!(flags(client, &objects[2]).await, json!(["\\Flagged"]));

            let criteria = json!({ "maxEntries": 10, "searchCriteria": { "criterion": [{ "type": "Flag", "name": "\\Seen", "value": "true" }] } });
            let unseen = json!({ "selectionCriteria": criteria, "flags": { "flag": ["\\SEEN"] }, "operation": "RemoveFlag" });
            assert_eq!(bulk(client, "bulkUpdate", unseen).await.status, 200);
            assert_eq!(flags(client, &objects[1]).await, json!(["\\Flagged"]));

            assert_eq!(bulk(client, "bulkDelete", json!({ "objects": named(&[&objects[0], &objects[1]]) })).await.status, 204);
            assert_eq!(client.ask("GET", &objects[0], None).await.status, 404);
            let rest = bulk(client, "bulkDelete", json!({ "objects": named(&[&objects[0], &objects[2]]) })).await;
            assert_eq!(rest.root("bulkResponseList")["response"].as_array().unwrap().len(), 2, "{}", rest.text);
            let none = bulk(client, "bulkDelete", json!({ "objects": named(&[&objects[0]]) })).await;
            assert_eq!(none.status, 404, "nothing succeeded: {}", none.text);
            assert_eq!(bulk(client, "bulkDelete", json!({})).await.fault().0, 400, "neither objects nor criteria");
        })
        .await;
    });
}

#[test]
fn the_parts_of_a_multipart_payload_are_read_one_by_one() {
    World::run(async |world| {
        let client = &Client::new(world, super::client::Format::Json);
        let inner = "--in\r\nContent-Type: text/plain\r\nContent-ID: <one@x>\r\n\r\nHello\r\n--in\r\nContent-Type: image/png\r\n\r\nPNG\r\n--in--\r\n";
        let root = json!({ "object": { "attributes": { "attribute": [] }, "flags": { "flag": [] } } });
        let body = format!(
            "--cut\r\nContent-Disposition: form-data; name=\"root-fields\"\r\nContent-Type: application/json\r\n\r\n{root}\r\n\
             --cut\r\nContent-Disposition: form-data; name=\"attachments\"\r\nContent-Type: multipart/mixed; boundary=\"in\"\r\n\r\n{inner}\r\n--cut--\r\n"
        );
        let made = world
            .http
            .post(format!("{}{}", world.stack.url, client.store("objects")))
            .header("x-api-key", &world.keys.api_key)
            .header("x-api-secret", &world.keys.api_secret)
            .header("content-type", "multipart/form-data; boundary=cut")
            .body(body);
        let made: Value = made.send().await.unwrap().json().await.unwrap();
        let url = text(&made["reference"]["resourceURL"]);
        let object = client.ask("GET", &url, None).await.root("object");
        let parts = object["payloadPart"].as_array().unwrap();
        let said: Vec<_> = parts.iter().map(|it| (text(&it["contentType"]), it["size"].as_u64().unwrap())).collect();
        assert_eq!(said, [("text/plain".to_owned(), 5), ("image/png".to_owned(), 3)], "{object}");
        assert_eq!(parts[0]["contentId"], "<one@x>");
        let second = client.ask("GET", &text(&parts[1]["href"]), None).await;
        assert_eq!((second.text.as_str(), second.header("content-type")), ("PNG", "image/png"));
        assert_eq!(client.ask("GET", &format!("{url}/payloadParts/p3"), None).await.status, 404);
        let whole = client.ask("GET", &text(&object["payloadURL"]), None).await;
        assert_eq!(whole.text, inner, "as it came");
    });
}
