use super::*;

#[test]
fn ranges_are_those_of_a_slice() {
    let (_directory, store) = store();
    for &len in LENGTHS {
        let bytes = sample(len);
        let blob = store.open(&store.put_bytes(&bytes).unwrap()).unwrap();
        assert_eq!(blob.len(), len as u64);
        for &start in LENGTHS {
            for &count in LENGTHS {
                let expected = &bytes[start.min(len)..(start + count).min(len)];
                let got = blob.read_range(start as u64, count as u64).unwrap();
                assert!(got == expected, "{len}: {start} + {count}");
            }
        }
        assert!(blob.read_range(u64::MAX, u64::MAX).unwrap().is_empty());
        assert!(blob.read_range(0, u64::MAX).unwrap() == bytes);
    }
}

#[test]
fn readers_stream_the_same_bytes() {
    let (_directory, store) = store();
    let bytes = sample(1_000_003);
    let blob = store.open(&store.put_bytes(&bytes).unwrap()).unwrap();
    for (start, count) in [
        (0, 1_000_003),
        (1, 16),
        (300_000, 600_000),
        (999_999, 100),
        (2_000_000, 1),
    ] {
        let mut got = Vec::new();
        blob.reader(start as u64, count as u64)
            .read_to_end(&mut got)
            .unwrap();
        let end = (start + count).min(bytes.len());
        assert!(got == bytes[start.min(end)..end], "{start} + {count}");
    }
}

#[test]
fn threads_may_share_an_open_blob() {
    let (_directory, store) = store();
    let bytes = sample(1_000_003);
    let cid = store.put_bytes(&bytes).unwrap();
    fs::remove_file(file_of(&store, &cid, "obao4")).unwrap(); // so that all of them want it made
    let blob = store.open(&cid).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (blob, bytes) = (&blob, &bytes);
            scope.spawn(move || {
                for i in 0..50 {
                    let start = (i * 19_937 + thread * 7919) % 1_000_000;
                    let got = blob.read_range(start as u64, 3000).unwrap();
                    assert!(got == bytes[start..(start + 3000).min(bytes.len())]);
                }
            });
        }
    });
}
