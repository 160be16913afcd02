//! Listings of other people's servers: "all" is said only when it was shown, and one bad element stands alone.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use system_tests::shelf::Shelf;
use system_tests::{World, media, text};

const KEYS: [&str; 5] = ["n1.txt", "n2.txt", "n3.txt", "n4.txt", "n5.txt"];

fn entry(key: &str, etag: &str, size: usize) -> String {
    let etag = if etag.is_empty() { String::new() } else { format!("<ETag>\"{etag}\"</ETag>") };
    format!(
        "<Contents><Key>{key}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>{etag}<Size>{size}</Size></Contents>"
    )
}

fn listing(more: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>b</Name>{more}</ListBucketResult>"
    )
}

/// Two keys a page of [`KEYS`], behind the query's field of that name, with what stands between the flag and the keys.
fn two_behind(query: &BTreeMap<String, String>, field: &str, more: &str) -> String {
    let after = query.get(field).map_or("", String::as_str);
    let rest: Vec<&str> = KEYS.into_iter().filter(|it| *it > after).collect();
    let page: String = rest.iter().take(2).map(|it| entry(it, "e", 1)).collect();
    listing(&format!("<MaxKeys>2</MaxKeys><IsTruncated>{}</IsTruncated>{more}{page}", rest.len() > 2))
}

/// Amazon S3, ListObjectsV2 and ListObjects: a listing that is truncated goes on.
#[test]
fn a_listing_that_does_not_say_where_it_goes_on_is_gone_on_with_or_fails() {
    World::run(async |world| {
        let (shelf, hook) = (Shelf::start().await, world.webhook(&[]).await);
        let bucket = world.bucket_at(&shelf.url, "b", json!({ "region": "eu-central-1" })).await;
        for verbatim in [
            listing("<KeyCount>2</KeyCount><MaxKeys>2</MaxKeys><IsTruncated>true</IsTruncated><NextContinuationToken></NextContinuationToken>")
                .replace("</ListBucketResult>", &format!("{}{}</ListBucketResult>", entry("n1.txt", "a", 1), entry("n2.txt", "b", 1))),
            listing(&format!("<MaxKeys>2</MaxKeys><IsTruncated>true</IsTruncated>{}{}", entry("n1.txt", "a", 1), entry("n2.txt", "b", 1))),
            listing(&format!("<KeyCount>2</KeyCount>{}{}", entry("n1.txt", "a", 1), entry("n2.txt", "b", 1))),
            listing("<KeyCount>0</KeyCount><IsTruncated>true</IsTruncated>"),
        ] {
            shelf.lists(move |_| verbatim.clone());
            let ended = world.scan(&bucket).await;
            assert!(text(&ended["error"]).contains("the listing is not whole"), "the same page for ever: {ended}");
            let seen = world.get(&format!("/api/v1/Media/Buckets/{bucket}")).await;
            assert!(text(&seen["lastError"]).contains("the listing is not whole"), "{seen}");
        }
        assert_eq!(hook.of("scan.completed").len(), 0, "nothing was shown to be complete");
        let (_, signed) = shelf.asked();
        assert!(signed.iter().all(|it| it.contains("/eu-central-1/s3/aws4_request")), "{signed:?}");
        // servers that know where to go on: `start-after` with an empty token; the older listing's `marker`
        for (field, more) in [("start-after", "<KeyCount>2</KeyCount>"), ("marker", "")] {
            let name = if field == "marker" { "older" } else { "newer" };
            let bucket = world.bucket_at(&shelf.url, name, json!({})).await;
            shelf.lists(move |query| two_behind(query, field, more));
            let ended = world.scan(&bucket).await;
            assert_eq!((&ended["listed"], &ended["error"]), (&json!(5), &Value::Null), "by {field}");
            let mut keys: Vec<String> = world.ended(&bucket, 5).await.iter().map(|it| text(&it["key"])).collect();
            keys.sort();
            assert_eq!(keys, KEYS);
        }
    });
}

#[test]
fn one_bad_element_stands_alone_and_in_last_error() {
    World::run(async |world| {
        let shelf = Shelf::start().await;
        let page = [
            "<KeyCount>7</KeyCount><IsTruncated>false</IsTruncated><EncodingType>url</EncodingType>".to_owned(),
            entry("twice.txt", "abc", 3),
            entry("twice.txt", "abc", 3),
            entry("size.txt", "e", 3).replace("<Size>3", "<Size>many"),
            entry("date.txt", "e", 3).replace("2026-01-01T", "yesterday "),
            entry("%zz.txt", "e", 3),
            entry("a%2525+%2B%01.txt", "e", 3),
            entry("z.txt", "e", 3),
        ];
        shelf.lists(move |_| listing(&page.concat()));
        let bucket = world.bucket_at(&shelf.url, "b", json!({})).await;
        let ended = world.scan(&bucket).await;
        let want = (&json!(3), &json!(3), &json!(3), &Value::Null);
        assert_eq!((&ended["listed"], &ended["found"], &ended["unreadable"], &ended["error"]), want);
        let (asked, _) = shelf.asked();
        assert_eq!(asked[0]["encoding-type"], "url");
        let mut keys: Vec<String> = world.ended(&bucket, 3).await.iter().map(|it| text(&it["key"])).collect();
        keys.sort();
        assert_eq!(keys, ["a%25 +\u{1}.txt", "twice.txt", "z.txt"], "decoded once, each once");
        let path = format!("/api/v1/Media/Buckets/{bucket}");
        let seen = world.get(&path).await;
        let why = text(&seen["lastError"]);
        assert!(why.starts_with("3 objects of the listing could not be read; `size.txt`"), "{seen}");
        assert_eq!(seen["nextScanAfter"], Value::Null, "the endpoint has not failed");
        assert_eq!(world.scan(&bucket).await["found"], 0);
        shelf.lists(|_| listing("<IsTruncated>false</IsTruncated>"));
        world.scan(&bucket).await;
        assert_eq!(world.get(&path).await["lastError"], Value::Null);
    });
}

/// RFC 9110, section 13.1.1: what was listed is fetched, or nothing.
#[test]
fn an_object_that_was_replaced_never_lends_its_bytes_to_the_version_before() {
    World::run(async |world| {
        let shelf = Shelf::start().await;
        let size = media("astronaut.jpg").len();
        shelf.put("a.jpg", "new", media("astronaut.jpg"));
        shelf.lists(move |_| listing(&format!("<IsTruncated>false</IsTruncated>{}", entry("a.jpg", "old", size))));
        let bucket = world.bucket_at(&shelf.url, "b", json!({})).await;
        world.scan(&bucket).await;
        let item = world.ended(&bucket, 1).await.remove(0);
        assert_eq!((&item["status"], &item["error"]["code"]), (&json!("Skipped"), &json!("superseded")), "{item}");
        shelf.lists(move |_| listing(&format!("<IsTruncated>false</IsTruncated>{}", entry("a.jpg", "new", size))));
        assert_eq!(world.scan(&bucket).await["found"], 1, "the next scan finds what is there now");
        assert_eq!(world.ended(&bucket, 2).await[0]["status"], "Completed");
        // no ETag: the time of its change is its version
        for (day, found) in [("01", 1), ("01", 0), ("02", 1)] {
            let entry = entry("b.txt", "", 7).replace("2026-01-01", &format!("2026-01-{day}"));
            shelf.lists(move |_| listing(&format!("<IsTruncated>false</IsTruncated>{entry}")));
            assert_eq!(world.scan(&bucket).await["found"], found, "of equal size, changed on day {day}");
        }
    });
}

/// RFC 9110, section 5.6.7; Amazon S3, "Error responses".
#[test]
fn what_an_endpoint_says_of_waiting_and_of_clocks_is_heard() {
    World::run(async |world| {
        let shelf = Shelf::start().await;
        let bucket = world.bucket_at(&shelf.url, "b", json!({})).await;
        let date = ("date", "Sat, 21 Nov 2026 12:00:00 GMT".to_owned());
        for value in
            ["7200", "Sat, 21 Nov 2026 14:00:00 GMT", "Saturday, 21-Nov-26 14:00:00 GMT", "Sat Nov 21 14:00:00 2026"]
        {
            let headers = vec![date.clone(), ("retry-after", value.to_owned())];
            shelf.refuses(Some((503, headers, "<Error><Code>SlowDown</Code></Error>".to_owned())));
            let ended = world.scan(&bucket).await;
            assert_eq!(ended["error"], "the endpoint answered 503 SlowDown, and asks to wait 7200 seconds", "{value}");
        }
        let skewed = "<Error><Code>RequestTimeTooSkewed</Code></Error>".to_owned();
        shelf.refuses(Some((403, Vec::new(), skewed)));
        let why = text(&world.scan(&bucket).await["error"]);
        assert!(why.contains("clock") && !why.contains("credentials are refused"), "{why}");
    });
}

#[test]
fn keys_that_xml_cannot_carry_are_listed_by_the_local_bucket() {
    World::run(async |world| {
        let bucket = world.bucket().await;
        let names = ["a%2Fb+c d.txt", "bell\u{7}.txt", "é&<.txt"];
        for name in names {
            std::fs::write(bucket.folder.join(name), name).unwrap();
        }
        assert_eq!(world.scan(&bucket.id).await["listed"], 3);
        let mut keys: Vec<String> = world.ended(&bucket.id, 3).await.iter().map(|it| text(&it["key"])).collect();
        keys.sort();
        assert_eq!(keys, names);
        let with = |region: &str, poll: &str| json!({ "system": "datacore", "endpoint": world.stack.s3_url, "bucket": "b", "schedule": "rate(1 hour)", "region": region, "poll": poll });
        for body in [with("", "listing"), with("a/b", "listing"), with("-a", "listing"), with("eu-central-1", "search")]
        {
            let (status, problem) = world.ask("POST", "/api/v1/Media/Buckets", Some(body)).await;
            assert_eq!((status, &problem["field"]), (422, &json!("region")), "{problem}");
        }
        assert_eq!(world.get(&format!("/api/v1/Media/Buckets/{}", bucket.id)).await["region"], Value::Null);
    });
}
