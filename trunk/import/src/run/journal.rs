//! The entities that tell where things came from: the run, and the origin that all runs of one account share.

use rhizome_blob::Cid;
use rhizome_replica::Edit;
use rhizome_tuple::{Attribute, EntityId, Value};

use crate::importer::Recognition;
use crate::keys::Keys;
use crate::record::Identity;
use crate::report::Report;
use crate::vocabulary::ImportNames;

pub(super) struct Journal {
    keys: Keys,
    creator: String,
    source: String,
    account: Option<String>,
    origin: EntityId,
    run: EntityId,
    /// What the run says of itself, until the first write carries it.
    opening: Option<Opening>,
}

struct Opening {
    started: i64,
    importer: &'static str,
    file: String,
    hash: String,
}

impl Journal {
    pub fn new(creator: &str, recognition: &Recognition) -> Self {
        let keys = Keys::new(creator, "rhizome/import");
        let account = recognition.account.clone();
        let place = format!(
            "{}\n{}",
            recognition.source,
            account.as_deref().unwrap_or_default()
        );
        let origin = keys.entity(&format!("origin\n{place}"));
        Self {
            run: origin,
            origin,
            keys,
            creator: creator.to_owned(),
            source: recognition.source.clone(),
            account,
            opening: None,
        }
    }

    /// Starts a run: an entity of its own, named by what is imported and when.
    pub fn begin(&mut self, started: i64, importer: &'static str, file: &str, hash: String) {
        self.run = self
            .keys
            .entity(&format!("run\n{}\n{hash}\n{started}", self.origin));
        self.opening = Some(Opening {
            started,
            importer,
            file: file.to_owned(),
            hash,
        });
    }

    pub fn run(&self) -> EntityId {
        self.run
    }

    pub fn origin(&self) -> EntityId {
        self.origin
    }

    pub fn account(&self) -> &str {
        self.account.as_deref().unwrap_or_default()
    }

    /// What an entity says of where it came from, written once when it is new.
    pub fn origin_of(
        &self,
        entity: EntityId,
        identity: &Identity,
        names: &ImportNames,
        edits: &mut Vec<Edit>,
    ) {
        edits.push(Edit::Assert(
            entity,
            names.source.clone(),
            Value::from(self.source.as_str()),
        ));
        if let Identity::Key(key) = identity {
            edits.push(Edit::Assert(
                entity,
                names.key.clone(),
                Value::from(key.as_str()),
            ));
        }
        edits.push(Edit::Assert(
            entity,
            names.run.clone(),
            Value::from(self.run),
        ));
    }

    /// Adds a base segment to the origin.
    pub fn add_base(&self, cid: Cid, names: &ImportNames, edits: &mut Vec<Edit>) {
        edits.push(Edit::Insert(
            self.origin,
            names.base.clone(),
            Value::Blob(cid),
        ));
    }

    /// Makes a write one of this run: every commit leads to it.
    pub fn stamp(&mut self, names: &ImportNames, edits: &mut Vec<Edit>) {
        if let Some(opening) = self.opening.take() {
            let assert =
                |entity, name: &Attribute, value: Value| Edit::Assert(entity, name.clone(), value);
            let source = Value::from(self.source.as_str());
            edits.push(assert(self.origin, &names.r#type, "origin".into()));
            edits.push(assert(self.origin, &names.source, source.clone()));
            edits.push(assert(
                self.origin,
                &names.creator,
                self.creator.as_str().into(),
            ));
            edits.push(assert(self.run, &names.r#type, "run".into()));
            edits.push(assert(self.run, &names.source, source));
            edits.push(assert(self.run, &names.importer, opening.importer.into()));
            edits.push(assert(self.run, &names.file, opening.file.into()));
            edits.push(assert(self.run, &names.hash, opening.hash.into()));
            edits.push(assert(
                self.run,
                &names.started,
                Value::Time(opening.started),
            ));
            if let Some(account) = &self.account {
                edits.push(assert(self.origin, &names.account, account.as_str().into()));
                edits.push(assert(self.run, &names.account, account.as_str().into()));
            }
        }
        edits.push(Edit::Add(self.run, names.batch.clone(), 1));
    }

    /// The run's last words.
    pub fn finish(
        &self,
        report: &Report,
        finished: i64,
        names: &ImportNames,
        edits: &mut Vec<Edit>,
    ) {
        let counts = [
            (&names.added, report.added),
            (&names.changed, report.changed),
            (&names.unchanged, report.unchanged),
            (&names.skipped, report.skipped),
        ];
        for (name, count) in counts {
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            edits.push(Edit::Assert(self.run, name.clone(), Value::Integer(count)));
        }
        edits.push(Edit::Assert(
            self.run,
            names.finished.clone(),
            Value::Time(finished),
        ));
    }
}
