//! The descriptions of the OMA APIs are true: each answer has a status, a media type and a schema that the OpenAPI document
//! names for its operation, and each frame of a socket is one of the AsyncAPI document.

use serde_json::{Value, json};
use system_tests::{World, text};

use super::client::{Answer, Client, Format, event_list, in_both, lifetime_url, merged};

const CHANNELS: &str = "/notificationchannel/v1/{userId}/channels";
const CHANNEL: &str = "/notificationchannel/v1/{userId}/channels/{channelId}";
const LIFETIME: &str = "/notificationchannel/v1/{userId}/channels/{channelId}/channelLifetime";
const POLL: &str = "/notificationchannel/v1/poll/{token}";
const CALLBACK: &str = "/notificationchannel/v1/callbacks/{token}";
const BOX: &str = "/nms/v1/{storeName}/{boxId}";

/// A client whose answers are held against the description.
struct Described<'a> {
    client: &'a Client<'a>,
    /// The OpenAPI document.
    api: &'a Value,
}

impl Described<'_> {
    /// Asks with the application's keys. `path` is the operation's own, or what follows that of a box.
    async fn ask(&self, method: &str, path: &str, url: &str, document: Option<Value>, want: u16) -> Answer {
        let answer = self.client.ask(method, url, document).await;
        self.check(method, path, &answer, want);
        answer
    }

    /// Asks for something in the box.
    async fn in_box(&self, method: &str, path: &str, rest: &str, document: Option<Value>, want: u16) -> Answer {
        self.ask(method, path, &self.client.store(rest), document, want).await
    }

    /// Posts to a URL that holds its own token.
    async fn call(&self, path: &str, url: &Value, document: Value, want: u16) {
        self.check("POST", path, &self.client.call(url, document).await, want);
    }

    #[track_caller]
    fn check(&self, method: &str, path: &str, answer: &Answer, want: u16) {
        let path = if self.api["paths"].get(path).is_some() { path.to_owned() } else { format!("{BOX}{path}") };
        let what = format!("{method} {path}: {} {}", answer.status, answer.text);
        assert_eq!(answer.status, want, "{what}");
        let operation = &self.api["paths"][&path][method.to_lowercase()];
        let content = &operation["responses"][want.to_string()]["content"];
        assert!(operation["responses"].get(want.to_string()).is_some(), "{what}: the status is not described");
        if answer.text.is_empty() {
            assert!(content.is_null() || content.get("*/*").is_some(), "{what}: a body is described");
            return;
        }
        let kind = answer.header("content-type").split(';').next().unwrap_or_default();
        let known = content.get(kind).is_some() || content.get("*/*").is_some();
        assert!(known, "{what}: {kind} is not described");
        if let Some(schema) = content[kind].get("schema").filter(|_| kind == "application/json") {
            assert_fits(self.api, schema, &serde_json::from_str(&answer.text).unwrap());
        }
    }
}

/// Holds a value against a schema of a document.
#[track_caller]
fn assert_fits(document: &Value, schema: &Value, value: &Value) {
    let mut schema = schema.clone();
    schema["components"] = json!({ "schemas": document["components"]["schemas"] });
    let validator = jsonschema::validator_for(&schema).unwrap();
    if let Err(error) = validator.validate(value) {
        panic!("{error}: {value}");
    }
}

#[test]
fn every_answer_is_as_it_is_described() {
    World::run(async |world| {
        let api = &world.get("/docs/openapi.json").await;
        in_both(world, async |client| {
            let described = &Described { client, api };
            channels(described).await;
            objects(described).await;
            many(described).await;
            folders(described).await;
            subscriptions(described).await;
            described.ask("DELETE", BOX, client.store("").trim_end_matches('/'), None, 204).await;
            if client.format == Format::Json {
                seed(described).await;
            }
        })
        .await;
    });
}

async fn channels(described: &Described<'_>) {
    let (client, list) = (described.client, described.client.channels());
    let wanted = |more: Value| {
        let channel = merged(json!({ "channelType": "LongPolling", "clientCorrelator": "1" }), more);
        Some(json!({ "notificationChannel": channel }))
    };
    described.ask("GET", CHANNELS, &list, None, 200).await;
    let made = described.ask("POST", CHANNELS, &list, wanted(json!({})), 201).await;
    let channel = made.root("notificationChannel");
    let url = text(&channel["resourceURL"]);
    assert_eq!(made.header("location"), url);
    described.ask("POST", CHANNELS, &list, wanted(json!({ "applicationTag": "other" })), 409).await;
    described.ask("POST", CHANNELS, &list, wanted(json!({ "channelLifetime": 0 })), 400).await;
    described.ask("POST", CHANNELS, &list, wanted(json!({ "channelType": "OMAPush" })), 403).await;
    described.ask("GET", CHANNELS, &list, None, 200).await;
    described.ask("GET", CHANNELS, &format!("{list}?resFormat=YAML"), None, 406).await;
    let nobody = Answer::to(client.request("GET", &list), client.format).await;
    described.check("GET", CHANNELS, &nobody, 401);
    described.ask("GET", CHANNEL, &url, None, 200).await;
    described.ask("GET", LIFETIME, &lifetime_url(&channel), None, 200).await;
    let lifetime = |seconds: u64| Some(json!({ "notificationChannelLifetime": { "channelLifetime": seconds } }));
    described.ask("PUT", LIFETIME, &lifetime_url(&channel), lifetime(3_600), 200).await;
    described.ask("PUT", LIFETIME, &lifetime_url(&channel), lifetime(0), 400).await;
    let (callback, poll) = (&channel["callbackURL"], &channel["channelData"]["channelURL"]);
    let chat = json!({ "presenceNotification": { "resourceStatus": "Active" } });
    described.call(CALLBACK, callback, event_list(1), 204).await;
    described.call(CALLBACK, callback, json!({ "connCheck": null }), 400).await;
    described.call(CALLBACK, &json!(text(callback) + "x"), event_list(1), 404).await;
    if client.format == Format::Json {
        described.call(CALLBACK, callback, chat, 204).await;
    }
    let nothing = json!({ "longPollingRequestParameters": null });
    described.call(POLL, poll, nothing.clone(), 200).await;
    described.call(POLL, &json!(text(poll) + "x"), nothing, 404).await;
    described.ask("DELETE", CHANNEL, &url, None, 204).await;
    for (method, path, url) in
        [("DELETE", CHANNEL, url.clone()), ("GET", CHANNEL, url), ("GET", LIFETIME, lifetime_url(&channel))]
    {
        described.ask(method, path, &url, None, 404).await;
    }
}

/// An object with a payload, and one without.
async fn objects(described: &Described<'_>) {
    let client = described.client;
    let made = client.try_object(json!({ "parentFolderPath": "/main", "correlationId": "c" })).await;
    described.check("POST", "/objects", &made, 201);
    let object = text(&made.root("reference")["resourceURL"]);
    let bare = json!({ "object": { "attributes": { "attribute": [] }, "flags": { "flag": ["\\Seen"] } } });
    let bare = described.in_box("POST", "/objects", "objects", Some(bare), 201).await;
    let bare = text(&bare.root("reference")["resourceURL"]);
    let lost = client.try_object(json!({ "parentFolder": "https://example.com/none" })).await;
    described.check("POST", "/objects", &lost, 400);
    for (url, payload) in [(&object, 200), (&bare, 404)] {
        described.ask("GET", "/objects/{objectId}", url, None, 200).await;
        described.ask("GET", "/objects/{objectId}/payload", &format!("{url}/payload"), None, payload).await;
    }
    described
        .ask("GET", "/objects/{objectId}/payloadParts/{partId}", &format!("{object}/payloadParts/p1"), None, 404)
        .await;
    let (path, flags) = ("/objects/{objectId}/flags", format!("{object}/flags"));
    described.ask("GET", path, &flags, None, 200).await;
    let wanted = json!({ "flagList": { "flag": ["\\Flagged"] } });
    described.ask("PUT", path, &flags, Some(wanted), 200).await;
    let (path, flag) = ("/objects/{objectId}/flags/{flagName}", format!("{object}/flags/%5CSeen"));
    for (method, want) in [("GET", 404), ("PUT", 201), ("PUT", 204), ("GET", 204), ("DELETE", 204), ("DELETE", 404)] {
        described.ask(method, path, &flag, None, want).await;
    }
    let path = "/objects/operations/search";
    let search = |kind: &str| {
        let criteria = json!({ "criterion": [{ "type": kind, "value": "" }] });
        Some(json!({ "selectionCriteria": { "maxEntries": 9, "searchCriteria": criteria } }))
    };
    for (kind, want) in [("AllTextAttributes", 200), ("CreatedObjects", 200), ("PresetSearch", 400)] {
        described.in_box("POST", path, &path[1..], search(kind), want).await;
    }
    described.ask("DELETE", "/objects/{objectId}", &bare, None, 204).await;
    described.ask("DELETE", "/objects/{objectId}", &bare, None, 404).await;
    described.in_box("POST", path, &path[1..], search("VanishedObjects"), 200).await;
    let (path, name) = ("/objects/operations/pathToId", object.rsplit('/').next().unwrap());
    for (query, want) in [(format!("?path=/main/{name}"), 200), ("?path=/none".to_owned(), 404), (String::new(), 400)] {
        described.in_box("GET", path, &format!("{}{query}", &path[1..]), None, want).await;
    }
    for (place, want) in [(format!("/main/{name}"), 200), ("/none".to_owned(), 404)] {
        described.in_box("POST", path, &path[1..], Some(json!({ "pathList": { "path": [place] } })), want).await;
    }
}

/// What is about many things at once.
async fn many(described: &Described<'_>) {
    let client = described.client;
    let object = |folder: &str| json!({ "parentFolderPath": folder, "attributes": { "attribute": [] } });
    let list = |all: Vec<Value>| json!({ "objectList": { "object": all } });
    let path = "/objects/operations/bulkCreation";
    let made = client.bulk(list(vec![object("/main"), object("/main")]), &["one", ""]).await;
    described.check("POST", path, &made, 200);
    let made = made.root("bulkResponseList");
    let named = |all: &[&Value]| {
        let all = all.iter().map(|it| json!({ "resourceURL": it["success"]["resourceURL"] }));
        json!({ "objectReference": all.collect::<Vec<Value>>() })
    };
    let (one, other) = (&made["response"][0], &made["response"][1]);
    let deep = "/a".repeat(40);
    described.check("POST", path, &client.bulk(list(vec![object(&deep)]), &[]).await, 400);
    let path = "/objects/operations/bulkUpdate";
    let update = |flag: &str| {
        let flags = json!({ "flag": [flag] });
        Some(json!({ "bulkUpdate": { "objects": named(&[one]), "flags": flags, "operation": "AddFlag" } }))
    };
    described.in_box("POST", path, &path[1..], update("\\Seen"), 200).await;
    described.in_box("POST", path, &path[1..], update(&"f".repeat(101)), 400).await;
    let path = "/objects/operations/bulkDelete";
    let both = Some(json!({ "bulkDelete": { "objects": named(&[one, other]) } }));
    described.in_box("POST", path, &path[1..], both.clone(), 204).await;
    described.in_box("DELETE", path, &path[1..], both, 404).await;
}

async fn folders(described: &Described<'_>) {
    let client = described.client;
    let folder = |name: &str| Some(json!({ "folder": { "name": name, "attributes": { "attribute": [] } } }));
    let made = described.in_box("POST", "/folders", "folders", folder("inner"), 201).await;
    let url = text(&made.root("reference")["resourceURL"]);
    described.in_box("POST", "/folders", "folders", folder("inner"), 409).await;
    described.in_box("POST", "/folders", "folders", folder("a/b"), 400).await;
    let root = client.store("folders/f0");
    for query in ["", "?maxEntries=1&path=Yes", "?listFilter=Objects&attrFilter=Root"] {
        described.ask("GET", "/folders/{folderId}", &format!("{root}{query}"), None, 200).await;
    }
    described.ask("GET", "/folders/{folderId}", &format!("{root}?maxEntries=0"), None, 400).await;
    described.in_box("GET", "/folders/{folderId}", "folders/f99999", None, 404).await;
    let path = "/folders/{folderId}/folderName";
    described.ask("GET", path, &format!("{url}/folderName"), None, 200).await;
    let renamed = Some(json!({ "name": "outer" }));
    described.ask("PUT", path, &format!("{url}/folderName"), renamed.clone(), 200).await;
    described.ask("PUT", path, &format!("{root}/folderName"), renamed, 403).await;
    let (path, all) = ("/folders/operations/search", json!({ "selectionCriteria": { "maxEntries": 9 } }));
    described.in_box("POST", path, &path[1..], Some(all), 200).await;
    let path = "/folders/operations/pathToId";
    described.in_box("GET", path, &format!("{}?path=/outer", &path[1..]), None, 200).await;
    let paths = json!({ "pathList": { "path": ["/none"] } });
    described.in_box("POST", path, &path[1..], Some(paths), 404).await;
    let transfer = |source: &str, target: &str| {
        let folders = json!({ "folderReference": [{ "resourceURL": source }] });
        let sources = json!({ "folders": folders, "objects": { "objectReference": [] } });
        Some(json!({ "targetSourceRef": { "targetRef": { "resourceURL": target }, "sourceRefs": sources } }))
    };
    let main = described.in_box("GET", path, &format!("{}?path=/main", &path[1..]), None, 200).await;
    let main = text(&main.root("reference")["resourceURL"]);
    for (path, source, target, want) in [
        ("/folders/operations/copyToFolder", &url, &main, 200),
        ("/folders/operations/copyToFolder", &url, &main, 409),
        ("/folders/operations/moveToFolder", &main, &url, 200),
        ("/folders/operations/moveToFolder", &url, &main, 403),
    ] {
        described.in_box("POST", path, &path[1..], transfer(source, target), want).await;
    }
    described.ask("DELETE", "/folders/{folderId}", &root, None, 403).await;
    described.ask("DELETE", "/folders/{folderId}", &url, None, 204).await;
    described.ask("DELETE", "/folders/{folderId}", &url, None, 404).await;
}

async fn subscriptions(described: &Described<'_>) {
    let client = described.client;
    let channel = client.create("LongPolling", json!({})).await;
    let filter = |kind: &str| json!({ "criterion": [{ "type": kind, "name": "\\Seen", "value": "true" }] });
    let wanted = json!({ "clientCorrelator": "1", "maxEvents": 5, "filter": filter("Flag") });
    let made = client.try_subscribe(&channel["callbackURL"], wanted).await;
    described.check("POST", "/subscriptions", &made, 201);
    let url = text(&made.root("nmsSubscription")["resourceURL"]);
    for (more, want) in [
        (json!({ "clientCorrelator": "1", "filter": filter("Attribute") }), 409),
        (json!({ "filter": filter("PresetSearch") }), 400),
        (json!({ "restartToken": "any" }), 400),
    ] {
        let refused = client.try_subscribe(&channel["callbackURL"], more).await;
        described.check("POST", "/subscriptions", &refused, want);
    }
    described.in_box("GET", "/subscriptions", "subscriptions", None, 200).await;
    let path = "/subscriptions/{subscriptionId}";
    described.ask("GET", path, &url, None, 200).await;
    for (token, want) in [(made.root("nmsSubscription")["restartToken"].clone(), 200), (json!("any"), 400)] {
        let update = json!({ "nmsSubscriptionUpdate": { "duration": 300, "restartToken": token } });
        described.ask("POST", path, &url, Some(update), want).await;
    }
    described.ask("DELETE", path, &url, None, 204).await;
    described.ask("GET", path, &url, None, 404).await;
    client.ask("DELETE", &text(&channel["resourceURL"]), None).await;
}

/// The seed's dialect.
async fn seed(described: &Described<'_>) {
    let (list, one, lifetime) =
        ("/{userId}/channels", "/{userId}/channels/{channelId}", "/{userId}/channels/{channelId}/channelLifetime");
    let sockets = json!({ "channelType": "WebSockets", "applicationTag": "t" });
    let made = described.ask("POST", list, "/5/channels", Some(sockets), 201).await;
    let url = format!("/5/channels/{}", made.body()["id"]);
    described.ask("POST", list, "/5/channels", Some(json!({ "channelType": "OMAPush" })), 422).await;
    described.ask("GET", list, "/5/channels", None, 200).await;
    described.ask("GET", one, &url, None, 200).await;
    let place = format!("{url}/channelLifetime");
    described.ask("GET", lifetime, &place, None, 200).await;
    described.ask("PUT", lifetime, &place, Some(json!({ "channelLifeTime": 100 })), 200).await;
    described.ask("PUT", lifetime, &place, Some(json!({ "channelLifeTime": 0 })), 422).await;
    described.ask("DELETE", one, &url, None, 204).await;
    described.ask("GET", one, &url, None, 404).await;
    described.ask("GET", lifetime, &place, None, 404).await;
    let dump = json!({ "userId": 5, "storeName": "myStore", "object": { "from_": "a", "to": ["b"] } });
    described.ask("POST", "/proxy", "/proxy", Some(dump), 201).await;
    described.ask("POST", "/proxy", "/proxy", Some(json!({ "userId": 5 })), 422).await;
    let channel = described.client.create("LongPolling", json!({})).await;
    let subscription = json!({ "callbackReference": { "notifyURL": channel["callbackURL"] } });
    let subscription = Some(json!({ "nmsSubscription": subscription }));
    let made = described.ask("POST", "/subscriptions", "/nms/v1/myStore/5/subscriptions", subscription, 201).await;
    let made = made.root("nmsSubscription");
    let url = text(&made["resourceURL"]);
    let replay = |id: &str, token: &Value| {
        Some(json!({ "userId": 5, "storeName": "myStore", "subscriptionId": id, "restartToken": token }))
    };
    let id = url.rsplit('/').next().unwrap();
    for (body, want) in [
        (replay(id, &made["restartToken"]), 202),
        (replay("s99999", &made["restartToken"]), 404),
        (replay(id, &json!("any")), 400),
        (replay("none", &json!("any")), 422),
    ] {
        described.ask("POST", "/replay", "/replay", body, want).await;
    }
    described.ask("DELETE", "/subscriptions/{subscriptionId}", &url, None, 204).await;
}

#[test]
fn every_frame_is_as_it_is_described() {
    World::run(async |world| {
        let api = &world.get("/docs/asyncapi.json").await;
        let client = &Client::new(world, Format::Json);
        let channel = client.create("WebSockets", json!({})).await;
        let mut socket = client.open(&channel).await;
        let known = |operation: &str| {
            let messages = api["operations"][operation]["messages"].as_array().unwrap();
            let follow = |it: &Value| api.pointer(it["$ref"].as_str().unwrap().trim_start_matches('#')).unwrap();
            messages.iter().map(|it| follow(follow(it))).collect::<Vec<&Value>>()
        };
        client.notify(&channel, 1).await;
        // whatever a client may say leaves the socket open
        for message in known("sayOma") {
            for example in message["examples"].as_array().into_iter().flatten() {
                assert_fits(api, &message["payload"], &example["payload"]);
                socket.say(&example["payload"]).await;
            }
        }
        let (frames, mut wanted) = (known("tellOma"), vec!["notificationList", "connAck"]);
        while !wanted.is_empty() {
            let frame = client.format.read(&socket.next_text().await.unwrap());
            let root = frame.as_object().unwrap().keys().next().unwrap();
            let message = frames.iter().find(|it| it["payload"]["properties"].get(root).is_some());
            let message = message.unwrap_or_else(|| panic!("{root} is not described"));
            assert_fits(api, &message["payload"], &frame);
            if let Some(place) = wanted.iter().position(|it| it == root) {
                wanted.remove(place);
            }
        }
    });
}
