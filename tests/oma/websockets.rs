//! Sockets of channels: the handshake, what flows once they are open, checks, and which of two is in use.

use serde_json::{Value, json};
use system_tests::socket::{Disconnect, Socket};
use system_tests::{World, text};

use super::client::{Client, Format, SUBPROTOCOL, event_list, in_both, indexes, lifetime_url};

async fn channel(client: &Client<'_>, most: u64) -> Value {
    client.create("WebSockets", json!({ "channelData": { "maxNotifications": most }, "channelLifetime": 3600 })).await
}

#[test]
fn a_socket_opens_with_the_subprotocol_alone_and_says_that_it_took_it() {
    World::run(async |world| {
        in_both(world, async |client| {
            let channel = channel(client, 10).await;
            let url = text(&channel["channelData"]["channelURL"]);
            assert_eq!(Socket::open(&url, &[]).await.err(), Some(400), "none is offered");
            let other = [("sec-websocket-protocol", "chat")];
            assert_eq!(Socket::open(&url, &other).await.err(), Some(400), "another is offered");
            let among = format!("chat, {SUBPROTOCOL}");
            let socket = Socket::open(&url, &[("Sec-WebSocket-Protocol", &among)]).await.expect("it is among others");
            assert_eq!(socket.protocol.as_deref(), Some(SUBPROTOCOL));
            // a token that was never given opens nothing
            let wrong = format!("{url}x");
            let status = Socket::open(&wrong, &[("sec-websocket-protocol", SUBPROTOCOL)]).await.err();
            assert!(matches!(status, Some(403 | 404)), "{status:?}");
        })
        .await;
    });
}

#[test]
fn what_waited_comes_first_and_then_each_at_once_in_order() {
    World::run(async |world| {
        in_both(world, async |client| {
            let channel = channel(client, 3).await;
            for number in 1..=7 {
                client.notify(&channel, number).await;
            }
            let mut socket = client.open(&channel).await;
            let mut seen = Vec::new();
            while seen.len() < 7 {
                let came = client.hear(&mut socket, 1).await;
                assert!(came.len() <= 3, "more than maxNotifications: {came:?}");
                seen.extend(indexes(&came));
            }
            assert_eq!(seen, (1..=7).collect::<Vec<u64>>());
            client.notify(&channel, 8).await;
            assert_eq!(indexes(&client.hear(&mut socket, 1).await), [8]);
        })
        .await;
    });
}

#[test]
fn lists_are_cut_by_size_as_well() {
    World::run(async |world| {
        in_both(world, async |client| {
            let channel = channel(client, 10).await;
            for number in 1..=5 {
                let mut list = event_list(number);
                list["nmsEventList"]["callbackData"] = "x".repeat(50_000).into();
                assert_eq!(client.call(&channel["callbackURL"], list).await.status, 204);
            }
            let mut socket = client.open(&channel).await;
            // `hear` measures each frame
            assert_eq!(indexes(&client.hear(&mut socket, 5).await), [1, 2, 3, 4, 5]);
        })
        .await;
    });
}

#[test]
fn a_check_is_acknowledged_and_resets_the_lifetime() {
    World::run(async |world| {
        in_both(world, async |client| {
            let channel = channel(client, 10).await;
            let mut socket = client.open(&channel).await;
            let shorter = json!({ "notificationChannelLifetime": { "channelLifetime": 900 } });
            assert_eq!(client.ask("PUT", &lifetime_url(&channel), Some(shorter)).await.status, 200);
            for check in [json!({ "connCheck": null }), json!({ "connCheck": { "checkInterval": 60 } })] {
                let before = client.before_reset(&channel).await;
                socket.text(client.format.write(&check)).await;
                let granted = client.hear_root(&mut socket, "connAck").await["channelLifetime"].as_u64();
                assert_eq!(granted, Some(900), "what was granted last");
                client.until_reset(&channel, before).await;
            }
            // nonsense is no reason to close
            for text in ["nonsense", "{\"nonsense\": 1}", "<a/>", "[]"] {
                socket.text(text.to_owned()).await;
            }
            socket.text(client.format.write(&json!({ "connCheck": null }))).await;
            client.hear_root(&mut socket, "connAck").await;
        })
        .await;
    });
}

/// Before a lifetime ends, the server asks: a client that answers keeps its channel, and one that does not loses it.
#[test]
fn a_check_of_the_server_prolongs_the_channel_of_a_client_that_answers() {
    World::run(async |world| {
        in_both(world, async |client| {
            let shortest = json!({ "channelLifetime": 60 });
            let (here, gone) =
                (client.create("WebSockets", shortest.clone()).await, client.create("WebSockets", shortest).await);
            let (mut answers, mut silent) = (client.open(&here).await, client.open(&gone).await);
            let check = client.hear_root(&mut answers, "connCheck").await;
            assert_eq!((&check["newChannelLifetime"], check.get("checkInterval")), (&json!(60), None));
            let before = client.remaining(&here).await;
            answers.text(client.format.write(&json!({ "connAck": null }))).await;
            let reset = async || (client.remaining(&here).await > before).then_some(());
            world.until("the lifetime is reset", reset).await;
            client.hear_root(&mut silent, "connCheck").await;
            assert!(silent.next_text().await.is_err(), "the socket ends with the channel");
            assert_eq!(client.ask("GET", &text(&gone["resourceURL"]), None).await.status, 404);
            assert_eq!(client.ask("GET", &text(&here["resourceURL"]), None).await.status, 200);
        })
        .await;
    });
}

#[test]
fn the_newer_of_two_sockets_is_used_and_the_older_closed() {
    World::run(async |world| {
        in_both(world, async |client| {
            let channel = channel(client, 10).await;
            let mut older = client.open(&channel).await;
            client.notify(&channel, 1).await;
            assert_eq!(indexes(&client.hear(&mut older, 1).await), [1]);
            let mut newer = client.open(&channel).await;
            client.notify(&channel, 2).await;
            assert_eq!(indexes(&client.hear(&mut newer, 1).await), [2]);
            let end = loop {
                match older.next_text().await {
                    Ok(frame) => assert!(!frame.contains("nmsEventList"), "the older is sent {frame}"),
                    Err(end) => break end,
                }
            };
            assert!(matches!(end, Disconnect::Closed(_)), "{end:?}");
            client.notify(&channel, 3).await;
            assert_eq!(indexes(&client.hear(&mut newer, 1).await), [3], "the newer outlives the older");
        })
        .await;
    });
}

#[test]
fn what_came_while_no_socket_was_open_comes_when_one_is() {
    World::run(async |world| {
        in_both(world, async |client| {
            let channel = channel(client, 10).await;
            let mut socket = client.open(&channel).await;
            client.notify(&channel, 1).await;
            assert_eq!(indexes(&client.hear(&mut socket, 1).await), [1]);
            socket.close().await;
            for number in 2..=4 {
                client.notify(&channel, number).await;
            }
            let mut socket = client.open(&channel).await;
            let came = indexes(&client.hear(&mut socket, 3).await);
            assert_eq!(came, [2, 3, 4], "the same channelURL, and nothing twice");
        })
        .await;
    });
}

#[test]
fn a_deleted_channel_closes_its_socket_and_opens_no_other() {
    World::run(async |world| {
        in_both(world, async |client| {
            let channel = channel(client, 10).await;
            let mut socket = client.open(&channel).await;
            assert_eq!(client.ask("DELETE", &text(&channel["resourceURL"]), None).await.status, 204);
            while socket.next_text().await.is_ok() {}
            let url = text(&channel["channelData"]["channelURL"]);
            let status = Socket::open(&url, &[("sec-websocket-protocol", SUBPROTOCOL)]).await.err();
            assert!(matches!(status, Some(403 | 404)), "{status:?}");
        })
        .await;
    });
}

#[test]
fn what_an_enabler_posts_in_another_format_comes_in_the_channels() {
    World::run(async |world| {
        in_both(world, async |client| {
            let channel = channel(client, 10).await;
            let mut socket = client.open(&channel).await;
            let other = match client.format {
                Format::Json => Format::Xml,
                Format::Xml => Format::Json,
            };
            let enabler = Client::new(world, other);
            enabler.notify(&channel, 1).await;
            let came = client.hear(&mut socket, 1).await;
            assert_eq!(came, [event_list(1)], "in {:?}", client.format);
        })
        .await;
    });
}
