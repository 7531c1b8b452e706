//! A pod of its own for each test.

use rhizome_blob::BlobStore;
use rhizome_export::{Export, Exported, Format, Progress};
use rhizome_import::{
    Cancel, Import, Limits, Options, ReplicaPod, Report, Source, Table, importers, recognise,
};
use rhizome_ipld::SigningKey;
use rhizome_replica::{Author, Edit, Epochs, Replica};
use rhizome_storage::MemoryKv;
use rhizome_tuple::EpochSecret;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const NOW: i64 = 1_700_000_000_000;

fn now() -> i64 {
    NOW
}

pub struct Pod {
    pub did: String,
    pub folder: tempfile::TempDir,
    pub replica: Replica,
    author: Author,
    pub blobs: BlobStore,
    next: u8,
}

impl Pod {
    pub fn new(did: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let blobs = BlobStore::in_directory(folder.path().join("blobs")).unwrap();
        let author = Author {
            key: SigningKey::from_seed([7; 32]),
        };
        let authors = BTreeMap::from([(author.key.public(), "test".to_owned())]);
        let epochs = Epochs::new(vec![EpochSecret::new(&[9; 32])]);
        let replica =
            Replica::create(Arc::new(MemoryKv::new()), did, [3; 32], epochs, authors).unwrap();
        Self {
            did: did.to_owned(),
            folder,
            replica,
            author,
            blobs,
            next: 0,
        }
    }

    pub fn say(&mut self, edits: Vec<Edit>) {
        self.next += 1;
        let next = self.next;
        self.replica
            .import(&self.author, edits, NOW, &mut |b: &mut [u8]| b.fill(next))
            .unwrap();
    }

    pub fn export(&self, format: Format) -> (Vec<u8>, Exported) {
        let mut out = Vec::new();
        let export = Export {
            now: &self.replica.snapshot(),
            blobs: &self.blobs,
            pod: &self.did,
            own: &|name| name.starts_with("device/"),
        };
        let mut last = 0;
        let mut watch = |Progress { done, total }| {
            assert!(done >= last && done <= total, "{last} {done} {total}");
            last = done;
            Ok(())
        };
        let exported = export.write(format, &mut out, &mut watch).unwrap();
        (out, exported)
    }

    /// The lines of entities: what the pod says, whoever's it is.
    pub fn lines(&self) -> String {
        let (bytes, _) = self.export(Format::Jsonl);
        let text = String::from_utf8(bytes).unwrap();
        text.split_once('\n').unwrap().1.to_owned()
    }

    pub fn put(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    pub fn import(&mut self, path: &Path) -> Report {
        let source = Source::open(path, &Limits::default()).unwrap();
        let all = importers(Table::new());
        let all: Vec<_> = all.iter().map(AsRef::as_ref).collect();
        let recognition = recognise(&source, &all).unwrap().swap_remove(0);
        let importer = *all
            .iter()
            .find(|i| i.name() == recognition.importer)
            .unwrap();
        let mut n = 0_u64;
        let mut random = move |bytes: &mut [u8]| {
            n += 1;
            let hash = blake3::hash(&n.to_le_bytes());
            for (to, from) in bytes.iter_mut().zip(hash.as_bytes().iter().cycle()) {
                *to = *from;
            }
        };
        let import = Import {
            source: &source,
            importer,
            recognition,
            pod: &mut ReplicaPod::new(&self.replica, &self.author, now, &mut random),
            blobs: &self.blobs,
            options: Options::new(now),
        };
        import.run(&mut |_| {}, &Cancel::new()).unwrap()
    }
}
