//! Giving, and taking back.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    sync::Arc,
};

use rhizome_capability::{Device, Principal};
use rhizome_identity::{Did, Role};
use rhizome_ipld::PublicKey;
use rhizome_replica::{Edit, Snapshot, key};
use rhizome_share::Predicate;
use rhizome_storage::Durability;
use rhizome_tuple::{Attribute, EntityId, Value};
use rhizome_view::{Grant, Guests, Instead, Note, Power, ViewError, is_reserved, write_notes};
use serde_json::{Value as Json, json};

use super::{
    ShareInvite,
    keys::keys_of,
    records::{self as r, ViewRecord},
};
use crate::{
    Pod, PodError, Seed, View,
    home::{now_ms, random_bytes},
};

/// In whose name notes are left in a view.
pub(super) const KEEPER: &str = "keeper";

/// Devices that let one key in at a time.
const MAX_TWICE: usize = 32;

/// What is to be given.
#[derive(Debug, Clone)]
pub struct Terms {
    /// Which entities.
    pub predicate: Predicate,
    /// What may be done with them.
    pub power: Power,
    /// To whom.
    pub to: Did,
    /// Until when, in seconds since 1970.
    pub until: Option<u64>,
}

/// A grant, as its giver knows it.
#[derive(Debug, Clone)]
pub struct Given {
    /// Its CID.
    pub id: String,
    /// To whom.
    pub to: String,
    /// What may be done.
    pub power: Option<Power>,
    /// Which entities.
    pub predicate: String,
    /// The view in which it is kept.
    pub view: Did,
    /// When it was given, in milliseconds since 1970.
    pub given_ms: Option<i64>,
    /// Until when it is good, in milliseconds since 1970.
    pub until_ms: Option<i64>,
    /// When it was taken back, in milliseconds since 1970.
    pub revoked_ms: Option<i64>,
    /// Whether somebody came and showed that he is the one.
    pub accepted: bool,
    /// Whether it is for anybody.
    pub public: bool,
    key: Option<PublicKey>,
    pub(super) entity: EntityId,
    /// The grant of another view in whose place it is.
    pub(super) instead: Option<String>,
    /// The grant that is in its place in another view.
    pub(super) moved: Option<String>,
}

impl Given {
    /// As commands and the API print it.
    pub fn to_json(&self) -> Json {
        json!({
            "grant": self.id,
            "to": self.to,
            "can": self.power.map(|p| p.to_string()),
            "where": self.predicate,
            "view": self.view.to_string(),
            "given_ms": self.given_ms,
            "until_ms": self.until_ms,
            "revoked_ms": self.revoked_ms,
            "accepted": self.accepted,
            "public": self.public,
            "moved": self.moved,
            "instead": self.instead,
        })
    }
}

impl Given {
    /// What a tuple of the pod says of it; nobody has been asked whether it was accepted.
    fn read(now: &Snapshot, entity: EntityId, view: &ViewRecord) -> Option<Self> {
        let text = |name: &str| r::text(now, &entity, name);
        Some(Self {
            id: text(r::GRANT)?,
            accepted: false,
            to: text(r::TO).unwrap_or_default(),
            power: text(r::CAN).and_then(|can| can.parse().ok()),
            predicate: view
                .predicate
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
            view: view.did,
            public: view.public,
            given_ms: r::time(now, &entity, r::GIVEN),
            until_ms: r::time(now, &entity, r::UNTIL),
            revoked_ms: r::time(now, &entity, r::REVOKED),
            instead: text(r::INSTEAD),
            moved: None,
            key: text(r::GUEST).and_then(|key| PublicKey::from_did_key(&key).ok()),
            entity,
        })
    }
}

/// The newest first.
fn sorted(now: &Snapshot, mut all: Vec<Given>) -> Result<Vec<Given>, PodError> {
    now.fault()?;
    all.sort_by_key(|given| std::cmp::Reverse(given.given_ms));
    Ok(all)
}

impl View {
    /// Leaves notes in it.
    pub(super) fn leave(&self, notes: &[Note]) -> Result<(), PodError> {
        let mut nonce = [0; 16];
        random_bytes()?(&mut nonce);
        let (replica, author) = (self.replica()?, self.author(KEEPER)?);
        let leaf = write_notes(&self.did().to_string(), notes)?;
        let durable = Durability::Durable;
        let all = |_: &Snapshot| Ok::<_, ViewError>(vec![leaf]);
        replica.compose(&author, now_ms(), nonce, durable, all)?;
        Ok(())
    }

    /// Whether this home has not been taken out of it, as far as is known here.
    pub(crate) fn is_member(&self) -> bool {
        self.member()
            .is_ok_and(|member| member.is_device(&self.key()))
    }

    /// What its notes say.
    pub(super) fn guests(&self) -> Result<Guests, PodError> {
        let now = self.replica()?.snapshot();
        let did = self.did().to_string();
        let resolution = Arc::clone(self.member()?.trust().set().resolution());
        let full = |role| matches!(role, Role::Admin | Role::Member);
        let mut full = resolution.devices.iter().filter(|a| full(a.device.role));
        if full.nth(1).is_none() && !resolution.anybody_removed() {
            return Ok(Guests::read(&did, &now)?);
        }
        // several people: what admins say counts, also of those who have gone
        let writers = self.member()?.trust().set().writers();
        let admin = |key: &PublicKey| writers.get(key).is_some_and(|w| w.role == Role::Admin);
        Ok(Guests::read_by(&did, &now, &admin)?)
    }
}

impl Pod {
    /// Shares what matches a predicate, now and later, with somebody. The invitation is for him alone: it is to go to him by a way that others do not read. A grant of the same
    /// to the same is replaced.
    ///
    /// # Errors
    /// [`PodError::Request`] for terms that make no sense; those of the stores.
    pub fn grant(&self, terms: &Terms) -> Result<(Given, ShareInvite), PodError> {
        if terms.to.to_string() == self.did() {
            return Err(PodError::Request(
                "that is your own DID: your devices have everything already".into(),
            ));
        }
        check_terms(&terms.predicate, terms.until)?;
        let same = self.view_records_where(&terms.predicate.to_string())?;
        self.move_these(&same, usize::MAX)?;
        let view = self.own_view(&terms.predicate, false)?;
        for old in self.grants_in(&view)? {
            if old.to == terms.to.to_string() && old.revoked_ms.is_none() {
                self.take_back(&view, &old)?;
            }
        }
        let seed = Seed::generate()?;
        if terms.power == Power::Write {
            view.add_guest(&seed)?;
        } else {
            view.add_reader(&seed)?;
        }
        let to = terms.to.to_string().parse().map_err(ViewError::from)?;
        let grant = self.delegate(
            &view,
            (to, terms.power),
            &terms.predicate,
            terms.until,
            None,
        )?;
        view.leave(&[Note::Grant(grant.delegation.bytes().to_vec())])?;
        let (to, key) = (terms.to.to_string(), seed.public());
        let given = self.note_grant(&view, &grant, &to, &key)?;
        let places = self
            .peers()?
            .into_iter()
            .filter_map(|p| p.address.parse().ok());
        let invite = ShareInvite {
            view: view.did(),
            seed,
            places: places.collect(),
        };
        Ok((given, invite))
    }

    /// Notes a grant in the pod, and tends its view.
    pub(super) fn note_grant(
        &self,
        view: &Arc<View>,
        grant: &Grant,
        to: &str,
        key: &PublicKey,
    ) -> Result<Given, PodError> {
        let id = grant.id().to_string();
        let (entity, nonce) = r::named(self.did(), "grant", &id);
        let (over, _) = r::named(self.did(), "view", &view.did().to_string());
        let mut edits = vec![
            Edit::Create(entity, nonce),
            Edit::Assert(entity, r::attribute("rhizome/type")?, "grant".into()),
        ];
        let mut set = |name: &str, value: Value| {
            edits.push(Edit::Assert(entity, r::attribute(name)?, value));
            Ok::<_, PodError>(())
        };
        set(r::GRANT, id.as_str().into())?;
        set(r::TO, to.into())?;
        let can = grant.power().unwrap_or(Power::Read);
        set(r::CAN, can.to_string().into())?;
        set(r::OVER, Value::Ref(over))?;
        set(r::GUEST, key.to_did_key().into())?;
        set(r::GIVEN, Value::Time(now_ms()))?;
        if let Some(instead) = grant.instead() {
            set(r::INSTEAD, instead.grant.to_string().into())?;
        }
        if let Some(until) = grant.delegation.expires() {
            let ms = i64::try_from(until.saturating_mul(1000)).unwrap_or(i64::MAX);
            set(r::UNTIL, Value::Time(ms))?;
        }
        self.write_own(edits)?;
        self.tend_view(view, None)?;
        let given = self
            .grants_in(view)?
            .into_iter()
            .find(|given| given.id == id);
        given.ok_or_else(|| PodError::Request("the grant was erased just now".into()))
    }

    pub(super) fn delegate(
        &self,
        view: &View,
        (to, power): (Principal, Power),
        predicate: &Predicate,
        until: Option<u64>,
        instead: Option<&Instead>,
    ) -> Result<Grant, PodError> {
        let key = self.signing_key();
        let own: Principal = self.did().parse().map_err(ViewError::from)?;
        let device = Device::new(&own, &key).map_err(ViewError::from)?;
        let mut nonce = [0; 12];
        random_bytes()?(&mut nonce);
        let of = (&*view.did().to_string(), predicate);
        Ok(Grant::sign_instead(
            instead, &device, to, power, of, until, &nonce,
        )?)
    }

    /// The view of what matches this predicate, for anybody or for guests, which are never the same one; a new one if there is none.
    pub(super) fn own_view(
        &self,
        predicate: &Predicate,
        public: bool,
    ) -> Result<Arc<View>, PodError> {
        let text = predicate.to_string();
        for record in self.view_records_where(&text)? {
            let is_own = record.of.is_none() && record.public == public;
            if is_own && record.moved.is_none() && !self.is_known_outside(&record) {
                let here = self.views()?.get(&record.did);
                return here.ok_or_else(|| {
                    PodError::Request(
                        "another device of yours shares this already, and this one has not got it yet: exchange first".into(),
                    )
                });
            }
        }
        let seed = Seed::generate()?;
        let view = self.views()?.create_by(&seed)?;
        self.note_view(&view.did(), &seed, None, Some(predicate), &[], public)?;
        let (_, log) = self.device_log();
        view.leave(&[Note::Terms {
            of: self.did().to_owned(),
            predicate: predicate.to_string(),
            log: log.to_car()?,
        }])?;
        Ok(view)
    }

    /// What was given, the newest first.
    ///
    /// # Errors
    /// Those of reading the pod.
    pub fn grants(&self) -> Result<Vec<Given>, PodError> {
        let mut out = self.noted_grants()?;
        let places: BTreeMap<String, String> = out
            .iter()
            .filter_map(|given| Some((given.instead.clone()?, given.id.clone())))
            .collect();
        for given in &mut out {
            given.moved = places.get(&given.id).cloned();
        }
        let mut claimed: BTreeMap<Did, Vec<String>> = BTreeMap::new();
        for given in &mut out {
            let who = match claimed.entry(given.view) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => {
                    let here = self.views()?.get(&given.view);
                    let guests = here.map(|view| view.guests()).transpose()?;
                    let mut who = Vec::new();
                    if let Some(guests) = &guests {
                        let to: BTreeSet<&str> = guests.grants.iter().map(Grant::to).collect();
                        let came = |did: &&str| guests.shown(did).next().is_some();
                        who.extend(to.into_iter().filter(came).map(str::to_owned));
                    }
                    new.insert(who)
                }
            };
            given.accepted = who.contains(&given.to);
        }
        Ok(out)
    }

    /// As [`Self::grants`], without whether they were accepted: no view is opened for that.
    pub(super) fn noted_grants(&self) -> Result<Vec<Given>, PodError> {
        let now = self.replica().snapshot();
        let views = self.view_records()?.into_iter();
        let views: BTreeMap<EntityId, ViewRecord> = views.map(|view| (view.entity, view)).collect();
        let all = r::with(&now, r::GRANT).into_iter().filter_map(|entity| {
            let over = r::all(&now, &entity, r::OVER);
            let mut over = over.iter().filter_map(|value| match value {
                Value::Ref(view) => views.get(view),
                _ => None,
            });
            Given::read(&now, entity, over.next()?)
        });
        sorted(&now, all.collect())
    }

    /// Those of one view.
    pub(super) fn grants_in(&self, view: &View) -> Result<Vec<Given>, PodError> {
        let now = self.replica().snapshot();
        let (entity, _) = r::named(self.did(), "view", &view.did().to_string());
        let (Some(record), Some(e), Some(a)) = (
            r::view_record(&now, entity),
            now.eid(&entity),
            now.aid(r::OVER),
        ) else {
            return Ok(Vec::new());
        };
        let (lo, hi) = key::vae_va(e, a);
        let all = now.vae().range(lo, hi).filter_map(|k| {
            let entity = now.entity_id(key::un_vae(k).e)?;
            Given::read(&now, entity, &record)
        });
        sorted(&now, all.collect())
    }

    /// Takes a grant back: what its holder says from now on, whatever time it claims, has no effect, and what is said from now on he cannot read. What was admitted stays, and what he
    /// has read he has.
    ///
    /// # Errors
    /// [`PodError::Request`] if there is no such grant.
    pub fn revoke(&self, id: &str) -> Result<Given, PodError> {
        let open = |given: &Given| given.revoked_ms.is_none();
        let all = self.noted_grants()?;
        let given = r::by_name(all.clone(), "grant", id, |given| &given.id, open)?;
        // where it went on, too
        let mut names = BTreeSet::from([given.id.clone()]);
        loop {
            let is_it = |one: &&Given| {
                let follows = one.instead.as_ref().is_some_and(|old| names.contains(old));
                let mut after = all.iter().filter(|other| names.contains(&other.id));
                let precedes = after.any(|other| other.instead.as_ref() == Some(&one.id));
                !names.contains(&one.id) && (follows || precedes)
            };
            let Some(found) = all.iter().find(is_it) else {
                break;
            };
            names.insert(found.id.clone());
        }
        for one in all.iter().filter(|one| names.contains(&one.id)) {
            if one.revoked_ms.is_some() {
                continue;
            }
            let view = self.views()?.get(&one.view).ok_or_else(|| {
                PodError::Request(
                    "this device has not got the view of this grant yet: exchange first".into(),
                )
            })?;
            self.take_back(&view, one)?;
        }
        let again = self.grants()?.into_iter().find(|one| one.id == given.id);
        Ok(again.unwrap_or(given))
    }

    /// Takes back what is over: nobody is to read on because no clock but his own says so. How many were.
    ///
    /// # Errors
    /// Those of the stores.
    pub fn take_back_expired(&self) -> Result<usize, PodError> {
        let mut done = 0;
        let now = now_ms();
        let own = self.replica().snapshot();
        let is_over = |entity: &EntityId| {
            let until = r::time(&own, entity, r::UNTIL);
            until.is_some_and(|until| until <= now) && r::time(&own, entity, r::REVOKED).is_none()
        };
        if !r::with(&own, r::UNTIL).iter().any(is_over) {
            return Ok(0);
        }
        for given in self.noted_grants()? {
            let over = given.until_ms.is_some_and(|until| until <= now);
            if over
                && given.revoked_ms.is_none()
                && let Some(view) = self.views()?.get(&given.view)
            {
                self.take_back(&view, &given)?;
                done += 1;
            }
        }
        Ok(done)
    }

    fn take_back(&self, view: &Arc<View>, given: &Given) -> Result<(), PodError> {
        // what came before is decided about first
        self.tend_view(view, None)?;
        self.end(view, given)?;
        self.tend_view(view, None)?;
        Ok(())
    }

    /// Says that a grant counts no longer, and takes its keys out.
    pub(super) fn end(&self, view: &Arc<View>, given: &Given) -> Result<(), PodError> {
        self.note_end(view, given)?;
        let Ok(grant) = given.id.parse() else {
            return Ok(());
        };
        for key in keys_of(view, &grant, given.key)? {
            let member = view.member()?;
            // two devices may have let the same key in
            for _ in 0..MAX_TWICE {
                if !member.is_device(&key) {
                    break;
                }
                view.remove_guest(&key)?;
            }
        }
        Ok(())
    }

    /// Says that a grant counts no longer.
    pub(super) fn note_end(&self, view: &View, given: &Given) -> Result<(), PodError> {
        if let Ok(cid) = given.id.parse() {
            view.leave(&[Note::Revoked(cid)])?;
        }
        let revoked = Edit::Assert(
            given.entity,
            Attribute::new(r::REVOKED).map_err(|e| PodError::Replica(e.into()))?,
            Value::Time(now_ms()),
        );
        self.write_own(vec![revoked])?;
        Ok(())
    }
}

/// Whether this can be given to anybody at all.
pub(super) fn check_terms(predicate: &Predicate, until: Option<u64>) -> Result<(), PodError> {
    let conditions = predicate.conditions();
    if let Some((own, _)) = conditions.iter().find(|(a, _)| is_reserved(a.as_str())) {
        return Err(PodError::Request(format!(
            "{own} is what the pod says of itself, and is not shared"
        )));
    }
    if until.is_some_and(|until| until <= seconds()) {
        return Err(PodError::Request("that time is over already".into()));
    }
    Ok(())
}

/// Seconds since 1970.
pub(super) fn seconds() -> u64 {
    now_ms().max(0).unsigned_abs() / 1000
}
