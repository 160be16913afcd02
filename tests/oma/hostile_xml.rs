//! XML that is made to harm whoever reads it, in harmless sizes: refused, in the format that was asked for.

use serde_json::{Value, json};
use system_tests::{World, text};

use super::client::{Answer, Client, Format, event_list, indexes};

const NC: &str = "xmlns:nc=\"urn:oma:xml:rest:netapi:notificationchannel:1\"";

/// A document that makes a channel, with something before its root and something as its tag.
fn channel(before: &str, tag: &str) -> String {
    format!(
        "{before}<nc:notificationChannel {NC}><applicationTag>{tag}</applicationTag>\
         <channelType>LongPolling</channelType></nc:notificationChannel>"
    )
}

fn hostile() -> Vec<(&'static str, String)> {
    let internal = "<!DOCTYPE a [<!ENTITY name \"value\">]>";
    let laughs = "<!DOCTYPE a [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;\"><!ENTITY c \"&b;&b;\">]>";
    let file = "<!DOCTYPE a [<!ENTITY file SYSTEM \"file:///etc/hostname\">]>";
    let parameter = "<!DOCTYPE a [<!ENTITY % other SYSTEM \"http://127.0.0.1:9/x\"> %other;]>";
    let deep = format!("{}{}", "<a>".repeat(2_000), "</a>".repeat(2_000));
    vec![
        ("a document type alone", channel("<!DOCTYPE a>", "x")),
        ("an entity that is not used", channel(internal, "x")),
        ("an entity", channel(internal, "&name;")),
        ("entities of entities", channel(laughs, "&c;")),
        ("an entity that is a file", channel(file, "&file;")),
        ("an entity that is elsewhere", channel(parameter, "x")),
        ("an unknown entity", channel("", "&name;")),
        ("a number that is no character", channel("", "&#0;")),
        ("another number that is none", channel("", "&#x110000;")),
        ("depth", channel("", &deep)),
        ("a second root", channel("", "x") + "<a/>"),
        ("no end", channel("", "x").replace("</nc:notificationChannel>", "")),
        ("another end", channel("", "x").replace("</applicationTag>", "</other>")),
    ]
}

/// What a lenient reader may pass over, as long as it does nothing with it.
fn strange() -> Vec<(&'static str, String)> {
    let attributes: String = (0..2_000).map(|it| format!(" a{it}=\"\"")).collect();
    let inclusion = "<xi:include xmlns:xi=\"http://www.w3.org/2001/XInclude\" href=\"/etc/hostname\"/>";
    vec![
        ("many attributes", channel("", &format!("<a{attributes}/>"))),
        ("an attribute twice", channel("", "<a b=\"1\" b=\"2\"/>")),
        ("an inclusion", channel("", inclusion)),
        ("a processing instruction", channel("<?xml-stylesheet href=\"/etc/hostname\"?>", "x")),
        ("another encoding", channel("<?xml version=\"1.0\" encoding=\"UTF-7\"?>", "+ADw-")),
        ("another namespace", channel("", "x").replace("notificationchannel:1", "other:1")),
    ]
}

async fn sent(client: &Client<'_>, path: &str, body: Vec<u8>, wanted: Format) -> Answer {
    let keys = &client.world.keys;
    let request = client.world.http.post(format!("{}{path}", client.world.stack.url)).body(body);
    let request = request.header("accept", wanted.media_type()).header("content-type", "application/xml");
    Answer::to(request.header("x-api-key", &keys.api_key).header("x-api-secret", &keys.api_secret), wanted).await
}

#[test]
fn xml_that_is_made_to_harm_is_refused_in_the_format_of_the_answer() {
    World::run(async |world| {
        let client = Client::new(world, Format::Xml);
        // what is refused is so for its own sake
        let harmless = sent(&client, &client.channels(), channel("", "x").into_bytes(), Format::Xml).await;
        assert_eq!(harmless.status, 201, "{}", harmless.text);
        let host = std::fs::read_to_string("/etc/hostname").unwrap_or_default();
        for (what, body) in hostile() {
            for wanted in [Format::Xml, Format::Json] {
                for path in [client.channels()] {
                    let answer = sent(&client, &path, body.clone().into_bytes(), wanted).await;
                    let (status, code, _) = answer.fault();
                    assert_eq!((status, code.as_str()), (400, "SVC0002"), "{what}: {}", answer.text);
                    // a short name may be part of a token by chance
                    assert!(host.trim().len() < 8 || !answer.text.contains(host.trim()), "{what}: {}", answer.text);
                }
            }
        }
        for (what, body) in [
            ("no UTF-8", [channel("", "\u{1}").into_bytes(), vec![0xff]].concat()),
            ("UTF-16", channel("", "x").encode_utf16().flat_map(u16::to_le_bytes).collect()),
        ] {
            assert_eq!(sent(&client, &client.channels(), body, Format::Xml).await.fault().0, 400, "{what}");
        }
        let list = client.ask("GET", &client.channels(), None).await.root("notificationChannelList");
        assert_eq!(list["notificationChannel"].as_array().map(Vec::len), Some(1), "nothing else was made: {list}");
    });
}

#[test]
fn xml_that_is_strange_is_refused_or_passed_over_and_never_followed() {
    World::run(async |world| {
        let client = Client::new(world, Format::Xml);
        let host = std::fs::read_to_string("/etc/hostname").unwrap_or_default();
        for (what, body) in strange() {
            let answer = sent(&client, &client.channels(), body.into_bytes(), Format::Xml).await;
            assert!(matches!(answer.status, 201 | 400), "{what}: {} {}", answer.status, answer.text);
            answer.body(); // it is well-formed
            assert!(host.trim().is_empty() || !answer.text.contains(host.trim()), "{what}: {}", answer.text);
        }
    });
}

#[test]
fn a_body_beyond_the_limit_is_refused_by_its_size() {
    World::run(async |world| {
        for format in [Format::Xml, Format::Json] {
            let client = Client::new(world, format);
            let large = json!({ "applicationTag": "x".repeat(2_000_000) });
            let answer = client.try_create("LongPolling", large).await;
            assert!(matches!(answer.fault().0, 400 | 413), "{}", answer.status);
        }
    });
}

#[test]
fn a_callback_url_reads_no_harm_and_what_it_takes_is_written_as_text() {
    World::run(async |world| {
        let client = Client::new(world, Format::Xml);
        let made = client.create("LongPolling", json!({ "channelData": { "maxNotifications": 1 } })).await;
        let url = text(&made["callbackURL"]);
        let nms = client.format.write(&event_list(1));
        for (what, body) in [
            ("an entity", format!("<!DOCTYPE a [<!ENTITY a \"b\">]>{}", nms.replace("any", "&a;"))),
            ("no end", nms.replace("</nms:nmsEventList>", "")),
            ("a second root", format!("{nms}{nms}")),
        ] {
            let request = client.request("POST", &url).header("content-type", "application/xml").body(body);
            assert_eq!(Answer::to(request, Format::Xml).await.fault().0, 400, "{what}");
        }
        // markup in a text stays a text
        let mut list: Value = event_list(2);
        list["nmsEventList"]["callbackData"] = "</callbackData><index>9</index> & ]]> \"'".into();
        assert_eq!(client.call(&made["callbackURL"], list.clone()).await.status, 204);
        let polled = client.polled(&made).await;
        assert_eq!((indexes(&polled), &polled[0]), (vec![2], &list));
    });
}
