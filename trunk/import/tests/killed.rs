//! An import whose process is killed again and again, and goes on each time: nothing is lost and nothing is there twice.

use rhizome_blob::BlobStore;
use rhizome_import::fixture::write_takeout;
use rhizome_import::{
    Cancel, Import, Importer, Limits, Options, Pod, ReplicaPod, Report, Source, Takeout, recognise,
};
use rhizome_ipld::SigningKey;
use rhizome_replica::{Author, Epochs, Replica};
use rhizome_storage::RedbKv;
use rhizome_tuple::{EpochSecret, Value};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

/// Where the child finds the takeout (`takeout`) and its pod (`pod`).
const CHILD: &str = "RHIZOME_TEST_KILLED_IMPORT";
/// Bytes of the takeout, where another size is wanted.
const BYTES: &str = "RHIZOME_TEST_TAKEOUT_BYTES";

fn import(folder: &Path) -> (Report, usize) {
    let author = Author {
        key: SigningKey::from_seed([7; 32]),
    };
    let authors = BTreeMap::from([(author.key.public(), "import".to_owned())]);
    let epochs = || Epochs::new(vec![EpochSecret::new(&[9; 32])]);
    let at = folder.join("pod");
    std::fs::create_dir_all(&at).unwrap();
    let store = Arc::new(RedbKv::open(at.join("store")).unwrap());
    let replica = match Replica::open(Arc::clone(&store) as _, epochs(), authors.clone()) {
        Ok(replica) => replica,
        Err(_) => Replica::create(store, "did:key:z6MkKilled", [3; 32], epochs(), authors).unwrap(),
    };
    let blobs = BlobStore::in_directory(at.join("blobs")).unwrap();
    let source = Source::open(&folder.join("takeout"), &Limits::default()).unwrap();
    let recognition = recognise(&source, &[&Takeout as &dyn Importer])
        .unwrap()
        .remove(0);
    let mut tick = u64::from(std::process::id()) << 32;
    let mut random = |bytes: &mut [u8]| {
        tick += 1;
        blake3::Hasher::new()
            .update(&tick.to_le_bytes())
            .finalize_xof()
            .fill(bytes);
    };
    let mut pod = ReplicaPod::new(&replica, &author, crate::pods::now, &mut random);
    let report = Import {
        source: &source,
        importer: &Takeout,
        recognition,
        pod: &mut pod,
        blobs: &blobs,
        // Small batches, so that there is something to be killed between.
        options: Options {
            batch: 500,
            ..Options::new(crate::pods::now)
        },
    }
    .run(&mut |_| {}, &Cancel::new())
    .unwrap();
    let media = pod
        .entities_with("social/type", &Value::from("media"))
        .unwrap()
        .len();
    (report, media)
}

/// Not a test by itself: the process that is killed.
#[test]
fn the_child() {
    if let Some(folder) = std::env::var_os(CHILD) {
        import(Path::new(&folder));
    }
}

#[test]
fn a_killed_import_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = std::env::var(BYTES).ok().and_then(|n| n.parse().ok());
    write_takeout(&folder.path().join("takeout"), bytes.unwrap_or(24 << 20), 7).unwrap();
    let mut killed = 0;
    for n in 0..6_u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["killed::the_child", "--exact"])
            .env(CHILD, folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(120 + 260 * n));
        if child.try_wait().unwrap().is_none() {
            killed += 1;
        }
        let _ = child.kill();
        child.wait().unwrap();
    }
    let (last, media) = import(folder.path());
    let found = last.added + last.changed + last.unchanged;
    assert!(
        last.complete && killed > 0,
        "{killed} were killed; {last:?}"
    );
    let (again, same) = import(folder.path());
    assert_eq!((again.added, again.changed, again.unchanged), (0, 0, found));
    assert_eq!((again.totals.conflicts, again.totals.kept), (0, 0));
    assert_eq!(media, same);
    // A pod that nobody killed holds the same.
    let calm = tempfile::tempdir().unwrap();
    std::fs::rename(folder.path().join("takeout"), calm.path().join("takeout")).unwrap();
    let (whole, all) = import(calm.path());
    assert_eq!((whole.added, all), (found, media));
}
