use super::cell::Cell;
use super::key::SHORT_END;
use super::rice::List;
use super::walk::MAX_CELLS;
use crate::{
    SyncError,
    wire::{Reader, put_number},
};

/// Cells that a reconciliation begins with.
pub const FIRST_CELLS: usize = 64;
/// Cells in one message.
pub const MAX_CELLS_PER_MESSAGE: usize = 1 << 16;

/// A message of a reconciliation. The *teller* describes its set, the *solver* finds out what differs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SetMessage {
    /// The teller begins, or begins again under the key of another attempt.
    Open {
        /// Which key, see [`super::SetKey::new`].
        attempt: u8,
        /// How many ids it has.
        count: u64,
        /// Their keyed sum.
        sum: u128,
        /// The set.
        body: Body,
    },
    /// Solver: nothing differs.
    Same,
    /// Solver: cells up to this index, please.
    More(u32),
    /// Teller: the next cells, from this index on.
    Cells(u32, Vec<Cell>),
    /// Solver: the short ids themselves from this one on, please.
    ListPlease(u64),
    /// Teller: short ids.
    List(List),
    /// Solver: ids that it lacks.
    Want {
        /// Their short ids.
        shorts: Vec<u64>,
        /// How it goes on.
        then: Then,
    },
    /// Teller: the common sum is right; the reconciliation is over.
    Sound,
}

/// How it goes on after a wish.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Then {
    /// With the list from this short id on.
    List(u64),
    /// Not at all. The sum of the solver's set without what it has found that the teller lacks, for the teller to check: it is wrong if
    /// short ids collided.
    End(u128),
}

/// What a teller opens with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Body {
    /// The first 64 cells. `count` is the difference to what is expected.
    Cells(Vec<Cell>),
    /// The beginning of the set itself, or all of it: for small sets.
    List(List),
}

impl SetMessage {
    /// Appends the message. It has no length of its own: it is the last part of whatever carries it.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Open {
                attempt,
                count,
                sum,
                body,
            } => {
                out.push(match body {
                    Body::Cells(_) => 0,
                    Body::List(_) => 1,
                });
                out.push(*attempt);
                put_number(out, *count);
                out.extend_from_slice(&sum.to_le_bytes());
                match body {
                    Body::Cells(cells) => put_cells(out, cells),
                    Body::List(list) => list.write(out),
                }
            }
            Self::Same => out.push(2),
            Self::More(to) => {
                out.push(3);
                put_number(out, u64::from(*to));
            }
            Self::Cells(from, cells) => {
                out.push(4);
                put_number(out, u64::from(*from));
                put_cells(out, cells);
            }
            Self::ListPlease(from) => {
                out.push(5);
                put_number(out, *from);
            }
            Self::List(list) => {
                out.push(6);
                list.write(out);
            }
            Self::Want { shorts, then } => {
                match then {
                    Then::List(from) => {
                        out.push(7);
                        put_number(out, *from);
                    }
                    Then::End(common) => {
                        out.push(8);
                        out.extend_from_slice(&common.to_le_bytes());
                    }
                }
                List::whole(shorts.clone()).write(out);
            }
            Self::Sound => out.push(9),
        }
    }

    /// Reads a message that takes up all of `bytes`, at most a mebibyte. What it needs in memory is bounded by 64 times their length.
    pub fn read(bytes: &[u8]) -> Result<Self, SyncError> {
        let mut from = Reader::new(bytes);
        let from = &mut from;
        let message = match from.byte()? {
            kind @ (0 | 1) => Self::Open {
                attempt: from.byte()?,
                count: from.number()?,
                sum: u128::from_le_bytes(from.array()?),
                body: match kind {
                    0 => {
                        let cells = cells(from)?;
                        if cells.len() != FIRST_CELLS {
                            return Err(SyncError::Malformed("it opens with other than 64 cells"));
                        }
                        Body::Cells(cells)
                    }
                    _ => Body::List(List::read(from)?),
                },
            },
            2 => Self::Same,
            3 => Self::More(from.size(MAX_CELLS, "cells of a set")? as u32),
            4 => Self::Cells(from.size(MAX_CELLS, "cells of a set")? as u32, cells(from)?),
            5 => Self::ListPlease(from.number()?),
            6 => Self::List(List::read(from)?),
            kind @ (7 | 8) => {
                let then = match kind {
                    7 => Then::List(from.number()?),
                    _ => Then::End(u128::from_le_bytes(from.array()?)),
                };
                let list = List::read(from)?;
                if list.from != 0 || list.to != SHORT_END {
                    return Err(SyncError::Malformed("what is wanted is not of the whole"));
                }
                Self::Want {
                    shorts: list.shorts,
                    then,
                }
            }
            9 => Self::Sound,
            _ => return Err(SyncError::Malformed("a set message of unknown kind")),
        };
        from.end()?;
        Ok(message)
    }
}

fn put_cells(out: &mut Vec<u8>, cells: &[Cell]) {
    for cell in cells {
        out.extend_from_slice(&cell.sum.to_le_bytes()[..6]);
        out.extend_from_slice(&cell.check.to_le_bytes());
        put_number(out, ((cell.count << 1) ^ (cell.count >> 63)) as u64);
    }
}

fn cells(from: &mut Reader<'_>) -> Result<Vec<Cell>, SyncError> {
    let mut cells = Vec::new();
    while !from.is_empty() {
        if cells.len() == MAX_CELLS_PER_MESSAGE {
            return Err(SyncError::Limit("cells in a message"));
        }
        let mut sum = [0; 8];
        sum[..6].copy_from_slice(&from.array::<6>()?);
        let check = u32::from_le_bytes(from.array()?);
        let zigzag = from.number()?;
        cells.push(Cell {
            sum: u64::from_le_bytes(sum),
            check,
            count: (zigzag >> 1) as i64 ^ -((zigzag & 1) as i64),
        });
    }
    Ok(cells)
}
