//! The files of a pod on their way between its devices and the peers that keep it.
//!
//! A device asks another for files by their hash. A sealed peer has ciphertext under blind names, which only who has the keys of the pod can
//! tell, and gets nothing else.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use rhizome_blob::{
    Answer, BlobError, BlobKeys, BlobStore, Fetch, Held, Holding, Limits, MAX_BLOB, MAX_NAMES,
    Push, PushStep, Refusal, Request, Sealed, SealedBlob, SealedStore, Served, Step, serve,
};
use rhizome_ipld::Cid;
use rhizome_member::Member;
use rhizome_network::Link;
use rhizome_replica::{Replica, key, tag};
use rhizome_tuple::Value;
use tokio::task::block_in_place;

use crate::{PodError, View, cloud::Turn, views::Given};

/// Questions that may be on their way without an answer.
const WINDOW: usize = 4;
/// Files of one exchange that are begun though there was no room for those before.
const MOST_FULL: u64 = 8;

/// What the other side is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// A device with keys.
    Device,
    /// A peer without.
    Sealed,
}

/// What was carried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Carried {
    /// Files that came.
    pub fetched: u64,
    /// Files that went.
    pub pushed: u64,
    /// Files named by tuples that are neither here nor there.
    pub missing: u64,
    /// Files that the other side does not take, that came damaged, or for which there is no room here.
    pub failed: u64,
    /// Those for which there is no room here.
    pub full: u64,
}

/// To all who may ask at all.
const LIMITS: Limits = Limits {
    max_len: MAX_BLOB,
    may_put: true,
};

/// The files that current tuples name, each once.
pub(crate) fn named(replica: &Replica) -> Result<Vec<Cid>, PodError> {
    let now = replica.snapshot();
    let mut out = BTreeSet::new();
    for k in now.eav().range(0, u128::MAX) {
        let fact = key::un_eav(k);
        if fact.v.tag == tag::BLOB
            && let Some(Value::Blob(cid)) = now.value(fact.v)
        {
            out.insert(cid);
        }
    }
    now.fault()?;
    Ok(out.into_iter().collect())
}

/// What seals files for peers without keys, and tells where they keep them: one for each epoch, the current one last.
fn blob_keys(member: &Member) -> Vec<BlobKeys> {
    let current = member.trust().set().current().map(|c| c.epoch.0);
    let keys = member.keys();
    let mut epochs: Vec<_> = keys.epochs().collect();
    epochs.sort_by_key(|(name, _)| Some(*name) == current);
    let each = epochs.into_iter();
    each.map(|(_, secret)| BlobKeys::from_epoch(secret.expose()))
        .collect()
}

/// Who asks for files, or brings some.
#[derive(Clone, Copy)]
pub(crate) struct Guest<'a> {
    /// Whether he may still: he may be taken out while the link is open.
    pub admits: &'a (dyn Fn() -> bool + Send + Sync),
    /// He only follows: he brings nothing.
    pub follows: bool,
}

impl Guest<'_> {
    fn refuses(&self, request: &Request) -> bool {
        self.follows && !matches!(request, Request::Have { .. } | Request::Get { .. })
    }
}

/// As [`answer`], to somebody who may have what a view names and nothing else of the home, as long as he may.
pub(crate) async fn answer_named(
    link: &mut Link,
    blobs: &BlobStore,
    view: &View,
    member: &Member,
    guest: Guest<'_>,
) -> Result<(), PodError> {
    let mut files = (Hashes::default(), None);
    while let Some(bytes) = link.receive().await? {
        let request = Request::from_bytes(&bytes).map_err(|e| PodError::Peer(e.to_string()))?;
        if !(guest.admits)() {
            break;
        }
        if guest.refuses(&request) {
            link.send(encode(&Answer::Refused(Refusal::NotAllowed))?)
                .await?;
            continue;
        }
        let commits = member.replica().snapshot().commit_count();
        if files.1 != Some(commits) {
            let given = block_in_place(|| view.files(member))?;
            files = (Hashes::of(&given), Some(commits));
        }
        // one that was here before did not come by this view
        let put = match &request {
            Request::Put { root, .. } => files.0.named.get(root).copied(),
            _ => None,
        };
        let new = match put {
            Some(cid) => !block_in_place(|| blobs.has(&cid))?,
            None => false,
        };
        match of_named(request, &files.0) {
            Ok((request, places)) => {
                let mut served = block_in_place(|| serve(request, Holding::Plain(blobs), LIMITS));
                if let (Answer::Held(held), Some(places)) = (&mut served.answer, places) {
                    // the others are not here, whether they are or not
                    let mut found = std::mem::take(held).into_iter();
                    let each = places.into_iter();
                    *held = each
                        .map(|asked| {
                            if asked {
                                found.next().unwrap_or_default()
                            } else {
                                Vec::new()
                            }
                        })
                        .collect();
                }
                if let Some(cid) = put.filter(|_| new)
                    && block_in_place(|| blobs.has(&cid))?
                {
                    block_in_place(|| view.note_came(&cid))?;
                    files.0.gives.extend(hash(&cid));
                }
                say(link, &served).await?;
            }
            Err(no) => link.send(encode(&no)?).await?,
        }
    }
    Ok(())
}

fn hash(cid: &Cid) -> Option<[u8; 32]> {
    cid.hash().digest().try_into().ok()
}

/// [`Given`], by the hashes that are asked for.
#[derive(Default)]
struct Hashes {
    named: BTreeMap<[u8; 32], Cid>,
    gives: BTreeSet<[u8; 32]>,
}

impl Hashes {
    fn of(given: &Given) -> Self {
        let named = given
            .named
            .iter()
            .filter_map(|cid| Some((hash(cid)?, *cid)));
        Self {
            named: named.collect(),
            gives: given.gives.iter().filter_map(hash).collect(),
        }
    }
}

/// What of a question may be answered: of files that this home gives, or takes. Of several names: which of them.
fn of_named(request: Request, files: &Hashes) -> Result<(Request, Option<Vec<bool>>), Answer> {
    match request {
        Request::Have { names } => {
            let places: Vec<bool> = names
                .iter()
                .map(|name| files.gives.contains(name))
                .collect();
            let names = names.into_iter().filter(|name| files.gives.contains(name));
            let names = names.collect();
            Ok((Request::Have { names }, Some(places)))
        }
        Request::Get { root, .. } if !files.gives.contains(&root) => Err(Answer::Missing),
        Request::Put { root, .. } if !files.named.contains_key(&root) => {
            Err(Answer::Refused(Refusal::NotAllowed))
        }
        Request::Get { .. } | Request::Put { .. } => Ok((request, None)),
        _ => Err(Answer::Missing),
    }
}

/// Answers a device's questions about files until it hangs up.
pub(crate) async fn answer(link: &mut Link, blobs: &BlobStore) -> Result<(), PodError> {
    while let Some(bytes) = link.receive().await? {
        let request = Request::from_bytes(&bytes).map_err(|e| PodError::Peer(e.to_string()))?;
        let served = block_in_place(|| serve(request, Holding::Plain(blobs), LIMITS));
        say(link, &served).await?;
    }
    Ok(())
}

/// The same at a sealed peer: when it is the pod's turn, and as long as it may.
pub(crate) async fn answer_sealed(
    link: &mut Link,
    store: &Arc<SealedStore>,
    turn: &Turn,
    guest: Guest<'_>,
) -> Result<(), PodError> {
    while let Some(bytes) = link.receive().await? {
        let request = Request::from_bytes(&bytes).map_err(|e| PodError::Peer(e.to_string()))?;
        if !(guest.admits)() {
            break;
        }
        if guest.refuses(&request) {
            link.send(encode(&Answer::Refused(Refusal::NotAllowed))?)
                .await?;
            continue;
        }
        let store = Arc::clone(store);
        let served = turn
            .work(move || serve(request, Holding::Sealed(&store), LIMITS))
            .await?;
        say(link, &served).await?;
    }
    Ok(())
}

async fn say(link: &mut Link, served: &Served) -> Result<(), PodError> {
    if let Some(trouble) = &served.trouble {
        tracing::warn!(%trouble, "a file could not be served");
    }
    Ok(link.send(encode(&served.answer)?).await?)
}

fn encode(answer: &Answer) -> Result<Vec<u8>, PodError> {
    answer.to_bytes().map_err(|e| PodError::Peer(e.to_string()))
}

async fn ask(link: &mut Link, request: &Request) -> Result<(), PodError> {
    let bytes = request
        .to_bytes()
        .map_err(|e| PodError::Peer(e.to_string()))?;
    Ok(link.send(bytes).await?)
}

async fn hear(link: &mut Link) -> Result<Answer, PodError> {
    let bytes = link
        .receive()
        .await?
        .ok_or_else(|| PodError::Peer("the other side hung up".into()))?;
    Answer::from_bytes(&bytes).map_err(|e| PodError::Peer(e.to_string()))
}

/// Fetches the files that are wanted here and are there, and gives those that are here and wanted there.
pub(crate) async fn exchange(
    member: &Member,
    blobs: &BlobStore,
    link: &mut Link,
    side: Side,
) -> Result<Carried, PodError> {
    let named = block_in_place(|| named(member.replica()))?;
    carry(None, &named, member, blobs, link, side).await
}

/// The same in a view, where this home gives what it may and no more.
pub(crate) async fn exchange_view(
    view: &View,
    member: &Member,
    blobs: &BlobStore,
    link: &mut Link,
    side: Side,
) -> Result<Carried, PodError> {
    let mut given = block_in_place(|| view.files(member))?;
    if member.only_follows(&member.signing_key().public()) {
        given.gives.clear();
    }
    let named: Vec<Cid> = given.named.into_iter().collect();
    let view = Some((view, &given.gives));
    carry(view, &named, member, blobs, link, side).await
}

async fn carry(
    view: Option<(&View, &BTreeSet<Cid>)>,
    named: &[Cid],
    member: &Member,
    blobs: &BlobStore,
    link: &mut Link,
    side: Side,
) -> Result<Carried, PodError> {
    let keys = match side {
        Side::Device => Vec::new(),
        Side::Sealed => blob_keys(member),
    };
    let mut carried = Carried::default();
    let each = keys.len().max(1);
    for part in named.chunks((MAX_NAMES / each).max(1)) {
        let there = held(link, part, &keys, side).await?;
        for cid in part {
            let (here, there) = (block_in_place(|| blobs.has(cid))?, there.get(cid));
            let done = match (here, there) {
                (true, Some(_)) => continue,
                (false, None) => {
                    carried.missing += 1;
                    continue;
                }
                // smaller ones may still fit, but each costs a question
                (false, Some(_)) if carried.full >= MOST_FULL => {
                    carried.failed += 1;
                    carried.full += 1;
                    continue;
                }
                (false, Some(places)) => fetch(blobs, link, cid, places, &keys, side).await,
                (true, None) if view.is_some_and(|(_, gives)| !gives.contains(cid)) => continue,
                (true, None) => push(blobs, link, cid, &keys, side).await,
            };
            match (done, here) {
                (Ok(()), false) => {
                    carried.fetched += 1;
                    if let Some((view, _)) = view {
                        block_in_place(|| view.note_came(cid))?;
                    }
                }
                (Ok(()), true) => carried.pushed += 1,
                (Err(error @ PodError::Network(_)), _) => return Err(error),
                (Err(error), _) => {
                    tracing::warn!(%cid, %error, "a file was not carried");
                    carried.failed += 1;
                    carried.full += u64::from(matches!(
                        error,
                        PodError::NoRoom { .. } | PodError::Blob(BlobError::Low { .. })
                    ));
                }
            }
        }
    }
    Ok(carried)
}

/// What is held there of each file: under which of the keys.
async fn held(
    link: &mut Link,
    files: &[Cid],
    keys: &[BlobKeys],
    side: Side,
) -> Result<BTreeMap<Cid, Vec<(usize, Held)>>, PodError> {
    let mut names = Vec::new();
    let mut whose = Vec::new();
    for cid in files {
        match side {
            Side::Device => {
                if let Ok(digest) = cid.hash().digest().try_into() {
                    names.push(digest);
                    whose.push((*cid, 0));
                }
            }
            Side::Sealed => {
                for (i, keys) in keys.iter().enumerate() {
                    names.push(keys.name(cid)?.0);
                    whose.push((*cid, i));
                }
            }
        }
    }
    if names.is_empty() {
        return Ok(BTreeMap::new());
    }
    let count = names.len();
    ask(link, &Request::Have { names }).await?;
    let Answer::Held(found) = hear(link).await? else {
        return Err(PodError::Peer(
            "the other side gave another answer than was asked for".into(),
        ));
    };
    if found.len() != count {
        return Err(PodError::Peer(
            "the other side left out part of the answer".into(),
        ));
    }
    let mut out: BTreeMap<Cid, Vec<(usize, Held)>> = BTreeMap::new();
    for ((cid, key), held) in whose.into_iter().zip(found) {
        if !held.is_empty() {
            out.entry(cid)
                .or_default()
                .extend(held.into_iter().map(|h| (key, h)));
        }
    }
    Ok(out)
}

async fn fetch(
    store: &BlobStore,
    link: &mut Link,
    cid: &Cid,
    places: &[(usize, Held)],
    keys: &[BlobKeys],
    side: Side,
) -> Result<(), PodError> {
    let mut fetch = block_in_place(|| match side {
        Side::Device => Fetch::plain(store, cid, MAX_BLOB),
        Side::Sealed => {
            let mut sealed = Vec::new();
            for (key, held) in places {
                if let Some(keys) = keys.get(*key) {
                    sealed.push(Sealed {
                        held: *held,
                        key: keys.key(cid)?,
                    });
                }
            }
            Fetch::sealed(store, cid, sealed, MAX_BLOB)
        }
    })?;
    let mut open = 0;
    let result = loop {
        if fetch.is_done() {
            break Ok(());
        }
        while open < WINDOW
            && let Some(request) = fetch.request()
        {
            ask(link, &request).await?;
            open += 1;
        }
        if open == 0 {
            break Err(PodError::Peer(
                "the file cannot be fetched from there".into(),
            ));
        }
        let answer = hear(link).await?;
        open -= 1;
        match block_in_place(|| fetch.handle(answer)) {
            Ok(Step::Done) => break Ok(()),
            Ok(Step::More) => (),
            Err(error) => break Err(error.into()),
        }
    };
    // answers to questions that are no longer wanted
    for _ in 0..open {
        hear(link).await?;
    }
    result
}

async fn push(
    blobs: &BlobStore,
    link: &mut Link,
    cid: &Cid,
    keys: &[BlobKeys],
    side: Side,
) -> Result<(), PodError> {
    let mut push = block_in_place(|| -> Result<Push, PodError> {
        let blob = blobs.open(cid)?;
        Ok(match (side, keys.last()) {
            (Side::Sealed, Some(keys)) => {
                Push::sealed(keys.name(cid)?, SealedBlob::new(blob, &keys.key(cid)?)?)
            }
            (Side::Sealed, None) => {
                return Err(PodError::Request("there is no key to seal it with".into()));
            }
            (Side::Device, _) => Push::plain(blob),
        })
    })?;
    let mut open = 0;
    let result = loop {
        if push.is_done() {
            break Ok(());
        }
        while open < WINDOW
            && let Some(request) = block_in_place(|| push.request())?
        {
            ask(link, &request).await?;
            open += 1;
        }
        if open == 0 {
            break Err(PodError::Peer("the file cannot be given there".into()));
        }
        let answer = hear(link).await?;
        open -= 1;
        match push.handle(&answer) {
            Ok(PushStep::Done) => break Ok(()),
            Ok(PushStep::More) => (),
            Err(error) => break Err(error.into()),
        }
    };
    for _ in 0..open {
        hear(link).await?;
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_asks_for_what_it_names_and_nothing_else_of_the_home() {
        let dir = tempfile::tempdir().unwrap();
        let blobs = BlobStore::in_directory(dir.path().join("blobs")).unwrap();
        let hash = |bytes: &[u8]| -> [u8; 32] {
            let cid = blobs.put_bytes(bytes).unwrap();
            cid.hash().digest().try_into().unwrap()
        };
        let (shared, secret) = (hash(b"shared"), hash(b"secret"));
        let cid = |bytes: &[u8]| blobs.put_bytes(bytes).unwrap();
        let taken = hash(b"named by others");
        let named = Hashes {
            named: [(shared, cid(b"shared")), (taken, cid(b"named by others"))].into(),
            gives: [shared].into(),
        };
        let names = vec![secret, shared, taken, secret];
        let (request, places) = of_named(Request::Have { names }, &named).unwrap();
        assert_eq!(
            request,
            Request::Have {
                names: vec![shared]
            }
        );
        assert_eq!(places.unwrap(), [false, true, false, false]);
        let get = |root| Request::Get {
            root,
            offset: 0,
            len: 6,
        };
        assert!(of_named(get(shared), &named).is_ok());
        assert_eq!(of_named(get(secret), &named), Err(Answer::Missing));
        let put = |root| Request::Put {
            name: root,
            root,
            len: 6,
            offset: 0,
            slice: rhizome_blob::Slice(b"secret".to_vec()),
        };
        assert_eq!(of_named(get(taken), &named), Err(Answer::Missing));
        assert!(of_named(put(shared), &named).is_ok() && of_named(put(taken), &named).is_ok());
        let no = Err(Answer::Refused(Refusal::NotAllowed));
        assert_eq!(of_named(put(secret), &named), no);
        // a name is a claim: what counts is the hash
        let Request::Put {
            len, offset, slice, ..
        } = put(secret)
        else {
            unreachable!()
        };
        let disguised = Request::Put {
            name: shared,
            root: secret,
            len,
            offset,
            slice,
        };
        assert_eq!(of_named(disguised, &named), no);
    }
}
