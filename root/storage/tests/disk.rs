//! A disk that loses power and has faults.
//!
//! What was written but not synced may be lost when the power goes: in any order, and in pieces of
//! a sector. After a failed sync what was pending is forgotten for good, although reads still show
//! it until the power goes: that is what Linux does.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::Path,
    sync::{Arc, Mutex, MutexGuard},
};

use redb::{Builder, Database, StorageBackend};
use rhizome_storage::{Medium, conformance::Random};

const SECTOR: usize = 512;
const BLOCK: u64 = 4096;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Trouble {
    /// Writes to where nothing was ever written fail for want of space: files can be sparse.
    Full,
    /// Reads fail.
    Read,
    /// Writes fail.
    Write,
    /// Syncs fail.
    Sync,
}

#[derive(Debug)]
enum Pending {
    Write { offset: u64, data: Vec<u8> },
    Resize(u64),
}

#[derive(Debug, Default)]
struct State {
    /// What reads see.
    live: Vec<u8>,
    /// What is on the platter.
    durable: Vec<u8>,
    pending: Vec<Pending>,
    /// Blocks that take space.
    allocated: BTreeSet<u64>,
    /// Operations until the power goes.
    power: Option<u64>,
    off: bool,
    /// Trouble that begins after so many operations and lasts for so many.
    trouble: Option<(Trouble, u64, u64)>,
    /// How often each trouble struck.
    struck: BTreeMap<&'static str, u64>,
}

/// A simulated disk. Clones are the same disk.
#[derive(Clone, Debug, Default)]
pub struct Disk(Arc<Mutex<State>>);

impl Disk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// The power goes after so many operations.
    pub fn cut_power_after(&self, operations: u64) {
        self.state().power = Some(operations);
    }

    /// Trouble begins after so many operations, and strikes so many times.
    pub fn trouble_after(&self, trouble: Trouble, operations: u64, times: u64) {
        self.state().trouble = Some((trouble, operations, times));
    }

    /// Ends all trouble.
    pub fn mend(&self) {
        self.state().trouble = None;
    }

    /// How often trouble of a kind struck; `power` counts operations refused without power.
    pub fn struck(&self, what: &str) -> u64 {
        self.state().struck.get(what).copied().unwrap_or(0)
    }

    /// The disk as it may be found after the power was cut.
    pub fn after_power_loss(&self, random: &mut Random) -> Self {
        let before = self.state();
        let mut disk = before.durable.clone();
        // Pieces of a sector and changes of length, each with how often it was written.
        let way = random.below(4);
        let in_order = random.below(before.pending.len() + 1);
        let mut sectors: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
        for (i, pending) in before.pending.iter().enumerate() {
            match pending {
                Pending::Resize(len) => {
                    let survives = match way {
                        0 => true,
                        1 => i < in_order,
                        _ => random.one_in(2),
                    };
                    if survives {
                        disk.resize(*len as usize, 0);
                    }
                }
                Pending::Write { offset, data } => {
                    let first = offset / SECTOR as u64;
                    let last = (offset + data.len() as u64 - 1) / SECTOR as u64;
                    for sector in first..=last {
                        sectors.entry(sector).or_default().push(i);
                    }
                }
            }
        }
        for (sector, writes) in sectors {
            let survivors = match way {
                0 => writes.len(),
                1 => writes.iter().filter(|&&i| i < in_order).count(),
                // Any version of the sector may be the last that reached the platter.
                2 => random.below(writes.len() + 1),
                // Nearly everything, or nearly nothing.
                _ if random.one_in(20) => random.below(writes.len() + 1),
                _ => writes.len() * (in_order % 2),
            };
            for &i in &writes[..survivors] {
                if let Pending::Write { offset, data } = &before.pending[i] {
                    let from = (sector * SECTOR as u64).max(*offset);
                    let to = ((sector + 1) * SECTOR as u64).min(offset + data.len() as u64);
                    let piece = &data[(from - offset) as usize..(to - offset) as usize];
                    if let Some(place) = disk.get_mut(from as usize..to as usize) {
                        place.copy_from_slice(piece);
                    }
                }
            }
        }
        let allocated = (0..(disk.len() as u64).div_ceil(BLOCK)).collect();
        let state = State {
            live: disk.clone(),
            durable: disk,
            allocated,
            ..State::default()
        };
        Self(Arc::new(Mutex::new(state)))
    }

    /// Counts an operation and finds out whether it fails.
    fn operate(&self, kinds: &[Trouble]) -> Result<MutexGuard<'_, State>, Failure<'_>> {
        let mut state = self.state();
        if let Some(left) = &mut state.power {
            if *left == 0 {
                state.off = true;
            } else {
                *left -= 1;
            }
        }
        if state.off {
            *state.struck.entry("power").or_default() += 1;
            return Err(Failure {
                state,
                error: io::Error::other("the power is off"),
            });
        }
        if let Some((trouble, wait, times)) = &mut state.trouble {
            if *wait > 0 {
                *wait -= 1;
            } else if *times > 0 && kinds.contains(trouble) {
                *times -= 1;
                let (name, error) = match trouble {
                    Trouble::Full => ("full", io::ErrorKind::StorageFull.into()),
                    Trouble::Read => ("read", io::Error::other("simulated read error")),
                    Trouble::Write => ("write", io::Error::other("simulated write error")),
                    Trouble::Sync => ("sync", io::Error::other("simulated sync error")),
                };
                *state.struck.entry(name).or_default() += 1;
                return Err(Failure { state, error });
            }
        }
        Ok(state)
    }
}

/// An operation that failed, and the disk to leave traces on.
struct Failure<'a> {
    state: MutexGuard<'a, State>,
    error: io::Error,
}

impl From<Failure<'_>> for io::Error {
    fn from(failure: Failure<'_>) -> Self {
        failure.error
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.operate(&[Trouble::Read])?.live.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.operate(&[Trouble::Read])?;
        let range = offset as usize..offset as usize + out.len();
        out.copy_from_slice(state.live.get(range).ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.operate(&[Trouble::Write])?;
        state.live.resize(len as usize, 0);
        state.pending.push(Pending::Resize(len));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        match self.operate(&[Trouble::Sync]) {
            Ok(mut state) => {
                // Not a copy of `live`: what a failed sync forgot stays forgotten.
                let State {
                    durable, pending, ..
                } = &mut *state;
                for pending in pending.drain(..) {
                    match pending {
                        Pending::Resize(len) => durable.resize(len as usize, 0),
                        Pending::Write { offset, data } => {
                            let end = offset as usize + data.len();
                            if durable.len() < end {
                                durable.resize(end, 0);
                            }
                            durable[offset as usize..end].copy_from_slice(&data);
                        }
                    }
                }
                Ok(())
            }
            Err(mut failure) => {
                if !failure.state.off {
                    failure.state.pending.clear();
                }
                Err(failure.error)
            }
        }
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let write = |state: &mut State, data: &[u8]| {
            let range = offset as usize..offset as usize + data.len();
            if let Some(place) = state.live.get_mut(range) {
                place.copy_from_slice(data);
            }
            if !data.is_empty() {
                state.pending.push(Pending::Write {
                    offset,
                    data: data.to_vec(),
                });
            }
        };
        let blocks = offset / BLOCK..(offset + data.len() as u64).div_ceil(BLOCK);
        let needs_space = !blocks
            .clone()
            .all(|block| self.state().allocated.contains(&block));
        let kinds: &[_] = if needs_space {
            &[Trouble::Full, Trouble::Write]
        } else {
            &[Trouble::Write]
        };
        match self.operate(kinds) {
            Ok(mut state) => {
                state.allocated.extend(blocks);
                write(&mut state, data);
                Ok(())
            }
            Err(mut failure) => {
                // Part of it may have been written.
                write(&mut failure.state, &data[..data.len() / 2]);
                Err(failure.error)
            }
        }
    }
}

impl Medium for Disk {
    fn path(&self) -> &Path {
        Path::new("simulated disk")
    }

    fn open(&self, builder: &Builder) -> Result<Database, redb::Error> {
        Ok(builder.create_with_backend(self.clone())?)
    }

    fn size_on_disk(&self) -> io::Result<u64> {
        self.len()
    }
}
