//! New operations at the end of a log, for those who have to sign them.

use rhizome_ipld::{Cid, PublicKey};

use super::Log;
use crate::action::{
    AkaSet, Deactivate, DeviceAdd, DeviceRemove, DeviceUpdate, Endorse, MAX_PREV, PolicySet,
    Recover, ServiceSet,
};
use crate::{
    Action, Device, Endpoint, IdentityError, Incarnation, KemKey, Policy, Proposal, RecoveryWords,
    Resolution, Reveal, Role, SealedHead,
};

/// What the policies decide in a recovery.
#[derive(Debug, Clone)]
pub struct Recovery {
    /// The policy that decides; the stronger ones stay as they are.
    pub index: usize,
    /// The keys of the policy that sign.
    pub reveals: Vec<Reveal>,
    /// All devices from now on, the most senior first.
    pub devices: Vec<Device>,
    /// All policies from now on.
    pub policies: Vec<Policy>,
    /// How far the writes of the devices that are not kept go on counting.
    pub seal: Vec<SealedHead>,
}

/// The acts of devices take the key of the one that acts, `by`, and refuse with [`IdentityError::NotADevice`] if it is no member,
/// [`IdentityError::NotAllowed`] if it may not, if the identity is contested or has ended. The acts of policies refuse with
/// [`IdentityError::NotAllowed`] if the keys revealed do not satisfy the policy in force.
impl Log {
    /// Adds a device. It signs too: for the proof that it holds its key.
    ///
    /// # Errors
    /// See above.
    pub fn add_device(&self, by: &PublicKey, device: Device) -> Result<Proposal, IdentityError> {
        self.act(&self.resolve(), by, true, |prev, by| {
            Action::DeviceAdd(DeviceAdd { prev, by, device })
        })
    }

    /// Removes a device that is junior to `by`, or `by` itself. What it wrote goes on counting within the seal.
    ///
    /// # Errors
    /// See above; and [`IdentityError::NotADevice`] if the target is no member.
    pub fn remove_device(
        &self,
        by: &PublicKey,
        target: Incarnation,
        mut seal: Vec<SealedHead>,
    ) -> Result<Proposal, IdentityError> {
        let now = self.resolve();
        let place = now.devices.iter().position(|a| a.incarnation == target);
        let Some(place) = place else {
            return Err(IdentityError::NotADevice {
                device: target.key,
                did: now.did,
            });
        };
        seal.sort_unstable();
        seal.dedup();
        let is_self = target.key == *by;
        if is_self {
            return self.act_as(&now, target, |prev, by| {
                Action::DeviceRemove(DeviceRemove {
                    prev,
                    by,
                    target,
                    seal,
                })
            });
        }
        let juniors = now.devices.get(place..).unwrap_or_default();
        if juniors.iter().any(|a| a.device.key == *by)
            && !now
                .devices
                .iter()
                .take(place)
                .any(|a| a.device.key == *by && a.device.role == Role::Admin)
        {
            return Err(IdentityError::NotAllowed(
                "a device removes only those that joined after it; ask a more senior one, or recover",
            ));
        }
        self.act(&now, by, true, |prev, by| {
            Action::DeviceRemove(DeviceRemove {
                prev,
                by,
                target,
                seal,
            })
        })
    }

    /// Changes the device's own key for receiving secrets.
    ///
    /// # Errors
    /// See above.
    pub fn update_device(&self, by: &PublicKey, kem: KemKey) -> Result<Proposal, IdentityError> {
        self.act(&self.resolve(), by, false, |prev, by| {
            Action::DeviceUpdate(DeviceUpdate { prev, by, kem })
        })
    }

    /// Sets a service or (`None`) takes it away.
    ///
    /// # Errors
    /// See above.
    pub fn set_service(
        &self,
        by: &PublicKey,
        id: &str,
        service: Option<Endpoint>,
    ) -> Result<Proposal, IdentityError> {
        self.act(&self.resolve(), by, true, |prev, by| {
            Action::ServiceSet(ServiceSet {
                prev,
                by,
                id: id.into(),
                service,
            })
        })
    }

    /// Sets all other names of the identity.
    ///
    /// # Errors
    /// See above.
    pub fn set_aka(&self, by: &PublicKey, aka: Vec<String>) -> Result<Proposal, IdentityError> {
        self.act(&self.resolve(), by, true, |prev, by| {
            Action::AkaSet(AkaSet { prev, by, aka })
        })
    }

    /// Vouches for the device that `target`, a `device.add`, added: it stays although its adder was removed. `by` must be senior to it.
    ///
    /// # Errors
    /// See above.
    pub fn endorse(&self, by: &PublicKey, target: Cid) -> Result<Proposal, IdentityError> {
        self.act(&self.resolve(), by, true, |prev, by| {
            Action::Endorse(Endorse { prev, by, target })
        })
    }

    /// Makes a new list of devices. All of them sign, and the keys revealed.
    ///
    /// # Errors
    /// See above.
    pub fn recover(&self, recovery: Recovery) -> Result<Proposal, IdentityError> {
        let Recovery {
            index,
            mut reveals,
            devices,
            policies,
            mut seal,
        } = recovery;
        reveals.sort_unstable_by_key(|r| r.key);
        seal.sort_unstable();
        seal.dedup();
        self.decide(Action::Recover(Recover {
            prev: self.ends(None),
            index: index_of(index)?,
            reveals,
            devices,
            policies,
            seal,
        }))
    }

    /// [`Self::recover`] with recovery words alone; the policies stay as they are.
    ///
    /// # Errors
    /// See above; and [`IdentityError::OtherWords`] if the words satisfy no policy in force.
    pub fn recover_with_words(
        &self,
        words: &RecoveryWords,
        devices: Vec<Device>,
        seal: Vec<SealedHead>,
    ) -> Result<Proposal, IdentityError> {
        let policies = self.resolve().policies;
        self.recover(Recovery {
            index: words.verify(&policies)?,
            reveals: vec![words.reveal()],
            devices,
            policies,
            seal,
        })
    }

    /// Replaces policies: that of `index` and the weaker ones after it. `policies` is the whole list.
    ///
    /// # Errors
    /// See above.
    pub fn set_policies(
        &self,
        index: usize,
        mut reveals: Vec<Reveal>,
        policies: Vec<Policy>,
    ) -> Result<Proposal, IdentityError> {
        reveals.sort_unstable_by_key(|r| r.key);
        let path = self.path();
        if path.contenders.iter().any(|c| c.list != path.list()) {
            return Err(IdentityError::NotAllowed(
                "the dispute is about devices, which new policies would leave as they were before it; recover instead",
            ));
        }
        self.decide(Action::PolicySet(PolicySet {
            prev: self.ends(None),
            index: index_of(index)?,
            policies,
            reveals,
        }))
    }

    /// Ends the identity, for ever. By its strongest policy.
    ///
    /// # Errors
    /// See above.
    pub fn deactivate(&self, mut reveals: Vec<Reveal>) -> Result<Proposal, IdentityError> {
        reveals.sort_unstable_by_key(|r| r.key);
        self.decide(Action::Deactivate(Deactivate {
            prev: self.ends(None),
            reveals,
        }))
    }

    fn act(
        &self,
        now: &Resolution,
        by: &PublicKey,
        as_admin: bool,
        action: impl FnOnce(Vec<Cid>, Incarnation) -> Action,
    ) -> Result<Proposal, IdentityError> {
        let mut memberships = now
            .devices
            .iter()
            .filter(|a| a.device.key == *by)
            .peekable();
        if memberships.peek().is_none() {
            return Err(IdentityError::NotADevice {
                device: *by,
                did: now.did,
            });
        }
        let able = memberships.find(|a| !as_admin || a.device.role == Role::Admin);
        let Some(able) = able else {
            return Err(IdentityError::NotAllowed(
                "only an admin device may do this",
            ));
        };
        self.act_as(now, able.incarnation, action)
    }

    fn act_as(
        &self,
        now: &Resolution,
        by: Incarnation,
        action: impl FnOnce(Vec<Cid>, Incarnation) -> Action,
    ) -> Result<Proposal, IdentityError> {
        if now.contested {
            return Err(IdentityError::NotAllowed(
                "the identity is contested; a recovery policy has to decide first",
            ));
        }
        let mut members = now.devices.iter();
        if members.any(|a| a.incarnation == by && a.device.role == Role::Follower) {
            return Err(IdentityError::NotAllowed(
                "a follower reads and does nothing else",
            ));
        }
        Proposal::new(action(self.ends(Some(&by.add)), by))
    }

    fn decide(&self, action: Action) -> Result<Proposal, IdentityError> {
        let path = self.path();
        if path.is_deactivated {
            return Err(IdentityError::NotAllowed("the identity has ended"));
        }
        let policies = self.action(path.root).and_then(Action::policies);
        let hidden: Vec<_> = action
            .authority()
            .map_or(&[][..], |(_, reveals)| reveals)
            .iter()
            .map(Reveal::hidden)
            .collect();
        if !super::authority::is_authorised(&action, &hidden, policies.unwrap_or_default()) {
            return Err(IdentityError::NotAllowed(
                "the keys do not satisfy this recovery policy, or a stronger one would change",
            ));
        }
        Proposal::new(action)
    }

    /// What a new operation follows: all heads; of more than fit, those with the author and the decisions in force in their past
    /// first, then the highest.
    fn ends(&self, author: Option<&Cid>) -> Vec<Cid> {
        let path = self.path();
        let needed: Vec<u32> = author
            .and_then(|add| self.place(add))
            .into_iter()
            .chain([path.root])
            .chain(path.contenders.iter().map(|c| c.place))
            .collect();
        let mut heads: Vec<u32> = self.heads.iter().copied().collect();
        heads.sort_by_cached_key(|&head| {
            let has = |place: &&u32| **place == head || self.precedes(**place, head);
            let lacking = needed.len() - needed.iter().filter(has).count();
            let height = self.node(head).map_or(0, |node| node.height);
            (lacking, std::cmp::Reverse(height))
        });
        heads.truncate(MAX_PREV);
        let mut ids: Vec<Cid> = heads
            .into_iter()
            .filter_map(|head| self.node(head))
            .map(|node| node.operation.id())
            .collect();
        ids.sort_unstable();
        ids
    }
}

fn index_of(index: usize) -> Result<u8, IdentityError> {
    u8::try_from(index)
        .map_err(|_| IdentityError::Operation("there are never more than 8 policies"))
}
