//! Is everything that was promised still there?

use std::{ops::ControlFlow, sync::atomic::Ordering};

use serde_json::{Value as Json, json};

use crate::{Pod, PodError, Stop};

/// How far an examination is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DoctorProgress {
    /// Commits of the log: done, in all.
    Commits(u32, u32),
    /// Files verified so far.
    Files(u64),
}

/// What an examination found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diagnosis {
    /// Commits whose hash, signature, leaves and links were verified.
    pub commits: u32,
    /// Their leaves.
    pub leaves: u64,
    /// Leaves whose bytes were erased on request.
    pub erased: u64,
    /// Current tuples, in indexes equal to those made anew from the log.
    pub tuples: u64,
    /// Files whose bytes match their name.
    pub files: u64,
    /// Their bytes.
    pub file_bytes: u64,
    /// Files that tuples name and that are not here; of a pod with other devices or peers they may be there.
    pub absent_files: u64,
    /// Forks in an author's chain: a restored backup or two writers with one key. To be looked at, not damage.
    pub forks: u64,
    /// Views whose log and indexes were verified likewise.
    pub views: u64,
    /// What is wrong; empty if all is well.
    pub findings: Vec<String>,
}

impl Diagnosis {
    /// As commands and the API print it.
    pub fn to_json(&self) -> Json {
        json!({
            "ok": self.findings.is_empty(),
            "commits": self.commits,
            "leaves": self.leaves,
            "erased": self.erased,
            "tuples": self.tuples,
            "files": self.files,
            "file_bytes": self.file_bytes,
            "absent_files": self.absent_files,
            "forks": self.forks,
            "views": self.views,
            "findings": self.findings,
        })
    }
}

/// Findings that are listed; more of one kind say nothing new.
const MAX_FINDINGS: usize = 1_000;

impl Pod {
    /// Verifies every hash, signature and link of the log, every index against one made anew from it, every file against its name, and
    /// that every file which a tuple names is there; the logs and indexes of all views likewise.
    pub fn doctor(
        &self,
        progress: &mut dyn FnMut(DoctorProgress),
        stop: &Stop,
    ) -> Result<Diagnosis, PodError> {
        let now = self.replica().snapshot();
        let report = now.verify(&mut |done, all| progress(DoctorProgress::Commits(done, all)))?;
        let mut findings: Vec<String> = report
            .findings
            .iter()
            .map(|f| {
                f.commit
                    .map_or_else(|| f.what.clone(), |n| format!("commit {n}: {}", f.what))
            })
            .collect();
        let files = self.blobs().verify_all(|found| {
            progress(DoctorProgress::Files(found.sound));
            if stop.load(Ordering::Relaxed) {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        })?;
        findings.extend(
            files
                .damaged
                .iter()
                .map(|(cid, error)| format!("file {cid}: {error}")),
        );
        let mut views = 0;
        for view in self
            .any_views()?
            .map(crate::Views::list)
            .unwrap_or_default()
        {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            let of_view = view.replica()?.snapshot().verify(&mut |_, _| ())?;
            let did = view.did();
            let all = of_view.findings.iter();
            findings.extend(all.map(|f| format!("view {did}: {}", f.what)));
            views += 1;
        }
        let mut absent = Vec::new();
        for cid in crate::files::named(self.replica())? {
            if !self.blobs().has(&cid)? {
                absent.push(cid);
            }
        }
        // where there are other devices or peers, a file that is not here may still be on its way
        let alone = self.devices()?.len() < 2 && self.peers()?.is_empty();
        if alone {
            let named = |cid| format!("file {cid} is named by a tuple and not here");
            findings.extend(absent.iter().map(named));
        }
        now.fault()?;
        findings.truncate(MAX_FINDINGS);
        Ok(Diagnosis {
            commits: report.commits,
            leaves: report.leaves,
            erased: report.erased,
            tuples: report.tuples,
            files: files.sound,
            file_bytes: files.bytes,
            absent_files: absent.len() as u64,
            forks: report.forks,
            views,
            findings,
        })
    }
}
