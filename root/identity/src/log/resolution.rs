//! What an identity is, as one set of operations has it.

use std::collections::{BTreeMap, BTreeSet};

use rhizome_ipld::{Cid, PublicKey, Verified, cid_sha256, codec};

use super::authority::Path;
use super::membership::{Roll, Verdicts};
use super::{Log, Standing};
use crate::{Action, Device, Did, Enrol, IdentityError, Incarnation, Policy, Role, Service};

/// A device that is a member now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Active {
    /// Its key, its present key for receiving secrets, its role.
    pub device: Device,
    /// Which membership this is.
    pub incarnation: Incarnation,
}

/// An identity resolved: a pure function of the set of operations in its log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolution {
    /// The identity.
    pub did: Did,
    /// Names the set of operations: the CID of its head; of several, the CID of the list of links to them, ascending.
    pub version: Cid,
    /// The members, the most senior first. A key that was added twice without a removal between stands here twice.
    pub devices: Vec<Active>,
    /// Entry points, in order of their names.
    pub services: Vec<Service>,
    /// Other names: URIs.
    pub also_known_as: Vec<String>,
    /// The recovery policies in force, the strongest first.
    pub policies: Vec<Policy>,
    /// How many recoveries led here.
    pub epoch: usize,
    /// Policies of equal strength decided concurrently: nobody may change the log, and `devices` are those that all of them list.
    pub contested: bool,
    /// The strongest policy ended the identity: there are no devices and no services any more.
    pub deactivated: bool,
    standings: BTreeMap<Incarnation, Standing>,
    keys: BTreeSet<PublicKey>,
}

impl Log {
    /// What the identity is. Linear in the log: a thousand operations take a few milliseconds at most; keep it until the next
    /// [`Log::insert`] adds something.
    pub fn resolve(&self) -> Resolution {
        let path = self.path();
        let list = path.list();
        let roll = self.roll(list, None);
        let lenient = roll.lenient();
        let strict = roll.strict(&lenient);
        let is_contested = !path.contenders.is_empty();
        let devices = if path.is_deactivated {
            Vec::new()
        } else if is_contested {
            self.undisputed(&path)
        } else {
            self.active(&roll, &lenient, &strict)
        };
        let (services, also_known_as) = if path.is_deactivated || is_contested {
            (Vec::new(), Vec::new())
        } else {
            (
                self.services(list, &roll, &lenient),
                self.also_known_as(list, &roll, &lenient),
            )
        };
        let policies = self.action(path.root).and_then(Action::policies);
        Resolution {
            did: self.did(),
            version: self.version_id(),
            devices,
            services,
            also_known_as,
            policies: policies.unwrap_or_default().to_vec(),
            epoch: path.lists.len() - 1,
            contested: is_contested,
            deactivated: path.is_deactivated,
            standings: self.standings(&path, lenient),
            keys: self
                .operations()
                .flat_map(|operation| operation.devices())
                .map(|device| device.key)
                .collect(),
        }
    }

    fn version_id(&self) -> Cid {
        match self.heads().as_slice() {
            [head] => *head,
            // A list of links has an encoding.
            heads => codec::encode(heads).map_or_else(
                |_| self.genesis.operation().id(),
                |bytes| cid_sha256(&bytes),
            ),
        }
    }

    fn active(&self, roll: &Roll<'_>, lenient: &Verdicts, strict: &Verdicts) -> Vec<Active> {
        roll.members()
            .iter()
            .filter(|m| strict.removals(**m).is_some_and(<[u32]>::is_empty))
            .filter_map(|m| {
                let member = self.members.get(*m as usize)?;
                Some(Active {
                    device: self.device_of(member, roll, lenient)?,
                    incarnation: self.incarnation(member)?,
                })
            })
            .collect()
    }

    /// The devices that every contender lists. A new list of policies leaves the devices as they were for whoever made it; what was
    /// removed since stays removed.
    fn undisputed(&self, path: &Path) -> Vec<Active> {
        let mut lists = path.contenders.iter().filter_map(|contender| {
            let node = self.node(contender.place)?;
            Some(match node.operation.action() {
                Action::PolicySet(_) => {
                    let seen = self.roll(contender.list, Some(&node.past));
                    let seen_lenient = seen.lenient();
                    let then = self.active(&seen, &seen_lenient, &seen.strict(&seen_lenient));
                    let all = self.roll(contender.list, None);
                    let lenient = all.lenient();
                    let mut now = self.active(&all, &lenient, &all.strict(&lenient));
                    now.retain(|a| then.iter().any(|t| t.incarnation == a.incarnation));
                    now
                }
                action @ Action::Recover(_) => action
                    .devices()
                    .iter()
                    .map(|device| Active {
                        device: device.clone(),
                        incarnation: Incarnation {
                            key: device.key,
                            add: node.operation.id(),
                        },
                    })
                    .collect(),
                _ => Vec::new(),
            })
        });
        let mut common = lists.next().unwrap_or_default();
        for list in lists {
            common.retain_mut(|active| {
                let of_key = list.iter().filter(|a| a.device.key == active.device.key);
                let role = of_key.map(|a| a.device.role).min();
                // the lesser of both
                if let Some(role) = role {
                    active.device.role = active.device.role.max(role);
                }
                role.is_some()
            });
        }
        common
    }
}

impl Resolution {
    /// The device with this key that is a member now; of several memberships the most senior.
    pub fn device(&self, key: &PublicKey) -> Option<&Active> {
        self.devices.iter().find(|a| a.device.key == *key)
    }

    /// Whether this key is or was that of a device: any operation ever listed it.
    pub fn was_listed(&self, key: &PublicKey) -> bool {
        self.keys.contains(key)
    }

    /// Whether there are keys that were those of devices and are not now.
    pub fn anybody_removed(&self) -> bool {
        self.keys.iter().any(|key| self.device(key).is_none())
    }

    /// Whether this key is that of a member who only follows.
    pub fn only_follows(&self, key: &PublicKey) -> bool {
        let mut own = self.devices.iter().filter(|a| a.device.key == *key);
        let first = own.next().map(|a| a.device.role);
        first == Some(Role::Follower) && own.all(|a| a.device.role == Role::Follower)
    }

    /// Whether this key may change the log now.
    pub fn is_admin(&self, key: &PublicKey) -> bool {
        !self.contested
            && self
                .devices
                .iter()
                .any(|a| a.device.key == *key && a.device.role == Role::Admin)
    }

    /// How far what an incarnation writes counts. None if the log does not know it.
    pub fn standing(&self, incarnation: &Incarnation) -> Option<&Standing> {
        self.standings.get(incarnation)
    }

    /// All incarnations that the log ever listed, with their standing.
    pub fn standings(&self) -> impl Iterator<Item = (&Incarnation, &Standing)> {
        self.standings.iter()
    }

    /// Checks that an enrolment is of this identity and by an incarnation that its log lists, and says how far what the process
    /// writes counts. A process may have several enrolments; then each of them lets count what it does.
    ///
    /// # Errors
    /// [`IdentityError::Enrolment`], [`IdentityError::OtherDid`], [`IdentityError::NotADevice`] if the incarnation is not in the
    /// log (its operation may be on its way).
    pub fn admit(&self, enrol: &Verified<Enrol>) -> Result<Standing, IdentityError> {
        enrol.check()?;
        if enrol.pod != self.did {
            return Err(IdentityError::OtherDid {
                expected: self.did,
                found: enrol.pod,
            });
        }
        if self.was_listed(&enrol.process) {
            return Err(IdentityError::Enrolment(
                "the process key is a device's key",
            ));
        }
        let standing = enrol.incarnation().and_then(|i| self.standing(&i));
        standing.cloned().ok_or(IdentityError::NotADevice {
            device: enrol.device,
            did: self.did,
        })
    }
}
