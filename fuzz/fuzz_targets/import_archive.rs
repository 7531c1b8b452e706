//! Zips, tars and gzips from anywhere: listed within bounds, every name safe, members read or refused.
#![no_main]

use std::io::Read;

use libfuzzer_sys::fuzz_target;
use rhizome_import::{Limits, Source};

const LIMITS: Limits = Limits {
    entries: 64,
    total_bytes: 1 << 20,
    file_bytes: 1 << 18,
    ratio: 100,
    ratio_floor: 1 << 16,
    record_bytes: 1 << 12,
    document_bytes: 1 << 16,
    spool_bytes: 1 << 16,
};

fuzz_target!(|data: &[u8]| {
    let folder = std::env::temp_dir();
    let at = folder.join(format!("rhizome-fuzz-archive-{}", std::process::id()));
    std::fs::write(&at, data).expect("written");
    if let Ok(source) = Source::open(&at, &LIMITS) {
        let mut total = 0;
        for entry in source.entries() {
            assert!(
                !entry.path.starts_with('/')
                    && entry
                        .path
                        .split('/')
                        .all(|part| !matches!(part, "" | "." | ".."))
            );
            let mut bytes = Vec::new();
            if let Ok(reader) = source.read(&entry.path)
                && reader
                    .take(LIMITS.file_bytes + 1)
                    .read_to_end(&mut bytes)
                    .is_ok()
            {
                assert_eq!(bytes.len() as u64, entry.size);
                total += entry.size;
            }
        }
        assert!(total <= LIMITS.total_bytes);
    }
});
