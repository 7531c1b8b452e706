//! The header of a key store file. (What comes after it is authenticated, so it is nothing from outside.)
#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use rhizome_identity::{IdentityError, KeyStore};

static DIRECTORY: LazyLock<PathBuf> = LazyLock::new(|| {
    let directory = std::env::temp_dir().join(format!("fuzz-key-store-{}", std::process::id()));
    let mut count = 0;
    KeyStore::create(&directory, "", &mut |bytes| {
        count += 1;
        bytes.fill(count);
    })
    .expect("a temporary directory");
    directory
});

fuzz_target!(|data: &[u8]| {
    std::fs::write(DIRECTORY.join("keystore"), data).expect("a temporary file");
    match KeyStore::protection_of(&DIRECTORY) {
        // Opening costs what the file asks for: only where that is the least, so that the fuzzer is not slowed down.
        Ok(_) if data.get(8..16) == Some(&[0, 0, 0, 8, 0, 0, 0, 1]) => {
            drop(KeyStore::open(&DIRECTORY, ""));
        }
        Ok(_) => {}
        Err(
            IdentityError::Truncated
            | IdentityError::Damaged
            | IdentityError::NotAKeyStore(_)
            | IdentityError::Version(_)
            | IdentityError::Costs { .. },
        ) => {}
        Err(error) => panic!("{error}"),
    }
});
