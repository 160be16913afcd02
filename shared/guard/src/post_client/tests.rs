//! Requests over a pool of connections, against servers of the test's own.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;

#[test]
fn a_head_is_read_as_far_as_its_lines_came_whole() {
    let status = |text: &str| parse_head(text.as_bytes()).map(|it| it.0.as_u16());
    for (text, want) in [
        ("", None),
        ("HTTP/1.1 20", None),
        ("HTTP/1.1 200 OK", None),
        ("HTTP/1.1 200 OK\r\n", Some(200)),
        ("HTTP/1.0 204\n", Some(204)),
        ("HTTP/1.1 2000 OK\r\n", None),
        ("SSH-2.0-OpenSSH\r\n", None),
        ("HTTP/1.1 100 Continue\r\n", None),
        ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 410 Gone\r\n", Some(410)),
    ] {
        assert_eq!(status(text), want, "{text:?}");
    }
    let (_, headers) =
        parse_head(b"HTTP/1.1 503 x\r\nRetry-After: 7\r\nno header\r\nwebhook-delivery : disable\r\nx: cu").unwrap();
    assert_eq!(headers["retry-after"], "7");
    assert_eq!(headers["webhook-delivery"], "disable");
    assert_eq!(headers.len(), 2, "the line that was cut off says nothing");
}

const TIMEOUTS: PostTimeouts = PostTimeouts { response: Duration::from_secs(60), body: Duration::from_secs(60) };

/// A server that counts its connections and hands each to `serve`.
async fn server<F: Future<Output = ()> + Send + 'static>(
    serve: impl Fn(TcpStream) -> F + Send + Copy + 'static,
) -> (Url, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let count = connections.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(async move { serve(stream).await });
        }
    });
    (url, connections)
}

/// Reads a request without a body to its end; `false` if the client has closed the connection.
async fn read_request(stream: &mut TcpStream) -> bool {
    let (mut request, mut buffer) = (Vec::new(), [0; 1_024]);
    while !request.ends_with(b"\r\n\r\n") {
        match stream.read(&mut buffer).await {
            Ok(count @ 1..) => request.extend_from_slice(&buffer[..count]),
            _ => return false,
        }
    }
    true
}

async fn answer_all(mut stream: TcpStream) {
    while read_request(&mut stream).await {
        stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
    }
}

async fn answer_once(mut stream: TcpStream) {
    read_request(&mut stream).await;
    stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
    drop(stream.shutdown().await);
}

/// Answers the first request, and closes when it has read the second.
async fn answer_one_of_two(mut stream: TcpStream) {
    read_request(&mut stream).await;
    stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
    read_request(&mut stream).await;
}

fn client() -> PostClient {
    PostClient::new("127.0.0.0/8".parse().unwrap())
}

async fn post(client: &PostClient, url: &Url) -> Result<PostResponse, PostError> {
    client.post(url, HeaderMap::new(), Bytes::new(), TIMEOUTS).await
}

/// As many as a batch makes side by side.
const AT_ONCE: usize = 50;

#[tokio::test]
async fn rounds_of_requests_side_by_side_reuse_their_connections() {
    let (url, connections) = server(answer_all).await;
    let client = client();
    for _ in 0..20 {
        let round = (0..AT_ONCE).map(|_| post(&client, &url));
        for response in futures_util::future::join_all(round).await {
            assert_eq!(response.unwrap().status, 204);
        }
    }
    let opened = connections.load(Ordering::Relaxed);
    assert!(opened <= AT_ONCE, "{opened} connections for 20 rounds of {AT_ONCE}");
}

/// As after a pause in which the process was frozen: the end of the connection came, and nobody has looked at it.
#[tokio::test]
async fn a_connection_that_was_closed_meanwhile_is_not_used() {
    let (url, connections) = server(answer_once).await;
    let client = client();
    for round in 1..=3 {
        assert_eq!(post(&client, &url).await.unwrap().status, 204);
        // the end of the connection comes after the answer, by itself
        while client.idle.any(PooledConnection::is_usable) {
            tokio::task::yield_now().await;
        }
        assert_eq!(connections.load(Ordering::Relaxed), round);
    }
}

#[tokio::test]
async fn a_request_that_was_sent_is_not_repeated() {
    let (url, connections) = server(answer_one_of_two).await;
    let client = client();
    assert_eq!(post(&client, &url).await.unwrap().status, 204);
    assert!(matches!(post(&client, &url).await, Err(PostError::Transport(_))), "the server may have handled it");
    assert_eq!(connections.load(Ordering::Relaxed), 1);
}
