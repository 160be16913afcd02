//! What happens is seen in the console at once, without a reload, and can be mended there.

use serde_json::{Value, json};
use system_tests::receiver::Answer;
use system_tests::{World, media, own_stack};

use crate::console::browser::{Browser, link};

#[test]
fn what_happens_is_seen_at_once_and_can_be_mended() {
    World::alone(async || {
        let folder = tempfile::tempdir().unwrap();
        let stack = own_stack(folder.path(), &[]).await;
        let world = &World::open(&stack).await;
        let mut browser = Browser::start().await;
        browser.open("first", &link(world).await).await;
        browser.wait(".bar .badge", "live").await;
        a_picture_appears_with_its_boxes(world, &mut browser).await;
        a_video_is_led_by_its_timeline(world, &mut browser).await;
        a_hanging_webhook_is_visible_and_explained(world, &mut browser).await;
        a_dead_letter_is_redriven(world, &mut browser).await;
        two_inbox_tabs_agree(world, &mut browser).await;
        what_is_read_stays_where_it_is(world, &mut browser).await;
    });
}

async fn a_picture_appears_with_its_boxes(world: &World<'_>, browser: &mut Browser) {
    let bucket = world.bucket().await;
    browser.open("first", &format!("{}/console#/items", world.stack.url)).await;
    browser.wait(".empty", "No item fits").await;
    let loaded = browser.run(json!({ "do": "loads" })).await;
    std::fs::write(bucket.folder.join("astronaut.jpg"), media("astronaut.jpg")).unwrap();
    world.scan(&bucket.id).await;
    browser.wait(".item-row", "astronaut.jpg").await;
    browser.wait(".item-row .badge", "Completed").await;
    browser.wait(".item-row", "1 face").await;
    browser.run(json!({ "do": "wait", "at": ".thumb img" })).await;
    browser.click(".item-row", "astronaut.jpg").await;
    browser.run(json!({ "do": "wait", "at": ".picture img" })).await;
    browser.run(json!({ "do": "wait", "at": ".box" })).await;
    assert_eq!(browser.count(".box").await, 1, "one face, one box");
    assert_eq!(browser.run(json!({ "do": "loads" })).await, loaded, "the page was not loaded again");
}

async fn a_video_is_led_by_its_timeline(world: &World<'_>, browser: &mut Browser) {
    let name = format!("v{}", &world.keys.application_id[..8]);
    let folder = world.stack.bucket_folder(&name);
    std::fs::create_dir_all(&folder).unwrap();
    let bucket = world.bucket_at(&world.stack.s3_url, &name, json!({})).await;
    std::fs::write(folder.join("clip.mp4"), media("clip.mp4")).unwrap();
    world.scan(&bucket).await;
    let item = &world.ended(&bucket, 1).await[0]["id"];
    browser.open("first", &format!("{}/console#/items/{}", world.stack.url, item.as_str().unwrap())).await;
    browser.run(json!({ "do": "halt", "from": 0 })).await;
    // the face is seen from about a second on (tests/media/README.md)
    browser.run(json!({ "do": "click", "at": ".range" })).await;
    let seconds = browser.run(json!({ "do": "halt", "from": 0.4 })).await.as_f64().unwrap();
    assert!(seconds < 4.5, "{seconds}");
    browser.run(json!({ "do": "wait", "at": ".seen.chosen" })).await;
    let playhead = browser.run(json!({ "do": "attribute", "at": ".playhead", "name": "style" })).await;
    assert!(!playhead.to_string().contains("left: 0%"), "{playhead}");
    let source = browser.run(json!({ "do": "attribute", "at": "video", "name": "src" })).await;
    assert_eq!(source, json!(format!("/console/media/{}", item.as_str().unwrap())), "no token is in an address");
}

async fn a_hanging_webhook_is_visible_and_explained(world: &World<'_>, browser: &mut Browser) {
    let hook = world.webhook(&[("types", "alarm.*")]).await;
    let channel = hook.channel.lock().unwrap().clone();
    browser.open("first", &format!("{}/console#/channels", world.stack.url)).await;
    browser.wait("tbody .badge", "active").await;
    hook.always(Answer::Silence);
    for number in 0..3 {
        let event = json!({ "type": "alarm.rang", "data": { "number": number } });
        let (status, told) = world.ask("POST", "/api/v1/Notification/Messages", Some(event)).await;
        assert_eq!(status, 202, "{told}");
    }
    browser.wait("tbody .badge", "slow").await;
    browser.click("tbody a", &hook.url).await;
    browser.wait(".callout", "has not answered lately").await;
    browser.wait(".log-row", "retrying").await;
    browser.click(".log-row", "retrying").await;
    browser.wait(".says", "It has not arrived yet").await;
    browser.wait(".explain", "within three seconds").await;
    // mended: it is retried from here
    hook.sometimes();
    browser.click("dialog button", "Retry now").await;
    browser.wait("dialog .badge", "delivered").await;
    browser.wait(".says", "It was delivered").await;
    let path = format!("/api/v1/Notification/ChannelConfiguration?applicationId={}", world.keys.application_id);
    let (status, _) = world.ask("DELETE", &format!("{path}&configurationId={channel}"), None).await;
    assert_eq!(status, 200);
    browser.run(json!({ "do": "reload" })).await;
}

async fn a_dead_letter_is_redriven(world: &World<'_>, browser: &mut Browser) {
    std::fs::create_dir_all(world.stack.bucket_folder("redriven")).unwrap();
    let bucket = world.bucket_at(&world.stack.s3_url, "redriven", json!({})).await;
    let event: Value = serde_json::from_str(include_str!("../../events/scan.first-page.json")).unwrap();
    let mut order: Value = serde_json::from_str(event["Records"][0]["body"].as_str().unwrap()).unwrap();
    order["app"] = json!(world.keys.application_id);
    order["bucket"] = json!(bucket);
    order["requested"] = json!(true);
    world.queue("ScanDead", &order.to_string());
    browser.open("first", &format!("{}/console#/dead-letters", world.stack.url)).await;
    browser.wait(".letter", "its function crashed").await;
    browser.wait("h2", "Scans (1").await; // with others of other applications behind it, `1+`
    browser.click(".letter button", "Redrive").await;
    browser.wait(".toast", "1 of Scans").await;
    world
        .until("the scan is done", async || {
            let seen = world.get(&format!("/api/v1/Media/Buckets/{bucket}")).await["lastScan"].clone();
            (seen["scan"] == order["scan"] && seen["running"] != true).then_some(())
        })
        .await;
}

async fn two_inbox_tabs_agree(world: &World<'_>, browser: &mut Browser) {
    let page = format!("{}/console#/inbox/jane", world.stack.url);
    for tab in ["first", "second"] {
        browser.open(tab, &page).await;
        browser.wait(".device:nth-child(2) .badge", "live").await;
        browser.wait(".device:nth-child(1) .badge", "live").await;
    }
    for title in ["one", "two"] {
        world.send("jane", title).await;
    }
    for tab in ["first", "second"] {
        browser.run(json!({ "do": "use", "tab": tab })).await;
        for device in 1..=2 {
            browser.wait(&format!(".device:nth-child({device}) .counts"), "2 unread, 2 in all").await;
            browser.wait(&format!(".device:nth-child({device}) .note-row.unread"), "two").await;
        }
    }
    browser.click(".device:nth-child(1) .note-row button", "Read").await; // in the second tab
    for tab in ["first", "second"] {
        browser.run(json!({ "do": "use", "tab": tab })).await;
        for device in 1..=2 {
            browser.wait(&format!(".device:nth-child({device}) .counts"), "1 unread, 2 in all").await;
            browser.gone(&format!(".device:nth-child({device}) .note-row.unread"), "two").await;
        }
    }
}

async fn what_is_read_stays_where_it_is(world: &World<'_>, browser: &mut Browser) {
    let publish = async |numbers: std::ops::Range<u32>| {
        for number in numbers {
            let event = json!({ "type": "row.filled", "data": { "title": format!("row {number} of many") } });
            let (status, told) = world.ask("POST", "/api/v1/Notification/Messages", Some(event)).await;
            assert_eq!(status, 202, "{told}");
        }
    };
    publish(0..60).await;
    browser.open("first", &format!("{}/console#/messages?type=row.filled", world.stack.url)).await;
    browser.wait("li[aria-setsize='60']", "row 59 of many").await;
    browser.run(json!({ "do": "scroll", "at": ".virtual", "to": 800 })).await;
    let read = browser.run(json!({ "do": "topmost", "at": ".virtual" })).await;
    assert!(read.to_string().contains("row 39 of many"), "twenty rows are above: {read}");
    publish(60..65).await;
    browser.run(json!({ "do": "wait", "at": "li[aria-setsize='65']" })).await;
    assert_eq!(browser.run(json!({ "do": "topmost", "at": ".virtual" })).await, read);
}
