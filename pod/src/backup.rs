//! Backups: a folder that holds what a peer without keys would hold. It is made by the exchange that cloud peers take part in, so that it costs what is
//! new, and everything in it was verified when it came; the recovery words open it, and nothing else.

mod schedule;

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use rhizome_identity::{Did, RecoveryWords};
use serde_json::{Value as Json, json};

use crate::{
    CloudOptions, CloudPeer, Opening, PeerReport, Pod, PodError, PodHome, PodNode, parse_peer,
};

pub(crate) use schedule::Backups;

/// Bytes that a backup may take: the disk is the bound.
const NO_QUOTA: u64 = 1 << 60;
/// Rounds until both have the same: what is written meanwhile is in the next.
const ROUNDS: usize = 4;

/// What was done.
#[derive(Clone, Debug)]
pub struct Backup {
    /// Where.
    pub directory: PathBuf,
    /// Commits that it holds.
    pub commits: u64,
    /// Bytes of these and of files.
    pub bytes: u64,
    /// Files that it holds.
    pub files: u64,
    /// Files that are new in it.
    pub files_added: u64,
    /// Files that are named and that this device has not got.
    pub files_missing: u64,
    /// Bytes that were sent to it: what was new.
    pub sent: u64,
    /// Whether it holds all that the pod does.
    pub complete: bool,
    /// What is wrong with it, if it was read from end to end.
    pub verified: Option<Vec<String>>,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
}

impl Backup {
    /// As commands and the API print it.
    pub fn to_json(&self) -> Json {
        json!({
            "directory": self.directory,
            "commits": self.commits,
            "bytes": self.bytes,
            "files": self.files,
            "files_added": self.files_added,
            "files_missing": self.files_missing,
            "sent": self.sent,
            "complete": self.complete,
            "verified": self.verified,
            "took_ms": self.took_ms,
        })
    }
}

/// What a backup begins with, without endings.
const PARTS: [&str; 4] = ["keys", "writer", "sealed", "inbox"];

/// Whether there is a backup in a directory.
fn holds_one(directory: &Path) -> bool {
    directory.join("sealed.redb").is_file()
}

/// A backup makes files of its own: not among others.
fn check_place(directory: &Path) -> Result<(), PodError> {
    if holds_one(directory) {
        return Ok(());
    }
    let refuse = |why: &str| {
        Err(PodError::Request(format!(
            "{}: {why}: give the backup a folder of its own",
            directory.display()
        )))
    };
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(PodError::file(directory, error)),
    };
    for entry in entries {
        let name = entry
            .map_err(|error| PodError::file(directory, error))?
            .file_name();
        // of one that was interrupted when it began
        let stem = name
            .to_str()
            .and_then(|name| name.split('.').find(|part| !part.is_empty()));
        if !stem.is_some_and(|stem| PARTS.contains(&stem)) {
            let name = name.to_string_lossy();
            return refuse(&format!("there are other files in it, such as {name}"));
        }
    }
    Ok(())
}

async fn open(directory: &Path, what: &str) -> Result<CloudPeer, PodError> {
    // its key is that of the link within this machine and opens nothing
    let opening = Opening::by(what);
    let here = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let options = CloudOptions {
        quota: NO_QUOTA,
        ..CloudOptions::at(vec![here])
    };
    CloudPeer::start(directory, &opening, options).await
}

/// Brings a backup up to date, or makes it. `verify` reads all of it afterwards.
///
/// # Errors
/// [`PodError::Request`] for a folder with other files; [`PodError::InUse`]; those of the exchange and the disk. What is in the backup stays good.
pub(crate) async fn run(
    node: &PodNode,
    directory: &Path,
    verify: bool,
) -> Result<Backup, PodError> {
    let began = Instant::now();
    check_place(directory)?;
    let peer = open(directory, "rhizome backup").await?;
    let done = exchange(node, &peer).await;
    let kept = tokio::task::block_in_place(|| {
        let did: Did = node.pod().did().parse()?;
        let kept = peer.pods()?.into_iter().find(|kept| kept.usage.did == did);
        let verified = match (verify, &kept) {
            (true, Some(_)) => Some(peer.verify(&did)?),
            _ => None,
        };
        Ok::<_, PodError>((kept, verified))
    });
    peer.shutdown().await?;
    let report = done?;
    let (kept, verified) = kept?;
    let figures = kept.map(|kept| (kept.usage.commits, kept.all_bytes(), kept.blobs));
    let (commits, bytes, files) = figures.unwrap_or_default();
    Ok(Backup {
        directory: directory.to_owned(),
        commits,
        bytes,
        files,
        files_added: report.files.pushed,
        files_missing: report.files.missing,
        sent: report.bytes_sent,
        complete: report.equal && report.files.failed == 0,
        verified,
        took_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
    })
}

/// Until both have the same.
async fn exchange(node: &PodNode, peer: &CloudPeer) -> Result<PeerReport, PodError> {
    let (address, grant) = parse_peer(&peer.invitation()?)?;
    let mut report = node.sync_with(&address, grant.as_ref()).await?;
    for _ in 1..ROUNDS {
        if report.equal {
            break;
        }
        report.add(node.sync_with(&address, grant.as_ref()).await?);
    }
    Ok(report)
}

/// Makes a backup, by a command: in `directory`, or where the last one was; every so many `hours` from now on if a node runs, 0 for no more.
///
/// # Errors
/// [`PodError::Request`] for a folder with other files; [`PodError::InUse`]; those of the exchange and the disk. What is in the backup stays good.
pub fn backup(
    pod: &Arc<Pod>,
    directory: Option<&Path>,
    hours: Option<u32>,
    verify: bool,
) -> Result<Backup, PodError> {
    let backups = Backups::of(pod);
    backups.set(directory, hours)?;
    crate::network::runtime()?.block_on(async {
        let here = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let node = PodNode::start(Arc::clone(pod), vec![here]).await?;
        let done = backups.run(&node, verify).await;
        node.shutdown().await?;
        done
    })
}

impl Pod {
    /// Where backups go, and how the last one went: see `docs/api.md`.
    pub fn backup_state(&self) -> Json {
        Backups::of(self).state()
    }

    /// Makes no backups by itself any more. What is in the folder stays.
    ///
    /// # Errors
    /// [`PodError::File`].
    pub fn forget_backup(&self) -> Result<(), PodError> {
        Backups::of(self).forget()
    }
}

/// Takes a pod back on an empty machine from a backup, with its recovery words. All other devices are out; what they wrote counts as far as the backup has it.
/// The backup can be gone on with.
///
/// # Errors
/// [`PodError::Request`] if there is no backup; [`PodError::Exists`] if there is a pod here; [`PodError::Refused`] if the words are not those of what it holds.
pub fn restore(
    home: &PodHome,
    opening: &Opening,
    words: &str,
    directory: &Path,
) -> Result<(Arc<Pod>, PeerReport), PodError> {
    let words = RecoveryWords::parse(words)?;
    if !holds_one(directory) {
        return Err(PodError::Request(format!(
            "{}: there is no backup in it",
            directory.display()
        )));
    }
    crate::network::runtime()?.block_on(async {
        let peer = open(directory, "rhizome restore").await?;
        let restored = restore_from(&peer, home, opening, words).await;
        peer.shutdown().await?;
        restored
    })
}

async fn restore_from(
    peer: &CloudPeer,
    home: &PodHome,
    opening: &Opening,
    words: RecoveryWords,
) -> Result<(Arc<Pod>, PeerReport), PodError> {
    let (address, _) = parse_peer(&peer.invitation()?)?;
    let here = vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))];
    let pod = home.recover(opening, words, &address, here.clone()).await;
    let pod = Arc::new(pod.map_err(|error| match error {
        PodError::Refused(_) => {
            PodError::Refused("these are not the words of a pod in this backup".into())
        }
        other => other,
    })?);
    let node = PodNode::start(Arc::clone(&pod), here).await?;
    let report = exchange(&node, peer).await;
    node.shutdown().await?;
    let report = report?;
    pod.words_used()?;
    pod.replica().checkpoint()?;
    Ok((pod, report))
}
