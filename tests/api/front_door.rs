//! The front door, as API Gateway is.

use system_tests::World;

#[test]
fn unknown_routes_methods_and_sizes_are_answered_as_api_gateway_does() {
    World::run(async |world| {
        let url = &world.stack.url;
        let answer = world.http.get(format!("{url}/nowhere")).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.headers().contains_key("apigw-requestid")), (404, true));
        let problem: serde_json::Value = answer.json().await.unwrap();
        assert_eq!(problem["type"], "about:blank#no-such-route", "the default route takes it");
        assert_eq!(world.ask("PATCH", "/api/v1/Media/Buckets", None).await.0, 405);
        assert_eq!(world.ask("DELETE", "/api/v1/Notification/ChannelConfiguration/All", None).await.0, 405);
        let large = vec![b'x'; (10 << 20) + 1];
        let answer = world.http.post(format!("{url}/api/v1/Media/Buckets")).body(large).send().await.unwrap();
        assert_eq!(answer.status(), 413);
        let refused: serde_json::Value = answer.json().await.unwrap();
        assert_eq!(refused["message"], "Request Entity Too Large");
    });
}
