//! Groups: pods of several people, each of whom acts in them by a key of his own.

use std::sync::Arc;

use rhizome_capability::{Command, Delegation, Device, Principal};
use rhizome_identity::{Did, Role};
use rhizome_ipld::PublicKey;
use rhizome_replica::Edit;
use rhizome_storage::Durability;
use rhizome_tuple::Value;
use rhizome_view::{Grant, Guests, Note, ViewError};
use serde_json::{Value as Json, json};
use tokio::task::block_in_place;

use super::{
    ShareInvite,
    give::KEEPER,
    keys::writers,
    records::{self as r, view_record},
};
use crate::{
    Pod, PodError, PodNode, Receipt, Seed, View,
    home::{now_ms, random_bytes},
    json::Change,
    transact::plan,
};

/// Longest name of a group, in bytes.
const MAX_NAME: usize = 256;
/// How often one key may stand in a device log: devices of one person may let it in at once.
const MAX_TWICE: usize = 8;

/// What somebody is in a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum GroupRole {
    /// Invites, and removes those who are junior.
    Admin,
    /// Reads and writes.
    Member,
    /// Reads.
    Reader,
}

impl GroupRole {
    pub(super) fn role(self) -> Role {
        match self {
            Self::Admin => Role::Admin,
            Self::Member => Role::Member,
            Self::Reader => Role::Reader,
        }
    }

    fn of(role: Role) -> Self {
        match role {
            Role::Admin => Self::Admin,
            Role::Member => Self::Member,
            _ => Self::Reader,
        }
    }

    fn command(self) -> &'static str {
        match self {
            Self::Admin => "/pod",
            Self::Member => "/pod/tuple",
            Self::Reader => "/pod/tuple/read",
        }
    }

    /// What an invitation is to.
    pub(super) fn granted(grant: &Grant) -> Option<Self> {
        let all = [Self::Admin, Self::Member, Self::Reader];
        let command = grant.delegation.command().as_str();
        all.into_iter().find(|role| role.command() == command)
    }
}

impl std::fmt::Display for GroupRole {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Admin => "admin",
            Self::Member => "member",
            Self::Reader => "reader",
        })
    }
}

impl std::str::FromStr for GroupRole {
    type Err = PodError;

    /// Reads `admin`, `member` or `reader`.
    fn from_str(text: &str) -> Result<Self, PodError> {
        match text {
            "admin" => Ok(Self::Admin),
            "member" => Ok(Self::Member),
            "reader" => Ok(Self::Reader),
            other => Err(PodError::Request(format!(
                "`{other}` is none of admin, member, reader"
            ))),
        }
    }
}

/// A group that this person is in, or was.
#[derive(Debug, Clone)]
pub struct Group {
    /// Its DID.
    pub did: Did,
    /// What it is called.
    pub name: String,
    /// What this person is in it; nothing if he was removed.
    pub role: Option<GroupRole>,
    /// Who is in it, the most senior first.
    pub members: Vec<GroupMember>,
}

/// Somebody in a group, or invited to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupMember {
    /// Who it is.
    pub did: String,
    /// What he is.
    pub role: GroupRole,
    /// Whether he has not come yet, or a device of who invited him has not seen it.
    pub invited: bool,
    keys: Vec<PublicKey>,
}

impl Group {
    /// As commands and the API print it.
    pub fn to_json(&self) -> Json {
        let members = self
            .members
            .iter()
            .map(|m| json!({ "did": m.did, "role": m.role.to_string(), "invited": m.invited }));
        json!({
            "group": self.did.to_string(),
            "name": self.name,
            "role": self.role.map(|role| role.to_string()),
            "members": members.collect::<Vec<_>>(),
        })
    }
}

/// The key of an invitation to a group, as its delegation names it.
pub(super) fn first_key(grant: &Grant) -> Option<PublicKey> {
    let key = grant.delegation.meta().get("key")?;
    PublicKey::from_did_key(&String::try_from(key.clone()).ok()?).ok()
}

impl Pod {
    /// Makes a group, with this person as its first admin.
    ///
    /// # Errors
    /// [`PodError::Request`] for a name that is none; those of the stores.
    pub fn create_group(&self, name: &str) -> Result<Group, PodError> {
        let name = name.trim();
        if name.is_empty() || name.len() > MAX_NAME || name.chars().any(char::is_control) {
            return Err(PodError::Request(format!(
                "a group's name has 1 to {MAX_NAME} bytes, and no control characters"
            )));
        }
        let seed = Seed::generate()?;
        let view = self.views()?.create_by(&seed)?;
        view.leave(&[Note::Group(name.to_owned())])?;
        let did = view.did().to_string();
        self.note_view(&view.did(), &seed, Some(&did), None, &[], false)?;
        self.claim(&view, &view.guests()?)?;
        self.group_in(&view)
    }

    /// The groups that this person is in, or was.
    ///
    /// # Errors
    /// Those of the stores.
    pub fn groups(&self) -> Result<Vec<Group>, PodError> {
        let mut out = Vec::new();
        let records = self.view_records()?.into_iter();
        for record in records.filter(r::ViewRecord::is_group) {
            if let Some(view) = self.views()?.get(&record.did) {
                out.push(self.group_in(&view)?);
            }
        }
        Ok(out)
    }

    /// One of them.
    ///
    /// # Errors
    /// [`PodError::Request`] if this person is in no such group, as far as this device knows.
    pub fn group(&self, did: &Did) -> Result<Group, PodError> {
        self.group_in(&self.group_view(did)?)
    }

    pub(super) fn group_view(&self, did: &Did) -> Result<Arc<View>, PodError> {
        let (entity, _) = r::named(self.did(), "view", &did.to_string());
        let record = view_record(&self.replica().snapshot(), entity);
        let here = match record.filter(r::ViewRecord::is_group) {
            Some(_) => self.views()?.get(did),
            None => None,
        };
        here.ok_or_else(|| {
            PodError::Request(format!(
                "there is no group {did} here: see `rhizome groups`, and exchange first if another device of yours is in it"
            ))
        })
    }

    /// Whether tuples of this DID are those of a group.
    pub(crate) fn is_group(&self, did: &Did) -> bool {
        self.group_view(did).is_ok()
    }

    fn group_in(&self, view: &Arc<View>) -> Result<Group, PodError> {
        let guests = view.guests()?;
        let resolution = Arc::clone(view.member()?.trust().set().resolution());
        let genesis = view.member()?.device_log().1.genesis().clone();
        let writers = writers(view)?;
        let mut members: Vec<GroupMember> = Vec::new();
        for active in &resolution.devices {
            let (key, role) = (active.device.key, active.device.role);
            // only who was invited by an admin, and the founder
            let told = guests.keys.iter().rfind(|told| told.key == key);
            let first = guests.grants.iter().find(|g| first_key(g) == Some(key));
            let (did, invited) = match (told, first) {
                (Some(told), _) => (Some(told.to.clone()), false),
                (None, Some(grant)) => (Some(grant.to().to_owned()), true),
                (None, None) if genesis.device(&key).is_some() => {
                    (founder_of(&guests, &key, &writers), false)
                }
                (None, None) => (None, false),
            };
            let Some(did) = did else { continue };
            let role = match first.filter(|_| invited).and_then(GroupRole::granted) {
                Some(role) => role,
                None => GroupRole::of(role),
            };
            match members.iter_mut().find(|m| m.did == did) {
                Some(known) => {
                    known.keys.push(key);
                    // who came has two keys for a while
                    if !invited {
                        (known.role, known.invited) = (role, false);
                    }
                }
                None => members.push(GroupMember {
                    did,
                    role,
                    invited,
                    keys: vec![key],
                }),
            }
        }
        let own = members.iter().find(|m| m.did == self.did());
        Ok(Group {
            did: view.did(),
            name: guests.group.clone().unwrap_or_default(),
            role: own.filter(|_| view.is_member()).map(|own| own.role),
            members,
        })
    }

    fn group_for(&self, did: &Did, least: GroupRole) -> Result<(Arc<View>, Group), PodError> {
        let view = self.group_view(did)?;
        let group = self.group_in(&view)?;
        let now = match view
            .member()?
            .trust()
            .set()
            .resolution()
            .device(&view.key())
        {
            Some(active) => GroupRole::of(active.device.role),
            None => {
                return Err(PodError::Refused(format!(
                    "you are not, or no longer, in the group {}",
                    group.name
                )));
            }
        };
        if now > least {
            let promised = group.members.iter().find(|m| m.did == self.did());
            return Err(PodError::Refused(
                if promised.is_some_and(|m| m.invited && m.role <= least) {
                    "a device of who invited you has not seen yet that you came: exchange again when it has been there".into()
                } else {
                    format!(
                        "that takes a {least} of the group {}, and you are a {now}",
                        group.name
                    )
                },
            ));
        }
        Ok((view, group))
    }

    /// Invites somebody to a group. What the invitation is to, he becomes when he has shown who he is to a device of this person; until then it lets him read.
    ///
    /// # Errors
    /// [`PodError::Refused`] if this person is no admin there; [`PodError::Request`] if he is in it already; those of the stores.
    pub fn invite_to_group(
        &self,
        group: &Did,
        to: &Did,
        role: GroupRole,
    ) -> Result<ShareInvite, PodError> {
        let (view, known) = self.group_for(group, GroupRole::Admin)?;
        if known.members.iter().any(|m| m.did == to.to_string()) {
            return Err(PodError::Request(format!(
                "{to} is in the group {} or invited already: `rhizome group remove` first",
                known.name
            )));
        }
        let seed = Seed::generate()?;
        let key = self.signing_key();
        let own: Principal = self.did().parse().map_err(ViewError::from)?;
        let device = Device::new(&own, &key).map_err(ViewError::from)?;
        let audience: Principal = to.to_string().parse().map_err(ViewError::from)?;
        let subject: Principal = group.to_string().parse().map_err(ViewError::from)?;
        let command: Command = role.command().parse().map_err(ViewError::from)?;
        let mut nonce = [0; 12];
        random_bytes()?(&mut nonce);
        let delegation = Delegation::to(audience, command)
            .subject(subject)
            .meta("view", group.to_string())
            .meta("key", seed.public().to_did_key());
        let delegation = delegation.sign(&device, &nonce).map_err(ViewError::from)?;
        let id = delegation.cid().to_string();
        let (entity, nonce) = r::named(self.did(), "grant", &id);
        let (over, _) = r::named(self.did(), "view", &group.to_string());
        // first of all: this person's devices are those that give him another key
        self.write_own(vec![
            Edit::Create(entity, nonce),
            Edit::Assert(
                entity,
                r::attribute("rhizome/type")?,
                "group-invitation".into(),
            ),
            Edit::Assert(entity, r::attribute(r::TO)?, to.to_string().into()),
            Edit::Assert(entity, r::attribute(r::OVER)?, Value::Ref(over)),
            Edit::Assert(
                entity,
                r::attribute(r::GUEST)?,
                seed.public().to_did_key().into(),
            ),
        ])?;
        view.leave(&[Note::Grant(delegation.bytes().to_vec())])?;
        view.add_reader(&seed)?;
        let own = self.peers()?.into_iter().map(|p| p.address);
        let places = own.filter_map(|p| p.parse().ok());
        let theirs = view.addresses();
        let mut places: Vec<_> = places.collect();
        places.extend(theirs);
        places.truncate(8);
        Ok(ShareInvite {
            view: *group,
            seed,
            places,
        })
    }

    /// Takes somebody out of a group: what he wrote and is here counts on, what he writes later counts nowhere, and what is written from now on he cannot read.
    ///
    /// # Errors
    /// [`PodError::Refused`] if this person is no admin there; [`PodError::Identity`] if he is senior to this person; [`PodError::Request`] if he is not in it.
    pub fn remove_from_group(&self, group: &Did, who: &str) -> Result<Group, PodError> {
        let (view, known) = self.group_for(group, GroupRole::Admin)?;
        if who == self.did() {
            return Err(PodError::Request(
                "to go yourself: `rhizome group leave`".into(),
            ));
        }
        let found = known.members.iter().find(|m| m.did == who);
        let Some(found) = found else {
            return Err(PodError::Request(format!(
                "{who} is not in the group {}: see `rhizome group members`",
                known.name
            )));
        };
        let guests = view.guests()?;
        let open = guests.grants.iter().filter(|g| g.to() == who && !g.revoked);
        let notes: Vec<Note> = open.map(|grant| Note::Revoked(*grant.id())).collect();
        for key in &found.keys {
            take_out(&view, key)?;
        }
        if !notes.is_empty() {
            view.leave(&notes)?;
        }
        self.hand_over_keys(&view, usize::MAX)?;
        self.group_in(&view)
    }

    /// As [`Pod::transact`], in a group: it counts at once.
    ///
    /// # Errors
    /// [`PodError::Refused`] if this person may not; as [`Pod::transact`].
    pub(super) fn transact_group(
        &self,
        group: &Did,
        changes: &[Change],
    ) -> Result<Receipt, PodError> {
        let (view, _) = self.group_for(group, GroupRole::Member)?;
        self.claim(&view, &view.guests()?)?;
        let mut random = random_bytes()?;
        let (edits, made) = plan(self.did(), changes, &mut random)?;
        let mut nonce = [0; 16];
        random(&mut nonce);
        let author = view.author(KEEPER)?;
        let durable = Durability::Durable;
        let written = view
            .replica()?
            .write(&author, edits, now_ms(), nonce, durable)?;
        Ok(Receipt {
            commit: written.commits.first().copied(),
            entities: made,
            added: written.added,
            removed: written.removed,
        })
    }

    /// Says that this person is in a group no more.
    fn go(&self, group: &Did) -> Result<Arc<View>, PodError> {
        let view = self.group_view(group)?;
        let known = self.group_in(&view)?;
        if !view.is_member() {
            return Ok(view);
        }
        let admins = known.members.iter().filter(|m| m.role == GroupRole::Admin);
        let mut others = admins.filter(|m| !m.invited && m.did != self.did());
        let alone = known.members.iter().all(|m| m.did == self.did());
        if known.role == Some(GroupRole::Admin) && others.next().is_none() && !alone {
            return Err(PodError::Refused(format!(
                "you are the only admin of the group {}: invite another one, or remove everybody first",
                known.name
            )));
        }
        take_out(&view, &view.key())?;
        Ok(view)
    }
}

fn take_out(view: &View, key: &PublicKey) -> Result<(), PodError> {
    for _ in 0..MAX_TWICE {
        if !view.member()?.is_device(key) {
            break;
        }
        view.remove_guest(key)?;
    }
    Ok(())
}

/// Whose a key is: of one who was given it, or as he has shown by it himself.
pub(super) fn whose(
    guests: &Guests,
    key: &PublicKey,
    writers: &std::collections::BTreeMap<PublicKey, PublicKey>,
) -> Option<String> {
    let told = guests.keys.iter().rfind(|told| told.key == *key);
    told.map(|told| told.to.clone())
        .or_else(|| founder_of(guests, key, writers))
}

/// Whose the key is that nobody was invited by: the founder's, as he says himself.
fn founder_of(
    guests: &Guests,
    key: &PublicKey,
    writers: &std::collections::BTreeMap<PublicKey, PublicKey>,
) -> Option<String> {
    let mut processes = writers.iter().filter(|(_, device)| *device == key);
    let did = processes.find_map(|(process, _)| {
        let did = guests.claimed(process)?;
        guests.shown(did).any(|key| key == process).then_some(did)
    });
    did.map(str::to_owned)
}

impl PodNode {
    /// Leaves a group: what this person wrote stays there. Then it is forgotten here, and on his other devices.
    ///
    /// # Errors
    /// [`PodError::Refused`] for the only admin of others; [`PodError::Peer`] if nobody who keeps the group could be told: then it is to be repeated.
    pub async fn leave_group(&self, group: &Did) -> Result<(), PodError> {
        let pod = Arc::clone(self.pod());
        let view = block_in_place(|| pod.go(group))?;
        let mut places: Vec<_> = block_in_place(|| pod.acquaintances())?
            .into_iter()
            .filter_map(|one| one.address.parse().ok())
            .collect();
        places.extend(view.addresses());
        let mut told = places.is_empty();
        for place in &places {
            // who hears of it hangs up, and refuses from then on
            for _ in 0..2 {
                let out = self.sync_view(&view, place).await;
                if matches!(out, Ok(_) | Err(PodError::Refused(_))) {
                    told = true;
                    break;
                }
            }
        }
        if !told {
            return Err(PodError::Peer(
                "you are out here, and nobody who keeps the group could be told: leave again when one can be reached".into(),
            ));
        }
        drop(view);
        block_in_place(|| pod.forget_shared(&group.to_string()))
    }
}
