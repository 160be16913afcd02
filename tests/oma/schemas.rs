//! Every kind of XML document that the server writes, held against schemas by libxml2, which shares nothing with it.

use std::path::Path;

use serde_json::{Value, json};
use system_tests::tools::piped;
use system_tests::{World, project, runs, text};

use super::client::{Client, Format, lifetime_url};

/// Debian's xmllint.
async fn install_xmllint() {
    if !Path::new("/usr/bin/xmllint").is_file() {
        let install = ["-o", "DPkg::Lock::Timeout=600", "install", "-y", "--no-install-recommends", "libxml2-utils"];
        let done = runs("apt-get", &["update"]).await && runs("apt-get", &install).await;
        assert!(done, "the tests need xmllint: apt-get install libxml2-utils");
    }
}

/// Why a document is not valid; nothing if it is. `nc.xsd` imports the other two.
async fn complaint(document: &str) -> Option<String> {
    let schema = project().join("tests/oma/nc.xsd").to_string_lossy().into_owned();
    let (valid, said) =
        piped("/usr/bin/xmllint", &["--noout", "--nonet", "--schema", &schema, "-"], &[], document).await;
    (!valid).then_some(said)
}

async fn assert_valid(root: &str, document: &str) {
    assert!(document.contains(&format!(":{root}")), "it is no {root}: {document}");
    assert_eq!(complaint(document).await, None, "{document}");
}

#[test]
fn every_answer_in_xml_is_valid() {
    World::run(async |world| {
        install_xmllint().await;
        let client = &Client::new(world, Format::Xml);
        let get = async |url: &str| client.ask("GET", url, None).await;
        // the notification channel
        let more = json!({ "clientCorrelator": "1", "applicationTag": "a & b", "channelLifetime": 3600,
            "channelData": { "maxNotifications": 1, "maxWaitTime": 0 } });
        let made = client.try_create("LongPolling", more).await;
        assert_valid("notificationChannel", &made.text).await;
        let polled = made.root("notificationChannel");
        assert_valid("notificationChannelList", &get(&Client { user: "nobody", ..*client }.channels()).await.text)
            .await;
        let socketed = client.create("WebSockets", json!({})).await;
        assert_valid("notificationChannelList", &get(&client.channels()).await.text).await;
        let lifetime = get(&lifetime_url(&polled)).await;
        assert_valid("notificationChannelLifetime", &lifetime.text).await;
        assert_valid("notificationList", &client.poll(&polled).await.text).await;
        let mut socket = client.open(&socketed).await;
        socket.text(client.format.write(&json!({ "connCheck": null }))).await;
        loop {
            let frame = socket.next_text().await.unwrap();
            assert_eq!(complaint(&frame).await, None, "{frame}");
            if frame.contains("connAck") {
                break;
            }
        }
        // the message store
        let filter = json!({ "operator": "Or", "criterion": [{ "type": "Flag", "name": "\\Seen", "value": "true" },
            { "type": "Flag", "name": "\\Seen", "value": "false" }] });
        let subscribed = client.try_subscribe(&polled["callbackURL"], json!({ "clientCorrelator": "1" })).await;
        assert_valid("nmsSubscription", &subscribed.text).await;
        let subscription = subscribed.root("nmsSubscription");
        client.subscribe(&socketed["callbackURL"], json!({ "filter": filter })).await;
        assert_valid("nmsSubscriptionList", &get(&client.store("subscriptions")).await.text).await;
        let updated = client.update(&subscription, json!({ "duration": 100 })).await;
        assert_valid("nmsSubscription", &updated.text).await;
        let object = client.object(json!({ "correlationId": "c", "parentFolderPath": "/main/one" })).await;
        assert_valid("nmsEventList", &client.poll(&polled).await.text).await;
        let heard = socket.next_text().await.unwrap();
        assert_eq!(complaint(&heard).await, None, "{heard}");
        let read = get(&object).await;
        assert_valid("object", &read.text).await;
        assert_valid("flagList", &get(&format!("{object}/flags")).await.text).await;
        let set = client.ask("PUT", &format!("{object}/flags/%5CSeen"), Some(json!({ "empty": null }))).await;
        assert_valid("empty", &set.text).await;
        let folder = text(&read.root("object")["parentFolder"]);
        assert_valid("folder", &get(&folder).await.text).await;
        assert_valid("name", &get(&format!("{folder}/folderName")).await.text).await;
        let search = json!({ "selectionCriteria": { "maxEntries": 3 } });
        let found = client.ask("POST", &client.store("objects/operations/search"), Some(search)).await;
        assert_valid("objectList", &found.text).await;
        assert_valid("reference", &get(&client.store("folders/operations/pathToId?path=/main/one")).await.text).await;
        // each kind of change
        let rename = json!({ "name": "two" });
        assert_eq!(client.ask("PUT", &format!("{folder}/folderName"), Some(rename)).await.status, 200);
        assert_eq!(client.ask("DELETE", &object, None).await.status, 204);
        let mut seen = String::new();
        while !seen.contains("<deletedObject>") || !seen.contains("<changedFolder>") {
            let answer = client.poll(&polled).await.text;
            assert_valid("notificationList", &answer).await;
            seen += &answer;
        }
        // faults, with and without a link
        for url in [format!("{}/none", client.channels()), client.store("subscriptions/none")] {
            assert_valid("requestError", &get(&url).await.text).await;
        }
        assert_valid("requestError", &client.try_create("OMAPush", json!({})).await.text).await;
    });
}

#[test]
fn the_schemas_refuse_what_the_specification_does() {
    World::alone(async || {
        install_xmllint().await;
        let nc = "xmlns:nc=\"urn:oma:xml:rest:netapi:notificationchannel:1\"";
        let good = format!("<nc:connAck {nc}><channelLifetime>60</channelLifetime></nc:connAck>");
        assert_eq!(complaint(&good).await, None);
        for (what, bad) in [
            ("a qualified child", good.replace("channelLifetime>", "nc:channelLifetime>")),
            ("a default namespace", good.replace("xmlns:nc", "xmlns").replace("nc:conn", "conn")),
            ("no number", good.replace("60", "soon")),
            ("nothing in it", good.replace("<channelLifetime>60</channelLifetime>", "")),
            ("an unknown element", good.replace("</nc:", "<other/></nc:")),
            ("an unknown root", good.replace("connAck", "connNack")),
        ] {
            assert!(complaint(&bad).await.is_some(), "{what} is valid: {bad}");
        }
        let other = json!({ "notificationList": Value::Null });
        assert_eq!(complaint(&Format::Xml.write(&other)).await, None);
    });
}
