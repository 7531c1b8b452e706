//! Listening, and stopping in order.

use std::{
    future::Future,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};

use rhizome_network::{Mode, PeerAddress};
use tokio::sync::watch;

use super::{
    App,
    body::Rooms,
    doors,
    guard::{Hosts, Tokens},
    router,
};
use crate::{
    GARBAGE_DAYS, Pod, PodError, PodNode, Running, backup::Backups, jobs::Jobs,
    running::Announcement, thumbnail::Thumbnails,
};

/// How long answers under way may take once the node stops.
const GRACE: Duration = Duration::from_secs(5);

/// A node that listens and is not yet answering.
pub struct Serving {
    pod: Arc<Pod>,
    listener: TcpListener,
    running: Running,
    app: App,
    closing: watch::Sender<bool>,
    _announcement: Announcement,
}

impl Serving {
    /// Takes the port, makes this run's tokens and writes `running.json`. Port 0 takes any free one.
    ///
    /// # Errors
    /// [`PodError::NotLoopback`], [`PodError::PortInUse`].
    pub fn bind(pod: Arc<Pod>, listen: SocketAddr) -> Result<Self, PodError> {
        if !listen.ip().is_loopback() {
            return Err(PodError::NotLoopback(listen));
        }
        let refused = |error: std::io::Error| match error.kind() {
            std::io::ErrorKind::AddrInUse => PodError::PortInUse(listen),
            _ => PodError::Listen {
                address: listen,
                error,
            },
        };
        let listener = TcpListener::bind(listen).map_err(refused)?;
        listener.set_nonblocking(true).map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        let tokens = Tokens::generate()?;
        let running = Running {
            url: format!("http://{address}"),
            token: tokens.api.clone(),
            pid: std::process::id(),
        };
        let announcement = Announcement::write(pod.home().running_file(), &running)?;
        let (closing, is_closing) = watch::channel(false);
        let jobs = Arc::new(Jobs::new(Arc::clone(&pod)));
        let app = App {
            pod: Arc::clone(&pod),
            jobs,
            exports: Arc::default(),
            backups: Arc::new(Backups::of(&pod)),
            thumbnails: Arc::new(Thumbnails::of(&pod)),
            tokens,
            hosts: Hosts::of(address),
            public: Arc::default(),
            metrics: Arc::default(),
            rooms: Rooms::default(),
            node: None,
            link: None,
            closing: is_closing,
        };
        Ok(Self {
            pod,
            listener,
            running,
            app,
            closing,
            _announcement: announcement,
        })
    }

    /// Lets the API reach other devices through this node, and them reach this one over a WebSocket at `/link`.
    #[must_use]
    pub fn with_node(mut self, node: Arc<PodNode>) -> Self {
        let place = self.running.url.replacen("http:", "ws:", 1);
        let key = self.pod.signing_key().public();
        let address =
            PeerAddress::new(key).and_then(|a| a.with_websocket(&format!("{place}/link")));
        self.app.link = address.ok().map(|address| address.to_string());
        self.app.node = Some(node);
        self
    }

    /// Where it answers, and the token.
    pub fn running(&self) -> &Running {
        &self.running
    }

    /// Answers until `stop` is done; then finishes what is under way, at most for five seconds, and makes everything durable.
    pub async fn run(self, stop: impl Future<Output = ()>) -> Result<(), PodError> {
        let pod = Arc::clone(&self.pod);
        let indexing = move || pod.searching().and_then(crate::search::Keeper::start);
        tokio::task::spawn_blocking(move || {
            if let Err(error) = indexing() {
                tracing::warn!(%error, "there is no search index: searches take longer");
            }
        });
        let failed = |error| PodError::Listen {
            address: self
                .listener
                .local_addr()
                .unwrap_or(([127, 0, 0, 1], 0).into()),
            error,
        };
        let listener = self
            .listener
            .try_clone()
            .and_then(tokio::net::TcpListener::from_std)
            .map_err(failed)?;
        let closing = self.closing.subscribe();
        let jobs = Arc::clone(&self.app.jobs);
        let mut server = std::pin::pin!(doors::serve(listener, router(self.app), closing));
        let ended = tokio::select! {
            () = &mut server => true,
            () = stop => false,
        };
        jobs.stop_all();
        self.closing.send_replace(true);
        if !ended {
            // whoever takes longer is cut off
            let _ = tokio::time::timeout(GRACE, server).await;
        }
        let pod = self.pod;
        let saved = tokio::task::spawn_blocking(move || pod.checkpoint()).await;
        match saved {
            Ok(saved) => saved,
            Err(_) => Err(PodError::Request(
                "the last checkpoint hit a fault; nothing is lost, the log has everything".into(),
            )),
        }
    }
}

/// Runs a node on the calling thread until SIGTERM or ctrl-c. `ready` is told once it answers.
///
/// `reach` is where other devices reach this one; with port 0 the one of last time, if it is free.
pub fn serve(
    pod: Arc<Pod>,
    listen: SocketAddr,
    reach: SocketAddr,
    mode: Mode,
    ready: impl FnOnce(&Running),
) -> Result<(), PodError> {
    let serving = Serving::bind(pod, listen)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .worker_threads(4)
        .thread_name("node")
        .build()
        .map_err(|error| PodError::Listen {
            address: listen,
            error,
        })?;
    let ended = runtime.block_on(async {
        // before `ready`: whoever is told may stop us at once
        let stop = stop_signal().map_err(|error| PodError::Listen {
            address: listen,
            error,
        })?;
        let node = Arc::new(PodNode::resume(Arc::clone(&serving.pod), &[reach]).await?);
        let keeper = tokio::spawn({
            let node = Arc::clone(&node);
            async move { node.keep_in_touch(mode).await }
        });
        let backups = tokio::spawn({
            let (node, backups) = (Arc::clone(&node), Arc::clone(&serving.app.backups));
            async move { backups.keep(&node).await }
        });
        let garbage = tokio::spawn({
            let pod = Arc::clone(&serving.pod);
            async move { collect_garbage(&pod).await }
        });
        let memory = tokio::spawn({
            let pod = Arc::clone(&serving.pod);
            async move { let_go(&pod).await }
        });
        ready(serving.running());
        let ended = serving.with_node(Arc::clone(&node)).run(stop).await;
        for task in [keeper, backups, garbage, memory] {
            task.abort();
            let _ = task.await;
        }
        if let Some(node) = Arc::into_inner(node) {
            node.shutdown().await?;
        }
        ended
    });
    runtime.shutdown_timeout(GRACE);
    ended
}

/// Looks once a day, for the first time when the pod has been up for a while.
async fn collect_garbage(pod: &Arc<Pod>) {
    let mut first = Duration::from_mins(30);
    loop {
        tokio::time::sleep(first).await;
        first = Duration::from_hours(24);
        let pod = Arc::clone(pod);
        let done = tokio::task::spawn_blocking(move || pod.collect_garbage(GARBAGE_DAYS, false));
        match done.await {
            Ok(Ok(collected)) if collected.files > 0 => {
                tracing::info!(
                    collected.files,
                    collected.bytes,
                    "files that nothing names went"
                );
            }
            Ok(Err(error)) => {
                tracing::warn!(%error, "files that nothing names were not looked for");
            }
            _ => {}
        }
    }
}

/// Every now and then lets go of index blocks that were read.
async fn let_go(pod: &Arc<Pod>) {
    loop {
        tokio::time::sleep(Duration::from_mins(1)).await;
        let pod = Arc::clone(pod);
        let _ = tokio::task::spawn_blocking(move || pod.replica().let_go()).await;
    }
}

fn stop_signal() -> std::io::Result<impl Future<Output = ()>> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let (mut interrupt, mut terminate, mut hangup) = (
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
            signal(SignalKind::hangup())?,
        );
        Ok(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = hangup.recv() => {}
            }
        })
    }
    #[cfg(not(unix))]
    Ok(async move {
        // an error means that there is no such signal here
        let _ = tokio::signal::ctrl_c().await;
    })
}
