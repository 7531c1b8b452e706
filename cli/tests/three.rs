//! A laptop, a phone and a peer that keeps the pod sealed: three processes, killed at random moments.
//!
//! `RHIZOME_THREE_KILLS` says how often (6 otherwise), `RHIZOME_SEED` where chance begins.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value as Json, json};

const PATIENCE: Duration = Duration::from_mins(1);

fn rhizome(home: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rhizome"));
    command
        .arg("--home")
        .arg(home)
        .arg("--json")
        .args(arguments);
    command
        .env_remove("RHIZOME_PASSPHRASE")
        .stdin(Stdio::null())
        .stderr(Stdio::piped());
    command
}

/// Runs a command to its end; what it printed, if it succeeded.
pub fn run(home: &Path, arguments: &[&str]) -> Option<Json> {
    let output = rhizome(home, arguments).output().unwrap();
    output
        .status
        .success()
        .then(|| serde_json::from_slice(&output.stdout).unwrap())
}

/// A process that stays, with the first line it printed.
pub struct Process {
    pub child: Child,
    pub ready: Json,
}

impl Process {
    pub fn start(home: &Path, arguments: &[&str]) -> Self {
        let mut child = rhizome(home, arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        out.read_line(&mut line).unwrap();
        let Ok(ready) = serde_json::from_str(&line) else {
            let mut error = String::new();
            child
                .stderr
                .take()
                .unwrap()
                .read_to_string(&mut error)
                .unwrap();
            panic!("{arguments:?} did not start: {error}");
        };
        Self { child, ready }
    }

    /// As the power does it.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn say(home: &Path, file: &Path, text: &str) -> bool {
    let changes =
        json!([{ "assert": { "entity": "_:note", "attribute": "note/text", "value": text } }]);
    fs::write(file, changes.to_string()).unwrap();
    run(home, &["tx", file.to_str().unwrap()]).is_some()
}

pub fn notes(home: &Path) -> Vec<String> {
    let found = run(home, &["query", "[:find ?t :where [?n :note/text ?t]]"]).unwrap();
    let rows = found["rows"].as_array().unwrap().iter();
    rows.map(|row| row[0].as_str().unwrap().to_owned())
        .collect()
}

pub fn digest(home: &Path) -> Json {
    run(home, &["digest"]).map_or(Json::Null, |d| d["digest"].clone())
}

struct Chance(u64);

impl Chance {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}

pub const UP: [&str; 4] = ["up", "--listen", "127.0.0.1:0", "--no-open"];

#[test]
fn nothing_acknowledged_is_lost_whichever_of_three_is_killed() {
    let number = |name: &str| std::env::var(name).ok().map(|n| n.parse::<u64>().unwrap());
    let kills = number("RHIZOME_THREE_KILLS").unwrap_or(6);
    let mut chance = Chance(
        number("RHIZOME_SEED")
            .unwrap_or(1)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            | 1,
    );
    let dir = tempfile::tempdir().unwrap();
    let [laptop, phone, cloud] = ["laptop", "phone", "cloud"].map(|n| dir.path().join(n));
    let file = dir.path().join("tx.json");

    // the peer keeps its port, as one does that is always on
    let first = Process::start(&cloud, &["cloud-peer", "--listen", "127.0.0.1:0"]);
    let address = first.ready["address"].as_str().unwrap().to_owned();
    run(&laptop, &["init"]).unwrap();
    let up = Process::start(&laptop, &UP);
    run(&laptop, &["peers", "add", &address]).expect("the peer takes the pod");
    let pair = Process::start(&laptop, &["pair"]);
    run(
        &phone,
        &[
            "join",
            pair.ready["code"].as_str().unwrap(),
            "--name",
            "phone",
        ],
    )
    .expect("the phone joins");
    drop(pair);
    let port = port(&address);
    let listen = format!("127.0.0.1:{port}");
    let keep = ["cloud-peer", "--listen", &listen];

    let mut running: [Option<Process>; 3] =
        [Some(up), Some(Process::start(&phone, &UP)), Some(first)];
    let homes: [&PathBuf; 2] = [&laptop, &phone];
    let mut acknowledged: Vec<String> = Vec::new();
    let mut done = 0;
    let mut said = 0;
    while done < kills {
        for _ in 0..=chance.below(3) {
            said += 1;
            let text = format!("note {said}");
            if say(homes[chance.below(2) as usize], &file, &text) {
                acknowledged.push(text);
            }
        }
        let victim = chance.below(3) as usize;
        // at a random moment of what goes on: sometimes while a command runs
        let home = homes[chance.below(2) as usize];
        let text = format!("note in between {done}");
        let busy = (chance.below(2) == 0).then(|| {
            fs::write(
                &file,
                json!([{ "assert": { "entity": "_:n", "attribute": "note/text", "value": text } }])
                    .to_string(),
            )
            .unwrap();
            rhizome(home, &["tx", file.to_str().unwrap()])
                .stdout(Stdio::null())
                .spawn()
                .unwrap()
        });
        std::thread::sleep(Duration::from_millis(chance.below(60)));
        if let Some(process) = running[victim].take() {
            process.kill();
            done += 1;
        }
        if let Some(mut busy) = busy
            && busy.wait().unwrap().success()
        {
            acknowledged.push(text);
        }
        running[victim] = Some(match victim {
            0 => Process::start(&laptop, &UP),
            1 => Process::start(&phone, &UP),
            _ => Process::start(&cloud, &keep),
        });
    }

    let start = Instant::now();
    while digest(&laptop) != digest(&phone) {
        assert!(
            start.elapsed() < PATIENCE,
            "laptop and phone do not come together again"
        );
        std::thread::sleep(Duration::from_millis(100));
    }
    let (here, there) = (notes(&laptop), notes(&phone));
    for text in &acknowledged {
        assert!(
            here.contains(text) && there.contains(text),
            "{text} is lost"
        );
    }
    drop(running);
    for home in homes {
        let diagnosis = run(home, &["doctor"]).unwrap();
        assert_eq!(
            (&diagnosis["ok"], &diagnosis["forks"]),
            (&json!(true), &json!(0)),
            "{diagnosis}"
        );
    }
    assert!(acknowledged.len() as u64 > kills / 2);
    println!(
        "{done} kills, {} acknowledged writes, all there",
        acknowledged.len()
    );
}

/// The port in the address of a peer on loopback.
fn port(address: &str) -> u16 {
    let (address, _) = rhizome_pod::parse_peer(address).unwrap();
    address.sockets()[0].port()
}
