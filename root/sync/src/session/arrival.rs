//! Certificates, and commits that the peer pushes.

use super::{Learned, Output, Session};
use crate::{
    SyncError,
    data::Item,
    message::Message,
    store::{CertificateFate, Refusal, Store},
};

impl Session {
    pub(super) fn certificates(
        &mut self,
        live: bool,
        list: &[&[u8]],
        store: &mut dyn Store,
    ) -> Result<(), SyncError> {
        let n = list.len();
        let fates = store.take_certificates(list.iter().map(|c| c.to_vec()).collect())?;
        if fates.len() != n {
            let what = "it did not say what became of each certificate";
            return Err(SyncError::Store(what.into()));
        }
        let mut learned = Learned::default();
        let mut forged = false;
        for fate in fates {
            match fate {
                CertificateFate::Taken(id) => {
                    self.live.came(id);
                    learned.certificates.push(id);
                }
                CertificateFate::Known(id) => self.live.came(id),
                CertificateFate::Refused(id, why) => {
                    self.asking.refuse_certificate(id, why, &mut self.out);
                }
                CertificateFate::Invalid => forged = true,
            }
        }
        self.asking.progress.certificates_taken += learned.certificates.len() as u64;
        if !learned.certificates.is_empty() {
            self.out.push_back(Output::Learned(learned));
        }
        if forged {
            return Err(SyncError::Invalid("a certificate"));
        }
        if live {
            self.say(&Message::Confirm(n as u64));
        }
        Ok(())
    }

    /// Commits that the peer pushes.
    pub(super) fn pushed(&mut self, body: &[u8], store: &mut dyn Store) -> Result<(), SyncError> {
        self.asking.progress.bytes_received += body.len() as u64 + 1;
        let mut batch = Vec::new();
        let mut n = 0u64;
        for item in self.live.assembly.feed(body, self.limits.commit)? {
            n += 1;
            match item {
                Item::Commit(commit) => batch.push(commit),
                Item::TooLarge(envelope) => {
                    let name = store.name(&envelope);
                    let name = name.ok_or(SyncError::Invalid("a commit"))?;
                    self.asking.refuse(name, Refusal::TooLarge, &mut self.out);
                }
                Item::Fill(..) => return Err(SyncError::Unexpected("leaves that are pushed")),
            }
        }
        if !batch.is_empty() {
            let Self {
                asking, live, out, ..
            } = self;
            asking.take(batch, live, store, out)?;
        }
        if n > 0 {
            self.say(&Message::Confirm(n));
        }
        Ok(())
    }
}
