//! Repositories of Bluesky: the CAR, its blocks, the tree of records and the records in it: read, or refused with a reason.
//!
//! A hash would keep every changed byte out, so the input is a list of blocks, and the target makes the file of them: after a
//! number for each block come its bytes, in which a pair of `0xFE` and a number stands for the hash of the block of that number
//! before it. The last block is the commit. One input in eight is taken as it is.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rhizome_import::{Audience, Bluesky, ImportError, Importer, Limits, Preview, Source};
use rhizome_ipld::{Cid, car, cid_sha256};

/// The blocks that an input describes.
fn blocks(data: &[u8]) -> Vec<(Cid, Vec<u8>)> {
    let mut made: Vec<(Cid, Vec<u8>)> = Vec::new();
    let mut rest = data;
    while let Some((len, after)) = rest.split_first()
        && made.len() < 64
    {
        let (raw, after) = after.split_at(usize::from(*len).min(after.len()));
        rest = after;
        let mut block = Vec::with_capacity(raw.len());
        let mut bytes = raw.iter().copied();
        while let Some(byte) = bytes.next() {
            match (byte, bytes.clone().next()) {
                (0xfe, Some(which)) => {
                    bytes.next();
                    if let Some((cid, _)) = made.get(usize::from(which)) {
                        // A link of DAG-CBOR: tag 42, 37 bytes, a zero before the CID.
                        block.extend([0xd8, 0x2a, 0x58, 0x25, 0x00]);
                        block.extend(cid.to_bytes());
                    }
                }
                _ => block.push(byte),
            }
        }
        made.push((cid_sha256(&block), block));
    }
    made
}

fn file(data: &[u8]) -> Option<Vec<u8>> {
    let (which, data) = data.split_first()?;
    if which % 8 == 7 {
        return Some(data.to_vec());
    }
    let blocks = blocks(data);
    let (root, _) = blocks.last()?;
    let mut writer = car::Writer::new(Vec::new(), &[*root]).ok()?;
    for (cid, block) in &blocks {
        writer.write(cid, block).ok()?;
    }
    writer.finish().ok()
}

fuzz_target!(|data: &[u8]| {
    let Some(bytes) = file(data) else { return };
    let files = [("repo.car".to_owned(), bytes)];
    let source = Source::from_memory("repo", files, &Limits::default()).expect("one small file");
    let Some(recognition) = Bluesky
        .recognise(&source)
        .expect("a file in memory can be looked into")
    else {
        return;
    };
    let mut preview = Preview::new(&source, "did:key:z", &recognition.source);
    match Bluesky.read(&source, &recognition, &mut preview) {
        Ok(()) | Err(ImportError::Document { .. }) => {}
        Err(error) => panic!("{error}"),
    }
    // Likes and follows are as open as the repository; nothing in one is ever for fewer than its profile says.
    for record in &preview.records {
        assert!(record.audience.is_none_or(|of| of != Audience::Unlisted));
    }
});
