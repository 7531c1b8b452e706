//! A node on a free port of loopback, for one test.

use std::{net::SocketAddr, sync::Arc, thread};

use rhizome_pod::{Client, Opening, Pod, PodHome, Running, Serving};
use tempfile::TempDir;
use tokio::sync::oneshot;

pub struct Node {
    pub pod: Arc<Pod>,
    pub running: Running,
    pub client: Client,
    _directory: TempDir,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

pub fn start() -> Node {
    let directory = tempfile::tempdir().unwrap();
    let pod = Arc::new(
        PodHome::at(directory.path().join("pod"))
            .init(&Opening::by("a test"))
            .unwrap(),
    );
    let serving = Serving::bind(Arc::clone(&pod), SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let running = serving.running().clone();
    let (stop, stopped) = oneshot::channel();
    let thread = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .worker_threads(2)
            .build()
            .unwrap();
        runtime
            .block_on(serving.run(async {
                let _ = stopped.await;
            }))
            .unwrap();
    });
    Node {
        pod,
        client: Client::new(running.clone()),
        running,
        _directory: directory,
        stop: Some(stop),
        thread: Some(thread),
    }
}

impl Node {
    pub fn home(&self) -> PodHome {
        self.pod.home().clone()
    }

    /// Stops the node and waits until it is done.
    pub fn stop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }

    pub fn address(&self) -> &str {
        self.running.url.strip_prefix("http://").unwrap()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.stop();
    }
}
