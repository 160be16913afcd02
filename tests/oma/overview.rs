//! The seed's overview from start to end, by a client of other people's libraries.

use serde_json::{Value, json};
use system_tests::tools::{piped, python};
use system_tests::{World, project};

#[test]
fn an_independent_client_goes_through_the_seeds_overview_in_both_formats() {
    World::run(async |world| {
        let python = python().await.to_string_lossy().into_owned();
        let script = project().join("tests/clients/oma_overview.py").to_string_lossy().into_owned();
        for format in ["JSON", "XML"] {
            let arguments = [script.as_str(), &world.stack.url, &world.keys.api_key, &world.keys.api_secret, format];
            let (ended, said) = piped(&python, &arguments, &[], "").await;
            assert!(ended, "{format}: {said}");
            let seen: Value = serde_json::from_str(said.trim()).unwrap_or_else(|error| panic!("{error}: {said}"));
            let counts = ["live", "queued", "replayed", "polled"].map(|it| &seen[it]);
            assert_eq!((&seen["format"], counts), (&json!(format), [&json!(2), &json!(3), &json!(3), &json!(3)]));
        }
    });
}
