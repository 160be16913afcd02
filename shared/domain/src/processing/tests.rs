//! Tests of the transitions: what each does, and that every order of them ends once.

use proptest::prelude::*;
use time::macros::datetime;

use super::*;
use crate::processor::Processors;
use crate::scanning::{ListedObject, tests::bucket};

const NOW: OffsetDateTime = datetime!(2026-11-21 12:00 UTC);
const FACES: ProcessorKind = ProcessorKind::FacialRecognition;
const OBJECTS: ProcessorKind = ProcessorKind::ObjectDetection;

fn item() -> Item {
    let object = ListedObject { key: "a.jpg".into(), etag: "e".into(), size: 7, media_type: None };
    Item::from_object(&bucket(), &object, "image/jpeg".into(), "p", NOW)
}

fn item_of(kinds: &[ProcessorKind]) -> Item {
    Item { processor: Processors::new(kinds).unwrap(), ..item() }
}

fn results() -> ResultSummary {
    ResultSummary {
        faces: 2,
        quality: "demo".into(),
        document: "d".into(),
        preview: "p".into(),
        sha256: "s".into(),
        ..ResultSummary::default()
    }
}

fn claimed(item: &Item, processor: ProcessorKind) -> Item {
    claim(NOW, item, processor, processor.default_backend(), Duration::MINUTE).unwrap().item
}

fn kinds(of: &ItemTransition) -> Vec<&str> {
    of.notifications.iter().map(|it| it.kind.as_str()).collect()
}

fn boom() -> Problem {
    Problem::new("internal", "boom")
}

#[test]
fn a_claim_is_for_one_worker() {
    let held = claimed(&item(), FACES);
    assert_eq!((held.status, held.attempts, held.revision), (ItemStatus::Processing, 1, 1));
    assert_eq!(claim(NOW, &held, FACES, Backend::Embedded, Duration::MINUTE), None);
    assert_eq!(expire(NOW + Duration::seconds(59), &held), None);
    assert_eq!(expire(NOW + Duration::MINUTE, &held).unwrap().item.status, ItemStatus::Pending);
}

#[test]
fn the_third_failure_is_the_last() {
    let mut item = item();
    for attempt in 1..=MAX_ATTEMPTS {
        item = claimed(&item, FACES);
        let transition = fail(NOW, &item, item.job(FACES), boom(), true);
        assert_eq!(transition.notifications.len(), usize::from(attempt == MAX_ATTEMPTS));
        item = transition.item;
    }
    assert_eq!(item.status, ItemStatus::Failed);
    assert_eq!(item.error.as_ref().unwrap().message, "boom");
    let again = claimed(&reprocess(NOW, &item, None).unwrap().item, FACES);
    assert_eq!((again.attempts, again.job(FACES).attempt), (1, MAX_ATTEMPTS + 1), "no number comes twice");
}

#[test]
fn what_can_never_work_fails_at_once() {
    let held = claimed(&item(), FACES);
    let transition = fail(NOW, &held, held.job(FACES), Problem::new("media_unreadable", "no picture"), false);
    assert_eq!(transition.item.status, ItemStatus::Failed);
    assert_eq!(transition.notifications[0].data["error"]["code"], "media_unreadable");
}

#[test]
fn a_found_item_is_one_write_unit() {
    let object = ListedObject { key: "k".repeat(200), etag: "9".repeat(36), size: 7_000_000_000, media_type: None };
    let item = Item::from_object(&bucket(), &object, "video/x-matroska".into(), "scan-page", NOW);
    let item = Item { processor: Processors::new(&ProcessorKind::ALL).unwrap(), ..item };
    let row = serde_json::to_vec(&item).unwrap();
    assert!(row.len() < 940, "{} bytes", row.len());
}

#[test]
fn an_item_ends_with_the_last_of_its_processors() {
    let item = claimed(&claimed(&item_of(&[FACES, OBJECTS]), FACES), OBJECTS);
    let first = complete(NOW, &item, item.job(FACES), results());
    assert_eq!((first.item.status, first.notifications.len()), (ItemStatus::Processing, 1));
    assert_eq!(first.notifications[0].kind, "processor.completed");
    assert_eq!(first.notifications[0].data["results"]["FacialRecognition"]["faces"], 2);
    let item = first.item;
    let last = fail(NOW, &item, item.job(OBJECTS), boom(), false);
    assert_eq!((last.item.status, kinds(&last)), (ItemStatus::Failed, vec!["processor.failed", "item.failed"]));
    let told = &last.notifications[1].data;
    assert_eq!(
        told["processors"],
        serde_json::json!({ "FacialRecognition": "Succeeded", "ObjectDetection": "Failed" })
    );
    assert_eq!(
        (&told["results"]["FacialRecognition"]["faces"], &told["error"]["message"]),
        (&2.into(), &"boom".into())
    );
    // one alone is done again, and the other's result stays
    let again = claimed(&reprocess(NOW, &last.item, Some(OBJECTS)).unwrap().item, OBJECTS);
    let done = complete(NOW, &again, again.job(OBJECTS), results()).item;
    assert_eq!((done.status, done.job(FACES).attempt, done.job(OBJECTS).attempt), (ItemStatus::Completed, 1, 2));
}

#[test]
fn a_callback_may_come_before_the_answer_and_twice_and_late() {
    let item = claimed(&item_of(&[OBJECTS]), OBJECTS);
    let hold = item.job(OBJECTS).hold();
    let succeeded = || Report::Succeeded { sha256: None };
    let collecting = report(NOW, &item, OBJECTS, 1, Some("m1"), succeeded()).unwrap().item;
    assert_eq!(collecting.job(OBJECTS).state, JobState::Collecting);
    assert!(collecting.job(OBJECTS).is_waiting());
    assert_eq!(held(&collecting, hold), None, "the answer to the start call comes too late");
    assert_eq!(report(NOW, &collecting, OBJECTS, 1, Some("m1"), succeeded()), Err(ReportRefused::Repeated));
    assert_eq!(report(NOW, &collecting, OBJECTS, 1, Some("m2"), succeeded()), Err(ReportRefused::Stale));
    let cancelled = cancel(NOW, &item, None).unwrap().item;
    assert_eq!(report(NOW, &cancelled, OBJECTS, 1, None, succeeded()), Err(ReportRefused::Stale));
    assert_eq!((cancelled.status, cancelled.job(OBJECTS).state), (ItemStatus::Skipped, JobState::Cancelled));
}

#[test]
fn progress_is_written_every_five_seconds_whoever_tells_it_more_often() {
    let held = claimed(&item_of(&[OBJECTS]), OBJECTS);
    let item = accept(NOW, &held, held.job(OBJECTS), "x".into(), Duration::MINUTE, NOW + Duration::HOUR).item;
    let tell = |item: &Item, seconds, message, progress| {
        report(NOW + Duration::seconds(seconds), item, OBJECTS, 1, Some(message), Report::Running { progress })
    };
    let first = tell(&item, 0, "m1", Some(0.1)).unwrap().item;
    assert_eq!(tell(&first, 4, "m2", Some(0.2)), Err(ReportRefused::Repeated), "nothing is written");
    let later = tell(&first, 5, "m3", None).unwrap().item.job(OBJECTS);
    assert_eq!((later.progress, later.messages), (Some(0.1), vec!["m1".to_owned(), "m3".to_owned()]));
    let done = report(NOW, &first, OBJECTS, 1, Some("m4"), Report::Succeeded { sha256: None }).unwrap().item;
    assert_eq!(done.job(OBJECTS).state, JobState::Collecting, "the end is never too soon");
}

#[test]
fn a_start_call_is_repeated_under_the_same_attempt_and_five_times_at_most() {
    let mut item = item_of(&[OBJECTS]);
    let mut delays = Vec::new();
    for tries in 1..=MAX_TRIES {
        item = claimed(&item, OBJECTS);
        let job = item.job(OBJECTS);
        assert_eq!((job.attempt, job.tries), (1, tries));
        item = retry_start(NOW, &item, job, Problem::new("endpoint_failed", "503"), (tries == 2).then_some(60)).item;
        if tries < MAX_TRIES {
            let done = report(NOW, &item, OBJECTS, 1, None, Report::Succeeded { sha256: None }).unwrap().item;
            assert_eq!(done.job(OBJECTS).state, JobState::Collecting, "the answer was lost, and the work was done");
        }
        delays.push(retry_delay(&item.job(OBJECTS), 0.5).whole_seconds());
    }
    assert_eq!((item.status, delays), (ItemStatus::Failed, vec![5, 60, 80, 320, 0]));
}

#[test]
fn a_collection_that_fails_waits_longer_each_time_and_an_obstacle_does_not_count() {
    let started = claimed(&item_of(&[OBJECTS]), OBJECTS);
    let mut item = report(NOW, &started, OBJECTS, 1, None, Report::Succeeded { sha256: None }).unwrap().item;
    let collecting = |item: &Item| claim_collection(NOW, item, OBJECTS, Duration::MINUTE).unwrap().item;
    let delay = |item: &Item| retry_delay(&item.job(OBJECTS), 0.5).whole_seconds();
    assert_eq!(delay(&item), 0, "the first time");
    let mut delays = Vec::new();
    for _ in 0..MAX_TRIES {
        for (wait, want) in [(None, 20), (Some(90), 90)] {
            let held = collecting(&item);
            item = postpone(NOW, &held, held.job(OBJECTS), Problem::new(POSTPONED, "busy"), wait).item;
            assert_eq!(delay(&item), want);
        }
        let held = collecting(&item);
        item = collect_again(NOW, &held, held.job(OBJECTS), boom()).item;
        delays.push(delay(&item));
    }
    assert_eq!((item.job(OBJECTS).state, delays), (JobState::Failed, vec![5, 20, 80, 320, 0]));
}

#[test]
fn an_attempt_past_its_deadline_is_begun_anew_and_times_out_in_the_end() {
    let mut item = item_of(&[OBJECTS]);
    for attempt in 1..=MAX_ATTEMPTS {
        item = claimed(&item, OBJECTS);
        let job = item.job(OBJECTS);
        item = accept(NOW, &item, job, "x".into(), Duration::MINUTE, NOW + Duration::HOUR).item;
        assert_eq!((polls_due(NOW, &item), item.check_at), (vec![], Some(crate::millis(NOW + Duration::MINUTE))));
        assert_eq!(polls_due(NOW + Duration::MINUTE, &item), [OBJECTS]);
        assert_eq!(expire(NOW + Duration::minutes(59), &item), None);
        item = expire(NOW + Duration::HOUR, &item).unwrap().item;
        assert_eq!(item.job(OBJECTS).state.is_final(), attempt == MAX_ATTEMPTS);
    }
    assert_eq!((item.status, item.job(OBJECTS).state), (ItemStatus::Failed, JobState::TimedOut));
    assert_eq!(item.error.unwrap().code, "deadline_exceeded");
}

#[test]
fn an_item_of_before_there_were_jobs_is_read_as_one_that_has_one() {
    let mut row = serde_json::to_value(item()).unwrap();
    row["status"] = "Completed".into();
    row["attempts"] = 1.into();
    row["results"] =
        serde_json::json!({ "faces": 3, "quality": "demo", "document": "d", "preview": "p", "sha256": "s" });
    let item: Item = serde_json::from_value(row).unwrap();
    assert_eq!((item.job(FACES).state, item.job(FACES).results.unwrap().faces), (JobState::Succeeded, 3));
    let erased = erase_results(NOW, &item, None).unwrap().item;
    assert_eq!((erased.status, erased.job(FACES).results, erased.results), (ItemStatus::Skipped, None, None));
}

#[test]
fn results_are_erased_from_an_item_that_nobody_works_on() {
    let done = |item: &Item, kind| complete(NOW, item, claimed(item, kind).job(kind), results()).item;
    let one = done(&item(), FACES);
    assert_eq!(erase_results(NOW, &item(), None), None, "it waits");
    assert_eq!(erase_results(NOW, &claimed(&item(), FACES), None), None, "it is worked on");
    let plan = erase_results(NOW, &one, None).unwrap();
    assert_eq!((plan.item.status, plan.item.job(FACES).results), (ItemStatus::Skipped, None));
    assert_eq!(
        (plan.item.error.as_ref().map(|it| it.code.as_str()), kinds(&plan)),
        (Some("erased"), vec!["item.skipped"])
    );
    assert_eq!(erase_results(NOW, &plan.item, None), None, "there are none");
    // of several, one after the other, or all at once
    let both = done(&done(&item_of(&[FACES, OBJECTS]), FACES), OBJECTS);
    let first = erase_results(NOW, &both, Some(FACES)).unwrap();
    assert_eq!((first.item.status, kinds(&first)), (ItemStatus::Completed, vec!["processor.skipped"]));
    assert!(first.item.job(FACES).results.is_none() && first.item.job(OBJECTS).results.is_some());
    assert_eq!(first.item.revision, both.revision + 1);
    let last = erase_results(NOW, &first.item, None).unwrap();
    assert_eq!((last.item.status, kinds(&last).len()), (ItemStatus::Skipped, 2));
    let all = erase_results(NOW, &both, None).unwrap();
    assert_eq!((all.item.revision, kinds(&all).len()), (both.revision + 1, 3), "each processor's, and the item's");
    let again = reprocess(NOW, &both, Some(OBJECTS)).unwrap().item;
    assert_eq!(erase_results(NOW, &again, None), None, "one of them waits again");
    assert!(erase_results(NOW, &again, Some(FACES)).is_some(), "the other does not");
}

#[test]
fn what_a_worker_makes_of_a_job_is_unwanted_once_it_is_cancelled_and_until_it_is_asked_for_again() {
    let check =
        |item: &Item, want: bool| assert_eq!(item.job(FACES).is_given_up(), want, "{:?}", item.job(FACES).state);
    let held = claimed(&item(), FACES);
    check(&held, false);
    let cancelled = cancel(NOW, &held, None).unwrap().item;
    check(&cancelled, true);
    let again = reprocess(NOW, &cancelled, None).unwrap().item;
    check(&again, false);
    let done = complete(NOW, &held, held.job(FACES), results()).item;
    check(&done, false);
    check(&cancel(NOW, &reprocess(NOW, &done, None).unwrap().item, None).unwrap().item, false);
    check(&erase_results(NOW, &done, None).unwrap().item, true);
}

#[test]
fn what_is_asked_for_again_is_shown_by_another_job_of_the_asset_manager() {
    let held = claimed(&item(), FACES);
    let shown = Job { asset_job: Some("0199a1b2".into()), ..held.job(FACES) };
    let failed = fail(NOW, &held, shown.clone(), boom(), true).item;
    assert_eq!(claimed(&failed, FACES).job(FACES).asset_job, shown.asset_job, "another attempt goes on with it");
    let aborted = skip(NOW, &held, shown, Problem::new("aborted", "its job was aborted in Iconik")).item;
    assert_eq!(reprocess(NOW, &aborted, None).unwrap().item.job(FACES).asset_job, None);
}

proptest! {
    /// Whatever happens in whatever order, a finished item has published its result exactly once since it was last
    /// requested, and at most three attempts are made.
    #[test]
    fn every_order_ends_once(events in proptest::collection::vec((0_u8..9, any::<bool>()), 1..60)) {
        let (mut item, mut published, mut now) = (item_of(&[FACES, OBJECTS]), 0, NOW);
        for (event, first) in events {
            now += Duration::seconds(40);
            let processor = if first { FACES } else { OBJECTS };
            let job = item.job(processor);
            let is_held = job.state == JobState::Submitting;
            let transition = match event {
                0 => claim(now, &item, processor, processor.default_backend(), Duration::MINUTE),
                1 if is_held => Some(complete(now, &item, job, results())),
                2 if is_held => Some(fail(now, &item, job, boom(), true)),
                3 if is_held => Some(skip(now, &item, job, Problem::new("too_large", "x"))),
                4 => expire(now, &item),
                5 => reprocess(now, &item, first.then_some(processor)).inspect(|_| published = 0),
                6 if is_held => Some(accept(now, &item, job, "x".into(), Duration::MINUTE, now + Duration::minutes(3))),
                7 => report(now, &item, processor, job.attempt, None, Report::Succeeded { sha256: None }).ok(),
                8 => claim_collection(now, &item, processor, Duration::MINUTE),
                _ => None,
            };
            let Some(transition) = transition else { continue };
            published += transition.notifications.iter().filter(|it| it.kind.starts_with("item.")).count();
            prop_assert_eq!(transition.item.revision, item.revision + 1);
            item = transition.item;
            let ended = matches!(item.status, ItemStatus::Completed | ItemStatus::Failed | ItemStatus::Skipped);
            prop_assert_eq!(published, usize::from(ended));
            prop_assert!(item.attempts <= MAX_ATTEMPTS);
            prop_assert!(item.all_jobs().all(|it| it.check_at().is_some() || it.state.is_final() || it.is_waiting()));
            prop_assert!(item.history.len() <= crate::item::MAX_HISTORY);
        }
    }
}
