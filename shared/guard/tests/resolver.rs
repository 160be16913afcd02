//! Names that resolve to inner addresses, with a resolver of the test's own: this program runs itself again in network
//! and mount namespaces (`unshare`, Linux), where `/etc/resolv.conf` names a server that it answers itself.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test that finds something else than it should, fails")]

use std::collections::HashMap;
use std::net::{IpAddr, UdpSocket};
use std::process::Command;
use std::sync::{Arc, Mutex};

use domain::ssrf::AllowedNetworks;
use guard::{ConnectError, ForbiddenAddressError};

/// The `resolv.conf` of the namespace; by it the inner run knows itself.
const OURS: &str = "# guard's own resolver\nnameserver 127.0.0.1\noptions attempts:1 timeout:2\n";

/// What each name resolves to. The one of the last row is another address from the second question on.
const NAMES: &[(&str, &[&str], Option<&str>)] = &[
    ("loopback.test.example", &["127.0.0.1"], Some("127.0.0.1")),
    ("private.test.example", &["10.1.2.3"], Some("10.1.2.3")),
    ("metadata.test.example", &["169.254.169.254"], Some("169.254.169.254")),
    ("shared.test.example", &["100.64.0.1"], Some("100.64.0.1")),
    ("loopback6.test.example", &["::1"], Some("::1")),
    ("local6.test.example", &["fd00:ec2::254"], Some("fd00:ec2::254")),
    ("mapped.test.example", &["::ffff:10.0.0.1"], Some("::ffff:10.0.0.1")),
    ("translated.test.example", &["64:ff9b::a00:1"], Some("64:ff9b::a00:1")),
    ("mixed.test.example", &["8.8.8.8", "192.168.0.1"], Some("192.168.0.1")),
    ("both.test.example", &["8.8.8.8", "fe80::1"], Some("fe80::1")),
    ("public.test.example", &["8.8.8.8"], None),
    ("rebinding.test.example", &["8.8.8.8"], None),
];

#[test]
fn names_that_lead_inside_are_refused_whoever_resolves_them() {
    if std::fs::read_to_string("/etc/resolv.conf").is_ok_and(|it| it == OURS) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        return runtime.block_on(inside());
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("resolv.conf");
    std::fs::write(&file, OURS).unwrap();
    let script = "ip link set lo up && mount --bind \"$1\" /etc/resolv.conf && shift && exec \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--mount", "--net", "sh", "-c", script, "sh"]).arg(&file);
    command.arg(std::env::current_exe().unwrap()).args(["--exact", "--nocapture"]);
    let output = command.arg("names_that_lead_inside_are_refused_whoever_resolves_them").output();
    let output = output.expect("the test needs unshare and ip: apt-get install util-linux iproute2");
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success() && text.contains("asked inside"), "{text}");
}

async fn inside() {
    let asked = Arc::<Mutex<HashMap<String, u32>>>::default();
    let server = UdpSocket::bind("127.0.0.1:53").unwrap();
    std::thread::spawn({
        let asked = asked.clone();
        move || answer(&server, &asked)
    });
    let nothing = AllowedNetworks::default();
    let client = guard::client(&nothing, Some(guard::TOTAL_TIMEOUT)).unwrap();
    for (name, _, inner) in NAMES {
        let error = client.get(format!("https://{name}/")).send().await.unwrap_err();
        let forbidden = forbidden(&error);
        assert_eq!(forbidden, inner.map(|it| it.parse().unwrap()), "{name}: {error:?}");
        if *name == "rebinding.test.example" {
            // one look-up per connection: what was judged is what is called, and nobody asks again in between
            let asked = asked.lock().unwrap();
            assert!(asked.iter().filter(|it| it.0.starts_with(name)).all(|it| *it.1 == 1), "{asked:?}");
        }
        asked.lock().unwrap().clear();
        let error = guard::connect(name, 5671, true, &nothing).await.err().unwrap();
        let forbidden = if let ConnectError::Forbidden(it) = &error { Some(it.0) } else { None };
        assert_eq!(forbidden, inner.map(|it| it.parse().unwrap()), "{name}: {error:?}");
        asked.lock().unwrap().clear();
    }
    println!("asked inside");
}

/// The address that the guard did not want, among the causes of an error.
fn forbidden(error: &reqwest::Error) -> Option<IpAddr> {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(it) = cause {
        if let Some(ForbiddenAddressError(address)) = it.downcast_ref() {
            return Some(*address);
        }
        cause = it.source();
    }
    None
}

/// A name server (RFC 1035, section 4.1) of [`NAMES`]: A and AAAA of one question.
fn answer(server: &UdpSocket, asked: &Mutex<HashMap<String, u32>>) {
    let mut packet = [0; 512];
    while let Ok((length, from)) = server.recv_from(&mut packet) {
        let question = &packet[12..length];
        let (mut labels, mut at) = (Vec::new(), 0);
        while question[at] != 0 {
            let end = at + 1 + usize::from(question[at]);
            labels.push(String::from_utf8_lossy(&question[at + 1..end]).to_lowercase());
            at = end;
        }
        let (name, kind) = (labels.join("."), u16::from_be_bytes([question[at + 1], question[at + 2]]));
        let times = {
            let mut asked = asked.lock().unwrap();
            let times = asked.entry(format!("{name} {kind}")).or_default();
            *times += 1;
            *times
        };
        let known = NAMES.iter().find(|it| it.0 == name).map_or(&[][..], |it| it.1);
        let known = if name == "rebinding.test.example" && times > 1 { &["127.0.0.1"] } else { known };
        let fitting = known.iter().map(|it| it.parse::<IpAddr>().unwrap()).filter(|it| it.is_ipv4() == (kind == 1));
        let fitting: Vec<IpAddr> = fitting.filter(|_| kind == 1 || kind == 28).collect();
        let mut reply = packet[..12 + at + 5].to_vec();
        reply[2..4].copy_from_slice(&[0x81, 0x80]);
        reply[6..12].copy_from_slice(&[0, fitting.len() as u8, 0, 0, 0, 0]);
        for address in fitting {
            let bytes = match address {
                IpAddr::V4(it) => it.octets().to_vec(),
                IpAddr::V6(it) => it.octets().to_vec(),
            };
            reply.extend([0xc0, 12, 0, kind as u8, 0, 1, 0, 0, 0, 0, 0, bytes.len() as u8]);
            reply.extend(bytes);
        }
        drop(server.send_to(&reply, from)); // whoever asked may be gone
    }
}
