//! Taking what somebody shares.

use std::sync::Arc;

use rhizome_capability::{Command, Delegation, Device, Principal};
use rhizome_network::PeerAddress;
use rhizome_share::Certificate;
use rhizome_view::{Guests, Note, Power, ViewError};
use serde_json::{Value as Json, json};
use tokio::task::block_in_place;

use super::{
    MyProposal, ShareInvite, Thread, comments,
    give::{KEEPER, seconds},
    records::ViewRecord,
};
use crate::{Pod, PodError, PodNode, View, home::random_bytes, touch::DIAL_TIME};

/// What somebody shares with this person.
#[derive(Debug, Clone)]
pub struct Accepted {
    /// Whose it is.
    pub of: String,
    /// The view in which it is kept.
    pub view: rhizome_identity::Did,
    /// What it is called, if it is a group: then of is its own DID.
    pub group: Option<String>,
    /// Which entities.
    pub predicate: String,
    /// What may be done with them; nothing any more if it was taken back or is over.
    pub power: Option<Power>,
    /// Until when, in seconds since 1970.
    pub until: Option<u64>,
    /// Entities that are here.
    pub entities: usize,
    /// Commits of this person's that nobody has decided about.
    pub pending: usize,
    /// Commits that others name and that are not here: on their way, or withheld by who keeps the view.
    pub missing: usize,
    /// Those that were refused, and why, and what was said about it.
    pub refused: Vec<(String, &'static str, Thread)>,
    /// What this person proposed there, the newest first.
    pub proposals: Vec<MyProposal>,
}

impl Accepted {
    /// As commands and the API print it.
    pub fn to_json(&self) -> Json {
        let refused = self.refused.iter();
        let refused: Vec<Json> = refused
            .map(|(commit, why, thread)| {
                let mut out = json!({ "commit": commit, "why": why });
                comments::put(thread, &mut out);
                out
            })
            .collect();
        json!({
            "of": self.of,
            "group": self.group,
            "view": self.view.to_string(),
            "where": self.predicate,
            "can": self.power.map(|p| p.to_string()),
            "until_ms": self.until.map(|s| s.saturating_mul(1000)),
            "entities": self.entities,
            "pending": self.pending,
            "missing": self.missing,
            "refused": refused,
            "proposals": self.proposals.iter().map(MyProposal::to_json).collect::<Vec<_>>(),
        })
    }
}

impl Pod {
    /// What others share with this person, as far as it is here.
    ///
    /// # Errors
    /// Those of the stores.
    pub fn accepted(&self) -> Result<Vec<Accepted>, PodError> {
        let mut out = Vec::new();
        for record in self.current_views()? {
            if record.of.is_some()
                && !record.public
                && !record.is_group()
                && let Some(view) = self.views()?.get(&record.did)
            {
                out.push(self.accepted_in(&view)?);
            }
        }
        Ok(out)
    }

    fn accepted_in(&self, view: &Arc<View>) -> Result<Accepted, PodError> {
        let guests = view.guests()?;
        let now = view.replica()?.snapshot();
        let mine = |key: &rhizome_ipld::PublicKey| guests.claimed(key) == Some(self.did());
        let (pending, _) = rhizome_view::pending(&now, 0)?;
        let pending = pending.iter().filter(|p| mine(&p.author)).count();
        let refused = guests.refused.iter().filter(|(commit, _)| {
            let known = now.known(commit);
            known.is_some_and(|(_, author, _)| mine(&author))
        });
        let mut threads = rhizome_view::threads(&view.did().to_string(), &now, &guests)?;
        let refused = refused.map(|(commit, why)| {
            let thread = threads.remove(commit).unwrap_or_default();
            (commit.to_string(), why.text(), thread)
        });
        let refused: Vec<_> = refused.collect();
        let good = guests.grants.iter().filter(|grant| {
            grant.to() == self.did()
                && !grant.revoked
                && grant.delegation.check_time(seconds()).is_ok()
        });
        let until = good.filter_map(|grant| grant.delegation.expires()).max();
        Ok(Accepted {
            of: guests.of.clone(),
            group: guests.group.clone(),
            view: view.did(),
            predicate: guests
                .predicate
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
            power: guests
                .rights(self.did(), seconds())
                .power
                .filter(|_| view.is_member()),
            until,
            entities: now.entities().count(),
            pending,
            missing: now.gaps()?,
            refused,
            proposals: comments::asked(view, &guests, &mine)?,
        })
    }

    /// Forgets something that somebody shares, with what is here of it; files stay. The owner is told nothing: he can take it back.
    ///
    /// # Errors
    /// [`PodError::Request`] if there is no such view.
    pub fn forget_shared(&self, view: &str) -> Result<(), PodError> {
        let all = self.view_records()?.into_iter();
        let mut found = all.filter(|r| r.of.is_some() && !r.public && r.did.to_string() == view);
        let record = found.next().ok_or_else(|| {
            PodError::Request(format!(
                "{view} is not shared with you: see `rhizome shared`"
            ))
        })?;
        self.forget_view(record.entity)?;
        self.views()?.remove(&record.did)?;
        Ok(())
    }

    /// Whether a view is what it claims: its notes hold a delegation for this person, signed by a device of the pod's owner, that names the view.
    pub(super) fn check_granted(&self, view: &Arc<View>) -> Result<Guests, PodError> {
        let guests = view.guests()?;
        let did = view.did().to_string();
        let good = guests.grants.iter().any(|grant| {
            let delegation = &grant.delegation;
            let named = delegation.meta().get("view") == Some(&did.as_str().into());
            grant.to() == self.did()
                && !grant.revoked
                && named
                // to a group invites whoever is an admin there
                && (delegation.issuer().did() == guests.of || guests.group.is_some())
                && delegation.subject().map(Principal::did) == Some(&guests.of)
                && delegation.verify_signature(&guests).is_ok()
        });
        if !good {
            let to = guests.grants.iter().map(rhizome_view::Grant::to);
            let to: Vec<&str> = to.collect();
            return Err(PodError::Refused(if to.is_empty() {
                "nothing was granted in this view yet: its owner's device may not have sent it"
                    .into()
            } else {
                format!(
                    "this was given to {}, not to you ({})",
                    to.join(", "),
                    self.did()
                )
            }));
        }
        Ok(guests)
    }

    /// The view that an invitation is for, if this person is there already and may stay: with the key of the invitation or with another one.
    fn has_already(&self, invite: &ShareInvite) -> Result<Option<Arc<View>>, PodError> {
        let noted = self
            .view_records()?
            .into_iter()
            .any(|r| r.did == invite.view);
        let here = self.views()?.get(&invite.view).filter(|_| noted);
        let Some(view) = here else { return Ok(None) };
        let guests = view.guests()?;
        if guests.group.is_some() {
            return Ok(view.is_member().then_some(view));
        }
        if view.is_owner() {
            return Err(PodError::Request(
                "this is an invitation to what you share yourself".into(),
            ));
        }
        let may = guests.rights(self.did(), seconds()).power.is_some();
        Ok((may && view.is_member()).then_some(view))
    }

    /// Says in a view who this is, if this home has not yet.
    pub(super) fn claim(&self, view: &Arc<View>, guests: &Guests) -> Result<bool, PodError> {
        let author = view.author(KEEPER)?;
        let key = author.key.public();
        let (_, log) = self.device_log();
        let known = guests.log(self.did()).map(rhizome_identity::Log::len);
        if guests.claimed(&key) == Some(self.did()) && known == Some(log.len()) {
            return Ok(false);
        }
        let own: Principal = self.did().parse().map_err(ViewError::from)?;
        let signing = self.signing_key();
        let device = Device::new(&own, &signing).map_err(ViewError::from)?;
        let subject: Principal = guests.of.parse().map_err(ViewError::from)?;
        let command: Command = Power::Write.command().parse().map_err(ViewError::from)?;
        let mut nonce = [0; 12];
        random_bytes()?(&mut nonce);
        let proof = Delegation::to(Principal::of(&key), command).subject(subject);
        let proof = proof.sign(&device, &nonce).map_err(ViewError::from)?;
        view.leave(&[Note::Claim {
            log: log.to_car()?,
            proofs: vec![proof.bytes().to_vec()],
        }])?;
        Ok(true)
    }
}

impl PodNode {
    /// Takes what an invitation is for: what is shared comes here, and the owner's devices learn who came.
    ///
    /// # Errors
    /// [`PodError::Refused`] if it is for somebody else or was taken back; those of the connection.
    pub async fn accept(&self, invite: &ShareInvite) -> Result<Accepted, PodError> {
        let pod = Arc::clone(self.pod());
        let mut failed = PodError::Request(
            "the invitation names no place where this is kept: whoever shares it needs a peer (`rhizome peers add`)".into(),
        );
        if let Some(view) = block_in_place(|| pod.has_already(invite))? {
            // unless it was replaced and this is the new one
            for place in &invite.places {
                if self.sync_view(&view, place).await.is_ok() {
                    break;
                }
            }
        }
        if let Some(view) = block_in_place(|| pod.has_already(invite))? {
            return block_in_place(|| pod.accepted_in(&view));
        }
        for place in &invite.places {
            let joined = match self.enter_by(invite, place).await {
                Ok(view) => self.sync_view(&view, place).await.map(|_| view),
                Err(error) => Err(error),
            };
            let view = match joined {
                Ok(view) => view,
                Err(error) => {
                    failed = error;
                    continue;
                }
            };
            let taken = block_in_place(|| {
                let guests = match pod.check_granted(&view) {
                    Ok(guests) => guests,
                    Err(error) => {
                        pod.views()?.remove(&view.did())?;
                        return Err(error);
                    }
                };
                view.set_addresses(&invite.places)?;
                pod.claim(&view, &guests)?;
                let places: Vec<String> = invite.places.iter().map(ToString::to_string).collect();
                let predicate = guests.predicate.as_ref();
                if predicate.is_some() || guests.group.is_some() {
                    let seed = view.seed();
                    pod.note_view(
                        &view.did(),
                        seed,
                        Some(&guests.of),
                        predicate,
                        &places,
                        false,
                    )?;
                }
                // another device of this person may have been there before
                pod.take_keys(&view.did(), usize::MAX)?;
                let now = pod.views()?.get(&view.did());
                Ok(now.unwrap_or(view))
            });
            let view = taken?;
            // what is not told now is told with the next exchange
            if let Err(error) = self.sync_view(&view, place).await {
                tracing::warn!(%error, "the owner's devices were not told yet");
            }
            return block_in_place(|| pod.accepted_in(&view));
        }
        Err(failed)
    }

    /// Comes to a view by an invitation; also if this home is there by another key already, and that one counts no more.
    async fn enter_by(
        &self,
        invite: &ShareInvite,
        place: &PeerAddress,
    ) -> Result<Arc<View>, PodError> {
        let used = |error| match error {
            PodError::Refused(why) => PodError::Refused(format!(
                "this invitation opens nothing (any more). It is good once: it was used, or what it was for was taken back. Ask whoever shared it for another one ({why})"
            )),
            error => error,
        };
        let pod = self.pod();
        let Some(view) = block_in_place(|| pod.views())?.get(&invite.view) else {
            let joined = self.join_view(&invite.view, &invite.seed, place).await;
            return joined.map_err(used);
        };
        let log = self.view_log(&invite.view, &invite.seed, place).await;
        let log = log.map_err(used)?;
        block_in_place(|| {
            let views = pod.views()?;
            view.member()?
                .take_certificates(Certificate::of_log(&log))?;
            drop(view);
            views
                .act_by(&invite.view, &invite.seed)?
                .ok_or_else(|| PodError::Request("this is in use at the moment: try again".into()))
        })
    }

    /// Takes part in the views that other devices of this person noted, as far as this one does not yet. What cannot be reached is tried next time. How many are new here.
    pub(crate) async fn find_views(&self) -> Result<usize, PodError> {
        Ok(self.look_for_views().await?.0)
    }

    /// As [`Self::find_views`]. Whether nothing is left to be tried, too: then there is nothing to be found before something else is noted.
    pub(super) async fn look_for_views(&self) -> Result<(usize, bool), PodError> {
        let pod = Arc::clone(self.pod());
        let (records, mut settled) = {
            // as long as something is being followed it is not known what is not
            let alone = pod.following_now().try_lock();
            let records = block_in_place(|| pod.view_records())?;
            if alone.is_ok() {
                block_in_place(|| pod.let_go(&records))?;
            }
            (records, alone.is_ok())
        };
        if records.is_empty() {
            return Ok((0, settled));
        }
        let mut found = 0;
        let mut peers = block_in_place(|| pod.acquaintances())?;
        // those first that are always on
        peers.sort_by_key(|peer| peer.may_be_away);
        for record in records {
            let own = peers.iter().map(|peer| peer.address.clone());
            let places: Vec<String> = match record.of {
                None => own.collect(),
                Some(_) => record.places.iter().cloned().chain(own).collect(),
            };
            let places: Vec<PeerAddress> = places.iter().filter_map(|p| p.parse().ok()).collect();
            let here = block_in_place(|| pod.views())?.get(&record.did);
            if record.of.is_some() && record.moved.is_some() {
                if here.is_some() {
                    pod.moving().lock().expect(record.did);
                    settled = false;
                }
                continue;
            }
            if let Some(view) = here {
                let followed = self.follow_key(&record, view, &places).await?;
                settled &= followed.is_none();
                found += usize::from(followed == Some(true));
                continue;
            }
            settled = false;
            let Ok(seed) = block_in_place(|| pod.seed_of(&record)) else {
                continue;
            };
            for place in places {
                let join = self.join_view(&record.did, &seed, &place);
                if let Ok(Ok(view)) = tokio::time::timeout(DIAL_TIME, join).await {
                    if record.of.is_none() {
                        // kept where the pod is kept
                        block_in_place(|| view.set_addresses(&[]))?;
                    }
                    found += 1;
                    break;
                }
            }
        }
        Ok((found, settled))
    }

    /// Acts in a view by the key that other devices of this person act by there. Whether it does now; nothing if there is no other one.
    async fn follow_key(
        &self,
        record: &ViewRecord,
        view: Arc<View>,
        places: &[PeerAddress],
    ) -> Result<Option<bool>, PodError> {
        let pod = self.pod();
        if view.is_owner() || record.keys().iter().all(|key| *key == view.key()) {
            return Ok(None);
        }
        for seed in block_in_place(|| pod.other_seeds(record, &view))? {
            let listed = || Ok::<_, PodError>(view.member()?.is_device(&seed.public()));
            for place in places {
                if block_in_place(listed)? {
                    break;
                }
                let log = self.view_log(&record.did, &seed, place);
                if let Ok(Ok(log)) = tokio::time::timeout(DIAL_TIME, log).await {
                    block_in_place(|| {
                        view.member()?
                            .take_certificates(Certificate::of_log(&log))
                            .map_err(PodError::from)
                    })?;
                }
            }
            if !block_in_place(listed)? {
                continue;
            }
            let now = block_in_place(|| pod.views()?.act_by(&record.did, &seed))?;
            let Some(now) = now else {
                return Ok(Some(false));
            };
            if now.addresses().is_empty() {
                let theirs: Vec<PeerAddress> = record
                    .places
                    .iter()
                    .filter_map(|p| p.parse().ok())
                    .collect();
                block_in_place(|| now.set_addresses(&theirs))?;
            }
            return Ok(Some(true));
        }
        Ok(Some(false))
    }
}
