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

/// Chooses from changes, in their order, at most `most` events. A thing is told at its latest change, as it is then: earlier
/// changes of it are part of that. What a filter hides is passed over, and not looked at again.
pub(crate) fn choose(
    changes: &[Change],
    filter: Option<&Filter>,
    created_seq: u64,
    replay_to: u64,
    most: usize,
) -> Selection {
    let mut told = Selection { things: Vec::new(), to: None };
    for change in changes {
        if told.things.len() == most {
            break;
        }
        told.to = Some(change.sequence);
        let moment = Moment { created_seq, is_replay: change.sequence <= replay_to };
        let latest = change.thing.as_ref().filter(|it| it.changed_seq == change.sequence);
        let wanted = latest.filter(|it| filter.is_none_or(|filter| filter.matches(it, moment)));
        told.things.extend(wanted.cloned());
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
        Stored {
            in_box: BoxId { app: AppId::random([1; 16]), store: "s".into(), name: "b".into() },
            id,
            folder_name: None,
            parent: 0,
            attributes: Vec::new(),
            flags: if seen { vec!["\\Seen".into()] } else { Vec::new() },
            correlation_id: None,
            correlation_tag: None,
            payload: None,
            state: if live { StoredState::Live } else { StoredState::Deleted },
            created_at: 0,
            created_seq,
            changed_seq,
            revision: 1,
        }
    }

    proptest! {
        /// For any history, any filter, any token and any size of lists, what is told in lists one after the other equals the
        /// model: of each thing that changed after the token its state now, if it fits, in the order of the latest changes.
        #[test]
        fn a_replay_equals_the_models_list(
            history in proptest::collection::vec((1_u64..6, any::<bool>(), any::<bool>()), 0..40),
            token in 0_u64..42,
            filtered in any::<bool>(),
            most in 1_usize..5,
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
                let list = choose(&changes, filter.as_ref(), 0, 0, most);
                let Some(to) = list.to else { break };
                prop_assert!(to > cursor && list.things.len() <= most);
                cursor = to;
                told.extend(list.things);
            }
            prop_assert_eq!(told, model);
        }
    }
}
