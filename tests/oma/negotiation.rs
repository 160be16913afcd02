//! Formats: which one an answer has, what is refused, and which ways of writing are read as one.

use reqwest::RequestBuilder;
use serde_json::json;
use system_tests::{World, text};

use super::client::{Answer, Client, Format, event_list, in_both, indexes, merged};

/// With the application's keys, and no `Accept` of the client's own.
fn request(client: &Client<'_>, method: &str, path: &str) -> RequestBuilder {
    let keys = &client.world.keys;
    let request = client.world.http.request(method.parse().unwrap(), format!("{}{path}", client.world.stack.url));
    request.header("x-api-key", &keys.api_key).header("x-api-secret", &keys.api_secret)
}

#[test]
fn the_answers_format_is_the_one_that_is_asked_for() {
    World::run(async |world| {
        let client = Client::new(world, Format::Json);
        let channel = json!({ "notificationChannel": { "channelType": "LongPolling" } });
        let (json, xml) = ("application/json", "application/xml");
        for (query, accept, sent, want) in [
            ("", None, Format::Json, Format::Json),
            ("", None, Format::Xml, Format::Xml),
            ("", Some("*/*"), Format::Xml, Format::Xml),
            ("", Some(xml), Format::Json, Format::Xml),
            ("", Some("text/xml"), Format::Json, Format::Xml),
            ("", Some(json), Format::Xml, Format::Json),
            ("", Some("application/xml;q=0.5, application/json"), Format::Xml, Format::Json),
            ("", Some("application/json;q=0, */*"), Format::Json, Format::Xml),
            ("", Some("text/html, application/xml;q=0.1"), Format::Json, Format::Xml),
            ("?resFormat=XML", Some(json), Format::Json, Format::Xml),
            ("?resFormat=JSON", Some(xml), Format::Xml, Format::Json),
        ] {
            let request = request(&client, "POST", &format!("{}{query}", client.channels()));
            let request = request.header("content-type", sent.media_type()).body(sent.write(&channel));
            let request = match accept {
                Some(accept) => request.header("accept", accept),
                None => request,
            };
            let answer = Answer::to(request, want).await;
            assert_eq!(answer.status, 201, "{query} {accept:?} {sent:?}: {}", answer.text);
            assert_eq!(answer.root("notificationChannel")["channelType"], "LongPolling", "{query} {accept:?} {sent:?}");
        }
        // without a body and a wish it is JSON
        let answer = Answer::to(request(&client, "GET", &client.channels()), Format::Json).await;
        assert_eq!(answer.root("notificationChannelList")["notificationChannel"].as_array().map(Vec::len), Some(11));
    });
}

#[test]
fn formats_that_are_not_spoken_are_refused() {
    World::run(async |world| {
        let client = Client::new(world, Format::Json);
        let accept = |it: &str| request(&client, "GET", &client.channels()).header("accept", it);
        for unknown in ["text/html", "application/json;q=0", "image/*"] {
            assert_eq!(Answer::to(accept(unknown), Format::Json).await.status, 406, "{unknown}");
        }
        for unknown in ["text/plain", "application/octet-stream", "multipart/form-data; boundary=x", "nonsense"] {
            let request = client.request("POST", &client.channels()).header("content-type", unknown).body("x");
            let keys = &world.keys;
            let request = request.header("x-api-key", &keys.api_key).header("x-api-secret", &keys.api_secret);
            let answer = Answer::to(request, Format::Json).await;
            assert_eq!((answer.status, answer.body().get("requestError").is_some()), (415, true), "{unknown}");
        }
    });
}

#[test]
fn a_malformed_body_is_refused_in_the_format_of_the_answer() {
    World::run(async |world| {
        for (format, bodies) in [
            (Format::Json, &["", "nonsense", "{", "[]", "7", "{\"notificationChannel\": 7}", "{\"other\": {}}"][..]),
            (Format::Xml, &["", "nonsense", "<a>", "<a/>", "<notificationChannel><channelType></notificationChannel>"]),
        ] {
            let client = Client::new(world, format);
            for path in [client.channels()] {
                for body in bodies {
                    let request = request(&client, "POST", &path).header("content-type", format.media_type());
                    let answer = Answer::to(request.body((*body).to_owned()), format).await;
                    let (status, code, _) = answer.fault();
                    assert_eq!((status, code.as_str()), (400, "SVC0002"), "{path} `{body}`: {}", answer.text);
                }
            }
        }
    });
}

#[test]
fn every_way_to_write_a_user_reaches_the_same_channel() {
    World::run(async |world| {
        let client = Client::new(world, Format::Json);
        let channel = client.create("LongPolling", json!({})).await;
        let id = text(&channel["resourceURL"]).rsplit_once('/').unwrap().1.to_owned();
        for user in ["tel%3A%2B19585550100", "tel%3a%2b19585550100", "tel:+19585550100", "tel:%2B19585550100"] {
            let answer = client.ask("GET", &format!("/notificationchannel/v1/{user}/channels/{id}"), None).await;
            assert_eq!((answer.status, answer.root("notificationChannel")), (200, channel.clone()), "{user}");
        }
        // a plus is no space, and nothing is decoded twice
        for user in ["tel%3A%2019585550100", "tel%253A%252B19585550100"] {
            let answer = client.ask("GET", &format!("/notificationchannel/v1/{user}/channels/{id}"), None).await;
            assert_eq!(answer.status, 404, "{user}");
        }
        let answer = client.ask("GET", "/notificationchannel/v1/%FF/channels", None).await;
        assert_eq!(answer.status, 400, "no text");
    });
}

#[test]
fn the_user_of_a_token_is_reached_by_name_and_by_the_token() {
    World::run(async |world| {
        let bearer = format!("Bearer {}", world.token("jane", &[]).await);
        let client = Client { user: "jane", ..Client::new(world, Format::Json) };
        let channel = client.create("LongPolling", json!({})).await;
        let ask = async |path: &str| {
            Answer::to(client.request("GET", path).header("authorization", &bearer), Format::Json).await
        };
        for user in ["acr%3Aauth", "acr:auth"] {
            let list = ask(&format!("/notificationchannel/v1/{user}/channels")).await.root("notificationChannelList");
            assert_eq!(list["notificationChannel"], json!([channel]), "{user}");
        }
        assert_eq!(ask("/notificationchannel/v1/john/channels").await.status, 403, "another's");
    });
}

#[test]
fn forms_are_read_for_what_they_can_say() {
    World::run(async |world| {
        in_both(world, async |client| {
            let form = "clientCorrelator=123&applicationTag=my+App&channelType=LongPolling&maxNotifications=3\
                        &channelLifetime=7200";
            let request = request(client, "POST", &client.channels()).header("accept", client.format.media_type());
            let request = request.header("content-type", "application/x-www-form-urlencoded").body(form);
            let answer = Answer::to(request, client.format).await;
            assert_eq!(answer.status, 201, "{}", answer.text);
            let channel = answer.root("notificationChannel");
            assert_eq!((&channel["applicationTag"], &channel["channelLifetime"]), (&json!("my App"), &json!(7200)));
            assert_eq!(channel["channelData"]["maxNotifications"], 3);
        })
        .await;
    });
}

#[test]
fn json_is_read_leniently() {
    World::run(async |world| {
        let client = Client::new(world, Format::Json);
        for (channel, lifetime, most) in [
            (json!({ "channelLifetime": "7200", "channelData": { "maxNotifications": "4" } }), 7200, 4),
            (json!({ "channelLifetime": [7200], "channelData": [{ "maxNotifications": 4 }] }), 7200, 4),
            (json!({ "channelLifetime": null, "channelData": null }), 86_400, 10),
            (json!({ "channelData": {} }), 86_400, 10),
            (json!({ "futureMember": { "a": [1] }, "channelData": { "other": true }, "resourceURL": "x" }), 86_400, 10),
        ] {
            let made = client.create("LongPolling", channel.clone()).await;
            assert_eq!(
                (&made["channelLifetime"], &made["channelData"]["maxNotifications"]),
                (&json!(lifetime), &json!(most))
            );
            assert!(text(&made["resourceURL"]).starts_with("http"), "{channel}");
        }
        let channel = client.create("LongPolling", json!({ "channelData": { "maxNotifications": 1 } })).await;
        let events = [json!({ "resetBox": {} }), json!(null), json!([])];
        for (number, event) in (1..).zip(events) {
            let list = merged(event_list(number)["nmsEventList"].clone(), json!({ "nmsEvent": event }));
            let answer = client.call(&channel["callbackURL"], json!({ "nmsEventList": list })).await;
            assert_eq!(answer.status, 204, "{event}: {}", answer.text);
            assert_eq!(indexes(&client.polled(&channel).await), [number], "{event}");
        }
    });
}
