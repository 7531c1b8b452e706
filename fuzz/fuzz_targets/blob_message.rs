//! Messages about blobs: one spelling, bounded; a peer with a small store answers every question and
//! what it takes in is what it says it is.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use rhizome_blob::{
    Answer, BlindName, BlobStore, Holding, Limits, MAX_MESSAGE, Request, SealedStore, serve,
};
use tempfile::TempDir;

static PEER: LazyLock<(TempDir, BlobStore, SealedStore)> = LazyLock::new(|| {
    let directory = tempfile::tempdir().expect("a directory");
    let plain = BlobStore::with_quota(directory.path().join("plain"), 4 << 20).expect("a store");
    let sealed =
        SealedStore::in_directory(directory.path().join("sealed"), 4 << 20).expect("a store");
    let bytes: Vec<u8> = (0..50_000_u32).map(|i| (i % 251) as u8).collect();
    plain.put_bytes(&bytes).expect("stored");
    plain.put_bytes(b"").expect("stored");
    (directory, plain, sealed)
});

fuzz_target!(|data: &[u8]| {
    if let Ok(answer) = Answer::from_bytes(data) {
        assert_eq!(answer.to_bytes().expect("it was read"), data);
    }
    let Ok(request) = Request::from_bytes(data) else {
        return;
    };
    assert_eq!(request.to_bytes().expect("it was read"), data);
    let (_, plain, sealed) = &*PEER;
    let limits = Limits {
        max_len: 1 << 20,
        may_put: true,
    };
    for holding in [Holding::Plain(plain), Holding::Sealed(sealed)] {
        let served = serve(request.clone(), holding, limits);
        assert!(served.trouble.is_none(), "{:?}", served.trouble);
        let bytes = served.answer.to_bytes().expect("within the bounds");
        assert!(bytes.len() <= MAX_MESSAGE);
        if let (Answer::Done, Request::Put { name, root, .. }) = (&served.answer, &request) {
            let cid = rhizome_ipld::cid_raw_blake3(*root);
            let store = match holding {
                Holding::Plain(store) => store,
                Holding::Sealed(sealed) => {
                    let held = sealed.held(&BlindName(*name)).expect("readable");
                    assert!(held.iter().any(|held| held.root == *root));
                    sealed.store()
                }
            };
            store.verify(&cid).expect("sound");
        }
    }
});
