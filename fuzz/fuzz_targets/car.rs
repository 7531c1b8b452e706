//! CAR v1: bounded, every block checked, and what was read can be written and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rhizome_ipld::{car, verify_block};

fuzz_target!(|data: &[u8]| {
    let limits = car::Limits {
        header: 4096,
        block: 4096,
    };
    let Ok(reader) = car::Reader::new(data, limits) else {
        return;
    };
    let roots = reader.roots().to_vec();
    let blocks: Vec<_> = reader.map_while(Result::ok).collect();
    let mut writer = car::Writer::new(Vec::new(), &roots).expect("read roots can be written");
    for (cid, block) in &blocks {
        assert_eq!(verify_block(cid, block), Some(true));
        writer
            .write(cid, block)
            .expect("a read block can be written");
    }
    let bytes = writer.finish().expect("a vector does not fail");
    assert!(
        data.starts_with(&bytes),
        "what is accepted has one spelling"
    );
    let again = car::Reader::new(bytes.as_slice(), limits).expect("written by us");
    assert_eq!(
        again.map(|b| b.expect("written by us")).collect::<Vec<_>>(),
        blocks
    );
});
