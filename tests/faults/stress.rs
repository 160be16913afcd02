//! A self-checking stress: sockets that come and go over changing transports with one cursor, publishers, markers, and
//! functions that are killed. `WORLD_SOCKETS=1000 WORLD_USERS=100` makes it large.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::future::join_all;
use local::demo::ApplicationKeys;
use serde_json::{Value, json};
use system_tests::socket::Socket;
use system_tests::{Dice, Place, World, look_again, own_stack, setting, text};
use tokio::sync::{Barrier, Semaphore};

/// What all clients have counted together.
#[derive(Default)]
struct Tally {
    sessions: AtomicU64,
    doubled: AtomicU64,
    early: AtomicU64,
    resumed: AtomicU64,
    kills: AtomicU64,
    cuts: AtomicU64,
}

fn count(it: &AtomicU64) {
    it.fetch_add(1, Ordering::Relaxed);
}

/// One client's knowledge: what it has, in order, and the cursor that it takes from transport to transport.
struct Client<'a> {
    world: &'a World<'a>,
    user: String,
    token: String,
    cursor: String,
    last: u64,
    /// Numbers that came before the one in front of them.
    early: BTreeMap<u64, String>,
    tally: &'a Tally,
    crowd: &'a Crowd,
}

/// How many clients there are: whoever gives up and asks again too soon makes it worse for all.
struct Crowd {
    /// How long a client waits before it asks again.
    patience: Duration,
    /// Sockets that are being opened at once.
    doors: Semaphore,
}

impl Crowd {
    fn of(sockets: u64) -> Self {
        Self { patience: Duration::from_secs(2 + sockets / 20), doors: Semaphore::new(40) }
    }
}

impl Client<'_> {
    /// Takes a notification: the next one counts, an earlier one came before, a later one waits.
    fn take(&mut self, item: &Value) {
        let (number, cursor) = (item["sequence"].as_u64().unwrap(), text(&item["cursor"]));
        let own = item["deleted"] == true || text(&item["title"]) == format!("{} {number}", self.user);
        assert!(own, "every number has its own notification: {item}");
        if number <= self.last || self.early.contains_key(&number) {
            count(&self.tally.doubled);
            return;
        }
        if number > self.last + 1 {
            count(&self.tally.early);
        }
        self.early.insert(number, cursor);
        while let Some(cursor) = self.early.remove(&(self.last + 1)) {
            (self.last, self.cursor) = (self.last + 1, cursor);
        }
    }

    /// One session over one transport, until it ends by chance or has seen all.
    async fn session(&mut self, dice: &mut Dice, all: u64) {
        count(&self.tally.sessions);
        self.early.clear(); // a new session begins behind the cursor
        match dice.roll(3) {
            0 => self.rest(dice).await,
            kind => {
                let hub = kind == 2;
                let path = if hub { "/hubs/notifications" } else { "/api/v1/Inbox/Socket" };
                let url = format!("{}{path}?access_token={}", self.world.stack.url, self.token);
                let opened = {
                    let _door = self.crowd.doors.acquire().await;
                    Socket::open(&url, &[]).await
                };
                let Ok(mut socket) = opened else { return };
                if hub && !socket.try_records(&[json!({ "protocol": "json", "version": 1 })]).await {
                    return;
                }
                self.live(&mut socket, hub, dice, all).await;
                if dice.roll(2) == 0 { socket.cut() } else { socket.close().await }
            }
        }
    }

    async fn live(&mut self, socket: &mut Socket, hub: bool, dice: &mut Dice, all: u64) {
        let until = self.last + 1 + dice.roll(12);
        let mut quiet = 0;
        if !self.resume(socket, hub).await {
            return;
        }
        while self.last < until.min(all) {
            match socket.within(self.crowd.patience).await {
                Some(Ok(it)) => {
                    let frame = if it["type"] == 1 { &it["arguments"][0] } else { &it };
                    let items = frame.as_array().or_else(|| frame["items"].as_array());
                    items.into_iter().flatten().for_each(|it| self.take(it));
                    if it["type"] == "gap" || it["target"] == "Gap" {
                        panic!("nothing has expired, so nothing can be missing: {it}");
                    }
                    quiet = 0;
                }
                Some(Err(_)) => return,
                None => {
                    // nothing for a while: a function may have died over our resume, or over a push
                    quiet += 1;
                    count(&self.tally.resumed);
                    if quiet > 3 || !self.resume(socket, hub).await {
                        return;
                    }
                }
            }
        }
    }

    async fn resume(&self, socket: &mut Socket, hub: bool) -> bool {
        if hub {
            let call = json!({ "type": 1, "target": "Resume", "arguments": [self.cursor] });
            socket.try_records(&[call]).await
        } else {
            socket.try_say(&json!({ "action": "resume", "after": self.cursor })).await
        }
    }

    async fn rest(&mut self, dice: &mut Dice) {
        for _ in 0..=dice.roll(3) {
            let path = format!("/api/v1/Inbox/{}/Notifications?limit=7&after={}", self.user, self.cursor);
            let (status, page) = self.world.ask("GET", &path, None).await;
            if status != 200 {
                return;
            }
            assert_eq!(page["recovered"], true, "{page}");
            page["items"].as_array().unwrap().iter().for_each(|it| self.take(it));
        }
    }
}

/// Asks until the answer is neither that all functions are busy nor that one has died.
async fn steadily(world: &World<'_>, method: &str, path: &str, body: &Value) -> Value {
    loop {
        let (status, answer) = world.ask(method, path, Some(body.clone())).await;
        if status < 500 {
            assert!(status < 300, "{path}: {status} {answer}");
            return answer;
        }
        look_again().await;
    }
}

/// Where a user's stream stands before a client has seen anything.
async fn first_cursor(world: &World<'_>, token: &str, crowd: &Crowd) -> String {
    loop {
        let _door = crowd.doors.acquire().await;
        let url = format!("{}/api/v1/Inbox/Socket?access_token={token}", world.stack.url);
        if let Ok(mut socket) = Socket::open(&url, &[]).await
            && socket.try_say(&json!({ "action": "resume" })).await
        {
            while let Some(Ok(it)) = socket.soon().await {
                if it["type"] == "resumed" {
                    return text(&it["cursors"][0]);
                }
            }
        }
        look_again().await;
    }
}

/// Sends with a key until it is told that it is done: twice is once.
async fn publish(world: &World<'_>, user: &str, from: u64, many: u64) {
    let body: Vec<Value> = (from..from + many).map(|it| json!({ "title": format!("{user} {it}") })).collect();
    loop {
        let url = format!("{}/api/v1/Inbox/{user}/Notifications", world.stack.url);
        let request = world.http.post(url).json(&body).header("idempotency-key", format!("{user}-{from}"));
        let request = request.header("x-api-key", &world.keys.api_key).header("x-api-secret", &world.keys.api_secret);
        if let Ok(answer) = request.send().await
            && answer.status() == 201
        {
            let sent: Value = answer.json().await.unwrap();
            assert_eq!((&sent[0]["sequence"], sent.as_array().unwrap().len() as u64), (&json!(from), many));
            return;
        }
        look_again().await;
    }
}

/// Marks at random, and holds each answer's counts against a model of its own: exact at every version.
async fn mark(world: &World<'_>, user: &str, dice: &mut Dice, all: u64, steps: u64) {
    let (mut read, mut gone, mut seen) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    let mut revision = 0;
    let mut step = 0;
    while step < steps {
        let page = world.ask("GET", &format!("/api/v1/Inbox/{user}/Notifications?limit=100"), None).await.1;
        let Some(items) = page["items"].as_array().filter(|it| !it.is_empty()) else {
            look_again().await;
            continue;
        };
        let it = &items[dice.roll(items.len() as u64) as usize];
        let number = it["sequence"].as_u64().unwrap();
        let change = ["read", "unread", "seen", "archive", "delete"][dice.roll(5) as usize];
        let body = json!({ "change": change, "ids": [it["id"]] });
        let changed = match change {
            "read" => {
                let new = read.insert(number);
                seen.insert(number) || new
            }
            "unread" => read.remove(&number),
            "seen" => seen.insert(number),
            // a delete of what is archived changes a set as well; both only hide
            _ => gone.insert((change, number)),
        };
        revision += u64::from(changed);
        // marking twice is marking once
        let counts = steadily(world, "POST", &format!("/api/v1/Inbox/{user}/Marks"), &body).await;
        let head = counts["version"].as_u64().unwrap() - revision;
        assert!((number..=all).contains(&head), "{counts} at revision {revision}");
        let hidden = |it: &u64| gone.contains(&("archive", *it)) || gone.contains(&("delete", *it));
        let total = (1..=head).filter(|it| !hidden(it)).count();
        let unread = (1..=head).filter(|it| !hidden(it) && !read.contains(it)).count();
        let unseen = (1..=head).filter(|it| !hidden(it) && !seen.contains(it)).count();
        assert_eq!(
            (&counts["total"], &counts["unread"], &counts["unseen"]),
            (&json!(total), &json!(unread), &json!(unseen)),
            "{user} at version {}",
            counts["version"]
        );
        step += 1;
    }
}

#[test]
fn one_cursor_over_changing_transports_misses_nothing_whatever_dies() {
    World::alone(async || {
        let folder = tempfile::tempdir().unwrap();
        let stack = own_stack(folder.path(), &[("QueueReturnSeconds", "30")]).await;
        let opened = World::open(&stack).await;
        let (seed, keys): (u64, ApplicationKeys) = (opened.seed, opened.keys.clone());
        let world = &World { stack: Place::of(&stack), keys, http: system_tests::http(), seed };
        let users = setting("WORLD_USERS").unwrap_or(8);
        let sockets = setting("WORLD_SOCKETS").unwrap_or(24);
        let all = setting("WORLD_NOTIFICATIONS").unwrap_or(24);
        // nothing is told before everybody has a cursor to begin with
        let ready = &Barrier::new((sockets + users) as usize);
        let (tally, done, crowd) = (Tally::default(), AtomicBool::new(false), &Crowd::of(sockets));
        let clients = (0..sockets).map(async |index| {
            let mut dice = Dice(seed ^ (index + 1) << 20);
            let user = format!("u{}", index % users);
            let token = steadily(world, "POST", &format!("/api/v1/Inbox/{user}/Tokens"), &json!({})).await;
            let token = text(&token["token"]);
            let cursor = first_cursor(world, &token, crowd).await;
            ready.wait().await;
            let mut it = Client { world, user, token, cursor, last: 0, early: BTreeMap::new(), tally: &tally, crowd };
            // a cursor of an empty inbox, or of the notifications that were there already
            it.last = number_of(&it.cursor);
            let began = it.last;
            while it.last < all {
                it.session(&mut dice, all).await;
            }
            assert_eq!(it.last, all, "every number from {began} on, in order, once");
        });
        let publishers = (0..users).map(async |index| {
            let (mut dice, user, mut next) = (Dice(seed ^ (index + 1) << 40), format!("u{index}"), 1);
            ready.wait().await;
            while next <= all {
                let many = (1 + dice.roll(4)).min(all - next + 1);
                publish(world, &user, next, many).await;
                next += many;
                for _ in 0..dice.roll(4) {
                    look_again().await;
                }
            }
        });
        let markers = (0..users).map(async |index| {
            let mut dice = Dice(seed ^ (index + 1) << 50);
            mark(world, &format!("u{index}"), &mut dice, all, all / 2).await;
        });
        let killer = async {
            let mut dice = Dice(seed);
            while !done.load(Ordering::Relaxed) {
                let name = ["socket", "deliver-push", "dispatch", "inbox-api"][dice.roll(4) as usize];
                if world.stack.function(name).is_some_and(|it| it.kill_one_busy()) {
                    count(&tally.kills);
                }
                // all at once: the more there are, the longer they need to come back
                if dice.roll(20 + sockets / 10) == 0 {
                    tally.cuts.fetch_add(world.stack.sockets.abort_all() as u64, Ordering::Relaxed);
                }
                for _ in 0..6 + dice.roll(10) {
                    look_again().await;
                }
            }
        };
        let work = async {
            tokio::join!(join_all(clients), join_all(publishers), join_all(markers));
            done.store(true, Ordering::Relaxed);
        };
        tokio::join!(work, killer);
        println!("{sockets} clients of {users} users saw {all} notifications each: {:?}", shown(&tally));
        assert!(tally.kills.load(Ordering::Relaxed) > 0, "functions were killed meanwhile");
        world.until("no push is left over", async || world.leftovers().is_empty().then_some(())).await;
    });
}

fn shown(it: &Tally) -> BTreeMap<&'static str, u64> {
    let of = |it: &AtomicU64| it.load(Ordering::Relaxed);
    [
        ("sessions", of(&it.sessions)),
        ("came twice", of(&it.doubled)),
        ("came early", of(&it.early)),
        ("asked again", of(&it.resumed)),
        ("functions killed", of(&it.kills)),
        ("sockets cut", of(&it.cuts)),
    ]
    .into()
}

/// The number in a cursor. A client need not know it; this one checks.
fn number_of(cursor: &str) -> u64 {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).unwrap();
    serde_json::from_slice::<Value>(&bytes).unwrap()["sequence"].as_u64().unwrap()
}
