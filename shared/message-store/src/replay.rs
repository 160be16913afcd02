//! Which changes of a box a subscription is told: pure decisions.

use domain::message_store::Stored;

use crate::filter::{Filter, Moment};

/// A change of a box: its number, and the thing as it is now; `None` if even its tombstone is gone.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Change {
    pub(crate) sequence: u64,
    pub(crate) thing: Option<Stored>,
}

/// What a list is made of.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Selection {
    /// The things to tell of, each as it is now, in the order of their latest changes.
    pub(crate) things: Vec<Stored>,
    /// The number of the last change that was looked at: the list's restart token.
    pub(crate) to: Option<u64>,
}

/// What a list has room for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Room {
    pub(crate) events: usize,
    pub(crate) bytes: usize,
}

/// Chooses from changes, in their order, as many events as a list has room for, and at least one; `size` is that of an event. A thing is told at its latest change, as it is then: earlier
/// changes of it are part of that. What a filter hides is passed over, and not looked at again.
pub(crate) fn choose(
    changes: &[Change],
    filter: Option<&Filter>,
    created_seq: u64,
    replay_to: u64,
    room: Room,
    size: impl Fn(&Stored) -> usize,
) -> Selection {
    let (mut told, mut bytes) = (Selection { things: Vec::new(), to: None }, 0);
    for change in changes {
        if told.things.len() == room.events {
            break;
        }
        let moment = Moment { created_seq, is_replay: change.sequence <= replay_to };
        let latest = change.thing.as_ref().filter(|it| it.changed_seq == change.sequence);
        let wanted = latest.filter(|it| filter.is_none_or(|filter| filter.matches(it, moment)));
        if let Some(thing) = wanted {
            bytes += size(thing);
            if bytes > room.bytes && !told.things.is_empty() {
                break;
            }
            told.things.push(thing.clone());
        }
        told.to = Some(change.sequence);
    }
    told
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use domain::AppId;
    use domain::message_store::{BoxId, StoredState};
    use oma::{SearchCriteria, SearchCriterion, SearchType};
    use proptest::prelude::*;

    use super::*;

    fn stored(id: u64, seen: bool, live: bool, created_seq: u64, changed_seq: u64) -> Stored {
        let in_box = BoxId { app: AppId::random([1; 16]), store: "s".into(), name: "b".into() };
        Stored {
            flags: if seen { vec!["\\Seen".into()] } else { Vec::new() },
            state: if live { StoredState::Live } else { StoredState::Deleted },
            created_seq,
            changed_seq,
            ..Stored::new(&in_box, id, 0, 0)
        }
    }

    proptest! {
        /// For any history, any filter, any token and any room in the lists, what is told in lists one after the other equals the
        /// model: of each thing that changed after the token its state now, if it fits, in the order of the latest changes.
        #[test]
        fn a_replay_equals_the_models_list(
            history in proptest::collection::vec((1_u64..6, any::<bool>(), any::<bool>()), 0..40),
            token in 0_u64..42,
            filtered in any::<bool>(),
            most in 1_usize..5,
            bytes in 0_usize..5,
            page in 1_usize..7,
        ) {
            let mut now: BTreeMap<u64, Stored> = BTreeMap::new();
            let mut rows: Vec<(u64, u64)> = Vec::new();
            for (sequence, (id, seen, live)) in (1..).zip(history) {
                let created = now.get(&id).map_or(sequence, |it| it.created_seq);
                now.insert(id, stored(id, seen, live, created, sequence));
                rows.push((sequence, id));
            }
            let criterion = SearchCriterion { kind: SearchType::Flag, name: Some("\\Seen".into()), value: "true".into() };
            let criteria = SearchCriteria { criterion: vec![criterion], operator: None };
            let filter = filtered.then(|| Filter::new(&criteria).unwrap());
            let mut model: Vec<Stored> = now.values().filter(|it| it.changed_seq > token).cloned().collect();
            model.retain(|it| !filtered || it.has_flag("\\Seen"));
            model.sort_by_key(|it| it.changed_seq);
            let (mut cursor, mut told) = (token, Vec::new());
            loop {
                let after = rows.iter().filter(|it| it.0 > cursor).take(page);
                let changes: Vec<Change> =
                    after.map(|(sequence, id)| Change { sequence: *sequence, thing: now.get(id).cloned() }).collect();
                let room = Room { events: most, bytes };
                let list = choose(&changes, filter.as_ref(), 0, 0, room, |_| 1);
                let Some(to) = list.to else { break };
                prop_assert!(to > cursor && list.things.len() <= most.min(bytes.max(1)));
                cursor = to;
                told.extend(list.things);
            }
            prop_assert_eq!(told, model);
        }
    }
}
