//! Topics, times and the life of SignalR connections.

use proptest::prelude::*;

use super::*;

fn hub() -> HubConnection {
    let member = ConnectionUser::new(AppId::random([1; 16]), "jane".into(), Vec::new());
    HubConnection::new(member, true, 0)
}

#[test]
fn a_connection_hears_its_user_its_groups_and_everyone() {
    let member = ConnectionUser::new(AppId::random([1; 16]), "7".into(), vec!["news".into()]);
    let connection =
        Connection { id: "abc=".into(), member, protocol: Protocol::Native, since: 0, hub: None, channel: None };
    let channels = connection.topics();
    assert_eq!(channels[..2], ["user:7", "group:news"]);
    assert!(channels[2].starts_with("everyone."), "{channels:?}");
}

#[test]
fn reconnects_are_spread_and_come_before_the_cut() {
    for id in ["a=", "b=", "TjZ1neeXAAMCJZw="] {
        let member = ConnectionUser::new(AppId::random([1; 16]), "7".into(), Vec::new());
        let connection =
            Connection { id: id.into(), member, protocol: Protocol::Native, since: 0, hub: None, channel: None };
        assert_eq!(connection.reconnect_after(RECONNECT_FROM_MS - 300_001), None);
        for age in (RECONNECT_FROM_MS + RECONNECT_SPREAD_MS - 300_000..MAX_CONNECTION_MS).step_by(60_000) {
            let at = age + i64::try_from(connection.reconnect_after(age).unwrap()).unwrap();
            assert!((RECONNECT_FROM_MS..MAX_CONNECTION_MS).contains(&at), "{id} {age} {at}");
        }
    }
}

#[test]
fn only_a_stateful_connection_is_taken_up_again_and_only_soon() {
    let mut hub = hub();
    assert!(hub.may_attach(RESUMABLE_MS - 1) && !hub.may_attach(RESUMABLE_MS));
    hub.attach("one", 5);
    hub.handshake_done = true;
    assert!(!hub.resuming && hub.may_attach(MAX_HUB_AGE_MS), "its socket may be dead without a word");
    assert!(!hub.may_attach(MAX_HUB_AGE_MS + 1), "not for ever");
    hub.detach(100);
    assert!(hub.may_attach(100 + RESUMABLE_MS - 1) && !hub.may_attach(100 + RESUMABLE_MS));
    hub.attach("two", 200);
    assert!(hub.resuming);
    hub.stateful = false;
    assert!(!hub.may_attach(201));
}

proptest! {
    /// Whatever is lost, interrupted or reordered: what is acknowledged was handled once, and the rest is repeated.
    #[test]
    fn what_is_acknowledged_was_handled_once(steps in proptest::collection::vec((0_u8..6, 0_u64..5), 1..60)) {
        let mut hub = hub();
        // how often the message of each number was handled
        let (mut handled, mut acked, mut next) = (vec![0_u32], 0_u64, 1_u64);
        for (step, count) in steps {
            let count = if next + count - acked > MAX_HANDLED_DIGESTS as u64 { 0 } else { count };
            let mut numbers: Vec<u64> = (next..next + count).collect();
            next += count;
            handled.resize(next as usize, 0);
            let mut handle = |hub: &mut HubConnection, numbers: &[u64]| {
                let new = hub.receive(numbers);
                numbers.iter().zip(new).filter(|it| it.1).for_each(|it| handled[*it.0 as usize] += 1);
                hub.complete(numbers)
            };
            match step {
                0 | 1 => acked = handle(&mut hub, &numbers).unwrap_or(acked),
                2 => drop(handle(&mut hub, &numbers)), // the acknowledgement is lost
                3 => drop(hub.receive(&numbers)), // a function died over them
                _ => {
                    // these were lost; on a new socket the client sends all that is not acknowledged
                    hub.detach(0);
                    hub.attach("next", 0);
                    hub.resume(acked + 1);
                    numbers = (acked + 1..next).collect();
                    if step == 4 {
                        numbers.reverse();
                    }
                    acked = numbers.chunks(2).map(|it| handle(&mut hub, it).unwrap_or(acked)).max().unwrap_or(acked);
                    prop_assert_eq!(acked, next - 1);
                }
            }
            prop_assert!((1..=acked).all(|it| handled[it as usize] == 1), "{} {:?}", acked, handled);
        }
    }

    /// A client may claim any number: it resumes where we are at most, and the next message is counted from there.
    #[test]
    fn a_number_that_was_never_acknowledged_is_none(handled in 0_u64..20, beyond in 0_u64..=u64::MAX - 20) {
        let mut hub = HubConnection { handled, received: handled, ..hub() };
        hub.resume(handled + 1 + beyond);
        hub.receive(&[7]);
        prop_assert_eq!(hub.complete(&[7]), Some(handled + 1));
    }

    /// Our messages are sent again from the first that the client has not acknowledged.
    #[test]
    fn what_is_not_acknowledged_is_sent_again(sent in 0_u64..50, acked in 0_u64..80) {
        let mut hub = HubConnection { sent, ..hub() };
        hub.ack(acked);
        prop_assert_eq!(hub.resume(1), acked.min(sent) + 1);
        prop_assert_eq!(hub.sent, acked.min(sent));
    }
}
