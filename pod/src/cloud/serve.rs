//! What a cloud peer does for those who come.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use rhizome_identity::{Did, Log, Role as DeviceRole, SealedHead};
use rhizome_ipld::PublicKey;
use rhizome_network::Link;
use rhizome_sealed::SealedPod;
use rhizome_sync::{Limits, Output, Role, Store};
use tokio::{
    sync::{Notify, OwnedSemaphorePermit, mpsc},
    time::Instant,
};

use super::{HELLO_WAIT, Shared, Turn, found, now};
use crate::{
    PodError, erasures, files,
    grant::{self, Asked},
    home::now_ms,
    sync::{Until, Way, drive, hello},
    views::{Acting, Ends, Say, Seed, Watched, mark},
};

const UNINVITED: &str = "this pod is not kept here, and the invitation is missing, used up or over: add this peer with a whole address, \
                         as `rhizome cloud-peer invite` prints it there";
const NOT_ITS_ADMIN: &str = "whoever has a view kept here must be its admin";
/// A pod's device was here: that is noted as often as this.
const SEEN: u64 = 60_000;

/// What is said of a view to somebody who cannot show that he acts in it, whether it is kept here or not.
const NOT_SHARED: &str = "this view is not kept here, or not for this key: ask whoever shared it";
/// Things that happen together are told together.
const TOGETHER: Duration = Duration::from_millis(100);

/// What one session may use: less than between two devices of a person. A commit of an import has some 10 MiB.
fn limits() -> Limits {
    Limits {
        window: 2 << 20,
        batch: 512 << 10,
        live_window: 1 << 20,
        commit: 64 << 20,
        ..Limits::default()
    }
}

/// Why somebody is not let in; with the device log that shows it, if he may see that.
type Refused = (&'static str, Option<Log>);

/// Somebody who was let in: to which pod, and the key that he acts by in it.
pub(super) struct Guest {
    pub pod: Arc<SealedPod>,
    pub key: PublicKey,
    /// The place of one who only follows: everybody may know his key.
    pub follows: Option<OwnedSemaphorePermit>,
}

/// What somebody came for.
pub(super) enum Came {
    In(Guest),
    /// To be told what is new.
    Watch(Vec<Acting>, bool),
    /// To leave a message for a pod.
    Leave(Did),
    /// He was told no, or has what he wanted.
    Done,
}

impl Shared {
    /// Whose turn it is to work for a pod: that of all views of one pod, and its own, is the same, so that together they take no more.
    pub(super) fn turn_of(&self, pod: &SealedPod) -> Turn {
        self.turns.of(&pod.sponsor().unwrap_or_else(|| pod.did()))
    }

    /// As [`Self::turn_of`], for one of those who come. Those who follow a view share a turn of their own: they hold up nobody else.
    fn turn_for(&self, guest: &Guest) -> Turn {
        if guest.follows.is_some() {
            return self.turns.of(&guest.pod.did());
        }
        self.turn_of(&guest.pod)
    }

    /// Somebody who was let in. `None` if he only follows, and too many do at the moment.
    fn guest(&self, pod: Arc<SealedPod>, key: PublicKey) -> Option<Guest> {
        let mut follows = None;
        if key == Seed::of_public(&pod.did()).public() {
            follows = Some(Arc::clone(&self.followers).try_acquire_owned().ok()?);
        }
        Some(Guest { pod, key, follows })
    }

    /// A device comes to exchange.
    pub(super) async fn answer(self: &Arc<Self>, mut link: Link) -> Result<(), PodError> {
        let guest = match self.check(&mut link).await? {
            Came::In(guest) => guest,
            Came::Watch(views, last) => {
                self.tell_news(&mut link, views, last).await?;
                let _ = link.close().await;
                return Ok(());
            }
            Came::Leave(_) | Came::Done => {
                let _ = link.close().await;
                return Ok(());
            }
        };
        let turn = self.turn_for(&guest);
        let Guest { pod, key, follows } = guest;
        let device = link.peer();
        let mut store = pod.store(now());
        if follows.is_some() {
            store = store.for_follower();
        }
        let (news, told) = mpsc::unbounded_channel();
        let out = Arc::new(Notify::new());
        let now_out = Arc::clone(&out);
        let watching = self.watch(&pod, key, move || now_out.notify_one());
        if !pod.admits(&key) {
            return Ok(()); // taken out just now
        }
        let listening = store.listen(move |new| {
            let _ = news.send(new);
        });
        if follows.is_none() && now().saturating_sub(pod.usage().last_activity) > SEEN {
            let pod = Arc::clone(&pod);
            turn.work(move || pod.touch(now())).await??;
        }
        let way = Way {
            limits: limits(),
            turn: Some(turn),
        };
        let did = pod.did();
        let mut nothing = |output: &Output| {
            if matches!(output, Output::Learned(_)) {
                self.watchers.stirred(&did, &device);
            }
        };
        let (role, until) = (Role::Responder, Until::Closed);
        let session = drive(link, role, store, told, until, &way, &mut nothing);
        let done = tokio::select! {
            done = session => done.map(drop),
            // the device was taken out meanwhile: perhaps by itself, and in this session
            () = out.notified() => {
                self.watchers.stirred(&did, &device);
                Ok(())
            }
        };
        drop((listening, watching));
        done
    }

    /// A device wants files, or brings some.
    pub(super) async fn answer_files(self: &Arc<Self>, mut link: Link) -> Result<(), PodError> {
        if let Came::In(guest) = self.check(&mut link).await? {
            let turn = self.turn_for(&guest);
            let Guest { pod, key, follows } = guest;
            let (shared, kept) = (Arc::clone(self), Arc::clone(&pod));
            // those of a view are among those of the pod that it is kept for
            let store = move || match kept.sponsor() {
                None => shared.files(&kept.did(), kept.usage().quota),
                Some(sponsor) => match shared.sealed.pod(&sponsor)? {
                    Some(pod) => shared.files(&sponsor, pod.usage().quota),
                    None => Err(PodError::Refused("the pod was removed just now".into())),
                },
            };
            let store = turn.work(store).await??;
            let guest = files::Guest {
                // it may be taken out, or the pod forgotten, while the link is open
                admits: &|| pod.admits(&key),
                follows: follows.is_some(),
            };
            files::answer_sealed(&mut link, &store, &turn, guest).await?;
        }
        let _ = link.close().await;
        Ok(())
    }

    /// A device says what is erased.
    pub(super) async fn answer_erasures(self: &Arc<Self>, mut link: Link) -> Result<(), PodError> {
        if let Came::In(Guest { pod, key, .. }) = self.check(&mut link).await? {
            let (turn, device) = (self.turn_of(&pod), link.peer());
            // what those are to lose whose pod it is, guests do not say
            if !is_owners(&pod, key, &turn).await? {
                let _ = link.close().await;
                return Err(PodError::Peer("a guest says what is to be dropped".into()));
            }
            erasures::hear(&mut link, key, &pod, &turn, now()).await?;
            self.watchers.stirred(&pod.did(), &device);
        }
        let _ = link.close().await;
        Ok(())
    }

    /// Whether it is a device of a pod that is kept here, or may be from now on.
    pub(super) async fn check(self: &Arc<Self>, link: &mut Link) -> Result<Came, PodError> {
        let came = {
            let Ok(_place) = self.strangers.try_acquire() else {
                hello::reply(link, &hello::Answer::No(hello::BUSY.into())).await?;
                return Ok(Came::Done);
            };
            let asked = tokio::time::timeout(HELLO_WAIT, self.identify(link)).await;
            asked.unwrap_or_else(|_| Err(PodError::Peer("it said nothing".into())))?
        };
        let Came::In(guest) = came else {
            return Ok(came);
        };
        link.welcome();
        // whoever comes too often waits with one of his own places; those who follow each by himself
        let who = if guest.follows.is_some() {
            Did::from_key(link.peer())
        } else {
            guest.pod.did()
        };
        tokio::time::sleep(self.pace.step(&who, Instant::now())).await;
        hello::reply(link, &hello::Answer::Ready).await?;
        Ok(Came::In(guest))
    }

    fn own(&self) -> Result<PublicKey, PodError> {
        let key = self.key.as_ref().ok_or_else(hello::unclear)?;
        Ok(key.public())
    }

    /// What somebody wants, and whether he may.
    async fn identify(self: &Arc<Self>, link: &mut Link) -> Result<Came, PodError> {
        let asked = hello::asked(link).await?;
        let ends = Ends::answered(link, self.own()?);
        let no = hello::Answer::No(NOT_SHARED.into());
        let pod = match asked {
            hello::Asked::Pod(did) => {
                let key = link.peer();
                let pod = self.let_in(link, did, key, None).await?;
                pod.map(|pod| (pod, key))
            }
            hello::Asked::View(acting, sponsor) => {
                if let Some(key) = acting.verify(&ends, Say::Enter) {
                    let pod = self.let_in(link, acting.did, key, sponsor).await?;
                    pod.map(|pod| (pod, key))
                } else {
                    hello::reply(link, &no).await?;
                    None
                }
            }
            hello::Asked::Log(acting) => {
                let key = acting.verify(&ends, Say::ShowLog);
                let shared = Arc::clone(self);
                let find = move || shared.sealed.pod(&acting.did);
                let found = self.turns.next(find).await??;
                match (found, key) {
                    (Some(pod), Some(key)) if pod.admits(&key) => {
                        let read = move || pod.with_certificates(|set| set.log().clone());
                        let log = self.turns.next(read).await??;
                        link.welcome();
                        hello::reply(link, &hello::Answer::Ready).await?;
                        hello::show(link, &log, None).await?;
                    }
                    _ => hello::reply(link, &no).await?,
                }
                None
            }
            hello::Asked::Watch(views, last) => return Ok(Came::Watch(views, last)),
            hello::Asked::Leave(did) => return Ok(Came::Leave(did)),
            hello::Asked::Public(did) => {
                self.tell_public(link, did).await?;
                None
            }
        };
        let Some((pod, key)) = pod else {
            return Ok(Came::Done);
        };
        if let Some(guest) = self.guest(pod, key) {
            return Ok(Came::In(guest));
        }
        hello::reply(link, &hello::Answer::No(hello::BUSY.into())).await?;
        Ok(Came::Done)
    }

    /// Tells anybody which of a pod's views that are kept here are public: those that let everybody in who knows their DIDs.
    async fn tell_public(self: &Arc<Self>, link: &mut Link, of: Did) -> Result<(), PodError> {
        let shared = Arc::clone(self);
        let look = move || -> Result<Vec<Did>, PodError> {
            let mut out = Vec::new();
            for (view, devices) in shared.sealed.views_with_devices(&of)? {
                if devices.contains(&Seed::of_public(&view).public()) {
                    out.push(view);
                }
                if out.len() == hello::MAX_PUBLIC {
                    break;
                }
            }
            Ok(out)
        };
        let found = self.turns.for_stranger(look).await??;
        if !found.is_empty() {
            link.welcome();
        }
        hello::tell_public(link, &found).await
    }

    /// Tells somebody what is new in the views that he acts in, until he hangs up.
    async fn tell_news(
        self: &Arc<Self>,
        link: &mut Link,
        mut asked: Vec<Acting>,
        mut last: bool,
    ) -> Result<(), PodError> {
        let ends = Ends::answered(link, self.own()?);
        let (tell, mut told) = mpsc::unbounded_channel();
        let mut watching = Vec::new();
        let mut views: Vec<Option<(Did, PublicKey)>> = Vec::new();
        {
            let Ok(_place) = self.strangers.try_acquire() else {
                let busy = hello::Answer::No(hello::BUSY.into());
                return hello::reply(link, &busy).await;
            };
            loop {
                let first = views.len() as u32;
                if views.len() + asked.len() > hello::MAX_WATCHED {
                    return Err(hello::unclear());
                }
                let verify = move || -> Vec<Option<(Did, PublicKey)>> {
                    let claims = asked.iter();
                    let key = |acting: &Acting| acting.verify(&ends, Say::Watch);
                    claims.map(|a| Some((a.did, key(a)?))).collect()
                };
                let claims = self.turns.for_stranger(verify).await?;
                let places = (first..).zip(&claims);
                let named = places.filter_map(|(place, c)| Some((place, (*c)?)));
                let named: Vec<_> = named.collect();
                // first this: what happens in between is told twice
                let dids = named.iter().map(|(place, (did, _))| (*place, *did));
                let dids: Vec<_> = dids.collect();
                watching.push(self.watchers.watch(link.peer(), &dids, &tell));
                let marks = self.marks(named).await?;
                for (place, claim) in (first..).zip(claims) {
                    let admits = marks.iter().any(|(there, _)| *there == place);
                    views.push(claim.filter(|_| admits));
                }
                hello::tell(link, &marks).await?;
                if last {
                    break;
                }
                let more = tokio::time::timeout(HELLO_WAIT, hello::more_watched(link)).await;
                (asked, last) = more.map_err(|_| hello::unclear())??;
            }
        }
        if views.iter().all(Option::is_none) {
            return Ok(());
        }
        let only_follows = |(did, key): &(Did, PublicKey)| *key == Seed::of_public(did).public();
        let mut follows = None;
        if views.iter().flatten().all(only_follows) {
            let Ok(place) = Arc::clone(&self.followers).try_acquire_owned() else {
                return Ok(());
            };
            follows = Some(place);
        }
        let _place = follows;
        link.welcome();
        loop {
            let first = tokio::select! {
                place = told.recv() => place,
                more = link.receive() => match more? {
                    None => return Ok(()),
                    Some(_) => return Err(hello::unclear()),
                },
            };
            tokio::time::sleep(TOGETHER).await;
            let mut places: BTreeSet<u32> = first.into_iter().collect();
            while let Ok(place) = told.try_recv() {
                places.insert(place);
            }
            let named = places.into_iter().filter_map(|place| {
                let claim = views.get(place as usize)?.as_ref()?;
                Some((place, *claim))
            });
            let named: Vec<_> = named.collect();
            let mut marks = self.marks(named.clone()).await?;
            // who was taken out comes, and is told why not
            let out = named
                .iter()
                .filter(|(place, _)| marks.iter().all(|m| m.0 != *place));
            let out: Vec<Watched> = out
                .map(|(place, (did, _))| (*place, mark(&did.to_string(), &[u64::MAX])))
                .collect();
            marks.extend(out);
            for part in marks.chunks(hello::WATCHED) {
                hello::tell(link, part).await?;
            }
        }
    }

    /// The marks of those of these views that are kept here for these keys.
    async fn marks(
        self: &Arc<Self>,
        named: Vec<(u32, (Did, PublicKey))>,
    ) -> Result<Vec<Watched>, PodError> {
        let shared = Arc::clone(self);
        let work = move || -> Result<Vec<Watched>, PodError> {
            let mut out = Vec::new();
            for (place, (did, key)) in named {
                if let Some(pod) = shared.sealed.pod(&did)?
                    && pod.admits(&key)
                {
                    let usage = pod.usage();
                    let figures = [
                        usage.since,
                        usage.commits,
                        usage.commit_bytes,
                        usage.certificates,
                        usage.certificate_bytes,
                    ];
                    out.push((place, mark(&did.to_string(), &figures)));
                }
            }
            Ok(out)
        };
        self.turns.next(work).await?
    }

    /// The pod, if this key is one of its devices; if not, its owner has been told why not. `sponsor` is the pod whose view it is.
    async fn let_in(
        self: &Arc<Self>,
        link: &mut Link,
        did: Did,
        key: PublicKey,
        sponsor: Option<Did>,
    ) -> Result<Option<Arc<SealedPod>>, PodError> {
        let device = link.peer();
        let shared = Arc::clone(self);
        let pod = self.turns.next(move || shared.sealed.pod(&did)).await??;
        let kept = pod.is_some();
        if let Some(pod) = pod.filter(|pod| pod.admits(&key)) {
            return Ok(Some(pod));
        }
        hello::reply(link, &hello::Answer::ShowLog).await?;
        let mut shown = hello::Shown::begin(link).await?;
        let token = shown.token.take().unwrap_or_default();
        let asked = match sponsor {
            None => self.judge(&key, &did, &token),
            Some(_) => None,
        };
        let sponsor = match sponsor {
            Some(sponsor) if !kept => {
                let shared = Arc::clone(self);
                let sponsor = self
                    .turns
                    .next(move || shared.sealed.pod(&sponsor))
                    .await??;
                sponsor.filter(|pod| pod.admits(&device))
            }
            _ => None,
        };
        let invited = sponsor.is_some()
            || asked
                .as_ref()
                .is_some_and(|asked| self.invitations.is_good(&asked.root, now_ms()));
        let considered = if kept || invited {
            let _turn = self.turns.read_log().await?;
            let car = shown.rest(link).await?;
            let shared = Arc::clone(self);
            let consider = move || {
                let log = Log::from_car(&car)?;
                shared.consider(
                    (&did, &device),
                    &key,
                    &log,
                    asked.as_ref(),
                    sponsor.as_deref(),
                )
            };
            self.turns.for_stranger(consider).await??
        } else {
            Err((UNINVITED, None))
        };
        match considered {
            Ok(pod) => Ok(Some(pod)),
            Err((why, log)) => {
                hello::reply(link, &hello::Answer::No(why.into())).await?;
                if let Some(log) = log {
                    // so that a device that was taken out learns it
                    hello::show(link, &log, None).await?;
                }
                Ok(None)
            }
        }
    }

    /// What a device brings, if it brings an invitation.
    fn judge(&self, key: &PublicKey, did: &Did, token: &[u8]) -> Option<Asked> {
        let seconds = now_ms().max(0).unsigned_abs() / 1000;
        grant::judge(&self.key.as_ref()?.public(), key, did, token, seconds)
    }

    /// Whether a log lets a key in; else why not. The pod is kept from now on.
    fn consider(
        &self,
        (did, by): (&Did, &PublicKey),
        key: &PublicKey,
        log: &Log,
        asked: Option<&Asked>,
        sponsor: Option<&SealedPod>,
    ) -> Result<Result<Arc<SealedPod>, Refused>, PodError> {
        if log.did() != *did {
            return Ok(Err(("that is the device log of another pod", None)));
        }
        let pod = match self.sealed.pod(did)? {
            Some(pod) => {
                if pod.add_log(log, now())? > 0 {
                    self.watchers.stirred(did, by);
                }
                pod
            }
            None if log.resolve().device(key).is_none() => {
                return Ok(Err(("this device is none of the pod's", None)));
            }
            None if sponsor.is_some_and(|_| !log.resolve().is_admin(key)) => {
                return Ok(Err((NOT_ITS_ADMIN, None)));
            }
            None if let Some(sponsor) = sponsor => {
                self.sealed.host_view(log, sponsor, now())?;
                match self.sealed.pod(did)? {
                    Some(pod) => pod,
                    None => return Ok(Err(("the view was removed just now", None))),
                }
            }
            None => {
                let taken = match asked {
                    Some(asked) => self.invitations.take(&asked.root, now_ms())?,
                    None => None,
                };
                let Some(invitation) = taken else {
                    return Ok(Err((UNINVITED, None)));
                };
                let quota = invitation.quota.unwrap_or(self.quota);
                let quota = quota.min(asked.and_then(|a| a.quota).unwrap_or(quota));
                self.sealed.host(log, quota, now())?;
                match self.sealed.pod(did)? {
                    Some(pod) => pod,
                    None => return Ok(Err(("the pod was removed just now", None))),
                }
            }
        };
        if pod.admits(key) {
            Ok(Ok(pod))
        } else {
            let log = pod.with_certificates(|set| {
                let was = set.resolution().was_listed(key);
                was.then(|| set.log().clone())
            })?;
            Ok(Err((
                "this device is not, or no longer, one of the pod's",
                log,
            )))
        }
    }

    /// Somebody with recovery words looks for the pods they belong to.
    pub(super) async fn find(self: &Arc<Self>, mut link: Link) -> Result<(), PodError> {
        let Ok(_place) = self.strangers.try_acquire() else {
            return Ok(());
        };
        let asked = tokio::time::timeout(HELLO_WAIT, found::asked(&mut link)).await;
        let hidden = asked.map_err(|_| PodError::Peer("it said nothing".into()))??;
        let shared = Arc::clone(self);
        let search = move || -> Result<Vec<(Log, Vec<SealedHead>)>, PodError> {
            let mut out = Vec::new();
            let found = shared.sealed.find_by_policy_key(&hidden)?;
            for did in found.into_iter().take(found::MAX_FOUND) {
                if let Some(pod) = shared.sealed.pod(&did)? {
                    let log = pod.with_certificates(|set| set.log().clone())?;
                    out.push((log, heads(&pod)?));
                }
            }
            Ok(out)
        };
        let found = self.turns.for_stranger(search).await??;
        if !found.is_empty() {
            link.welcome();
        }
        found::tell(&mut link, &found).await?;
        let _ = link.close().await;
        Ok(())
    }
}

/// Whether a device is of those whose pod it is, and no guest's.
pub(super) async fn is_owners(
    pod: &Arc<SealedPod>,
    key: PublicKey,
    turn: &Turn,
) -> Result<bool, PodError> {
    let pod = Arc::clone(pod);
    let role = move || {
        pod.with_certificates(|set| {
            let device = set.resolution().device(&key);
            device.map(|active| active.device.role)
        })
    };
    let role = turn.work(role).await??;
    Ok(matches!(role, Some(DeviceRole::Admin | DeviceRole::Member)))
}

/// The heads of everything in a pod, as far as it counts.
fn heads(pod: &Arc<SealedPod>) -> Result<Vec<SealedHead>, PodError> {
    let store = pod.store(now());
    let failed = |e: rhizome_sync::StoreError| PodError::Peer(e.to_string());
    let mut out = Vec::new();
    for (process, _) in store.chains().map_err(failed)? {
        if let Some(chain) = store.chain(&process).map_err(failed)? {
            out.extend(chain.heads.into_iter().map(|(seq, commit)| SealedHead {
                process,
                seq,
                commit,
            }));
        }
        if out.len() > found::MAX_HEADS {
            break;
        }
    }
    out.truncate(found::MAX_HEADS);
    Ok(out)
}
