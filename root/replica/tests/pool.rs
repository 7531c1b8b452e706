//! Random commits and edits of authors who keep to no rule.

use crate::{
    forge::{Forged, Sheet, delegation, forge, head, header, read},
    oracle::Known,
    world::*,
};
use rhizome_ipld::{PublicKey, codec};
use rhizome_replica::{Edit, Record};
use rhizome_storage::conformance::Random;
use rhizome_tuple::{Commit, CommitId, EntityId, Hlc, LeafId, ListOp, Op, OpId, Quote, Value};

pub const ATTRIBUTES: [&str; 4] = ["name", "tag", "count", "list"];
pub const FORGERS: u8 = 4;

/// A commit that somebody made.
pub struct Said {
    pub record: Record,
    pub known: Known,
    pub device: PublicKey,
    pub seq: u64,
    pub prev: Option<CommitId>,
}

fn value(r: &mut Random) -> Value {
    match r.below(12) {
        0..=3 => Value::Integer(r.below(3) as i64),
        4 | 5 => Value::Text(["", "a", "abcd-one", "abcd-two"][r.below(4)].into()),
        6 | 7 => Value::Ref(entity(r.below(5) as u64)),
        8 => Value::Boolean(r.one_in(2)),
        9 => Value::Time([0, i64::MIN, i64::MAX, 1][r.below(4)]),
        10 => Value::float([0.0, -1.5, f64::MAX, f64::MIN_POSITIVE][r.below(4)]).unwrap(),
        _ if r.one_in(2) => Value::Bytes(vec![r.below(2) as u8; r.below(3)]),
        _ => Value::Blob(rhizome_ipld::cid_raw_blake3([r.below(2) as u8; 32])),
    }
}

/// What has been said so far, and by whom.
pub struct Pool {
    pub r: Random,
    pub commits: Vec<Said>,
    ops: Vec<(OpId, EntityId, String)>,
    leaves: Vec<(LeafId, EntityId)>,
    pub clock: u64,
}

impl Pool {
    pub fn new(seed: u64) -> Self {
        Self {
            r: Random::new(seed),
            commits: Vec::new(),
            ops: Vec::new(),
            leaves: Vec::new(),
            clock: 1 << 20,
        }
    }

    pub fn keep(&mut self, record: &Record, header: &Commit) {
        let known = read(record);
        for (i, leaf) in known.leaves.iter().enumerate() {
            let Some((entity, ops)) = leaf else { continue };
            self.leaves.push((LeafId(known.id, i as u32), *entity));
            for (j, op) in ops.iter().enumerate() {
                if let Some(a) = op.attribute() {
                    self.ops
                        .push((OpId(known.id, i as u32, j as u32), *entity, a.to_string()));
                }
            }
        }
        self.commits.push(Said {
            record: record.clone(),
            known,
            device: header.device,
            seq: header.seq,
            prev: header.prev,
        });
    }

    fn supersedes(&mut self, entity: &EntityId, name: &str) -> Vec<OpId> {
        let mut out = Vec::new();
        for _ in 0..self.r.below(4) {
            let near: Vec<OpId> = self
                .ops
                .iter()
                .filter(|o| o.1 == *entity && o.2 == name)
                .map(|o| o.0)
                .collect();
            let id = match self.r.below(10) {
                0 => OpId(CommitId([self.r.below(2) as u8; 32]), 0, 0),
                1 if !near.is_empty() => {
                    let OpId(commit, leaf, op) = near[self.r.below(near.len())];
                    [
                        OpId(commit, leaf + 1, op),
                        OpId(commit, leaf, op + 1),
                        OpId(commit, u32::MAX, u32::MAX),
                    ][self.r.below(3)]
                }
                2 | 3 if !self.ops.is_empty() => self.ops[self.r.below(self.ops.len())].0,
                _ if !near.is_empty() => near[self.r.below(near.len())],
                _ => continue,
            };
            out.push(id);
        }
        out
    }

    fn op(&mut self, entity: &EntityId) -> Op {
        let which = self.r.below(4);
        let name = ATTRIBUTES[which];
        let attribute = attr(name);
        let kind = if self.r.one_in(5) {
            self.r.below(8)
        } else {
            [0, 5, 2, 4][which]
        };
        let kind = if self.r.one_in(5) { 1 } else { kind };
        let rare = [6, 6, 8, 8, 8, 9][self.r.below(6)];
        match if self.r.one_in(10) { rare } else { kind } {
            0 => Op::Assert {
                attribute,
                value: value(&mut self.r),
                supersedes: self.supersedes(entity, name),
            },
            1 => Op::Retract {
                attribute,
                supersedes: self.supersedes(entity, name),
            },
            2 => Op::Add {
                attribute,
                n: [1, -1, 2, i64::MAX, i64::MIN][self.r.below(5)],
            },
            3 => Op::Text {
                attribute,
                payload: self.r.bytes(3),
            },
            4 => {
                let position = [vec![1], vec![1, 0], vec![128], vec![255]][self.r.below(4)].clone();
                Op::List(ListOp {
                    attribute,
                    position,
                    value: value(&mut self.r),
                    supersedes: self.supersedes(entity, name),
                })
            }
            5 => Op::Insert {
                attribute,
                value: value(&mut self.r),
            },
            8 => self.quote(entity),
            6 | 9 => {
                let withdraw = self.r.one_in(2);
                let mut leaves = Vec::new();
                for _ in 0..=self.r.below(2) {
                    let own: Vec<LeafId> = self
                        .leaves
                        .iter()
                        .filter(|l| l.1 == *entity)
                        .map(|l| l.0)
                        .collect();
                    match self.r.below(8) {
                        0 => leaves.push(LeafId(CommitId([7; 32]), 0)),
                        1 if !self.leaves.is_empty() => {
                            leaves.push(self.leaves[self.r.below(self.leaves.len())].0);
                        }
                        _ if !own.is_empty() => leaves.push(own[self.r.below(own.len())]),
                        _ => {}
                    }
                }
                if withdraw {
                    Op::Withdraw { leaves }
                } else {
                    Op::Erase { leaves }
                }
            }
            _ => Op::Create {
                nonce: self.r.bytes(4),
            },
        }
    }

    /// Says again what somebody said, wholly or in part; sometimes what nobody said.
    fn quote(&mut self, entity: &EntityId) -> Op {
        let plain = |op: &Op| {
            !matches!(
                op,
                Op::Erase { .. } | Op::Text { .. } | Op::Quote(_) | Op::Withdraw { .. }
            )
        };
        let near: Vec<(LeafId, PublicKey, Hlc, Vec<Op>)> = self
            .commits
            .iter()
            .flat_map(|c| {
                let leaves = (0..).zip(&c.known.leaves);
                leaves.filter_map(|(i, leaf)| {
                    let (_, ops) = leaf.as_ref().filter(|leaf| leaf.0 == *entity)?;
                    Some((LeafId(c.known.id, i), c.device, c.known.hlc, ops.clone()))
                })
            })
            .collect();
        let mut quote = if near.is_empty() || self.r.one_in(4) {
            let foreign = CommitId([20 + self.r.below(3) as u8; 32]);
            Quote {
                leaf: LeafId(foreign, self.r.below(2) as u32),
                author: Some(author(20).key.public()),
                hlc: Hlc(self.clock),
                ops: vec![(0, Op::assert(attr(ATTRIBUTES[0]), value(&mut self.r)))],
            }
        } else {
            let (leaf, author, hlc, ops) = near[self.r.below(near.len())].clone();
            let of = (0..).zip(ops).filter(|(_, op)| plain(op));
            let ops = of.filter(|_| !self.r.one_in(4)).collect();
            let author = (!self.r.one_in(3)).then_some(author);
            Quote {
                leaf,
                author,
                hlc,
                ops,
            }
        };
        if self.r.one_in(8) {
            quote.hlc = Hlc(self.clock + ((self.r.below(3) as u64) << 16));
        }
        if quote.ops.is_empty() || self.r.one_in(8) {
            let add = Op::Add {
                attribute: attr(ATTRIBUTES[2]),
                n: 5,
            };
            let place = quote.ops.last().map_or(0, |last| last.0 + 1);
            quote.ops.push((place, add));
        }
        for (_, op) in &quote.ops {
            if let Some(a) = op.attribute() {
                let id = OpId(quote.leaf.0, quote.leaf.1, quote.ops[0].0);
                self.ops.push((id, *entity, a.to_string()));
            }
        }
        Op::Quote(quote)
    }

    fn garbage(&mut self, entity: &EntityId) -> Vec<u8> {
        let good = codec::encode(&[Op::assert(attr("name"), Value::Integer(7))]).unwrap();
        let mut cases = vec![
            Vec::new(),
            self.r.bytes(20),
            codec::encode(&[0u8; 0]).unwrap(),
            codec::encode(&[(11, "name", 7)]).unwrap(),
            codec::encode(&[(8, "name", 7)]).unwrap(),
            codec::encode(&[(8, [0u8; 0])]).unwrap(),
            codec::encode(&[(0, "white space", 7, [0u8; 0])]).unwrap(),
            codec::encode(&[(0, "name", 7)]).unwrap(),
            codec::encode(&[(0, "name", 7, [0u8; 0], 1)]).unwrap(),
            codec::encode(&[(0, "name", u64::MAX, [0u8; 0])]).unwrap(),
            [&good[..], &[0]].concat(),
        ];
        // one good operation and one that is not: the leaf is void as a whole
        let op = codec::encode(&self.op(entity)).unwrap();
        cases.push([&[0x82], &op[..], &[0x81, 0x18, 0x63]].concat());
        let i = self.r.below(cases.len());
        cases.swap_remove(i)
    }

    /// The next commit of one of the forgers, or another one in the place of an earlier one, or one from nowhere.
    pub fn forged(&mut self) -> Forged {
        let who = [1, 2, 3, 4, GUEST, SILENT][self.r.below(6)];
        let key = author(who).key;
        let chain: Vec<(u64, CommitId)> = self
            .commits
            .iter()
            .filter(|c| c.device == key.public())
            .map(|c| (c.seq, c.known.id))
            .collect();
        let newest = chain.iter().max().copied();
        let (seq, prev) = match self.r.below(12) {
            0 if !chain.is_empty() => {
                // an equivocation
                let seq = chain[self.r.below(chain.len())].0;
                (
                    seq,
                    (seq > 0).then(|| {
                        chain
                            .iter()
                            .find(|c| c.0.checked_add(1) == Some(seq))
                            .map_or(CommitId([1; 32]), |c| c.1)
                    }),
                )
            }
            1 => (self.r.below(20) as u64 + 1, Some(CommitId([2; 32]))),
            2 if self.r.one_in(4) => (u64::MAX, Some(newest.map_or(CommitId([3; 32]), |n| n.1))),
            3 if !self.commits.is_empty() => (
                1,
                Some(self.commits[self.r.below(self.commits.len())].known.id),
            ),
            _ => newest
                .filter(|n| n.0 < 1000)
                .map_or((0, None), |(seq, id)| (seq + 1, Some(id))),
        };
        self.clock += (self.r.below(3) as u64) << 16;
        let hlc = match self.r.below(12) {
            0 => 0,
            1 => u64::MAX,
            2 => 1 << 16,
            _ => self.clock,
        };
        let nonce = u128::from(self.r.next_u64());
        let mut header = header(&key, seq, prev, hlc, nonce);
        if self.r.one_in(3) {
            header.frontier.push(head(
                author(2).key.public(),
                self.r.next_u64(),
                CommitId([9; 32]),
            ));
        }
        if self.r.one_in(8) {
            header.cap = Some(delegation());
        }
        let sheets: Vec<Sheet> = (0..=self.r.below(3))
            .map(|_| {
                let e = entity(self.r.below(3) as u64);
                match self.r.below(24) {
                    0 => Sheet::Garbage(e, self.garbage(&e)),
                    1 => Sheet::Noise({
                        let n = self.r.below(60);
                        self.r.bytes(n)
                    }),
                    _ => Sheet::Ops(e, (0..=self.r.below(4)).map(|_| self.op(&e)).collect()),
                }
            })
            .collect();
        let forged = forge(&key, header, &sheets);
        let known = read(&forged.record);
        for (sheet, leaf) in sheets.iter().zip(&known.leaves) {
            match (sheet, leaf) {
                (Sheet::Ops(e, ops), Some(read)) => assert_eq!((e, ops), (&read.0, &read.1)),
                (Sheet::Garbage(..) | Sheet::Noise(_), None) => {}
                _ => panic!("a leaf is not read as it was written"),
            }
        }
        self.keep(&forged.record, &forged.header);
        forged
    }

    pub fn edit(&mut self) -> Edit {
        let e = entity(self.r.below(3) as u64);
        let a = |i: usize| attr(ATTRIBUTES[i]);
        let r = &mut self.r;
        match r.below(14) {
            0..=3 => Edit::Assert(e, a(0), value(r)),
            4..=6 => Edit::Insert(e, a(1), value(r)),
            7 => Edit::Add(e, a(2), r.below(9) as i64 - 4),
            8 => Edit::List(e, a(3), value(r), Some(0)),
            9 => Edit::SetList(e, a(3), (0..r.below(4)).map(|_| value(r)).collect()),
            10 => Edit::Retract(e, a(r.below(4)), None),
            11 => Edit::Retract(e, a(r.below(4)), Some(value(r))),
            12 => Edit::Create(e, r.bytes(4)),
            _ if r.one_in(3) => Edit::Erase(e),
            _ => Edit::List(e, a(3), value(r), None),
        }
    }
}
