//! Who may call what: each operation of the API's own description, with each kind of credentials that must not do.
//!
//! The application that is attacked (`world`) has one of everything, and a word in all of it that must never come out.
//! Another application, its keys and users, and what was good once, try each operation on what is not theirs. The
//! description names the operations, so that a new one is tried without anybody remembering it; one without a rule, or
//! with a parameter that nobody knows (`audit/rules.rs`), fails.

mod callers;
mod oma;
mod operations;
mod planted;
mod rules;
mod sockets;

use std::collections::BTreeMap;

use callers::{Caller, Class};
use futures_util::StreamExt;
use futures_util::stream::iter;
use operations::{Aim, Answer, Bodies, Operation};
use planted::{Planted, USER};
use rules::{Expected, Rule};
use serde_json::json;
use system_tests::issuer::Issuer;
use system_tests::{World, look_again};

/// Requests at once: a function has four processes here.
const AT_ONCE: usize = 6;
/// The picture that is planted has no speech, so that there is nothing to read here.
const NOTHING_SAID: &str = "GET /api/v1/Media/Items/{id}/Subtitles/{file}";
/// How often everything is looked at until nothing moves any more.
const LOOKS: usize = 50;

/// What each read operation answers to whoever may ask, by method and path.
type Seen = BTreeMap<String, (u16, String)>;

#[test]
fn nobody_reaches_what_is_not_theirs() {
    World::run(async |world| {
        let _letters = world.letters().await; // dead letters are looked at, too
        let other = World::at(world.stack).await;
        let (mut planted, issuer) = (Planted::new(world).await, Issuer::start().await);
        let (callers, stolen) = callers::all(world, &other, &issuer).await;
        let bodies = Bodies { stolen, issuers: callers::trusted(&issuer) };
        let described = operations::read(&world.get("/docs/openapi.json").await, &planted, &bodies);
        let operations = described.unwrap_or_else(|why| panic!("the audit knows too little:\n{}", why.join("\n")));

        let before = settled(world, &planted, &operations).await;
        let mut wrong: Vec<String> = Vec::new();
        for operation in operations.iter().filter(|it| !it.misplaced.is_empty()) {
            wrong.push(format!(
                "{}: described as in its path, and not there: {}",
                operation.name(),
                operation.misplaced.join(", ")
            ));
        }
        let unseen = before.iter().filter(|it| !matches!(it.1.0, 200 | 204) && it.0 != NOTHING_SAID);
        wrong.extend(unseen.map(|(name, was)| format!("{name}: its owner gets {}", short(was))));

        let trials: Vec<(&Operation, &Caller, Expected)> = operations
            .iter()
            .flat_map(|operation| {
                callers.iter().filter_map(move |it| Some((operation, it, operation.rule.expects(it, operation)?)))
            })
            .collect();
        let tried = trials.len();
        let answers = iter(trials).map(|it| attempt(world, &planted, it)).buffer_unordered(AT_ONCE);
        wrong.extend(answers.filter_map(async |it| it).collect::<Vec<String>>().await);
        let (doors, open) = sockets::refused(world, &callers).await;
        wrong.extend(open);

        let after = seen(world, &planted, &operations).await;
        let changed = before.iter().filter(|(name, was)| after[*name] != **was);
        wrong.extend(
            changed.map(|(name, was)| format!("{name}: changed from {} to {}", short(was), short(&after[name]))),
        );
        wrong.extend(let_in(world, &planted, &callers, &operations).await);
        wrong.extend(oma::tokens(world, &other, &planted.oma).await);
        wrong.extend(sockets::overheard(world, &other, &mut planted).await);
        other.until("no message of the other's is left", async || other.leftovers().is_empty().then_some(())).await;
        println!(
            "audit: {} operations x {} callers: {tried} requests, and {doors} sockets",
            operations.len(),
            callers.len()
        );
        wrong.sort();
        assert!(wrong.is_empty(), "{} of them are wrong:\n{}", wrong.len(), wrong.join("\n"));
    });
}

/// An answer as a line shows it.
fn short((status, body): &(u16, String)) -> String {
    format!("{status} {}", body.chars().take(300).collect::<String>())
}

/// Tries an operation; answers what is wrong with what came back.
async fn attempt(
    world: &World<'_>,
    planted: &Planted,
    (operation, caller, expected): (&Operation, &Caller, Expected),
) -> Option<String> {
    let answer = match caller.class {
        Class::Ticket => {
            let fresh = Caller::bearer(&caller.name, Class::Ticket, &world.ticket(USER, &[]).await, world);
            operation.send(world, &fresh, Aim::Theirs).await
        }
        _ => operation.send(world, caller, Aim::Theirs).await,
    };
    let Answer { status, body, sent } = answer;
    let fits = match expected {
        Expected::Refused(with) => status == with,
        Expected::Own => !matches!(status, 401 | 429 | 500..),
    };
    let leaked = planted.leaked(&sent, &body);
    if fits && leaked.is_none() {
        return None;
    }
    let leaked = leaked.map(|it| format!(" and told `{it}`")).unwrap_or_default();
    let answer = short(&(status, body));
    Some(format!("{} as {}: not {expected:?}{leaked}: {answer}", operation.name(), caller.name))
}

/// What all read operations answer, once nothing moves any more.
async fn settled(world: &World<'_>, planted: &Planted, operations: &[Operation]) -> Seen {
    world.until("nothing is under way", async || world.leftovers().is_empty().then_some(())).await;
    let mut last = seen(world, planted, operations).await;
    for _ in 0..LOOKS {
        look_again().await;
        let next = seen(world, planted, operations).await;
        let quiet = next == last;
        last = next;
        if quiet {
            break;
        }
    }
    last // if it moves for ever, the comparison afterwards says what
}

/// What all read operations answer to whoever may ask. The operator's list is everybody's.
async fn seen(world: &World<'_>, planted: &Planted, operations: &[Operation]) -> Seen {
    let reading = operations.iter().filter(|it| it.method == "GET" && it.rule != Rule::Operator);
    let looks = reading.map(|operation| async move {
        let answer = operation.send(world, &planted.owner(world, operation.rule), Aim::Theirs).await;
        let body = match operation.rule {
            Rule::Own("oma") => oma::steady(&answer.body),
            _ => answer.body,
        };
        (operation.name(), (answer.status, body))
    });
    iter(looks).buffer_unordered(AT_ONCE).collect().await
}

/// Whoever may is let in: or all that was refused before would prove nothing. What writes is aimed at things that there
/// are not.
async fn let_in(world: &World<'_>, planted: &Planted, callers: &[Caller], operations: &[Operation]) -> Vec<String> {
    let mut wrong = Vec::new();
    let jane = callers.iter().find(|it| it.class == Class::Jane).unwrap();
    for operation in operations {
        let aim = if operation.method == "GET" { Aim::Theirs } else { Aim::Nothing };
        let owner = planted.owner(world, operation.rule);
        let answer = if operation.rule == Rule::Body {
            let right = json!({
                "applicationId": world.keys.application_id, "jwtPrivateKey": world.keys.jwt_private_key,
                "refreshToken": planted.refresh,
            });
            operation.send_body(world, &owner, aim, &right).await
        } else {
            operation.send(world, &owner, aim).await
        };
        if matches!(answer.status, 401 | 403 | 429 | 500..) {
            wrong.push(format!("{}: refuses its owner: {}", operation.name(), short(&(answer.status, answer.body))));
        }
        if operation.method == "GET" && matches!(operation.rule, Rule::Own(_) | Rule::Users) {
            let answer = operation.send(world, jane, aim).await;
            if !matches!(answer.status, 200 | 204) {
                wrong.push(format!("{}: refuses its user: {}", operation.name(), short(&(answer.status, answer.body))));
            }
        }
    }
    wrong
}
