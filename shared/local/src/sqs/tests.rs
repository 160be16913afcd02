//! What standard queues promise.

use std::pin::{Pin, pin};
use std::task::{Context, Waker};

use super::*;

fn open(dir: &tempfile::TempDir) -> Sqs {
    let queue = |name: &str, redrive: Option<(String, u32)>| Queue {
        name: name.to_owned(),
        visibility_timeout: Duration::from_secs(30),
        retention: Duration::from_secs(60),
        redrive,
    };
    Sqs::open(&dir.path().join("q.db"), &[queue("q", Some(("dead".to_owned(), 2))), queue("dead", None)]).unwrap()
}

fn message(body: &str) -> NewMessage {
    NewMessage { body: body.to_owned(), attributes: Value::Null, delay: Duration::ZERO }
}

const LONG: Duration = Duration::from_secs(30);

#[test]
fn a_received_message_is_invisible_until_it_is_deleted_or_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let sqs = open(&dir);
    sqs.send("q", &[message("a"), message("b")]).unwrap();
    let both = sqs.receive("q", 10, LONG).unwrap();
    assert_eq!(both.iter().map(|it| it.body.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert!(sqs.receive("q", 10, LONG).unwrap().is_empty());
    assert_eq!(sqs.depth("q").unwrap(), QueueDepth { visible: 0, in_flight: 2, delayed: 0 });
    assert!(sqs.delete(&both[0].receipt_handle).unwrap());
    assert!(sqs.change_visibility(&both[1].receipt_handle, Duration::ZERO).unwrap());
    let again = sqs.receive("q", 10, LONG).unwrap();
    assert_eq!((again[0].body.as_str(), again[0].receive_count), ("b", 2));
    assert!(!sqs.delete(&both[1].receipt_handle).unwrap(), "an old receipt is no longer good");
}

#[test]
fn what_is_received_too_often_goes_to_the_dead_letters() {
    let dir = tempfile::tempdir().unwrap();
    let sqs = open(&dir);
    sqs.send("q", &[message("poison")]).unwrap();
    for receives in 1..=2 {
        assert_eq!(sqs.receive("q", 1, Duration::ZERO).unwrap()[0].receive_count, receives);
    }
    assert!(sqs.receive("q", 1, LONG).unwrap().is_empty());
    let dead = sqs.receive("dead", 1, LONG).unwrap();
    assert_eq!(
        (dead[0].body.as_str(), dead[0].dead_letter_source.as_deref(), dead[0].receive_count),
        ("poison", Some("q"), 1)
    );
}

#[test]
fn everything_that_was_accepted_is_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(&dir);
    first.send("q", &[message("waiting"), message("held")]).unwrap();
    assert_eq!(first.receive("q", 1, LONG).unwrap()[0].body, "waiting");
    std::mem::forget(first); // as a kill does: nothing is closed
    let mut bodies: Vec<String> = open(&dir).receive("q", 10, LONG).unwrap().into_iter().map(|it| it.body).collect();
    bodies.sort();
    assert_eq!(bodies, ["held", "waiting"]);
}

#[tokio::test]
async fn a_delayed_message_wakes_a_receiver_when_its_time_has_come() {
    let dir = tempfile::tempdir().unwrap();
    let sqs = open(&dir);
    sqs.send("q", &[NewMessage { delay: Duration::from_millis(300), ..message("later") }]).unwrap();
    assert_eq!(sqs.depth("q").unwrap().delayed, 1);
    assert!(sqs.receive("q", 1, LONG).unwrap().is_empty());
    assert_eq!(sqs.long_poll("q", 1, LONG, Duration::from_secs(20)).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_message_wakes_the_receivers_of_its_queue_and_no_others() {
    let dir = tempfile::tempdir().unwrap();
    let sqs = open(&dir);
    let hour = Duration::from_secs(3_600);
    let mut own = pin!(sqs.wait_for_message("q", hour));
    let mut other = pin!(sqs.wait_for_message("dead", hour));
    assert!(waits(own.as_mut()) && waits(other.as_mut()));
    sqs.send("q", &[message("a")]).unwrap();
    assert!(own.await.unwrap() && waits(other.as_mut()));
    let receipt = sqs.receive("q", 1, LONG).unwrap().remove(0).receipt_handle;
    // what comes back to its queue wakes as well, and so does what moves to the dead letters
    let mut own = pin!(sqs.wait_for_message("q", hour));
    assert!(waits(own.as_mut()));
    assert!(sqs.change_visibility(&receipt, Duration::ZERO).unwrap());
    assert!(own.await.unwrap());
    assert_eq!(sqs.receive("q", 1, Duration::ZERO).unwrap().len(), 1);
    assert!(waits(other.as_mut()));
    assert!(sqs.receive("q", 1, LONG).unwrap().is_empty());
    assert!(other.await.unwrap());
    assert!(!sqs.wait_for_message("q", Duration::ZERO).await.unwrap());
}

/// Whether a future is not ready yet.
fn waits(future: Pin<&mut impl Future>) -> bool {
    future.poll(&mut Context::from_waker(Waker::noop())).is_pending()
}

#[test]
fn a_batch_is_taken_past_those_that_go_to_the_dead_letters_and_deleted_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let sqs = open(&dir);
    sqs.send("q", &[message("poison"), message("poison")]).unwrap();
    for _ in 0..2 {
        assert_eq!(sqs.receive("q", 10, Duration::ZERO).unwrap().len(), 2);
    }
    sqs.send("q", &[message("a"), message("b")]).unwrap();
    let batch = sqs.receive("q", 2, LONG).unwrap();
    assert_eq!(batch.iter().map(|it| it.body.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(sqs.depth("dead").unwrap().visible, 2);
    let receipts: Vec<&str> = batch.iter().map(|it| it.receipt_handle.as_str()).collect();
    assert_eq!(sqs.delete_all(&[receipts[0], "unknown", receipts[1]]).unwrap(), 2);
    assert_eq!(sqs.depth("q").unwrap().total(), 0);
}
