//! Pods, blob stores and imports for tests.

use rhizome_blob::BlobStore;
use rhizome_import::{
    Cancel, Failed, Import, Importer, MemoryPod, Options, Pod, Recognition, Report, Source,
    recognise,
};
use rhizome_import::{Limits, Mastodon, fixture};
use rhizome_ipld::SigningKey;
use rhizome_replica::{Author, Epochs, Replica};
use rhizome_storage::MemoryKv;
use rhizome_tuple::{Attribute, EntityId, EpochSecret, Value};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;

pub const CREATOR: &str = "did:key:z6MkTestPod";

pub fn now() -> i64 {
    1_700_000_000_000
}

/// A folder that goes away, with a blob store in it.
pub struct Place {
    pub folder: TempDir,
    pub blobs: BlobStore,
}

impl Place {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let blobs = BlobStore::in_directory(folder.path().join("blobs")).unwrap();
        Self { folder, blobs }
    }

    /// Writes an archive into a fresh folder and opens it.
    pub fn source(&self, name: &str, files: &[fixture::File]) -> Source {
        let at = self.folder.path().join(name);
        if at.exists() {
            std::fs::remove_dir_all(&at).unwrap();
        }
        std::fs::create_dir(&at).unwrap();
        fixture::write_folder(files, &at).unwrap();
        open(&at)
    }

    pub fn import(&self, source: &Source, pod: &mut dyn Pod) -> Report {
        self.run(source, &Mastodon, pod, Options::new(now)).unwrap()
    }

    pub fn run(
        &self,
        source: &Source,
        importer: &dyn Importer,
        pod: &mut dyn Pod,
        options: Options,
    ) -> Result<Report, Failed> {
        let recognition = recognised(source, importer);
        let import = Import {
            source,
            importer,
            recognition,
            pod,
            blobs: &self.blobs,
            options,
        };
        import.run(&mut |_| {}, &Cancel::new())
    }
}

pub fn open(at: &Path) -> Source {
    Source::open(at, &Limits::default()).unwrap()
}

pub fn recognised(source: &Source, importer: &dyn Importer) -> Recognition {
    recognise(source, &[importer])
        .unwrap()
        .into_iter()
        .next()
        .expect("the importer knows its own format")
}

pub fn pod() -> MemoryPod {
    MemoryPod::new(CREATOR)
}

/// A replica in memory with the author that imports write as.
pub fn replica() -> (Replica, Author) {
    let author = Author {
        key: SigningKey::from_seed([7; 32]),
    };
    let authors = BTreeMap::from([(author.key.public(), "import".to_owned())]);
    let epochs = Epochs::new(vec![EpochSecret::new(&[9; 32])]);
    let replica =
        Replica::create(Arc::new(MemoryKv::new()), CREATOR, [3; 32], epochs, authors).unwrap();
    (replica, author)
}

pub fn entity(source: &str, key: &str) -> EntityId {
    rhizome_import::Keys::new(CREATOR, source).entity(key)
}

pub fn attribute(name: &str) -> Attribute {
    Attribute::new(name).unwrap()
}

/// The single value of an attribute.
pub fn value<'a>(pod: &'a MemoryPod, entity: &EntityId, attribute: &str) -> Option<&'a Value> {
    match pod.values(entity, attribute) {
        [] => None,
        [one] => Some(one),
        many => panic!("{attribute} has {} values", many.len()),
    }
}

pub fn text(pod: &MemoryPod, entity: &EntityId, attribute: &str) -> Option<String> {
    value(pod, entity, attribute).map(|value| match value {
        Value::Text(text) => text.clone(),
        other => panic!("{attribute} is {other:?}"),
    })
}

/// Entities of a `social/type`.
pub fn of_type(pod: &MemoryPod, kind: &str) -> Vec<EntityId> {
    pod.entities_with("social/type", &Value::from(kind))
        .unwrap()
}
