//! What is shared with everybody, and following it.
//!
//! The seed of those who follow a public view follows from its DID ([`Seed::of_public`]). Which views of a pod are public is asked of peers; whether a view is of that pod is to be seen in the
//! view itself: a device of the pod has delegated to read it to the key of that seed.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use rhizome_capability::Principal;
use rhizome_identity::Did;
use rhizome_ipld::Cid;
use rhizome_network::{Link, PeerAddress, Protocol};
use rhizome_share::Predicate;
use rhizome_view::{Guests, Note, Power, ViewError};
use serde_json::{Value as Json, json};
use tokio::task::block_in_place;

use super::{
    Given,
    give::{check_terms, seconds},
    records::{self as r, ViewRecord},
};
use crate::{Pod, PodError, PodNode, Seed, View, node::Shared, sync::hello, touch::DIAL_TIME};

/// What is given to a public grant as its recipient.
pub const ANYONE: &str = "anyone";
/// Places that are asked for somebody's public views.
const MAX_PLACES: usize = 64;
/// A view in which so many commits, or for so long, nothing shows whose it is, is not fetched further.
const UNPROVEN: u32 = 256;
const PROOF_TIME: Duration = Duration::from_secs(20);
/// How often that is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// Something public of somebody whom this person follows.
#[derive(Debug, Clone)]
pub struct Followed {
    /// Whose it is.
    pub of: String,
    /// The view in which it is kept.
    pub view: Did,
    /// Which entities.
    pub predicate: String,
    /// Whether its owner has taken it back: what is here stays, and nothing more comes.
    pub ended: bool,
    /// Entities that are here.
    pub entities: usize,
    /// Commits that others name and that are not here: on their way, or withheld by who keeps the view.
    pub missing: usize,
    /// The time of the newest that is here, in milliseconds since 1970.
    pub newest_ms: Option<i64>,
    /// Where it is kept.
    pub places: Vec<String>,
}

impl Followed {
    /// As commands and the API print it.
    pub fn to_json(&self) -> Json {
        json!({
            "of": self.of,
            "view": self.view.to_string(),
            "where": self.predicate,
            "ended": self.ended,
            "entities": self.entities,
            "missing": self.missing,
            "newest_ms": self.newest_ms,
            "places": self.places,
        })
    }
}

/// Whether the notes of a view show that it is public and of this pod: a delegation to its followers, by a device of the pod, that names the view.
fn is_proven(view: &Did, guests: &Guests, of: &Did) -> bool {
    let (followers, name) = (Seed::of_public(view).public(), view.to_string());
    let owner = of.to_string();
    guests.of == owner
        && guests.grants.iter().any(|grant| {
            let delegation = &grant.delegation;
            delegation.audience().key() == Some(&followers)
                && delegation.meta().get("view") == Some(&name.as_str().into())
                && delegation.issuer().did() == owner
                && delegation.subject().map(Principal::did) == Some(&owner)
                && grant.power().is_some()
                && delegation.verify_signature(guests).is_ok()
        })
}

/// Whether one of the grants to the followers of a view counts at the moment.
fn is_open(view: &Did, guests: &Guests) -> bool {
    let followers = Seed::of_public(view).public().to_did_key();
    guests.rights(&followers, seconds()).power.is_some()
}

impl Pod {
    /// Shares what matches a predicate, now and later, with everybody who asks for what is public of this pod. It can be taken back: those who have it keep what they have.
    ///
    /// # Errors
    /// [`PodError::Request`] for another power than to read, for terms that make no sense and for more than 16 of them; those of the stores.
    pub fn publish(
        &self,
        predicate: &Predicate,
        power: Power,
        until: Option<u64>,
    ) -> Result<Given, PodError> {
        if power != Power::Read {
            return Err(PodError::Request(format!(
                "anyone may read, and nobody can be told from anybody else: to let somebody {power}, give it to a DID"
            )));
        }
        check_terms(predicate, until)?;
        let open = |given: &Given| given.public && given.revoked_ms.is_none();
        let others = self.noted_grants()?.into_iter().filter(open);
        let others = others.filter(|given| given.predicate != predicate.to_string());
        if others.count() >= hello::MAX_PUBLIC {
            return Err(PodError::Request(format!(
                "a pod makes {} predicates public at most: take one back (`rhizome grants`), or join them by ||",
                hello::MAX_PUBLIC
            )));
        }
        let same = self.view_records_where(&predicate.to_string())?;
        self.move_these(&same, usize::MAX)?;
        let view = self.own_view(predicate, true)?;
        let followers = Seed::of_public(&view.did());
        let to = Principal::of(&followers.public());
        let grant = self.delegate(&view, (to, power), predicate, until, None)?;
        let before = self.noted_grants()?;
        view.leave(&[Note::Grant(grant.delegation.bytes().to_vec())])?;
        let given = self.note_grant(&view, &grant, ANYONE, &followers.public())?;
        for old in before {
            if old.view == view.did() && old.revoked_ms.is_none() {
                self.note_end(&view, &old)?;
            }
        }
        // last: from now on it is public, and there is a grant that takes it back
        if !view.member()?.is_device(&followers.public()) {
            view.add_followers()?;
        }
        Ok(given)
    }

    /// The views of this pod that are public now, as far as they are here.
    fn public_views(&self) -> Result<Vec<Did>, PodError> {
        let mut out = Vec::new();
        for record in self.view_records()? {
            if record.of.is_none()
                && record.public
                && let Some(view) = self.views()?.get(&record.did)
            {
                let followers = Seed::of_public(&record.did).public();
                if view.member()?.is_device(&followers) {
                    out.push(record.did);
                }
                view.rest()?;
            }
        }
        Ok(out)
    }

    /// The files that anybody may have: those that this person named in what is public now.
    ///
    /// # Errors
    /// Those of the stores.
    pub(crate) fn public_files(&self) -> Result<BTreeSet<Cid>, PodError> {
        let mut out = BTreeSet::new();
        if self.any_views()?.is_none() {
            return Ok(out);
        }
        for did in self.public_views()? {
            let Some(view) = self.views()?.get(&did) else {
                continue;
            };
            let was_open = view.is_open();
            if is_open(&did, &view.guests()?) {
                let member = view.member()?;
                out.extend(view.files(&member)?.gives);
            }
            if !was_open {
                view.rest()?;
            }
        }
        Ok(out)
    }

    /// What this person follows, as far as it is here.
    ///
    /// # Errors
    /// Those of the stores.
    pub fn following(&self) -> Result<Vec<Followed>, PodError> {
        let mut out = Vec::new();
        for record in self.view_records()? {
            if record.of.is_some()
                && record.public
                && let Some(view) = self.views()?.get(&record.did)
            {
                out.push(followed_in(&record, &view)?);
                view.rest()?;
            }
        }
        out.sort_by(|a, b| (&a.of, a.view).cmp(&(&b.of, b.view)));
        Ok(out)
    }

    /// Follows somebody no longer, and forgets what is here of what he makes public; files stay. How many views that were.
    ///
    /// # Errors
    /// [`PodError::Request`] if nothing of him is followed.
    pub fn unfollow(&self, of: &Did) -> Result<usize, PodError> {
        let name = of.to_string();
        let mut all = self.view_records()?;
        all.retain(|r| r.public && r.of.as_ref() == Some(&name));
        if all.is_empty() {
            return Err(PodError::Request(format!(
                "you do not follow {of}: see `rhizome following`"
            )));
        }
        for record in &all {
            self.forget_view(record.entity)?;
            self.views()?.remove(&record.did)?;
        }
        Ok(all.len())
    }

    /// Forgets the public views that another device of this person follows no longer.
    pub(super) fn let_go(&self, records: &[ViewRecord]) -> Result<(), PodError> {
        let Some(views) = self.any_views()? else {
            return Ok(());
        };
        let now = self.replica().snapshot();
        for view in views.list() {
            let did = view.did();
            // they are in the order of their DIDs
            if !view.is_followed() || records.binary_search_by_key(&did, |r| r.did).is_ok() {
                continue;
            }
            // it was noted once, and is not any more
            let (entity, _) = r::named(self.did(), "view", &did.to_string());
            if now.eid(&entity).is_some() {
                views.remove(&did)?;
            }
        }
        Ok(())
    }
}

fn followed_in(record: &ViewRecord, view: &Arc<View>) -> Result<Followed, PodError> {
    let guests = view.guests()?;
    let now = view.replica()?.snapshot();
    let newest = now.clock().ms();
    Ok(Followed {
        of: guests.of.clone(),
        view: record.did,
        predicate: guests
            .predicate
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
        ended: !view.is_member() || !is_open(&record.did, &guests),
        entities: now.entities().count(),
        missing: now.gaps()?,
        newest_ms: (newest > 0).then_some(newest),
        places: record.places.iter().cloned().collect(),
    })
}

/// What a view says of itself, if it shows that it is public and of this pod.
fn check_public(view: &Arc<View>, of: &Did) -> Result<Guests, PodError> {
    let guests = view.guests()?;
    if !is_proven(&view.did(), &guests, of) {
        return Err(PodError::Refused(format!(
            "the view {} is said to be of {of}, and nothing in it shows that: no device of theirs has made it public. Ask another peer",
            view.did()
        )));
    }
    Ok(guests)
}

impl Shared {
    /// Tells anybody which views of this pod are public.
    pub(crate) async fn tell_public(&self, link: &mut Link, of: &Did) -> Result<(), PodError> {
        let Ok(_place) = self.followers.try_acquire() else {
            return hello::reply(link, &hello::Answer::No(hello::BUSY.into())).await;
        };
        let mut found = Vec::new();
        if of.to_string() == self.pod.did() {
            found = block_in_place(|| self.pod.public_views())?;
            link.welcome();
        }
        hello::tell_public(link, &found).await
    }
}

impl PodNode {
    /// Follows what somebody makes public: looks for it at `at` and with the peers that this pod is kept with. What it finds comes here, and goes on coming as long as both are connected
    /// with a peer that keeps it.
    ///
    /// # Errors
    /// [`PodError::Request`] if nothing is found; [`PodError::Refused`] if what is found is not his; those of the connection.
    pub async fn follow(
        &self,
        of: &Did,
        at: Option<&PeerAddress>,
    ) -> Result<Vec<Followed>, PodError> {
        let pod = Arc::clone(self.pod());
        if of.to_string() == pod.did() {
            return Err(PodError::Request("that is your own DID".into()));
        }
        let _alone = pod.following_now().lock().await;
        let (mut asked, mut failed) = (0, None);
        for place in block_in_place(|| self.places_to_ask(of, at))? {
            let told = tokio::time::timeout(DIAL_TIME, self.ask_public(of, &place)).await;
            let views = match told {
                Ok(Ok(views)) => views,
                Ok(Err(error)) => {
                    tracing::debug!(%place, %error, "a peer was not asked");
                    failed.get_or_insert(error);
                    continue;
                }
                Err(_) => continue,
            };
            asked += 1;
            for view in views {
                if let Err(error) = self.follow_view(&view, of, &place).await {
                    tracing::warn!(%place, %error, "something public was not followed");
                    failed = Some(error);
                }
            }
        }
        let mut followed = block_in_place(|| pod.following())?;
        followed.retain(|one| one.of == of.to_string());
        match (failed, followed.is_empty()) {
            (_, false) => Ok(followed),
            (Some(error @ PodError::Refused(_)), true) => Err(error),
            (Some(error), true) if asked == 0 => Err(error),
            _ => Err(PodError::Request(format!(
                "none of the {asked} peers asked keeps anything public of {of}: ask them for the address of a peer that keeps their pod, and use it with --at; \
                 they make something public with `rhizome grant --where PREDICATE --can read --to anyone`"
            ))),
        }
    }

    fn places_to_ask(
        &self,
        of: &Did,
        at: Option<&PeerAddress>,
    ) -> Result<Vec<PeerAddress>, PodError> {
        let pod = self.pod();
        let mut all: Vec<PeerAddress> = at.cloned().into_iter().collect();
        for record in pod.view_records()? {
            if record.of.as_ref() == Some(&of.to_string()) {
                all.extend(record.places.iter().filter_map(|place| place.parse().ok()));
            }
        }
        let peers = pod.peers()?.into_iter();
        all.extend(peers.filter_map(|peer| peer.address.parse().ok()));
        let mut seen = BTreeSet::new();
        all.retain(|place| seen.insert(place.key()));
        all.truncate(MAX_PLACES);
        if all.is_empty() {
            return Err(PodError::Request(
                "there is no peer to ask: add one with `rhizome peers add ADDRESS`, or say where with --at ADDRESS".into(),
            ));
        }
        Ok(all)
    }

    async fn ask_public(&self, of: &Did, place: &PeerAddress) -> Result<Vec<Did>, PodError> {
        let mut link = self.link(place, Protocol::Sync).await?;
        let views = hello::ask_public(&mut link, of).await?;
        let _ = link.close().await;
        Ok(views)
    }

    /// Follows one view, if it is what it is said to be.
    pub(super) async fn follow_view(
        &self,
        did: &Did,
        of: &Did,
        place: &PeerAddress,
    ) -> Result<(), PodError> {
        let pod = Arc::clone(self.pod());
        let seed = Seed::of_public(did);
        let records = block_in_place(|| pod.view_records())?;
        let noted = records.iter().find(|r| r.did == *did);
        if noted.is_some_and(|r| !r.public || r.of.as_ref() != Some(&of.to_string())) {
            return Err(PodError::Refused(format!(
                "the view {did} is known here already, and is not of {of}"
            )));
        }
        let was_there = block_in_place(|| pod.views())?.get(did).is_some();
        let view = self.join_view(did, &seed, place).await?;
        let checked = async {
            let unproven = async {
                let start = tokio::time::Instant::now();
                loop {
                    tokio::time::sleep(LOOK).await;
                    let many = block_in_place(|| view.replica())?.snapshot().commit_count();
                    let long = start.elapsed() > PROOF_TIME;
                    if (many > UNPROVEN || long)
                        && let Err(error) = block_in_place(|| check_public(&view, of))
                    {
                        break Err::<(), PodError>(error);
                    }
                }
            };
            tokio::select! {
                done = self.sync_view(&view, place) => drop(done?),
                no = unproven => no?,
            }
            block_in_place(|| check_public(&view, of))
        };
        let guests = match checked.await {
            Ok(guests) => guests,
            Err(error) => {
                if !was_there {
                    drop(view);
                    block_in_place(|| pod.views()?.remove(did))?;
                }
                return Err(error);
            }
        };
        block_in_place(|| {
            let known = noted.map(|r| r.places.contains(&place.to_string()));
            if known != Some(true) {
                let predicate = guests.predicate.as_ref();
                let predicate = predicate.ok_or(ViewError::NotGranted("it has no predicate"))?;
                let places = [place.to_string()];
                pod.note_view(did, &seed, Some(&guests.of), Some(predicate), &places, true)?;
            }
            view.rest()
        })
    }
}
