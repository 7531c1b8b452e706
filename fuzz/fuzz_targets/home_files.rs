//! The small files of a home directory, whoever wrote them: `running.json`, and the note in `writer.lock`.
#![no_main]

use std::{fs, sync::LazyLock};

use libfuzzer_sys::fuzz_target;
use rhizome_pod::{Opening, Pod, PodError, PodHome};
use tempfile::TempDir;

static HOME: LazyLock<(TempDir, PodHome, Pod)> = LazyLock::new(|| {
    let directory = tempfile::tempdir().expect("a directory");
    let home = PodHome::at(directory.path().join("pod"));
    let pod = home.init(&Opening::by("fuzz")).expect("a pod");
    (directory, home, pod)
});

fuzz_target!(|data: &[u8]| {
    let (_, home, _) = &*HOME;
    fs::write(home.directory().join("running.json"), data).expect("a temporary file");
    if let Some(running) = home.running() {
        assert!(data.len() >= running.url.len() + running.token.len());
        assert!(running.url.len() + running.token.len() <= 4096);
        assert!(running.token.is_empty() || !format!("{running:?}").contains(&format!("token: {:?}", running.token)));
        let written = serde_json::to_vec(&running).expect("it can be written");
        if written.len() <= 4096 {
            fs::write(home.directory().join("running.json"), written).expect("a temporary file");
            assert_eq!(home.running(), Some(running));
        }
    }
    // the pod is held by this process: a second opener reads the note, whatever it is
    fs::write(home.directory().join("writer.lock"), data).expect("a temporary file");
    match home.open(&Opening::by("second")) {
        Err(PodError::InUse { holder, .. }) => {
            if let Some(holder) = holder {
                assert!(holder.what.len() <= 4096);
            }
        }
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("two writers"),
    }
});
