//! Somebody with a pod that is on the network and answers on loopback.

use std::{net::SocketAddr, path::Path, sync::Arc};

use rhizome_pod::{CloudOptions, CloudPeer, Opening, Pod, PodHome, PodNode, Running, Serving};
use tokio::{runtime::Runtime, sync::oneshot};

pub struct Person {
    pub pod: Arc<Pod>,
    pub node: Arc<PodNode>,
    pub running: Running,
    stop: oneshot::Sender<()>,
    served: tokio::task::JoinHandle<()>,
}

pub fn anywhere() -> Vec<SocketAddr> {
    vec![SocketAddr::from(([127, 0, 0, 1], 0))]
}

impl Person {
    pub fn start(runtime: &Runtime, directory: &Path, name: &str) -> Self {
        let home = PodHome::at(directory.join(name));
        let pod = Arc::new(home.init(&Opening::by("test")).unwrap());
        let node = PodNode::start(Arc::clone(&pod), anywhere());
        let node = Arc::new(runtime.block_on(node).unwrap());
        let serving = Serving::bind(Arc::clone(&pod), anywhere()[0]).unwrap();
        let serving = serving.with_node(Arc::clone(&node));
        let running = serving.running().clone();
        let (stop, stopped) = oneshot::channel();
        let served = runtime.spawn(async move {
            let stopped = async { drop(stopped.await) };
            serving.run(stopped).await.unwrap();
        });
        Self {
            pod,
            node,
            running,
            stop,
            served,
        }
    }

    pub fn address(&self) -> &str {
        self.running.url.strip_prefix("http://").unwrap()
    }

    pub fn stop(self, runtime: &Runtime) {
        drop(self.stop);
        runtime.block_on(self.served).unwrap();
        let node = Arc::into_inner(self.node).expect("nobody else has it");
        runtime.block_on(node.shutdown()).unwrap();
    }
}

/// A peer that keeps what it cannot read, and how it is added.
pub fn cloud(runtime: &Runtime, directory: &Path) -> (CloudPeer, String) {
    let options = CloudOptions::at(anywhere());
    let (home, opening) = (directory.join("cloud"), Opening::by("test"));
    let peer = runtime.block_on(CloudPeer::start(&home, &opening, options));
    let peer = peer.unwrap();
    let invitation = peer.invitation().unwrap().clone();
    (peer, invitation)
}
