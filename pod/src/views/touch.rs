//! Keeping in touch for views: one link to each place on which both sides say that something is new, and then a session.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::{
    FutureExt,
    stream::{FuturesUnordered, StreamExt},
};
use rhizome_identity::Did;
use rhizome_ipld::PublicKey;
use rhizome_network::{Mode, PeerAddress, Reconnect};
use tokio::{
    sync::oneshot,
    task::block_in_place,
    time::{Instant, sleep, sleep_until},
};

use super::{View, Views, carry::note, marks::Mark};
use crate::{
    PodError, PodNode,
    sync::hello,
    touch::{DIAL_TIME, chance, step},
};

/// Things that happen together are exchanged together.
const TOGETHER: Duration = Duration::from_millis(100);
/// What did not come, files that are on their way to a peer for instance, is looked for again after this, and then after twice as long
/// each time.
const FIRST_AGAIN: Duration = Duration::from_secs(1);
const LAST_AGAIN: Duration = Duration::from_mins(5);

/// A view, and the key that this home acts in it by.
type Acted = (Did, PublicKey);
type Plan = BTreeMap<PublicKey, (PeerAddress, Vec<Acted>)>;

/// What is known of a place while this node runs.
struct Contact {
    reconnect: Reconnect,
    /// What the visit is for that is under way, and what ends it.
    visit: Option<(Vec<Acted>, oneshot::Sender<()>)>,
    reached: Arc<AtomicBool>,
}

/// How it stands with one view at one place.
#[derive(Default)]
struct Tried {
    /// The mark there and the generation here when it was tried last.
    state: Option<(Option<Mark>, u64)>,
    /// When to look again for what did not come, and how long that is waited for.
    again: Option<(Instant, Duration)>,
}

impl PodNode {
    /// Where views are to be taken now.
    fn plan(&self) -> Result<Plan, PodError> {
        let mut plan = Plan::new();
        if self
            .pod()
            .any_views()?
            .is_none_or(|views| views.list().is_empty())
        {
            return Ok(plan);
        }
        let dids = |views: Vec<Arc<View>>| {
            let all = views.iter().map(|v| (v.did(), v.key()));
            all.collect::<Vec<_>>()
        };
        let mut known = BTreeSet::new();
        for one in self.pod().acquaintances()? {
            known.insert(one.key);
            let views = self.views_at(&one.key)?;
            if let Ok(address) = one.address.parse()
                && !views.is_empty()
            {
                plan.insert(one.key, (address, dids(views)));
            }
        }
        for (address, views) in self.other_places(&known)? {
            plan.insert(address.key(), (address, dids(views)));
        }
        Ok(plan)
    }

    /// What the plan depends on; `None` if it does not say.
    fn plan_version(&self) -> Option<(u64, u32)> {
        let views = self.pod().any_views().ok()?;
        let happened = views.map_or(0, |views| *views.changes().borrow());
        let commits = self.pod().replica().snapshot().commit_count();
        Some((happened, commits))
    }

    /// Keeps in touch with every place where views are kept, until dropped.
    pub(crate) async fn keep_views_in_touch(&self, mode: Mode) {
        let start = Instant::now();
        let now = || start.elapsed().as_millis() as u64;
        let mut contacts: BTreeMap<PublicKey, Contact> = BTreeMap::new();
        let mut visits = FuturesUnordered::new();
        let mut plan = Plan::new();
        let mut planned = None;
        loop {
            let version = block_in_place(|| self.plan_version());
            if planned != version {
                match block_in_place(|| self.plan()) {
                    Ok(new) => (plan, planned) = (new, version),
                    Err(error) => tracing::warn!(%error, "views are not looked for"),
                }
            }
            contacts.retain(|key, _| plan.contains_key(key));
            for (key, (address, dids)) in &plan {
                let key = *key;
                let contact = contacts.entry(key).or_insert_with(|| Contact {
                    reconnect: Reconnect::new(mode, now()),
                    visit: None,
                    reached: Arc::default(),
                });
                match &contact.visit {
                    Some((visited, _)) if visited == dids => continue,
                    // another one follows with what there is now
                    Some(_) => {
                        contact.visit = None;
                        contact.reconnect = Reconnect::new(mode, now());
                        continue;
                    }
                    None => (),
                }
                if contact.reconnect.due().is_none_or(|at| at > now()) {
                    continue;
                }
                contact.reconnect.dialling(now());
                let (stop, stopped) = oneshot::channel();
                contact.visit = Some((dids.clone(), stop));
                let reached = Arc::new(AtomicBool::new(false));
                contact.reached = Arc::clone(&reached);
                let (address, dids) = (address.clone(), dids.clone());
                visits.push(async move {
                    let done = tokio::select! {
                        done = self.visit(&address, &dids, &reached) => Some(done),
                        _ = stopped => None,
                    };
                    (key, done)
                });
            }
            let mut wait = std::pin::pin!(sleep(step(mode)));
            loop {
                let ended = tokio::select! {
                    () = &mut wait => break,
                    Some(ended) = visits.next(), if !visits.is_empty() => ended,
                };
                let (key, Some(done)) = ended else { continue };
                if let Err(error) = done {
                    tracing::debug!(%key, %error, "a visit for views ended");
                }
                if let Some(contact) = contacts.get_mut(&key) {
                    contact.visit = None;
                    if contact.reached.load(Ordering::Acquire) {
                        contact.reconnect.connected(now());
                    }
                    contact.reconnect.failed(now(), chance());
                }
            }
        }
    }

    /// Exchanges views with a place whenever something is new in them, here or there, until the connection is lost.
    async fn visit(
        &self,
        address: &PeerAddress,
        dids: &[Acted],
        reached: &AtomicBool,
    ) -> Result<(), PodError> {
        let Some(all) = block_in_place(|| self.pod().any_views())? else {
            return Ok(());
        };
        let mut changes = all.changes();
        let views: Vec<Arc<View>> = dids.iter().filter_map(|(did, _)| all.get(did)).collect();
        let watching = self.watch_views(address, &views);
        let nobody = |_| PodError::Peer("nobody answers there".into());
        let watching = tokio::time::timeout(DIAL_TIME, watching).await;
        let (mut link, mut marks) = watching.map_err(nobody)??;
        reached.store(true, Ordering::Release);
        let mut tried: Vec<Tried> = views.iter().map(|_| Tried::default()).collect();
        loop {
            // those that were told to have something new while others were looked at come first: a place lets nobody come often in a row
            let mut told: VecDeque<usize> = VecDeque::new();
            let mut rest = 0..views.len();
            while let Some(place) = told.pop_front().or_else(|| rest.next()) {
                let (Some(view), Some(mark), Some(tried)) =
                    (views.get(place), marks.get(place), tried.get_mut(place))
                else {
                    continue;
                };
                if self.look(all, view, address, *mark, tried).await?
                    && let Some(found) = hello::watched(&mut link).now_or_never()
                {
                    let Some(found) = found? else { return Ok(()) };
                    told.extend(found.iter().map(|(place, _)| *place as usize));
                    note(&mut marks, found)?;
                }
            }
            let next = tried.iter().filter_map(|t| Some(t.again?.0)).min();
            let far = Instant::now() + LAST_AGAIN;
            tokio::select! {
                changed = changes.changed() => {
                    if changed.is_err() {
                        return Ok(());
                    }
                    sleep(TOGETHER).await;
                    changes.mark_unchanged();
                }
                found = hello::watched(&mut link) => match found? {
                    Some(found) => note(&mut marks, found)?,
                    None => return Ok(()),
                },
                () = sleep_until(next.unwrap_or(far)) => (),
            }
        }
    }

    /// Exchanges one view, if something is new. Whether it was.
    async fn look(
        &self,
        all: &Views,
        view: &Arc<View>,
        address: &PeerAddress,
        mark: Option<Mark>,
        tried: &mut Tried,
    ) -> Result<bool, PodError> {
        let state = (mark, view.generation());
        let again = tried.again.is_some_and(|(at, _)| at <= Instant::now());
        let same = mark.is_some_and(|mark| view.is_same(&address.key(), &mark));
        if (tried.state == Some(state) || same) && !again {
            return Ok(false);
        }
        if all
            .get(&view.did())
            .is_none_or(|now| !Arc::ptr_eq(&now, view))
        {
            // it was removed, or is acted in by another key: the next plan is without it
            return Ok(false);
        }
        let carried = self.carry_view(view, address, mark).await;
        let waited = tried.again.take().map(|(_, waited)| waited);
        tried.state = Some(state);
        let later = |tried: &mut Tried| {
            let wait = waited.map_or(FIRST_AGAIN, |waited| (waited * 2).min(LAST_AGAIN));
            tried.again = Some((Instant::now() + wait, wait));
        };
        match carried {
            Ok(carried) => {
                if let Some(generation) = carried.settled {
                    tried.state = Some((mark, generation));
                }
                let files = carried.report.files;
                if files.missing + files.failed > 0 || !carried.report.equal {
                    later(tried);
                }
                Ok(true)
            }
            Err(error @ PodError::Network(_)) => Err(error),
            Err(error) => {
                if !matches!(error, PodError::Refused(_)) {
                    later(tried);
                }
                tracing::debug!(view = %view.did(), %error, "a view was not exchanged");
                Ok(true)
            }
        }
    }
}
