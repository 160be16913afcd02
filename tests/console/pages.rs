//! Each page of the console in a real browser: it works, reads well, fits small and large windows, and keeps nothing.

use serde_json::{Value, json};
use system_tests::{World, in_seconds, look_again, media, own_stack, text};

use crate::console::browser::{Browser, link};

/// The pages, with their headings.
const PAGES: [(&str, &str); 9] = [
    ("overview", "Overview"),
    ("items", "Items"),
    ("sources", "Buckets and Iconik"),
    ("channels", "Channels"),
    ("messages", "Messages"),
    ("inbox/jane", "Inbox"),
    ("dead-letters", "Dead letters"),
    ("usage", "Usage"),
    ("settings", "Keys and settings"),
];

/// Something for each page to show; the addresses of an item's page and of a channel's.
async fn filled(world: &World<'_>) -> [String; 2] {
    let bucket = world.bucket().await;
    std::fs::write(bucket.folder.join("one.jpg"), media("astronaut.jpg")).unwrap();
    world.scan(&bucket.id).await;
    let item = text(&world.ended(&bucket.id, 1).await[0]["id"]);
    let hook = world.webhook(&[]).await;
    let channel = hook.channel.lock().unwrap().clone();
    world.delivery(&channel, &world.send_test(&channel).await, "delivered").await;
    world.send("jane", "for the page").await;
    [format!("items/{item}"), format!("channels/{channel}")]
}

#[test]
fn each_page_works_and_axe_reports_nothing_serious() {
    World::alone(async || {
        let folder = tempfile::tempdir().unwrap();
        let stack = own_stack(folder.path(), &[]).await;
        let world = &World::open(&stack).await;
        let [item, channel] = filled(world).await;
        let mut browser = Browser::start().await;
        browser.open("first", &link(world).await).await;
        browser.wait("h1", "Overview").await;
        let address = browser.run(json!({ "do": "address" })).await;
        assert!(!address.to_string().contains("sign-in"), "the code is gone: {address}");
        let mut pages: Vec<(&str, &str)> = PAGES.to_vec();
        pages.extend([(item.as_str(), "Items"), (channel.as_str(), "Channels")]);
        for (page, heading) in pages {
            browser.open("first", &format!("{}/console#/{page}", stack.url)).await;
            browser.wait("h1", heading).await;
            browser.gone(".empty", "Loading").await;
            for scheme in ["light", "dark"] {
                browser.run(json!({ "do": "scheme", "scheme": scheme })).await;
                let wrong = browser.run(json!({ "do": "axe" })).await;
                assert_eq!(wrong, json!([]), "{page}, {scheme}");
            }
            for width in [375, 3_840, 1_280] {
                let over = browser.run(json!({ "do": "size", "width": width, "height": 800 })).await;
                assert_eq!(over, 0, "{page} is wider than {width} pixels");
            }
        }
        assert_eq!(browser.run(json!({ "do": "complaints" })).await, json!([]));
        let stored = browser.run(json!({ "do": "stored" })).await;
        assert_eq!(stored, json!({ "local": 0, "session": 0, "cookie": "" }), "no script can read a secret");
        let cookies = browser.run(json!({ "do": "cookies" })).await;
        let [cookie] = cookies.as_array().unwrap().as_slice() else { panic!("one cookie: {cookies}") };
        let flags = (&cookie["httpOnly"], &cookie["sameSite"], &cookie["path"]);
        assert_eq!(flags, (&json!(true), &json!("Strict"), &json!("/console")));

        // by the keyboard alone, to the page past the menu
        browser.run(json!({ "do": "reload" })).await;
        browser.wait("h1", "Channels").await;
        browser.run(json!({ "do": "press", "key": "Tab" })).await;
        assert_eq!(browser.run(json!({ "do": "focused" })).await, "Skip to the page");
        browser.run(json!({ "do": "press", "key": "Enter" })).await;
        let focused = browser.run(json!({ "do": "focused" })).await;
        assert!(focused.as_str().is_some_and(|it| it.starts_with("Channels")), "{focused}");
        // the focus goes where the page goes, and screen readers hear so
        browser.click("nav a", "Usage").await;
        browser.wait("h1", "Usage").await;
        browser.wait("h1:focus", "Usage").await;
        browser.run(json!({ "do": "wait", "at": "p[role=status]", "text": "Usage –", "state": "attached" })).await;
        // a link does not change who is signed in without a question
        browser.open("first", &link(world).await).await;
        browser.wait("dialog h2", "Sign in anew?").await;
        let wrong = browser.run(json!({ "do": "axe" })).await;
        assert_eq!(wrong, json!([]), "the question");
        browser.click("dialog button", "Stay signed in").await;
        browser.gone("dialog h2", "Sign in anew?").await;
        browser.click("button", "Sign out").await;
        browser.wait("h1:focus", "Sign in").await;
        let mut looks = 0; // the form is there before the server has answered
        while browser.run(json!({ "do": "cookies" })).await != json!([]) {
            looks += 1;
            assert!(looks < 200, "the cookie stays");
            look_again().await;
        }
        let wrong = browser.run(json!({ "do": "axe" })).await;
        assert_eq!(wrong, json!([]), "the form to sign in");
        // a link that is opened where the console is already loads no page by itself
        browser.open("first", &link(world).await).await;
        browser.wait("h1", "Overview").await;
        let address = browser.run(json!({ "do": "address" })).await;
        assert!(!address.to_string().contains("sign-in"), "the code is gone: {address}");
        // sums are of all days of the month, of which there are up to 31
        browser.open("first", &format!("{}/console#/usage", stack.url)).await;
        browser.run(json!({ "do": "wait", "at": "tbody tr:nth-child(31)" })).await;
        let sums = browser.run(json!({ "do": "texts", "at": ".tile-value" })).await;
        assert!(sums.as_array().unwrap().iter().all(|it| text(it).contains('$')), "{sums}");
        // where more wait than are read, the oldest may have waited for longer
        let many = json!({ "items": [{ "foundAt": in_seconds(-7_200) }], "next": "older" });
        for (url, answer) in [("**/Media/Items*", many), ("**/Media/Summary", json!({ "Pending": 1_000 }))] {
            browser.run(json!({ "do": "answer", "url": url, "json": answer })).await;
        }
        browser.open("first", &format!("{}/console#/overview", stack.url)).await;
        browser.wait(".tile:has-text('Oldest waiting')", "2 h+").await;
    });
}

#[test]
fn a_viewer_sees_everything_and_is_offered_no_change() {
    World::alone(async || {
        let folder = tempfile::tempdir().unwrap();
        let stack = own_stack(folder.path(), &[]).await;
        let world = &World::open(&stack).await;
        let [_, channel] = filled(world).await;
        let path = format!("/api/v1/Applications/{}/Keys", world.keys.application_id);
        let (status, key) = world.ask("POST", &path, Some(json!({ "name": "viewer", "scopes": ["read"] }))).await;
        assert_eq!(status, 201, "{key}");
        let mut browser = Browser::start().await;
        browser.open("first", &format!("{}/console", stack.url)).await;
        for (label, value) in [("x-api-key", &key["apiKey"]), ("x-api-secret", &key["apiSecret"])] {
            let field =
                json!({ "do": "fill", "at": format!(".field:has(label:text-is('{label}')) input"), "value": value });
            browser.run(field).await;
        }
        browser.click("button.primary", "Sign in").await;
        browser.wait(".bar .badge", "viewer").await;
        browser.wait(".bar .badge", "live").await;
        browser.run(json!({ "do": "complaints" })).await; // a browser notes the 401 before somebody signs in
        // what a page offers for changes; what is left opens something, or filters
        let harmless =
            ["Menu", "Sign out", "Open", "Message", "Download results", "Read more", "Look further", "×", "Close"];
        for (page, heading) in PAGES.into_iter().chain([(&*channel, "Channels")]) {
            browser.open("first", &format!("{}/console#/{page}", stack.url)).await;
            browser.wait("h1", heading).await;
            browser.gone(".empty", "Loading").await;
            let buttons = browser.run(json!({ "do": "texts", "at": "button:visible" })).await;
            let names = buttons.as_array().unwrap().iter().filter_map(Value::as_str).map(str::trim);
            // rows of lists begin with a time, or a number
            let is_row = |it: &&str| it.starts_with(|it: char| it.is_ascii_digit());
            let offered: Vec<&str> = names.filter(|it| !harmless.contains(it) && !is_row(it)).collect();
            assert!(offered.is_empty(), "{page} offers {offered:?}");
        }
        assert_eq!(browser.run(json!({ "do": "complaints" })).await, json!([]));
    });
}
