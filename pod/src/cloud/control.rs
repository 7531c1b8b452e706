//! How the person who runs a peer talks to it while it runs: HTTP on loopback, for whoever can read `running.json` in its directory.

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use axum::{
    Json as JsonBody, Router,
    extract::{Request, State},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use rhizome_identity::Did;
use serde::Deserialize;
use serde_json::{Value as Json, json};
use tokio::{
    net::TcpListener,
    sync::oneshot,
    task::{JoinHandle, block_in_place},
};

use super::{Shared, invitations::Invite, keep::Kept};
use crate::{
    Client, Opening, PodError, PodHome, Running,
    home::now_ms,
    http::{Answer, Refusal, Tokens, bearer, same_secret},
    lock::WriterLock,
    running::Announcement,
};

/// What all handlers know.
#[derive(Clone)]
struct Desk {
    shared: Arc<Shared>,
    /// Where the peer is.
    address: String,
    token: String,
}

/// The desk while it is open.
pub(super) struct Open {
    announcement: Announcement,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

/// How long somebody who asks just now may take.
const LAST_ANSWER: Duration = Duration::from_secs(1);

impl Open {
    /// Closes it; what it held is free then.
    pub async fn close(self) {
        let Self {
            announcement,
            stop,
            mut serving,
        } = self;
        drop((announcement, stop));
        if tokio::time::timeout(LAST_ANSWER, &mut serving)
            .await
            .is_err()
        {
            serving.abort();
            let _ = serving.await;
        }
    }
}

/// Opens the desk.
pub(super) async fn open(
    shared: Arc<Shared>,
    address: String,
    home: &PodHome,
) -> Result<Open, PodError> {
    let any = std::net::SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let listen = |error| PodError::Listen {
        address: any,
        error,
    };
    let listener = TcpListener::bind(any).await.map_err(listen)?;
    let url = format!("http://{}", listener.local_addr().map_err(listen)?);
    let token = Tokens::generate()?.api;
    let running = Running {
        url,
        token: token.clone(),
        pid: std::process::id(),
    };
    let desk = Desk {
        shared,
        address,
        token,
    };
    let router = Router::new()
        .route("/api/1/pods", get(pods))
        .route("/api/1/quota", post(quota))
        .route("/api/1/forget", post(forget))
        .route("/api/1/invitations", get(invitations))
        .route("/api/1/invite", post(invite))
        .route("/api/1/revoke", post(revoke))
        .layer(from_fn_with_state(desk.clone(), guard))
        .with_state(desk);
    let announcement = Announcement::write(home.directory().join("running.json"), &running)?;
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(async move {
        let server = axum::serve(listener, router).with_graceful_shutdown(async {
            let _ = stopped.await;
        });
        if let Err(error) = server.await {
            tracing::error!(%error, "nobody can talk to this peer from here any more");
        }
    });
    Ok(Open {
        announcement,
        stop,
        serving,
    })
}

async fn guard(State(desk): State<Desk>, request: Request, next: Next) -> Response {
    // a page in a browser does not have the token
    match bearer(request.headers()) {
        Some(token) if same_secret(token, &desk.token) => next.run(request).await,
        _ => Refusal::unauthorised().into_response(),
    }
}

/// Does something that takes time.
fn work(work: impl FnOnce() -> Result<Json, PodError>) -> Answer {
    Ok(JsonBody(block_in_place(work)?))
}

async fn pods(State(desk): State<Desk>) -> Answer {
    work(|| desk.shared.list())
}

#[derive(Deserialize)]
struct Quota {
    did: Did,
    bytes: u64,
}

async fn quota(State(desk): State<Desk>, JsonBody(asked): JsonBody<Quota>) -> Answer {
    work(|| desk.shared.change_quota(&asked.did, asked.bytes))
}

#[derive(Deserialize)]
struct Which {
    did: Did,
}

async fn forget(State(desk): State<Desk>, JsonBody(asked): JsonBody<Which>) -> Answer {
    work(|| desk.shared.end(&asked.did))
}

async fn invitations(State(desk): State<Desk>) -> Answer {
    work(|| Ok(desk.shared.invited()))
}

async fn invite(State(desk): State<Desk>, JsonBody(asked): JsonBody<Invite>) -> Answer {
    work(|| {
        let invitations = &desk.shared.invitations;
        let key = desk.shared.key.as_ref().ok_or_else(|| {
            PodError::Request("the peer does not run: start it with `rhizome cloud-peer`".into())
        })?;
        let (grant, made) = invitations.invite(key, asked, now_ms())?;
        let mut out = made.to_json(now_ms());
        out["address"] = format!("{}.{grant}", desk.address).into();
        Ok(out)
    })
}

#[derive(Deserialize)]
struct Named {
    id: String,
}

async fn revoke(State(desk): State<Desk>, JsonBody(asked): JsonBody<Named>) -> Answer {
    work(|| desk.shared.revoke(&asked.id))
}

/// The answers, whoever asks.
impl Shared {
    fn list(&self) -> Result<Json, PodError> {
        let all: Vec<Json> = self.kept()?.iter().map(Kept::to_json).collect();
        Ok(json!({ "pods": all }))
    }

    fn change_quota(&self, did: &Did, quota: u64) -> Result<Json, PodError> {
        self.set_quota(did, quota)?;
        Ok(json!({ "did": did.to_string(), "quota": quota }))
    }

    fn end(&self, did: &Did) -> Result<Json, PodError> {
        if !self.forget(did)? {
            return Err(PodError::Request(format!("{did} is not kept here")));
        }
        Ok(json!({ "forgotten": did.to_string() }))
    }

    fn invited(&self) -> Json {
        let now = now_ms();
        let all = self.invitations.list();
        json!({ "invitations": all.iter().map(|i| i.to_json(now)).collect::<Vec<_>>() })
    }

    fn revoke(&self, id: &str) -> Result<Json, PodError> {
        if !self.invitations.revoke(id)? {
            return Err(PodError::Request(format!("there is no invitation {id}")));
        }
        Ok(json!({ "revoked": id }))
    }
}

/// A cloud peer from the outside: the one that runs in a directory, or what it has left there.
pub struct CloudDesk(At);

enum At {
    Running(Client),
    Here {
        shared: Box<Shared>,
        _lock: WriterLock,
    },
}

impl CloudDesk {
    /// Goes to it.
    ///
    /// # Errors
    /// [`PodError::Request`] if there never was a peer in the directory; [`PodError::InUse`]; those of the store.
    pub fn open(home: &PodHome, opening: &Opening) -> Result<Self, PodError> {
        let directory = home.directory();
        if !directory.join("sealed.redb").exists() {
            return Err(PodError::Request(format!(
                "there is no cloud peer in {}: `rhizome cloud-peer` makes one",
                directory.display()
            )));
        }
        if let Some(running) = home.running() {
            let client = Client::new(running);
            if client.cloud_invitations().is_ok() {
                return Ok(Self(At::Running(client)));
            }
        }
        let lock = WriterLock::take(&directory.join("writer.lock"), &opening.what, now_ms())?;
        let shared = Shared::open(directory, super::DEFAULT_QUOTA)?;
        Ok(Self(At::Here {
            shared: Box::new(shared),
            _lock: lock,
        }))
    }

    /// The pods that are kept: `{"pods": [{"did", "bytes", "quota", "commits", …}]}`.
    ///
    /// # Errors
    /// Those of the store.
    pub fn pods(&self) -> Result<Json, PodError> {
        match &self.0 {
            At::Running(client) => client.cloud_pods(),
            At::Here { shared, .. } => shared.list(),
        }
    }

    /// Changes how much a pod may take.
    ///
    /// # Errors
    /// [`PodError::Sealed`] if it is not kept; those of the store.
    pub fn set_quota(&self, did: &str, bytes: u64) -> Result<Json, PodError> {
        let asked = json!({ "did": did, "bytes": bytes });
        match &self.0 {
            At::Running(client) => client.cloud("/quota", &asked),
            At::Here { shared, .. } => shared.change_quota(&parse(did)?, bytes),
        }
    }

    /// Keeps a pod no longer.
    ///
    /// # Errors
    /// [`PodError::Request`] if it is not kept; those of the store.
    pub fn forget(&self, did: &str) -> Result<Json, PodError> {
        match &self.0 {
            At::Running(client) => client.cloud("/forget", &json!({ "did": did })),
            At::Here { shared, .. } => shared.end(&parse(did)?),
        }
    }

    /// The invitations.
    ///
    /// # Errors
    /// Those of asking.
    pub fn invitations(&self) -> Result<Json, PodError> {
        match &self.0 {
            At::Running(client) => client.cloud_invitations(),
            At::Here { shared, .. } => Ok(shared.invited()),
        }
    }

    /// Makes an invitation: what it is, and the address that has its secret.
    ///
    /// # Errors
    /// [`PodError::Request`] if the peer does not run: then nobody knows its address.
    pub fn invite(&self, invite: &Invite) -> Result<Json, PodError> {
        match &self.0 {
            At::Running(client) => {
                client.cloud("/invite", &serde_json::to_value(invite).unwrap_or_default())
            }
            At::Here { .. } => Err(PodError::Request(
                "the peer does not run, so it has no address: start it with `rhizome cloud-peer`"
                    .into(),
            )),
        }
    }

    /// Takes an invitation back.
    ///
    /// # Errors
    /// [`PodError::Request`] if there is none of that name.
    pub fn revoke(&self, id: &str) -> Result<Json, PodError> {
        match &self.0 {
            At::Running(client) => client.cloud("/revoke", &json!({ "id": id })),
            At::Here { shared, .. } => shared.revoke(id),
        }
    }
}

fn parse(did: &str) -> Result<Did, PodError> {
    did.parse().map_err(PodError::Identity)
}
