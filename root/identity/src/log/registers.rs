//! The values that operations set: of several that count, the one of the greatest (Lamport height, id) has the last word.

use std::collections::BTreeMap;

use super::membership::{Roll, Verdicts};
use super::{Log, Member};
use crate::{Action, Device, Service};

impl Log {
    /// Of these operations, the one with the last word among those that count.
    fn last_word<'a>(
        &self,
        places: impl IntoIterator<Item = &'a u32>,
        roll: &Roll<'_>,
        lenient: &Verdicts,
    ) -> Option<u32> {
        places
            .into_iter()
            .copied()
            .filter(|&place| {
                self.author(place)
                    .is_some_and(|author| roll.accepted(place, author, lenient))
            })
            .max_by_key(|place| self.rank(*place))
    }

    /// The services that stand, in order of their names. A recovery begins without any.
    pub(super) fn services(&self, list: u32, roll: &Roll<'_>, lenient: &Verdicts) -> Vec<Service> {
        let mut services = BTreeMap::new();
        if list == 0 {
            for service in &self.genesis.services {
                services.insert(&service.id, service.clone());
            }
        }
        let mut by_name: BTreeMap<&String, Vec<u32>> = BTreeMap::new();
        for &place in self.epochs.get(&list).map_or(&[][..], |e| &e.services) {
            if let Some(Action::ServiceSet(set)) = self.action(place) {
                by_name.entry(&set.id).or_default().push(place);
            }
        }
        for (id, places) in by_name {
            let Some(last) = self.last_word(&places, roll, lenient) else {
                continue;
            };
            match self.action(last) {
                Some(Action::ServiceSet(set)) if set.service.is_some() => {
                    services.extend(set.service.iter().map(|endpoint| {
                        let service = Service {
                            id: id.clone(),
                            kind: endpoint.kind.clone(),
                            endpoint: endpoint.endpoint.clone(),
                        };
                        (id, service)
                    }));
                }
                _ => {
                    services.remove(id);
                }
            }
        }
        services.into_values().collect()
    }

    /// The other names that stand. A recovery begins without any.
    pub(super) fn also_known_as(
        &self,
        list: u32,
        roll: &Roll<'_>,
        lenient: &Verdicts,
    ) -> Vec<String> {
        let places = self.epochs.get(&list).map_or(&[][..], |e| &e.aka);
        let last = self.last_word(places, roll, lenient);
        match last.and_then(|place| self.action(place)) {
            Some(Action::AkaSet(set)) => set.aka.clone(),
            _ => Vec::new(),
        }
    }

    /// A member's device, with the key for receiving secrets that it last chose.
    pub(super) fn device_of(
        &self,
        member: &Member,
        roll: &Roll<'_>,
        lenient: &Verdicts,
    ) -> Option<Device> {
        let mut device = self
            .action(member.add)?
            .devices()
            .get(member.at as usize)?
            .clone();
        let last = self.last_word(&member.updates, roll, lenient);
        if let Some(Action::DeviceUpdate(update)) = last.and_then(|place| self.action(place)) {
            device.kem = update.kem.clone();
        }
        Some(device)
    }
}
