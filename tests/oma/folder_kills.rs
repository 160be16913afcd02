//! Folders whose function is killed between any two of its steps: a name leads to the folder that has it, or is free.

use serde_json::{Value, json};
use system_tests::{World, project, text};

use super::client::{Client, Format};
use crate::faults::proxy::proxied_stack;

/// What is done to a folder.
#[derive(Debug, Clone, Copy)]
enum Change {
    Create,
    Rename,
    Move,
    Delete,
}

/// Where a folder may be: a folder by its path, and a name in it.
type Place = (&'static str, String);

fn path((folder, name): &Place) -> String {
    format!("{}/{name}", folder.trim_end_matches('/'))
}

async fn create(client: &Client<'_>, (folder, name): &Place) -> u16 {
    let body = json!({ "name": name, "parentFolderPath": folder, "attributes": { "attribute": [] } });
    client.ask("POST", &client.store("folders"), Some(json!({ "folder": body }))).await.status
}

/// The URL of the folder at a place; `None` if nothing is.
async fn at(client: &Client<'_>, place: &Place) -> Option<String> {
    let url = client.store(&format!("folders/operations/pathToId?path={}", path(place)));
    let answer = client.ask("GET", &url, None).await;
    assert!(matches!(answer.status, 200 | 404), "{}", answer.text);
    (answer.status == 200).then(|| text(&answer.root("reference")["resourceURL"]))
}

/// Makes a change, whatever comes of it; answers the status.
async fn make(client: &Client<'_>, change: Change, folder: &str, target: &str, to: &Place) -> u16 {
    let reference = |url: &str| json!({ "resourceURL": url });
    let (method, url, body): (_, _, Option<Value>) = match change {
        Change::Create => return create(client, to).await,
        Change::Rename => ("PUT", format!("{folder}/folderName"), Some(json!({ "name": to.1 }))),
        Change::Move => {
            let folders = json!({ "folders": { "folderReference": [reference(folder)] } });
            let body = json!({ "targetSourceRef": { "targetRef": reference(target), "sourceRefs": folders } });
            ("POST", client.store("folders/operations/moveToFolder"), Some(body))
        }
        Change::Delete => ("DELETE", folder.to_owned(), None),
    };
    client.ask(method, &url, body).await.status
}

/// Of the places where a folder may be, it is at one if it is there, and the others are free.
async fn assert_names(client: &Client<'_>, what: &str, folder: Option<&str>, places: &[Place]) {
    let mut holders = Vec::new();
    for place in places {
        let Some(url) = at(client, place).await else {
            assert_eq!(create(client, place).await, 201, "{what}: `{}` is free", path(place));
            continue;
        };
        let answer = client.ask("GET", &url, None).await;
        assert_eq!(answer.status, 200, "{what}: `{}` leads to {url}: {}", path(place), answer.text);
        assert_eq!(answer.root("folder")["path"], json!(path(place)), "{what}");
        holders.push(url);
    }
    if let Some(folder) = folder {
        let is_there = client.ask("GET", folder, None).await.status == 200;
        let own = if is_there { vec![folder.to_owned()] } else { vec![] };
        assert_eq!(holders, own, "{what}: it is at the one place that it says");
    }
}

#[test]
fn whatever_is_killed_a_name_leads_to_the_folder_that_has_it_or_is_free() {
    World::alone(async || {
        let data = tempfile::tempdir_in(project().join("target/tmp")).unwrap();
        let (stack, proxy) = proxied_stack(data.path(), "OmaApi", "oma-api", &[]).await;
        let world = World::open(&stack).await;
        let client = &Client::new(&world, Format::Json);
        let target: Place = ("/", "target".to_owned());
        assert_eq!(create(client, &target).await, 201);
        let target = at(client, &target).await.unwrap();
        for change in [Change::Create, Change::Rename, Change::Move, Change::Delete] {
            for step in 0.. {
                let (what, own) = (format!("{change:?} {step}"), ("/", format!("{change:?}-{step}")));
                let new = match change {
                    Change::Create => own.clone(),
                    Change::Rename | Change::Delete => ("/", format!("{change:?}-{step}-new")),
                    Change::Move => ("/target", own.1.clone()),
                };
                let folder = match change {
                    Change::Create => None,
                    _ => {
                        assert_eq!(create(client, &own).await, 201, "{what}: a process that was killed is replaced");
                        at(client, &own).await
                    }
                };
                proxy.arm(Some(step));
                let status = make(client, change, folder.as_deref().unwrap_or_default(), &target, &new).await;
                let is_over = proxy.requests() * 2 <= step; // it has ended before that step
                proxy.arm(None);
                let places = if matches!(change, Change::Create) { vec![new] } else { vec![own, new] };
                assert_names(client, &what, folder.as_deref(), &places).await;
                if is_over {
                    assert!(status < 300, "{what}: {status}");
                    assert!(step > 5, "{what}: it was killed at few steps");
                    break;
                }
            }
        }
    });
}
