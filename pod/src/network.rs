//! What commands do over the network, for callers without a runtime of their own.

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use rhizome_identity::{Did, RecoveryWords};
use rhizome_network::PeerAddress;
use rhizome_share::Predicate;
use tokio::{runtime::Runtime, sync::oneshot, time::Instant};

use crate::{
    Accepted, COMPARED, CloudOptions, CloudPeer, Emoji, Followed, Given, Grant, GrantTerms, Group,
    GroupRole, Joined, Opening, PairingCode, PeerReport, Pod, PodError, PodHome, PodNode, Power,
    ShareInvite, cloud::AT_WORK, invitation::invited_role,
};

/// How long the device that showed the code stays for the new one to get what the pod holds.
const FIRST_SYNC: Duration = Duration::from_mins(10);
/// How long it waits for that to begin.
const FIRST_CALL: Duration = Duration::from_secs(15);

pub(crate) fn runtime() -> Result<Runtime, PodError> {
    // tokio's own bound
    runtime_with(512)
}

/// Threads that wait for the disk cost memory even when they are idle: 4 MB each, after they have seen a large message.
fn runtime_with(blocking: usize) -> Result<Runtime, PodError> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .max_blocking_threads(blocking)
        .enable_all()
        .build()
        .map_err(|e| PodError::file(Path::new("threads"), e))
}

/// Shows a code for one new device, waits for it, and lets it get what the pod holds.
///
/// # Errors
/// [`PodError::Request`] if nobody came in time.
pub fn pair(
    pod: &Arc<Pod>,
    listen: &[SocketAddr],
    member_only: bool,
    show: impl FnOnce(&PairingCode),
) -> Result<Joined, PodError> {
    runtime()?.block_on(async {
        let node = PodNode::resume(Arc::clone(pod), listen).await?;
        let role = invited_role(member_only);
        let (code, mut waiting) = node.invite(role)?;
        show(&code);
        let joined = waiting.joined().await;
        if let Some(joined) = &joined {
            first_sync(&node, joined).await;
        }
        node.shutdown().await?;
        joined.ok_or_else(|| {
            PodError::Request("no device came in time, or the code was mistyped too often".into())
        })
    })
}

/// As [`pair`], with a code that holds no secret. `compare` shows it, waits, and asks; it may take its time.
///
/// # Errors
/// Those of `compare`.
pub fn pair_comparing<T, E: From<PodError>>(
    pod: &Arc<Pod>,
    listen: &[SocketAddr],
    member_only: bool,
    compare: impl FnOnce(&PodNode, &PeerAddress) -> Result<T, E>,
) -> Result<T, E> {
    runtime()?.block_on(async {
        let node = PodNode::resume(Arc::clone(pod), listen).await?;
        let role = invited_role(member_only);
        let (code, _waiting) = node.invite_to_compare(role)?;
        let done = compare(&node, &code);
        if let Some(joined) = node.pairing().joined {
            first_sync(&node, &joined).await;
        }
        node.shutdown().await?;
        done
    })
}

/// Stays until a new device has what the pod holds.
async fn first_sync(node: &PodNode, joined: &Joined) {
    let start = Instant::now();
    loop {
        let state = node.peers().get(&joined.key).cloned().unwrap_or_default();
        let over = state.synced_ms.is_some() && !state.connected;
        let late = start.elapsed()
            > if state.connected {
                FIRST_SYNC
            } else {
                FIRST_CALL
            };
        if over || late {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Makes this device one of a pod's, and gets what the pod holds from the device that showed the code.
///
/// # Errors
/// As [`PodHome::join`].
pub fn join(
    home: &PodHome,
    opening: &Opening,
    code: &PairingCode,
    name: &str,
    listen: &[SocketAddr],
) -> Result<(Arc<Pod>, PeerReport), PodError> {
    runtime()?.block_on(async {
        let pod = home.join(opening, code, name, listen.to_vec()).await?;
        fetch(pod, &code.address, listen).await
    })
}

/// As [`join`], with a code that is an address alone. `ask` shows the pictures and asks whether the other device shows the same.
///
/// # Errors
/// As [`PodHome::compare`].
pub fn join_comparing(
    home: &PodHome,
    opening: &Opening,
    address: &PeerAddress,
    name: &str,
    listen: &[SocketAddr],
    ask: impl FnOnce([Emoji; COMPARED]) -> bool + Send + 'static,
) -> Result<(Arc<Pod>, PeerReport), PodError> {
    runtime()?.block_on(async {
        let asked = |emoji| {
            let (answer, said) = oneshot::channel();
            // on a thread that nobody waits for: the other device may say no while the person still looks
            std::thread::spawn(move || answer.send(ask(emoji)));
            async { said.await.unwrap_or(false) }
        };
        let listening = listen.to_vec();
        let pod = home.compare(opening, address, name, listening, asked);
        fetch(pod.await?, address, listen).await
    })
}

/// What a pod holds, from the device that let this one in.
async fn fetch(
    pod: Pod,
    from: &PeerAddress,
    listen: &[SocketAddr],
) -> Result<(Arc<Pod>, PeerReport), PodError> {
    let pod = Arc::new(pod);
    let node = PodNode::start(Arc::clone(&pod), listen.to_vec()).await?;
    let report = node.sync_with(from, None).await;
    node.shutdown().await?;
    pod.replica().checkpoint()?;
    Ok((pod, report?))
}

/// Takes a pod back with its recovery words, from a peer that keeps it, and gets what it holds.
///
/// # Errors
/// As [`PodHome::recover`].
pub fn recover(
    home: &PodHome,
    opening: &Opening,
    words: &str,
    address: &PeerAddress,
    listen: &[SocketAddr],
) -> Result<(Arc<Pod>, PeerReport), PodError> {
    let words = RecoveryWords::parse(words)?;
    runtime()?.block_on(async {
        let pod = Arc::new(
            home.recover(opening, words, address, listen.to_vec())
                .await?,
        );
        let node = PodNode::start(Arc::clone(&pod), listen.to_vec()).await?;
        let report = node.add_peer(address, None).await;
        node.shutdown().await?;
        pod.words_used()?;
        pod.replica().checkpoint()?;
        Ok((pod, report?))
    })
}

/// Runs a cloud peer until interrupted. `ready` gets the address to be given to those who may have a pod kept.
///
/// # Errors
/// As [`CloudPeer::start`].
pub fn cloud_peer(
    directory: &Path,
    opening: &Opening,
    options: CloudOptions,
    ready: impl FnOnce(&str),
) -> Result<(), PodError> {
    runtime_with(AT_WORK + 16)?.block_on(async {
        let peer = CloudPeer::start(directory, opening, options).await?;
        ready(&peer.invitation()?);
        interrupted().await;
        peer.shutdown().await
    })
}

/// Ctrl-C, or being told to end.
async fn interrupted() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => (),
                _ = terminate.recv() => (),
            }
            return;
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}

/// Exchanges once with every known peer.
///
/// # Errors
/// Those of reading the pod.
pub fn sync_once(pod: &Arc<Pod>, listen: Vec<SocketAddr>) -> Result<Vec<PeerReport>, PodError> {
    runtime()?.block_on(async {
        let node = PodNode::start(Arc::clone(pod), listen).await?;
        let reports = node.sync_all().await;
        node.shutdown().await?;
        reports
    })
}

/// Adds a peer that is to keep the pod, and exchanges with it. It is remembered on all devices once it has accepted.
///
/// # Errors
/// [`PodError::Refused`] if it does not take the pod.
pub fn add_peer(
    pod: &Arc<Pod>,
    listen: Vec<SocketAddr>,
    address: &PeerAddress,
    grant: Option<&Grant>,
) -> Result<PeerReport, PodError> {
    runtime()?.block_on(async {
        let node = PodNode::start(Arc::clone(pod), listen).await?;
        let added = node.add_peer(address, grant).await;
        node.shutdown().await?;
        added
    })
}

/// Shares something, and sends it to where the pod is kept. Says whether it is there now: otherwise with the next exchange.
///
/// # Errors
/// As [`Pod::grant`].
pub fn grant(
    pod: &Arc<Pod>,
    listen: Vec<SocketAddr>,
    terms: &GrantTerms,
) -> Result<(Given, ShareInvite, bool), PodError> {
    let (given, invite) = pod.grant(terms)?;
    let sent = send(pod, listen)?;
    Ok((given, invite, sent))
}

/// Takes a grant back, and tells those who keep the pod. Says whether they know now.
///
/// # Errors
/// As [`Pod::revoke`].
pub fn revoke(
    pod: &Arc<Pod>,
    listen: Vec<SocketAddr>,
    id: &str,
) -> Result<(Given, bool), PodError> {
    let given = pod.revoke(id)?;
    let sent = send(pod, listen)?;
    Ok((given, sent))
}

/// Takes what somebody shares.
///
/// # Errors
/// As [`PodNode::accept`].
pub fn accept(
    pod: &Arc<Pod>,
    listen: Vec<SocketAddr>,
    invite: &ShareInvite,
) -> Result<Accepted, PodError> {
    runtime()?.block_on(async {
        let node = PodNode::start(Arc::clone(pod), listen).await?;
        let accepted = node.accept(invite).await;
        node.shutdown().await?;
        accepted
    })
}

/// Makes something public, and sends it to where the pod is kept. Says whether it is there now: otherwise with the next exchange.
///
/// # Errors
/// As [`Pod::publish`].
pub fn publish(
    pod: &Arc<Pod>,
    listen: Vec<SocketAddr>,
    predicate: &Predicate,
    power: Power,
    until: Option<u64>,
) -> Result<(Given, bool), PodError> {
    let given = pod.publish(predicate, power, until)?;
    let sent = send(pod, listen)?;
    Ok((given, sent))
}

/// Makes a group, and sends it to where the pod is kept. Says whether it is there now: otherwise with the next exchange.
///
/// # Errors
/// As [`Pod::create_group`].
pub fn create_group(
    pod: &Arc<Pod>,
    listen: Vec<SocketAddr>,
    name: &str,
) -> Result<(Group, bool), PodError> {
    let group = pod.create_group(name)?;
    let sent = send(pod, listen)?;
    Ok((group, sent))
}

/// Invites somebody to a group, and sends that.
///
/// # Errors
/// As [`Pod::invite_to_group`].
pub fn invite_to_group(
    pod: &Arc<Pod>,
    listen: Vec<SocketAddr>,
    (group, to, role): (&Did, &Did, GroupRole),
) -> Result<(ShareInvite, bool), PodError> {
    let invite = pod.invite_to_group(group, to, role)?;
    let sent = send(pod, listen)?;
    Ok((invite, sent))
}

/// Takes somebody out of a group, and tells those who keep it.
///
/// # Errors
/// As [`Pod::remove_from_group`].
pub fn remove_from_group(
    pod: &Arc<Pod>,
    listen: Vec<SocketAddr>,
    group: &Did,
    member: &str,
) -> Result<(Group, bool), PodError> {
    let group = pod.remove_from_group(group, member)?;
    let sent = send(pod, listen)?;
    Ok((group, sent))
}

/// Leaves a group.
///
/// # Errors
/// As [`PodNode::leave_group`].
pub fn leave_group(pod: &Arc<Pod>, listen: Vec<SocketAddr>, group: &Did) -> Result<(), PodError> {
    runtime()?.block_on(async {
        let node = PodNode::start(Arc::clone(pod), listen).await?;
        let left = node.leave_group(group).await;
        node.shutdown().await?;
        left
    })
}

/// Follows what somebody makes public.
///
/// # Errors
/// As [`PodNode::follow`].
pub fn follow(
    pod: &Arc<Pod>,
    listen: Vec<SocketAddr>,
    of: &Did,
    at: Option<&PeerAddress>,
) -> Result<Vec<Followed>, PodError> {
    runtime()?.block_on(async {
        let node = PodNode::start(Arc::clone(pod), listen).await?;
        let followed = node.follow(of, at).await;
        node.shutdown().await?;
        followed
    })
}

/// Proposes changes to somebody.
///
/// # Errors
/// As [`PodNode::propose`].
pub fn propose(
    pod: &Arc<Pod>,
    listen: Vec<SocketAddr>,
    to: &Did,
    changes: &serde_json::Value,
    comment: &str,
) -> Result<(), PodError> {
    runtime()?.block_on(async {
        let node = PodNode::start(Arc::clone(pod), listen).await?;
        let proposed = node.propose(to, changes, comment).await;
        node.shutdown().await?;
        proposed
    })
}

/// Proposes what a draft says to somebody.
///
/// # Errors
/// As [`PodNode::propose_draft`].
pub fn propose_draft(
    pod: &Arc<Pod>,
    listen: Vec<SocketAddr>,
    name: &str,
    to: &Did,
    comment: &str,
) -> Result<crate::Draft, PodError> {
    runtime()?.block_on(async {
        let node = PodNode::start(Arc::clone(pod), listen).await?;
        let proposed = node.propose_draft(name, to, comment).await;
        node.shutdown().await?;
        proposed
    })
}

/// One exchange with those who keep the pod, if there are any. Whether all of them have it.
fn send(pod: &Arc<Pod>, listen: Vec<SocketAddr>) -> Result<bool, PodError> {
    if pod.peers()?.is_empty() {
        return Ok(false);
    }
    Ok(sync_once(pod, listen)?.iter().all(delivered))
}

/// Whether a peer has all that is here.
pub(crate) fn delivered(report: &PeerReport) -> bool {
    report.away || (report.error.is_none() && report.equal)
}
