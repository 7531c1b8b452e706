//! Views on the network: who comes for one, and going to where they are kept.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use rhizome_identity::{Did, Log};
use rhizome_ipld::PublicKey;
use rhizome_member::{Member, MemberStore, News};
use rhizome_network::{Link, PeerAddress, Protocol};
use rhizome_share::Certificate;
use rhizome_sync::{Output, Role};
use tokio::{
    sync::{Notify, OwnedSemaphorePermit, mpsc},
    task::block_in_place,
};

use super::{
    Acting, Ends, Say, Seed, View, Views,
    marks::{Mark, Watched},
};
use crate::{
    PeerReport, PodError, PodNode, erasures,
    files::{self, Side},
    node::{FAREWELL, Shared, report},
    sync::{Exchanged, Until, Way, drive, hello},
    touch::DIAL_TIME,
};

/// What was said to somebody who may not come in; the same whether the view is here or not.
const NOT_HERE: &str = "this view is not here, or not for this key: ask whoever shared it";
const OUT: &str = "this key is not, or no longer, one of the view's: ask whoever shared it";
/// Things that happen together are told together.
const TOGETHER: Duration = Duration::from_millis(100);

/// A view that is open for a moment. Closed again some time afterwards, if it was.
pub(crate) struct Entered {
    member: Option<Arc<Member>>,
    view: Arc<View>,
    was_open: bool,
    /// By what somebody acts in it.
    key: PublicKey,
    /// The place of one who only follows.
    follows: Option<OwnedSemaphorePermit>,
}

impl Entered {
    fn open(view: Arc<View>, key: PublicKey) -> Result<Self, PodError> {
        let was_open = view.is_open();
        let member = Some(block_in_place(|| view.member())?);
        Ok(Self {
            member,
            view,
            was_open,
            key,
            follows: None,
        })
    }

    /// Whether he only follows.
    pub fn follows(&self) -> bool {
        self.follows.is_some()
    }

    /// Whether he may still.
    pub fn admits(&self) -> bool {
        let member = self.member.as_ref();
        member.is_some_and(|member| member.is_device(&self.key))
    }

    pub fn view(&self) -> &View {
        &self.view
    }

    pub fn member(&self) -> Result<&Arc<Member>, PodError> {
        self.member.as_ref().ok_or_else(hello::unclear)
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        drop(self.member.take());
        if !self.was_open
            && let Err(error) = self.view.rest()
        {
            tracing::warn!(view = %self.view.did(), %error, "a view was not closed");
        }
    }
}

/// One session, and whether both sides have the same since.
pub(super) struct Carried {
    pub report: PeerReport,
    /// The generation of the view that the peer had when it ended, if it had all of it.
    pub settled: Option<u64>,
}

/// Ends a listener.
struct Listening<'m> {
    member: &'m Member,
    number: u64,
}

impl Drop for Listening<'_> {
    fn drop(&mut self) {
        self.member.unlisten(self.number);
    }
}

/// Takes the device log that somebody shows after a no: perhaps this key was taken out and has not heard of it.
async fn hear_farewell(link: &mut Link, member: &Member) -> Result<(), PodError> {
    let shown = tokio::time::timeout(FAREWELL, hello::shown(link)).await;
    if let Ok(Ok((log, _))) = shown
        && log.did() == member.device_log().0
    {
        block_in_place(|| member.take_certificates(Certificate::of_log(&log)))?;
    }
    Ok(())
}

/// Exchanges over a link on which both sides may. Returns the generation at the end, if nothing else happened meanwhile.
async fn exchange(
    view: &View,
    store: MemberStore,
    link: Link,
    role: Role,
    until: Until,
) -> Result<(Exchanged, Option<u64>), PodError> {
    let before = view.generation();
    let member = store.member();
    let (news, locals) = mpsc::unbounded_channel();
    let taken = Arc::new(AtomicU64::new(0));
    let own_taken = Arc::clone(&taken);
    let number = store.listen(move |new, own| {
        if own {
            own_taken.fetch_add(1, Ordering::AcqRel);
        } else {
            // a session that is over needs no news
            let _ = news.send(new);
        }
    });
    let listening = Listening {
        member: &member,
        number,
    };
    let mut on = |output: &Output| {
        if let Output::Fork(fork) = output {
            tracing::warn!(author = %fork.key, seq = fork.seq, "a chain of commits forks");
        }
    };
    let done = drive(link, role, store, locals, until, &Way::default(), &mut on).await?;
    let after = view.generation();
    drop(listening);
    let alone = after == before + taken.load(Ordering::Acquire);
    Ok((done, alone.then_some(after)))
}

impl Shared {
    fn view(&self, did: &Did) -> Result<Option<Arc<View>>, PodError> {
        Ok(self.pod.any_views()?.and_then(|views| views.get(did)))
    }

    /// Somebody wants to act in a view. `None` if he may not: then he has been told.
    pub(crate) async fn enter_view(
        &self,
        link: &mut Link,
        acting: &Acting,
    ) -> Result<Option<Entered>, PodError> {
        let ends = Ends::answered(link, self.pod.signing_key().public());
        let view = block_in_place(|| self.view(&acting.did))?;
        let key = acting.verify(&ends, Say::Enter);
        let (Some(key), Some(view)) = (key, view) else {
            hello::reply(link, &hello::Answer::No(NOT_HERE.into())).await?;
            return Ok(None);
        };
        let entered = Entered::open(view, key)?;
        let member = entered.member()?;
        if !member.is_device(&key) {
            hello::reply(link, &hello::Answer::ShowLog).await?;
            let (log, _) = hello::shown(link).await?;
            if log.did() == acting.did {
                block_in_place(|| member.take_certificates(Certificate::of_log(&log)))?;
            }
            if !member.is_device(&key) {
                hello::reply(link, &hello::Answer::No(OUT.into())).await?;
                let was_listed = member.trust().set().resolution().was_listed(&key);
                if was_listed {
                    // so that it learns who took it out, and stops
                    let (_, log) = member.device_log();
                    hello::show(link, &log, None).await?;
                }
                return Ok(None);
            }
        }
        let mut entered = entered;
        if entered.member()?.only_follows(&key) {
            let Ok(place) = Arc::clone(&self.followers).try_acquire_owned() else {
                hello::reply(link, &hello::Answer::No(hello::BUSY.into())).await?;
                return Ok(None);
            };
            entered.follows = Some(place);
        }
        link.welcome();
        let here = hello::here(&ends, acting.did, &entered.view.signing_key())?;
        hello::reply(link, &here).await?;
        Ok(Some(entered))
    }

    /// Somebody who acts in a view exchanges.
    pub(crate) async fn answer_view(&self, entered: &Entered, link: Link) {
        let view = &entered.view;
        let (role, until) = (Role::Responder, Until::Closed);
        let done = match entered.member() {
            Ok(member) => {
                let changed = Arc::new(Notify::new());
                let told = Arc::clone(&changed);
                let number = member.listen(move |news| {
                    if matches!(news, News::Certificate(_)) {
                        told.notify_one();
                    }
                });
                let _listening = Listening { member, number };
                let out = async {
                    while entered.admits() {
                        changed.notified().await;
                    }
                };
                let member = Arc::clone(member);
                let store = if entered.follows() {
                    MemberStore::for_follower(member)
                } else {
                    MemberStore::new(member)
                };
                tokio::select! {
                    done = exchange(view, store, link, role, until) => done.map(drop),
                    // he was taken out meanwhile
                    () = out => Ok(()),
                }
            }
            Err(error) => Err(error),
        };
        if let Err(error) = done {
            tracing::debug!(view = %view.did(), %error, "a session of a view ended");
        }
    }

    /// Somebody who acts in a view wants its device log.
    pub(crate) async fn give_log(&self, link: &mut Link, acting: &Acting) -> Result<(), PodError> {
        let ends = Ends::answered(link, self.pod.signing_key().public());
        let key = acting.verify(&ends, Say::ShowLog);
        let view = block_in_place(|| self.view(&acting.did))?;
        if let (Some(key), Some(view)) = (key, view) {
            let entered = Entered::open(view, key)?;
            let member = entered.member()?;
            if member.is_device(&key) {
                link.welcome();
                hello::reply(link, &hello::Answer::Ready).await?;
                let (_, log) = member.device_log();
                return hello::show(link, &log, None).await;
            }
        }
        hello::reply(link, &hello::Answer::No(NOT_HERE.into())).await
    }

    /// Tells somebody what is new in the views that he acts in, until he hangs up.
    pub(crate) async fn tell_news(
        &self,
        link: &mut Link,
        (mut asked, mut last): (Vec<Acting>, bool),
    ) -> Result<(), PodError> {
        let ends = Ends::answered(link, self.pod.signing_key().public());
        let Some(views) = block_in_place(|| self.pod.any_views())? else {
            return hello::reply(link, &hello::Answer::No(NOT_HERE.into())).await;
        };
        let mut changes = views.changes();
        let mut all: BTreeMap<u32, (Arc<View>, PublicKey, Mark)> = BTreeMap::new();
        let mut count = 0usize;
        loop {
            let first = count as u32;
            count += asked.len();
            if count > hello::MAX_WATCHED {
                return Err(hello::unclear());
            }
            let mut marks: Vec<Watched> = Vec::new();
            for (place, view, key) in block_in_place(|| admitted(views, &ends, first, &asked))? {
                let mark = view.mark(views.process());
                marks.push((place, mark));
                all.insert(place, (view, key, mark));
            }
            hello::tell(link, &marks).await?;
            if last {
                break;
            }
            (asked, last) = hello::more_watched(link).await?;
        }
        if all.is_empty() {
            return Ok(());
        }
        link.welcome();
        loop {
            tokio::select! {
                changed = changes.changed() => if changed.is_err() { return Ok(()) },
                more = link.receive() => match more? {
                    None => return Ok(()),
                    Some(_) => return Err(hello::unclear()),
                },
            }
            tokio::time::sleep(TOGETHER).await;
            changes.mark_unchanged();
            let mut marks: Vec<Watched> = Vec::new();
            let mut out = Vec::new();
            for (place, (view, key, before)) in &mut all {
                let mark = view.mark(views.process());
                if mark == *before {
                    continue;
                }
                *before = mark;
                if block_in_place(|| admits(view, key)).unwrap_or(false) {
                    marks.push((*place, mark));
                } else {
                    out.push(*place);
                }
            }
            for place in out {
                all.remove(&place);
            }
            for part in marks.chunks(hello::WATCHED) {
                hello::tell(link, part).await?;
            }
        }
    }
}

/// Whether somebody acts in a view by this key. What the home itself acts by needs no looking.
fn admits(view: &Arc<View>, key: &PublicKey) -> Result<bool, PodError> {
    Ok(*key == view.key() || Entered::open(Arc::clone(view), *key)?.admits())
}

/// Those of the views on a list, the first of which has this place, in which whoever claims it acts.
fn admitted(
    views: &Views,
    ends: &Ends,
    first: u32,
    asked: &[Acting],
) -> Result<Vec<(u32, Arc<View>, PublicKey)>, PodError> {
    let mut out = Vec::new();
    for (place, acting) in (first..).zip(asked) {
        let key = acting.verify(ends, Say::Watch);
        let (Some(key), Some(view)) = (key, views.get(&acting.did)) else {
            continue;
        };
        if admits(&view, &key)? {
            out.push((place, view, key));
        }
    }
    Ok(out)
}

/// Where views are kept, and which.
pub(crate) type Place = (PeerAddress, Vec<Arc<View>>);

/// A link on which both sides may exchange a view.
struct Let {
    link: Link,
    side: Side,
}

impl PodNode {
    /// Takes part in a view of which one knows no more than its DID, a seed that it was shared with, and a place where it is kept. That place
    /// is remembered. What the view holds comes with the next exchange.
    ///
    /// # Errors
    /// [`PodError::Refused`] if the view is not kept there, or not shared with this seed; those of the connection and of the stores.
    pub async fn join_view(
        &self,
        did: &Did,
        seed: &Seed,
        address: &PeerAddress,
    ) -> Result<Arc<View>, PodError> {
        let log = self.view_log(did, seed, address).await?;
        block_in_place(|| {
            let view = self.pod().views()?.join(seed, &log)?;
            let mut addresses = view.addresses();
            if !addresses.iter().any(|a| a.key() == address.key()) {
                addresses.push(address.clone());
                view.set_addresses(&addresses)?;
            }
            Ok(view)
        })
    }

    /// As [`Self::join_view`], for a view of this home's own person that another device has made: it is looked for with the peers of the pod
    /// and on the other devices.
    ///
    /// # Errors
    /// What went wrong where it was looked for last; [`PodError::Request`] if there is nowhere to look.
    pub async fn join_own_view(&self, did: &Did, seed: &Seed) -> Result<Arc<View>, PodError> {
        let mut why = PodError::Request(
            "there is no peer and no other device to ask: `rhizome peers add ADDRESS`".into(),
        );
        for one in block_in_place(|| self.pod().acquaintances())? {
            let Ok(address) = one.address.parse() else {
                continue;
            };
            let asked = tokio::time::timeout(DIAL_TIME, self.view_log(did, seed, &address)).await;
            match asked {
                Ok(Ok(log)) => return block_in_place(|| self.pod().views()?.join(seed, &log)),
                Ok(Err(error)) => why = error,
                Err(_) => why = PodError::Peer("nobody answers there".into()),
            }
        }
        Err(why)
    }

    /// The device log of a view, from a place where it is kept.
    ///
    /// # Errors
    /// [`PodError::Refused`] if the view is not kept there, or not shared with this seed; those of the connection.
    pub async fn view_log(
        &self,
        did: &Did,
        seed: &Seed,
        address: &PeerAddress,
    ) -> Result<Log, PodError> {
        let mut link = self.link(address, Protocol::Sync).await?;
        let ends = Ends::dialled(&link, self.own_key());
        let acting = Acting::sign(&ends, *did, &seed.signing_key(), Say::ShowLog)?;
        let log = hello::ask_log(&mut link, acting).await?;
        let _ = link.close().await;
        if log.did() != *did {
            return Err(PodError::Peer(
                "the other side shows the device log of another view".into(),
            ));
        }
        Ok(log)
    }

    fn own_key(&self) -> PublicKey {
        self.pod().signing_key().public()
    }

    /// Says to a peer by which key this home acts in a view.
    async fn dial_view(
        &self,
        view: &View,
        member: &Member,
        address: &PeerAddress,
        protocol: Protocol,
    ) -> Result<Let, PodError> {
        let mut link = self.link(address, protocol).await?;
        let ends = Ends::dialled(&link, self.own_key());
        let acting = Acting::sign(&ends, view.did(), &view.signing_key(), Say::Enter)?;
        let own_pod = self.pod().did().parse().ok();
        let sponsor = own_pod.filter(|_| view.is_owner());
        let mut log = || Ok(member.device_log().1);
        let here = hello::enter(&mut link, acting, sponsor, &mut log).await;
        if let Err(PodError::Refused(_)) = &here {
            hear_farewell(&mut link, member).await?;
            if !member.is_device(&view.key()) {
                // it was taken back: nobody is asked for it any more
                block_in_place(|| view.set_out())?;
            }
        }
        // whoever cannot prove that he acts in it gets what somebody without keys gets
        let has_keys = here?.is_some_and(|acting| {
            let key = acting.verify(&ends, Say::Here);
            key.is_some_and(|key| member.is_device(&key))
        });
        let side = if has_keys { Side::Device } else { Side::Sealed };
        Ok(Let { link, side })
    }

    /// Exchanges a view with one peer until both have the same. It is noted that they have: nobody goes there again as long as nothing is new.
    ///
    /// # Errors
    /// Those of the connection and of the other side.
    pub async fn sync_view(
        &self,
        view: &Arc<View>,
        address: &PeerAddress,
    ) -> Result<PeerReport, PodError> {
        // asked before: what is new there meanwhile has another mark
        let mark = match self.watch_views(address, std::slice::from_ref(view)).await {
            Ok((link, marks)) => {
                let _ = link.close().await;
                marks.first().copied().flatten()
            }
            Err(error @ PodError::Network(_)) => return Err(error),
            // then it is only not noted
            Err(_) => None,
        };
        Ok(self.carry_view(view, address, mark).await?.report)
    }

    /// As [`Self::sync_view`], with a peer that had this mark before.
    pub(super) async fn carry_view(
        &self,
        view: &Arc<View>,
        address: &PeerAddress,
        mark: Option<Mark>,
    ) -> Result<Carried, PodError> {
        let entered = Entered::open(Arc::clone(view), view.key())?;
        self.carry_member(view, entered.member()?, address, mark)
            .await
    }

    async fn carry_member(
        &self,
        view: &View,
        member: &Arc<Member>,
        address: &PeerAddress,
        mark: Option<Mark>,
    ) -> Result<Carried, PodError> {
        let Let { link, side } = self
            .dial_view(view, member, address, Protocol::Sync)
            .await?;
        let key = link.peer();
        let (role, until) = (Role::Initiator, Until::Equal);
        let store = MemberStore::new(Arc::clone(member));
        let (done, after) = exchange(view, store, link, role, until).await?;
        let mut report = report(key, address.to_string(), Ok(done));
        report.pod = Some(view.did());
        if !block_in_place(|| files::named(member.replica()))?.is_empty() {
            let entered = self.dial_view(view, member, address, Protocol::Blob);
            let Let { mut link, side } = entered.await?;
            let blobs = self.pod().blobs();
            report.files = files::exchange_view(view, member, blobs, &mut link, side).await?;
            let _ = link.close().await;
        }
        if report.equal && side == Side::Sealed && view.is_owner() {
            report.erased = self.tell_view_erasures(view, member, address).await?;
        }
        let whole = report.files.missing + report.files.failed == 0;
        let settled = after.filter(|_| report.equal && whole);
        if let (Some(generation), Some(mark)) = (settled, mark)
            // else it has another mark now
            && done.delivered == 0
            && report.erased == 0
        {
            view.note_same(key, mark, generation);
        }
        Ok(Carried { report, settled })
    }

    async fn tell_view_erasures(
        &self,
        view: &View,
        member: &Member,
        address: &PeerAddress,
    ) -> Result<u64, PodError> {
        let key = address.key();
        let Some(erasures) = block_in_place(|| member.erasures_for(&key))? else {
            return Ok(0);
        };
        let Let { mut link, .. } = self
            .dial_view(view, member, address, Protocol::Erase)
            .await?;
        let less = erasures::tell(&mut link, &erasures.leaves).await?;
        let _ = link.close().await;
        member.told(&key, &erasures)?;
        Ok(less)
    }

    /// Says to a peer which views this home watches; what it knows of them, in their order.
    pub(super) async fn watch_views(
        &self,
        address: &PeerAddress,
        views: &[Arc<View>],
    ) -> Result<(Link, Vec<Option<Mark>>), PodError> {
        let mut link = self.link(address, Protocol::Sync).await?;
        let ends = Ends::dialled(&link, self.own_key());
        let acting = views
            .iter()
            .map(|view| Acting::sign(&ends, view.did(), &view.signing_key(), Say::Watch));
        let acting: Vec<Acting> = block_in_place(|| acting.collect::<Result<_, _>>())?;
        let found = hello::watch(&mut link, &acting).await?;
        let mut marks = vec![None; views.len()];
        note(&mut marks, found)?;
        Ok((link, marks))
    }

    /// Exchanges those views with one peer, one after the other, of which something is new here or there. `is_device` says that it is
    /// another device of the pod, which need not have all of them.
    pub(crate) async fn sync_views_with(
        &self,
        address: &PeerAddress,
        views: &[Arc<View>],
        is_device: bool,
    ) -> Vec<PeerReport> {
        let mut out = Vec::new();
        if views.is_empty() {
            return out;
        }
        let marks = match self.watch_views(address, views).await {
            Ok((link, marks)) => {
                let _ = link.close().await;
                marks
            }
            // then each is looked at
            Err(_) => vec![None; views.len()],
        };
        for (view, mark) in views.iter().zip(marks) {
            if mark.is_some_and(|mark| view.is_same(&address.key(), &mark)) {
                continue;
            }
            out.push(match self.carry_view(view, address, mark).await {
                Ok(carried) => carried.report,
                Err(PodError::Refused(_)) if is_device => continue,
                Err(error) => {
                    let mut report = report(address.key(), address.to_string(), Err(error));
                    report.pod = Some(view.did());
                    report
                }
            });
        }
        out
    }

    /// The views that are exchanged with a peer of the pod, or another device of it.
    pub(crate) fn views_at(&self, key: &PublicKey) -> Result<Vec<Arc<View>>, PodError> {
        let Some(views) = self.pod().any_views()? else {
            return Ok(Vec::new());
        };
        let mut all = views.list();
        all.retain(|view| view.is_owner() || view.is_at(key));
        Ok(all)
    }

    /// The places where views are kept that have nothing to do with the pod, and the views of each.
    pub(crate) fn other_places(&self, known: &BTreeSet<PublicKey>) -> Result<Vec<Place>, PodError> {
        let mut places: BTreeMap<PublicKey, Place> = BTreeMap::new();
        let own = self.own_key();
        for view in self.pod().any_views()?.map(Views::list).unwrap_or_default() {
            for address in view.addresses() {
                let key = address.key();
                if key != own && !known.contains(&key) {
                    let place = places.entry(key).or_insert_with(|| (address, Vec::new()));
                    place.1.push(Arc::clone(&view));
                }
            }
        }
        Ok(places.into_values().collect())
    }

    /// Exchanges with the places that have nothing to do with the pod.
    pub(crate) async fn sync_other_places(
        &self,
        known: &BTreeSet<PublicKey>,
    ) -> Result<Vec<PeerReport>, PodError> {
        let mut out = Vec::new();
        for (address, views) in block_in_place(|| self.other_places(known))? {
            // is anybody there at all?
            let there = tokio::time::timeout(DIAL_TIME, self.link(&address, Protocol::Sync)).await;
            let Ok(Ok(link)) = there else {
                for view in views {
                    let nothing = Ok(Exchanged::default());
                    let mut away = report(address.key(), address.to_string(), nothing);
                    away.away = true;
                    away.pod = Some(view.did());
                    out.push(away);
                }
                continue;
            };
            drop(link);
            out.extend(self.sync_views_with(&address, &views, false).await);
        }
        Ok(out)
    }
}

/// Puts marks in their places.
pub(super) fn note(marks: &mut [Option<Mark>], found: Vec<Watched>) -> Result<(), PodError> {
    for (place, mark) in found {
        *marks.get_mut(place as usize).ok_or_else(hello::unclear)? = Some(mark);
    }
    Ok(())
}
