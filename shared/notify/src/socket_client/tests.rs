//! What a client does with what comes.

use super::*;

fn cursor(stream: &str, sequence: u64) -> String {
    use base64::Engine;
    let position = json!({ "stream": stream, "sequence": sequence }).to_string();
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(position)
}

fn notifications(sequences: &[u64]) -> Value {
    let item = |it: &u64| json!({ "sequence": it, "cursor": cursor("app", *it) });
    json!({ "type": "notifications", "items": sequences.iter().map(item).collect::<Vec<_>>() })
}

fn resumed(sequence: u64, more: bool) -> Value {
    json!({ "type": "resumed", "cursors": [cursor("app", sequence)], "more": more })
}

/// What a client takes of messages, and whether it resumes after each of them.
fn taken(client: &mut SocketClient, messages: &[Value]) -> (Vec<u64>, Vec<bool>) {
    let (mut all, mut resumes) = (Vec::new(), Vec::new());
    for message in messages {
        let outcome = client.handle_message(message, &mut |_, received| {
            if let Received::Notification { item, .. } = received {
                all.push(item["sequence"].as_u64().unwrap());
            }
            ControlFlow::Continue(())
        });
        resumes.push(matches!(outcome.unwrap(), MessageOutcome::ResumeNeeded));
    }
    (all, resumes)
}

fn client(resuming: bool) -> SocketClient {
    let mut client = SocketClient::new(Protocol::Native, BTreeMap::new());
    assert_eq!(taken(&mut client, &[resumed(3, false)]), (vec![], vec![false]));
    client.resumed_until = resuming.then(|| Instant::now() + RESUME_TIMEOUT);
    client
}

#[test]
fn each_number_is_taken_once_and_a_missing_one_is_asked_for() {
    let mut client = client(false);
    let messages = [notifications(&[4, 5]), notifications(&[5, 3]), notifications(&[7])];
    assert_eq!(taken(&mut client, &messages), (vec![4, 5], vec![false, false, true]));
    assert_eq!(client.repeated, 2);
}

#[test]
fn what_comes_too_early_while_the_client_resumes_is_asked_for_after_it() {
    let mut client = client(true);
    let messages = [notifications(&[6]), notifications(&[4, 5]), resumed(5, false), notifications(&[6])];
    assert_eq!(taken(&mut client, &messages), (vec![4, 5, 6], vec![false, false, true, false]));
    client.resumed_until = Some(Instant::now() + RESUME_TIMEOUT);
    let messages = [resumed(6, true), resumed(6, false)];
    assert_eq!(taken(&mut client, &messages), (vec![], vec![true, false]), "`more`, and no second time");
    assert!(!client.has_waited_too_long());
}

#[test]
fn a_resume_without_an_answer_is_given_up() {
    let mut client = client(true);
    client.resumed_until = Some(Instant::now());
    assert!(client.has_waited_too_long());
}
