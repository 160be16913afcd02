//! Pages of an S3 listing: no more objects than the page names, each a key that can be, and a page that is written from them
//! says the same.

use std::collections::HashSet;

use object_store::ListingPage;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// Bytes of a key, at most.
const MAX_KEY_BYTES: usize = 1_024;

/// The input is the body of a response.
pub fn check(input: &[u8]) {
    let Some(page) = ListingPage::parse(input) else { return };
    let entries = input.windows(8).filter(|it| it == b"Contents").count();
    assert!(page.objects.len() + page.errors.len() <= entries);
    let keys: HashSet<&str> = page.objects.iter().map(|it| it.key.as_str()).collect();
    assert_eq!(keys.len(), page.objects.len(), "each key once");
    for object in &page.objects {
        assert!((1..=MAX_KEY_BYTES).contains(&object.key.len()) && !object.etag.is_empty());
    }
    if let Some(last) = &page.last_key {
        assert_eq!(page.objects.iter().map(|it| &it.key).max(), Some(last), "to go on after it loses nothing");
    }
    assert!(page.errors.iter().all(|it| it.chars().count() <= 3_000 && !it.chars().any(char::is_control)));
    for continuation in [&page.next_continuation_token, &page.next_marker].into_iter().flatten() {
        assert!(!continuation.is_empty());
    }
    writes_the_same(&page);
}

fn writes_the_same(page: &ListingPage) {
    let mut text = "<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>false</IsTruncated>".to_owned();
    for object in &page.objects {
        let key = utf8_percent_encode(&object.key, NON_ALPHANUMERIC);
        let etag: String = object.etag.chars().map(|it| format!("&#{};", u32::from(it))).collect();
        text += &format!("<Contents><Key>{key}</Key><Size>{}</Size><ETag>\"{etag}\"</ETag></Contents>", object.size);
    }
    let again = ListingPage::parse((text + "</ListBucketResult>").as_bytes()).expect("a listing");
    assert_eq!((again.objects, again.errors), (page.objects.clone(), Vec::new()));
    assert_eq!(again.is_truncated, Some(false));
}
