//! What a link costs, on loopback: `cargo run --release --example speed -p rhizome-network [-- MiB]`.
//!
//! Each kind of link beside the same transport without our framing, both ends in this process: the numbers are for comparing, and
//! processor time is that of both ends together.

use std::error::Error;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use iroh::endpoint::{Connection, QuicTransportConfig, VarInt, presets};
use iroh::{Endpoint, EndpointAddr, RelayMode, SecretKey};
use rhizome_ipld::{PublicKey, SigningKey};
use rhizome_network::{
    Admission, Limits, Link, Node, NodeConfig, Protocol, Services, memory, websocket,
};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::{Message, protocol::WebSocketConfig};

type Res<T> = Result<T, Box<dyn Error + Send + Sync>>;

const CHUNK: usize = 256 * 1024;
const PINGS: usize = 2000;
const IDLE: usize = 500;

fn key(seed: u8) -> Arc<SigningKey> {
    Arc::new(SigningKey::from_seed([seed; 32]))
}

/// Seconds of processor time of this process so far (Linux; elsewhere none).
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after = stat.rsplit(')').next().unwrap_or_default();
    let ticks: u64 = after
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|n| n.parse::<u64>().ok())
        .sum();
    ticks as f64 / 100.0
}

/// Memory of this process in KiB (Linux; elsewhere 0).
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"));
    line.and_then(|l| l.split_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}

fn show_idle(links: &[Link], before: u64) {
    let each = memory().saturating_sub(before) as f64 / links.len() as f64;
    println!("  idle: {each:.1} KiB a link, both ends");
}

fn show(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    println!("  {what}: median {:.0?}, p99 {:.0?}", at(0.5), at(0.99));
}

fn show_rate(what: &str, bytes: usize, wall: Duration, cpu: f64) -> f64 {
    let rate = bytes as f64 / f64::from(1 << 20) / wall.as_secs_f64();
    let each = cpu * 1e3 / (bytes as f64 / f64::from(1 << 20));
    println!("  {what}: {rate:.0} MiB/s, {each:.2} ms of processor time a MiB");
    rate
}

/// Answers pings until an empty message comes, then takes everything that follows and answers once.
async fn serve(mut link: Link) {
    while let Ok(Some(m)) = link.receive().await {
        if m.is_empty() {
            break;
        }
        if link.send(m).await.is_err() {
            return;
        }
    }
    while let Ok(Some(m)) = link.receive().await {
        if m.is_empty() {
            let _ = link.send("done").await;
        }
    }
    let _ = link.close().await;
}

async fn measure(link: Link, total: usize) -> Res<f64> {
    let (mut sender, mut receiver) = link.split();
    let mut times = vec![];
    for _ in 0..PINGS {
        let start = Instant::now();
        sender.send(Bytes::from_static(&[7; 32])).await?;
        receiver.receive().await?.ok_or("gone")?;
        times.push(start.elapsed());
    }
    show("ping of 32 bytes", times);
    sender.send("").await?;
    let chunk = Bytes::from(vec![9; CHUNK]);
    let (start, before) = (Instant::now(), cpu());
    for _ in 0..total / CHUNK {
        sender.send(chunk.clone()).await?;
    }
    sender.send("").await?;
    receiver.receive().await?.ok_or("gone")?;
    let rate = show_rate(
        "messages of 256 KiB",
        total,
        start.elapsed(),
        cpu() - before,
    );
    let link = Link::join(sender, receiver).map_err(|_| "other halves")?;
    link.close().await?;
    Ok(rate)
}

fn services(seed: u8) -> Services {
    Services::builder(key(seed), |_, _| Admission::Admit)
        .serve(Protocol::Sync, serve)
        .limits(Limits {
            links: 1000,
            per_peer: 1000,
            ..Limits::default()
        })
        .build()
}

async fn quic(total: usize) -> Res<f64> {
    println!("QUIC link");
    let start = Instant::now();
    let b = Node::start(services(2), NodeConfig::default()).await?;
    println!("  starting a node: {:.0?}", start.elapsed());
    let a = Node::start(services(1), NodeConfig::default()).await?;
    let address = b.address()?;
    let mut times = vec![];
    for _ in 0..50 {
        let start = Instant::now();
        let mut link = a.dial(&address, Protocol::Sync).await?;
        times.push(start.elapsed());
        link.send("").await?;
        link.close().await?;
    }
    show("handshake", times);
    let before = memory();
    let mut idle = vec![];
    for _ in 0..IDLE {
        let mut link = a.dial(&address, Protocol::Sync).await?;
        link.send("x").await?;
        link.receive().await?;
        idle.push(link);
    }
    show_idle(&idle, before);
    drop(idle);
    let rate = measure(a.dial(&address, Protocol::Sync).await?, total).await?;
    a.shutdown().await?;
    b.shutdown().await?;
    Ok(rate)
}

async fn raw_endpoint(seed: u8) -> Res<Endpoint> {
    let transport = QuicTransportConfig::builder()
        .max_concurrent_bidi_streams(VarInt::from_u32(1))
        .stream_receive_window(VarInt::from_u32(2 << 20))
        .receive_window(VarInt::from_u32((2 << 20) + (512 << 10)))
        .send_window(2 << 20)
        .build();
    Ok(Endpoint::builder(presets::Minimal)
        .secret_key(SecretKey::from_bytes(&[seed; 32]))
        .alpns(vec![b"raw".to_vec()])
        .relay_mode(RelayMode::Disabled)
        .transport_config(transport)
        .clear_ip_transports()
        .bind_addr((Ipv4Addr::LOCALHOST, 0))?
        .bind()
        .await?)
}

async fn raw_quic(total: usize) -> Res<f64> {
    println!("QUIC without our framing");
    let b = Box::pin(raw_endpoint(3)).await?;
    let a = Box::pin(raw_endpoint(4)).await?;
    let to = EndpointAddr::new(b.id()).with_ip_addr(b.bound_sockets()[0]);
    let server: tokio::task::JoinHandle<Res<Connection>> = tokio::spawn(async move {
        let connection = b.accept().await.ok_or("closed")?.await?;
        let (mut send, mut recv) = connection.accept_bi().await?;
        let mut ping = [0; 32];
        for _ in 0..PINGS {
            recv.read_exact(&mut ping).await?;
            send.write_all(&ping).await?;
        }
        while recv.read_chunk(CHUNK).await?.is_some() {}
        send.write_all(b"done").await?;
        send.finish()?;
        let _ = send.stopped().await;
        Ok(connection)
    });
    let connection = a.connect(to, b"raw").await?;
    let (mut send, mut recv) = connection.open_bi().await?;
    let mut ping = [7; 32];
    let mut times = vec![];
    for _ in 0..PINGS {
        let start = Instant::now();
        send.write_all(&ping).await?;
        recv.read_exact(&mut ping).await?;
        times.push(start.elapsed());
    }
    show("ping of 32 bytes", times);
    let chunk = vec![9; CHUNK];
    let (start, before) = (Instant::now(), cpu());
    for _ in 0..total / CHUNK {
        send.write_all(&chunk).await?;
    }
    send.finish()?;
    recv.read_to_end(4).await?;
    let rate = show_rate("256 KiB at a time", total, start.elapsed(), cpu() - before);
    drop(server.await??);
    a.close().await;
    Ok(rate)
}

async fn web(total: usize) -> Res<f64> {
    println!("WebSocket link");
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let url = format!("ws://{}/link", listener.local_addr()?);
    let app = axum::Router::new().route("/link", websocket::route(services(2)));
    let server = tokio::spawn(async move { axum::serve(listener, app).await });
    let mut times = vec![];
    let (me, peer): (_, PublicKey) = (key(1), key(2).public());
    for _ in 0..50 {
        let start = Instant::now();
        let mut link = websocket::dial(&url, peer, Protocol::Sync, &me).await?;
        times.push(start.elapsed());
        link.send("").await?;
        link.close().await?;
    }
    show("handshake", times);
    let before = memory();
    let mut idle = vec![];
    for _ in 0..IDLE {
        let mut link = websocket::dial(&url, peer, Protocol::Sync, &me).await?;
        link.send("x").await?;
        link.receive().await?;
        idle.push(link);
    }
    show_idle(&idle, before);
    drop(idle);
    let link = websocket::dial(&url, peer, Protocol::Sync, &me).await?;
    let rate = measure(link, total).await?;
    server.abort();
    Ok(rate)
}

async fn raw_web(total: usize) -> Res<f64> {
    println!("WebSocket without our seal");
    let config = WebSocketConfig::default();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    let server: tokio::task::JoinHandle<Res<()>> = tokio::spawn(async move {
        let (tcp, _) = listener.accept().await?;
        tcp.set_nodelay(true)?;
        let mut socket = tokio_tungstenite::accept_async_with_config(tcp, Some(config)).await?;
        let mut count = 0;
        while let Some(m) = socket.next().await {
            let m = m?;
            count += 1;
            if count <= PINGS {
                socket.send(m).await?;
            } else if m.is_empty() {
                socket.send(Message::binary("done")).await?;
                break;
            }
        }
        Ok(())
    });
    let tcp = TcpStream::connect(address).await?;
    tcp.set_nodelay(true)?;
    let url = format!("ws://{address}/");
    let (mut socket, _) =
        tokio_tungstenite::client_async_with_config(url, tcp, Some(config)).await?;
    let mut times = vec![];
    for _ in 0..PINGS {
        let start = Instant::now();
        socket.send(Message::binary(vec![7; 32])).await?;
        socket.next().await.ok_or("gone")??;
        times.push(start.elapsed());
    }
    show("ping of 32 bytes", times);
    let chunk = Bytes::from(vec![9; CHUNK]);
    let (start, before) = (Instant::now(), cpu());
    for _ in 0..total / CHUNK {
        socket.send(Message::Binary(chunk.clone())).await?;
    }
    socket.send(Message::binary("")).await?;
    socket.next().await.ok_or("gone")??;
    let rate = show_rate(
        "messages of 256 KiB",
        total,
        start.elapsed(),
        cpu() - before,
    );
    server.await??;
    Ok(rate)
}

async fn in_memory(total: usize) -> Res<f64> {
    println!("link in memory");
    let (a, b) = memory::pair(key(1).public(), key(2).public(), [0; 32], 1 << 20);
    let server = tokio::spawn(serve(b));
    let rate = measure(a, total).await?;
    server.await?;
    Ok(rate)
}

#[tokio::main]
async fn main() -> Res<()> {
    let mib: usize = match std::env::args().nth(1) {
        Some(mib) => mib.parse()?,
        None => 512,
    };
    let total = mib << 20;
    let ours = Box::pin(web(total)).await?;
    let plain = Box::pin(raw_web(total)).await?;
    println!("  the link has {:.2} of that", ours / plain);
    let ours = Box::pin(quic(total)).await?;
    let plain = Box::pin(raw_quic(total)).await?;
    println!("  the link has {:.2} of that", ours / plain);
    in_memory(total).await?;
    Ok(())
}
