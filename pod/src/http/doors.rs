//! Connections: how many there are at a time, how long one may take to say what it wants, and to take what it is told.

use std::{
    future::Future,
    io,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::JoinSet,
    time::{Sleep, sleep},
};

/// Connections at a time: fewer than there are threads for what takes long, of which each may hold one, and than files that a process may have open.
const MOST: usize = 256;
/// How long the head of a request may take, also that of the next one on a connection.
const HEAD_TIME: Duration = Duration::from_secs(30);
/// How long nothing may be taken of an answer.
const TAKE_TIME: Duration = Duration::from_mins(1);
/// Bytes of the head of a request after which no more of it is read; what came with the last of them may still be taken.
const MAX_HEAD: usize = 64 << 10;
/// Until it is tried again after the system refused a connection: most likely too many files are open.
const AGAIN: Duration = Duration::from_millis(200);

/// How patient a server is.
#[derive(Clone, Copy)]
struct Patience {
    connections: usize,
    head: Duration,
    take: Duration,
}

/// Answers until `closing` turns true; then finishes what is under way.
pub async fn serve(listener: TcpListener, router: Router, closing: watch::Receiver<bool>) {
    let patience = Patience {
        connections: MOST,
        head: HEAD_TIME,
        take: TAKE_TIME,
    };
    serve_with(patience, listener, router, closing).await;
}

async fn serve_with(
    patience: Patience,
    listener: TcpListener,
    router: Router,
    mut closing: watch::Receiver<bool>,
) {
    let places = Arc::new(Semaphore::new(patience.connections));
    let mut open = JoinSet::new();
    loop {
        let (stream, place) = tokio::select! {
            _ = closing.wait_for(|closing| *closing) => break,
            Some(_) = open.join_next() => continue,
            accepted = accept(&listener, &places) => accepted,
        };
        let (router, closing) = (router.clone(), closing.clone());
        open.spawn(async move {
            converse(patience, stream, router, closing).await;
            drop(place);
        });
    }
    drop(listener);
    while open.join_next().await.is_some() {}
}

/// The next connection, once there is a place for it. Until then it waits with the system.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> (TcpStream, Option<OwnedSemaphorePermit>) {
    // an error would mean that the places were closed, which nobody does
    let place = Arc::clone(places).acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return (stream, place),
            Err(error) => {
                tracing::warn!(%error, "a connection was not taken");
                sleep(AGAIN).await;
            }
        }
    }
}

async fn converse(
    patience: Patience,
    stream: TcpStream,
    router: Router,
    mut closing: watch::Receiver<bool>,
) {
    let stream = Steady {
        stream,
        patience: patience.take,
        stalled: None,
    };
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(patience.head)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
        .with_upgrades();
    let mut connection = pin!(connection);
    // an error means that the sender has gone, which is the end as well
    let closed = async move { drop(closing.wait_for(|closing| *closing).await) };
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = closed => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// A connection that fails when its other side takes nothing for a while.
struct Steady {
    stream: TcpStream,
    patience: Duration,
    /// Since it takes nothing.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl Steady {
    fn watch<T>(
        &mut self,
        context: &mut Context<'_>,
        done: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if done.is_ready() {
            self.stalled = None;
            return done;
        }
        let patience = self.patience;
        let stalled = self
            .stalled
            .get_or_insert_with(|| Box::pin(sleep(patience)));
        ready!(stalled.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Steady {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Steady {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let done = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.watch(context, done)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let done = Pin::new(&mut self.stream).poll_write_vectored(context, bytes);
        self.watch(context, done)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let done = Pin::new(&mut self.stream).poll_flush(context);
        self.watch(context, done)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use axum::{body::Body, routing::get};
    use futures_util::StreamExt;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const ASK: &[u8] = b"GET /small HTTP/1.1\r\nhost: x\r\n\r\n";

    async fn start() -> (std::net::SocketAddr, watch::Sender<bool>) {
        let endless = || async {
            let piece = |_| Ok::<_, io::Error>(vec![7_u8; 1 << 16]);
            Body::from_stream(futures_util::stream::iter(0..1 << 20).map(piece))
        };
        let router = Router::new()
            .route("/small", get(|| async { "ok" }))
            .route("/endless", get(endless));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (close, closing) = watch::channel(false);
        let patience = Patience {
            connections: 2,
            head: Duration::from_millis(400),
            take: Duration::from_millis(400),
        };
        tokio::spawn(serve_with(patience, listener, router, closing));
        (address, close)
    }

    async fn small(address: std::net::SocketAddr) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream
            .write_all(b"GET /small HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            .await
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn who_says_or_takes_nothing_makes_room_for_others() {
        let (address, close) = start().await;
        let begun = Instant::now();
        let mut silent = TcpStream::connect(address).await.unwrap();
        let mut slow = TcpStream::connect(address).await.unwrap();
        slow.write_all(b"GET /small HTTP/1.1\r\nx-slow: ")
            .await
            .unwrap();
        // both places are taken: the third waits until one of them has been given up
        assert!(small(address).await.ends_with("ok"));
        assert!(begun.elapsed() >= Duration::from_millis(350));
        let mut rest = Vec::new();
        silent.read_to_end(&mut rest).await.unwrap();
        slow.read_to_end(&mut rest).await.unwrap();
        assert!(!String::from_utf8_lossy(&rest).contains("200"));
        // one that goes on asking stays
        let mut steady = TcpStream::connect(address).await.unwrap();
        for _ in 0..4 {
            steady.write_all(ASK).await.unwrap();
            let mut answer = [0; 256];
            let n = steady.read(&mut answer).await.unwrap();
            assert!(answer[..n].starts_with(b"HTTP/1.1 200"));
            sleep(Duration::from_millis(150)).await;
        }
        close.send_replace(true);
    }

    #[tokio::test]
    async fn an_answer_that_nobody_takes_is_given_up() {
        let (address, close) = start().await;
        let mut streams = Vec::new();
        for _ in 0..2 {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream
                .write_all(b"GET /endless HTTP/1.1\r\nhost: x\r\n\r\n")
                .await
                .unwrap();
            streams.push(stream);
        }
        assert!(small(address).await.ends_with("ok"));
        close.send_replace(true);
    }

    #[tokio::test]
    async fn a_head_has_an_end() {
        let (address, close) = start().await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        let long = format!(
            "GET /small HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n",
            "y".repeat(4 * MAX_HEAD)
        );
        let _ = stream.write_all(long.as_bytes()).await;
        let mut answer = vec![0; 64];
        let n = stream.read(&mut answer).await.unwrap_or(0);
        assert!(n == 0 || answer.starts_with(b"HTTP/1.1 431"), "{answer:?}");
        assert!(small(address).await.ends_with("ok"));
        close.send_replace(true);
    }
}
