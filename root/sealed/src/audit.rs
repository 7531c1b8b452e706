//! Reading a pod from end to end: whether everything in the store is what it was when it was taken.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
};

use rhizome_ipld::Signed;
use rhizome_replica::{LeafBytes, Link, Record};
use rhizome_share::Certificate;
use rhizome_sync::Leaf;
use rhizome_tuple::CommitId;

use crate::{
    SealedError, SealedPod,
    author::Author,
    certify::Trust,
    keys::{
        CERTIFICATE_BYTES, CERTIFICATES, FORGOTTEN, HOLES, IDS, LOG, ORDER, Place, PodNo, VOID,
        id_of, order_row, scan_pod, u32_at, u64_at,
    },
    leaves,
    view::View,
};

/// What an audit found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Audit {
    /// Commits whose signature, id and leaves were verified.
    pub commits: u64,
    /// Of those, void ones.
    pub void: u64,
    /// Certificates that were verified.
    pub certificates: u64,
    /// Leaves whose bytes are not here.
    pub hollow: u64,
    /// What is wrong; nothing if all is well.
    pub findings: Vec<String>,
}

impl SealedPod {
    /// Reads and verifies everything of the pod, and compares the figures and summaries with what is there. Nobody else writes to the
    /// pod meanwhile.
    ///
    /// # Errors
    /// Those of the store. What is wrong with the pod is in the findings.
    pub fn audit(&self) -> Result<Audit, SealedError> {
        let writer = self.writer()?;
        let snap = self.snapshot()?;
        let state = self.state();
        let pod = state.row.number;
        let mut out = Audit::default();

        let mut counts: BTreeMap<u8, (u64, u64)> = BTreeMap::new();
        for keyspace in [CERTIFICATES, CERTIFICATE_BYTES, ORDER, IDS, LOG] {
            scan_pod(&*snap, keyspace, pod, &mut |_, value| {
                let count = counts.entry(keyspace).or_default();
                *count = (count.0 + 1, count.1 + value.len() as u64);
                ControlFlow::Continue(())
            })?;
        }
        let count = |keyspace| counts.get(&keyspace).copied().unwrap_or_default();
        let row = &state.row;
        for (what, said, is) in [
            ("commits", row.commits, count(IDS).0),
            ("commits in order", row.commits, count(ORDER).0),
            ("bytes of commits", row.commit_bytes, count(LOG).1),
            ("certificates", row.certificates, count(CERTIFICATES).0),
            ("certificates", row.certificates, count(CERTIFICATE_BYTES).0),
            (
                "bytes of certificates",
                row.certificate_bytes,
                count(CERTIFICATE_BYTES).1,
            ),
        ] {
            if said != is {
                out.findings
                    .push(format!("{what}: the row says {said}, there are {is}"));
            }
        }

        scan_pod(&*snap, CERTIFICATE_BYTES, pod, &mut |key, bytes| {
            match Certificate::from_bytes(bytes) {
                Ok(c) if c.id() == id_of(key) => out.certificates += 1,
                _ => out.findings.push("a certificate is damaged".into()),
            }
            ControlFlow::Continue(())
        })?;
        let trust = Trust::load(&*snap, self.digest(), pod)?;
        let mut there = BTreeSet::new();
        scan_pod(&*snap, CERTIFICATES, pod, &mut |key, value| {
            if *value == [0] {
                there.insert(id_of(key));
            }
            ControlFlow::Continue(())
        })?;
        if there != trust.set().ids().collect() {
            out.findings
                .push("the list of certificates is not that of the set".into());
        }
        if View::of(trust.set()) != *state.view {
            out.findings
                .push("the view is not that of the certificates".into());
        }

        for (key, author) in &state.authors {
            let (fresh, _) = Author::read(&*snap, pod, author.number, state.view.authors.get(key))?;
            if fresh.chain != author.chain || fresh.void != author.void {
                out.findings
                    .push(format!("the summary of {} is wrong", key.to_did_key()));
            }
            let (lo, hi) = crate::author::ends(pod, author.number);
            let mut void = BTreeSet::new();
            snap.scan(VOID, &lo, Some(&hi), false, &mut |key, _| {
                void.insert(CommitId(id_of(key)));
                ControlFlow::Continue(())
            })?;
            if void != author.void {
                out.findings
                    .push("the list of void commits is wrong".into());
            }
            out.void += void.len() as u64;
        }

        let mut all: Vec<(Link, Place)> = Vec::new();
        let keys: BTreeMap<u32, _> = state.authors.iter().map(|(k, a)| (a.number, *k)).collect();
        let mut lost = 0;
        scan_pod(&*snap, ORDER, pod, &mut |key, value| {
            let (seq, id, prev) = order_row(key, value);
            let place = snap.get(IDS, &pod.with(&id.0)).ok().flatten();
            let place = place.and_then(|row| Place::decode(&row));
            let author = keys.get(&u32_at(key, 8));
            match (author, place) {
                (Some(author), Some(place))
                    if place.seq == seq && place.author == u32_at(key, 8) =>
                {
                    let link = Link {
                        author: *author,
                        seq,
                        id,
                        prev,
                    };
                    all.push((link, place));
                }
                _ => lost += 1,
            }
            ControlFlow::Continue(())
        })?;
        if lost > 0 {
            out.findings
                .push(format!("{lost} commits stand in the wrong place"));
        }
        let mut numbers = BTreeSet::new();
        for (link, place) in &all {
            numbers.insert(place.number);
            examine(&*snap, pod, link, place, &mut out)?;
        }
        let mut strays = 0;
        scan_pod(&*snap, LOG, pod, &mut |key, _| {
            strays += u64::from(!numbers.contains(&u64_at(key, 8)));
            ControlFlow::Continue(())
        })?;
        if strays > 0 {
            out.findings
                .push(format!("{strays} parts belong to no commit"));
        }
        drop(writer);
        Ok(out)
    }
}

/// Verifies one commit.
fn examine(
    snap: &dyn rhizome_storage::Snap,
    pod: PodNo,
    link: &Link,
    place: &Place,
    out: &mut Audit,
) -> Result<(), SealedError> {
    let (envelope, leaves) = leaves::read(snap, pod, place, 0, usize::MAX)?;
    let bytes = |leaf| match leaf {
        Leaf::Sealed(bytes) => LeafBytes::Sealed(bytes),
        Leaf::Erased(hash) => LeafBytes::Erased(hash),
    };
    let record = Record {
        envelope,
        leaves: leaves.into_iter().map(bytes).collect(),
    };
    let signed = Signed::<rhizome_tuple::Commit>::from_bytes(&record.envelope);
    let good = signed.and_then(Signed::verify).is_ok_and(|header| {
        CommitId::from_cid(&header.id()) == Some(link.id)
            && Link::of(link.id, &header) == *link
            && header.leaves == place.leaves
            && record.check(&header).is_ok()
    });
    if good {
        out.commits += 1;
    } else {
        out.findings
            .push(format!("the commit {} is damaged", link.id));
    }
    let hollow: BTreeSet<u32> = (0..)
        .zip(&record.leaves)
        .filter(|(_, leaf)| matches!(leaf, LeafBytes::Erased(_)))
        .map(|(at, _)| at)
        .collect();
    let wanted = leaves::places(snap, HOLES, pod, &link.id.0)?;
    let forgotten = leaves::places(snap, FORGOTTEN, pod, &link.id.0)?;
    let known: BTreeSet<u32> = wanted.union(&forgotten).copied().collect();
    if known != hollow || !wanted.is_disjoint(&forgotten) {
        out.findings.push(format!(
            "the missing leaves of {} are not noted right",
            link.id
        ));
    }
    out.hollow += hollow.len() as u64;
    Ok(())
}
