//! A device of a pod in a process of its own, told by lines what to do: real keys, a real store on disk, a real link.
//!
//! A line is a JSON array: what to do, then with what. The answer is a line too: `{"value": …}` or `{"error": "…"}`. Times are in
//! milliseconds, of the wall clock and of all threads of this process.

mod fill;
mod records;

use std::io::{BufRead, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use rhizome_ipld::PublicKey;
use rhizome_pod::{
    DeviceRole, Mode, Opening, PairingCode, PeerReport, Pod, PodHome, PodNode, Stop, parse_peer,
};
use serde_json::{Value as Json, json};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use crate::clock;
use crate::error::{Error, Result};
use crate::load::resident_bytes;

/// How often it is looked whether something has come.
const LOOK: Duration = Duration::from_millis(1);
/// How long anything may take.
const PATIENCE: Duration = Duration::from_mins(10);

/// Answers until its input ends.
pub fn serve(home: &Path) -> Result<()> {
    let mut device = Device {
        home: PodHome::at(home),
        runtime: tokio::runtime::Builder::new_multi_thread()
            .worker_threads(4)
            .enable_all()
            .build()?,
        pod: None,
        node: None,
        keeper: None,
        looking: None,
        dialled: None,
    };
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let line: Vec<Json> = serde_json::from_str(&line?)?;
        let said = match line.split_first() {
            Some((Json::String(what), with)) => device.does(what, with),
            _ => Err(Error::Sync("that is nothing to do".into())),
        };
        let said = match said {
            Ok(value) => json!({ "value": value }),
            Err(error) => json!({ "error": error.to_string() }),
        };
        writeln!(out, "{said}")?;
        out.flush()?;
    }
    device.hang_up()
}

struct Device {
    home: PodHome,
    runtime: Runtime,
    pod: Option<Arc<Pod>>,
    node: Option<Arc<PodNode>>,
    /// Keeps in touch with the peers.
    keeper: Option<JoinHandle<()>>,
    /// Tells when a query was first answered.
    looking: Option<Receiver<f64>>,
    dialled: Option<PublicKey>,
}

fn text(with: &[Json], at: usize) -> Result<&str> {
    let text = with.get(at).and_then(Json::as_str);
    text.ok_or_else(|| Error::Sync(format!("argument {at} is no text")))
}

fn number(with: &[Json], at: usize) -> Result<u64> {
    let number = with.get(at).and_then(Json::as_u64);
    number.ok_or_else(|| Error::Sync(format!("argument {at} is no number")))
}

/// What something took.
fn timed(f: impl FnOnce() -> Result<Json>) -> Result<Json> {
    let (start, cpu) = (Instant::now(), clock::process());
    let mut value = f()?;
    if let Some(object) = value.as_object_mut() {
        let took = start.elapsed().as_secs_f64() * 1e3;
        object.insert("wall_ms".into(), took.into());
        object.insert("cpu_ms".into(), ((clock::process() - cpu) / 1e3).into());
    }
    Ok(value)
}

fn loopback() -> Vec<SocketAddr> {
    vec![(Ipv4Addr::LOCALHOST, 0).into()]
}

impl Device {
    fn pod(&self) -> Result<&Arc<Pod>> {
        let none = || Error::Sync("there is no pod here yet".into());
        self.pod.as_ref().ok_or_else(none)
    }

    /// The node, started when it is first needed.
    fn node(&mut self) -> Result<Arc<PodNode>> {
        if let Some(node) = &self.node {
            return Ok(Arc::clone(node));
        }
        let pod = Arc::clone(self.pod()?);
        let node = Arc::new(self.runtime.block_on(PodNode::resume(pod, &loopback()))?);
        self.node = Some(Arc::clone(&node));
        Ok(node)
    }

    /// Ends all connections.
    fn hang_up(&mut self) -> Result<()> {
        if let Some(keeper) = self.keeper.take() {
            keeper.abort();
            let _ = self.runtime.block_on(keeper);
        }
        if let Some(node) = self.node.take().and_then(Arc::into_inner) {
            self.runtime.block_on(node.shutdown())?;
        }
        Ok(())
    }

    fn does(&mut self, what: &str, with: &[Json]) -> Result<Json> {
        Ok(match what {
            "init" => {
                self.pod = Some(Arc::new(self.home.init(&Opening::by("bench"))?));
                Json::Null
            }
            "open" => timed(|| {
                self.pod = Some(Arc::new(self.home.open(&Opening::by("bench"))?));
                Ok(json!({}))
            })?,
            "close" => {
                self.hang_up()?;
                self.pod = None;
                Json::Null
            }
            "invite" => self
                .node()?
                .invite(DeviceRole::Admin)
                .map(|(code, _)| code.to_string().into())?,
            "join" => {
                let code: PairingCode = text(with, 0)?.parse()?;
                let (opening, home) = (Opening::by("bench"), self.home.clone());
                let joining = home.join(&opening, &code, "other", loopback());
                self.pod = Some(Arc::new(self.runtime.block_on(joining)?));
                Json::Null
            }
            "serve" => self.node()?.address()?.to_string().into(),
            // so that a dial needs nothing but a dial
            "remember" => {
                self.pod()?.remember_peer(&parse_peer(text(with, 0)?)?.0)?;
                Json::Null
            }
            "dial" => self.dial()?,
            "hang up" => {
                self.hang_up()?;
                Json::Null
            }
            "sync" => {
                let (node, address) = (self.node()?, parse_peer(text(with, 0)?)?.0);
                timed(|| {
                    let report = self.runtime.block_on(node.sync_with(&address, None))?;
                    Ok(PeerReport::to_json(&report))
                })?
            }
            "bytes" => self.bytes(),
            "load" => {
                let pod = Arc::clone(self.pod()?);
                fill::load(&pod, Path::new(text(with, 0)?))?
            }
            "note" => fill::note(self.pod()?, text(with, 0)?)?,
            "look" => {
                self.look(text(with, 0)?)?;
                Json::Null
            }
            "looked" => {
                let looking = self.looking.take();
                let late = |_| Error::Sync("the query was never answered so".into());
                let when = looking.map(|l| l.recv_timeout(PATIENCE)).transpose();
                when.map_err(late)?.into()
            }
            "checkpoint" => timed(|| {
                self.pod()?.checkpoint()?;
                Ok(json!({}))
            })?,
            "digest" => self.pod()?.digest()?["digest"].clone(),
            "figures" => {
                let figures = self.pod()?.figures();
                json!({ "tuples": figures.tuples, "commits": figures.commits })
            }
            "write" => records::write(
                self.pod()?,
                number(with, 0)?,
                number(with, 1)?,
                number(with, 2)?,
            )?,
            "change" => records::change(
                self.pod()?,
                number(with, 0)?,
                number(with, 1)?,
                number(with, 2)?,
                number(with, 3)?,
            )?,
            "wait for" => {
                let (n, payload, version) = (number(with, 0)?, number(with, 1)?, number(with, 2)?);
                let changed = with.get(3).and_then(Json::as_u64);
                let start = Instant::now();
                while !records::has(self.pod()?, n, payload, version, changed)? {
                    if start.elapsed() > PATIENCE {
                        return Err(Error::Sync("it never came".into()));
                    }
                    std::thread::sleep(LOOK);
                }
                Json::Null
            }
            "cpu" => (clock::process() / 1e3).into(),
            "memory" => resident_bytes().into(),
            _ => return Err(Error::Sync(format!("{what} is nothing to do"))),
        })
    }

    /// Dials the known peers and stays in touch with them, from now on in the background.
    fn dial(&mut self) -> Result<Json> {
        let node = self.node()?;
        self.dialled = self.pod()?.peers()?.first().map(|p| p.key);
        self.keeper = Some(
            self.runtime
                .spawn(async move { node.keep_in_touch(Mode::Normal).await }),
        );
        Ok(Json::Null)
    }

    /// Bytes of the session with the other device, as long as it lasts.
    fn bytes(&self) -> Json {
        let own = self.node.as_ref();
        let peer = own.and_then(|n| self.dialled.or(n.peers().into_keys().next()));
        let meter = own.zip(peer).and_then(|(n, peer)| n.meter(&peer));
        let both = |t: rhizome_network::Traffic| json!({ "sent": t.sent, "received": t.received });
        json!({
            "link": meter.as_ref().and_then(rhizome_network::Meter::traffic).map(both),
            "datagrams": meter.as_ref().and_then(rhizome_network::Meter::datagrams).map(both),
        })
    }

    /// Asks for the newest note again and again, until it is this one; "looked" says when that was, counted from now.
    fn look(&mut self, newest: &str) -> Result<()> {
        let (say, looking) = channel();
        let (pod, newest) = (Arc::clone(self.pod()?), newest.to_owned());
        let start = Instant::now();
        std::thread::spawn(move || {
            let query = Json::from(fill::NEWEST);
            while start.elapsed() < PATIENCE {
                let found = pod.query(&query, &[], &Stop::new(false));
                if found.is_ok_and(|found| found["rows"][0][0] == newest.as_str()) {
                    let _ = say.send(start.elapsed().as_secs_f64() * 1e3);
                    return;
                }
                std::thread::sleep(LOOK);
            }
        });
        self.looking = Some(looking);
        Ok(())
    }
}
