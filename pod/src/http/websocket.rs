//! Live queries over a WebSocket. The first message is the token, since browsers cannot send headers here.

use std::{str::FromStr, sync::Arc, time::Duration};

use axum::{
    Extension,
    extract::{
        State, WebSocketUpgrade,
        ws::{CloseFrame, Message, WebSocket, rejection::WebSocketUpgradeRejection},
    },
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::{SinkExt, StreamExt, stream::SplitSink};
use rhizome_tuple::EntityId;
use serde::Deserialize;
use serde_json::{Value as Json, json};
use tokio::sync::{Semaphore, mpsc};

use super::{
    App,
    api::status_json,
    apps,
    guard::{Site, same_secret},
    reply::{Refusal, error_json, subscribe_error_json},
    subscriber::Subscriber,
};
use crate::live::{Event, Form, Next, Row, Session, SubscribeError};
use crate::{
    PodError,
    apps::{AppView, Caller, Doing},
    home::now_ms,
};

/// Bytes of a message from a client.
const MAX_MESSAGE: usize = 1 << 20;
/// Rows of one message to a client.
const ROWS_PER_MESSAGE: usize = 1_000;
/// Bytes of rows after which a message to a client ends.
const BYTES_PER_MESSAGE: usize = 256 << 10;
/// Connections at one time.
const MAX_CONNECTIONS: usize = 128;
/// How long a client may take to show its token, and to take a message.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often an idle connection is asked whether it still lives.
const PING_EVERY: Duration = Duration::from_secs(30);
/// The close code for a wrong token, from the range for applications.
const UNAUTHORISED: u16 = 4401;
/// The close code for an app that may not go on.
const SENT_AWAY: u16 = 4403;
/// How long it may take to be told so.
const FAREWELL: Duration = Duration::from_secs(1);

static CONNECTIONS: Semaphore = Semaphore::const_new(MAX_CONNECTIONS);

/// What a client says; which members are there decides what it means.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    auth: Option<String>,
    subscribe: Option<u64>,
    unsubscribe: Option<u64>,
    q: Option<Json>,
    #[serde(default)]
    inputs: Vec<Json>,
    entities: Option<Vec<String>>,
    status: Option<bool>,
    /// Values in cells show their types.
    #[serde(default)]
    typed: bool,
    /// Whose tuples: `followed`, or nothing for those of the pod.
    pod: Option<String>,
}

pub(super) async fn live(
    State(app): State<App>,
    Extension(site): Extension<Site>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let Ok(upgrade) = upgrade else {
        return no_websocket();
    };
    upgrade
        .max_message_size(MAX_MESSAGE)
        .max_frame_size(MAX_MESSAGE)
        .on_upgrade(move |socket| async move {
            let Ok(_place) = CONNECTIONS.try_acquire() else {
                close(socket, 1013, "too many connections").await;
                return;
            };
            let _counted = app.metrics.connection();
            converse(app, site, socket).await;
        })
}

/// To who does not ask for a WebSocket as one does.
fn no_websocket() -> Response {
    let why = "this is a WebSocket: ask for an upgrade to `websocket`, version 13";
    let mut response = Refusal::new(StatusCode::UPGRADE_REQUIRED, "upgrade", why).into_response();
    let kind = HeaderValue::from_static("websocket");
    response.headers_mut().insert(header::UPGRADE, kind);
    response
}

async fn close(mut socket: WebSocket, code: u16, reason: &'static str) {
    let frame = CloseFrame {
        code,
        reason: reason.into(),
    };
    // whether the other side still hears it changes nothing
    let _ = socket.send(Message::Close(Some(frame))).await;
}

/// Who is at the other end.
#[derive(Clone)]
enum Who {
    Owner(App),
    App(Caller, Arc<AppView>),
}

impl Who {
    /// By the first message. Reading what an app sees may take a while.
    fn of(app: &App, site: &Site, text: &str) -> Option<Result<Self, PodError>> {
        if *site == Site::Own && is_token(text, &app.tokens.api) {
            return Some(Ok(Self::Owner(app.clone())));
        }
        let token = serde_json::from_str::<Wish>(text).ok()?.auth?;
        let caller = apps::caller(app, site, &token).ok()?;
        caller.note(Doing::Live, None);
        Some(caller.view().map(|view| Self::App(caller, view)))
    }

    fn session(&self) -> Session {
        match self {
            Self::Owner(app) => app.pod.hub().session(),
            Self::App(_, view) => view.hub().session(),
        }
    }

    fn status(&self) -> Result<Json, PodError> {
        match self {
            Self::Owner(app) => status_json(app),
            Self::App(caller, _) => apps::status_json(caller),
        }
    }

    /// Does what a message asks for; says what goes wrong.
    fn hear(&self, subscriber: &Subscriber, text: &str) -> Option<Json> {
        let session = &subscriber.own;
        let caller = match self {
            Self::Owner(app) => return hear_owner(app, subscriber, text),
            Self::App(caller, _) => caller,
        };
        let refused = |error: &PodError| Some(json!({ "error": error_json(error) }));
        match caller.compute(|_| Ok(hear(session, text))) {
            Ok(answer) => answer,
            Err(error) => refused(&error),
        }
    }

    /// Returns when an app may not go on.
    async fn over(&self) {
        let Self::App(caller, view) = self else {
            return std::future::pending().await;
        };
        let mut over = view.over();
        let sent_away = over.wait_for(|over| *over);
        let Some(until) = caller.grant().until_ms else {
            drop(sent_away.await);
            return;
        };
        let left = until.saturating_sub(now_ms()).max(0).unsigned_abs();
        tokio::select! {
            _ = sent_away => (),
            () = tokio::time::sleep(Duration::from_millis(left)) => (),
        }
    }
}

async fn converse(mut app: App, site: Site, mut socket: WebSocket) {
    let who = match tokio::time::timeout(PATIENCE, socket.recv()).await {
        Ok(Some(Ok(Message::Text(text)))) => {
            let app = app.clone();
            tokio::task::spawn_blocking(move || Who::of(&app, &site, &text)).await
        }
        Ok(Some(Ok(_))) => Ok(None),
        _ => return,
    };
    let who = match who {
        Ok(Some(Ok(who))) => who,
        Ok(None) => {
            return close(
                socket,
                UNAUTHORISED,
                "the first message is {\"auth\": token}",
            )
            .await;
        }
        Ok(Some(Err(_))) | Err(_) => return close(socket, 1011, "a fault in the pod").await,
    };
    let session = Arc::new(Subscriber::new(who.session()));
    let (sink, mut source) = socket.split();
    // what is said directly, beside the outbox: refusals
    let (say, said) = mpsc::channel::<Message>(64);
    let mut writer = tokio::spawn(write(who.clone(), Arc::clone(&session), sink, said));
    let over = who.over();
    tokio::pin!(over);
    let mut sent_away = false;
    let mut closing = app.closing.clone();
    loop {
        let message = tokio::select! {
            message = source.next() => message,
            _ = closing.wait_for(|closing| *closing) => break,
            () = &mut over => {
                sent_away = true;
                break;
            }
            () = session.lost() => break,
        };
        let Some(Ok(message)) = message else { break };
        let text = match message {
            Message::Text(text) => text,
            Message::Close(_) => break,
            _ => continue,
        };
        // one after the other: an `unsubscribe` must not overtake its `subscribe`
        let (hearer, asks) = (Arc::clone(&session), who.clone());
        match tokio::task::spawn_blocking(move || asks.hear(&hearer, &text)).await {
            Ok(None) => {}
            Ok(Some(refusal)) => {
                let refusal = Message::Text(refusal.to_string().into());
                if say.send(refusal).await.is_err() {
                    break;
                }
            }
            Err(_) => break,
        }
    }
    app.closing.mark_unchanged();
    if sent_away {
        let frame = CloseFrame {
            code: SENT_AWAY,
            reason: "the owner of the pod sent this app away".into(),
        };
        // whether the other side still hears it changes nothing
        let _ = say.send(Message::Close(Some(frame))).await;
        drop(say);
        let _ = tokio::time::timeout(FAREWELL, &mut writer).await;
    }
    writer.abort();
}

/// Does what a message asks for; answers only what goes wrong.
pub(super) fn hear(session: &Session, text: &str) -> Option<Json> {
    match understood(text) {
        Ok(wish) if wish.pod.is_some() => wish.subscribe.map(elsewhere),
        Ok(wish) => grant(session, wish),
        Err(refusal) => Some(refusal),
    }
}

fn understood(text: &str) -> Result<Wish, Json> {
    serde_json::from_str(text).map_err(|error| {
        json!({ "error": { "code": "request", "message": format!("this message is not understood: {error}") } })
    })
}

fn elsewhere(id: u64) -> Json {
    let why = "`pod` is `followed`, or is left out: live queries are of the pod, and of what its owner follows";
    json!({ "id": id, "error": { "code": "request", "message": why } })
}

/// Refused, or not: what is to be said then.
struct Said(Json);

impl From<SubscribeError> for Said {
    fn from(error: SubscribeError) -> Self {
        Self(json!({ "error": subscribe_error_json(&error) }))
    }
}

/// As [`hear`], of the pod's owner, who may listen to what he follows, too.
fn hear_owner(app: &App, subscriber: &Subscriber, text: &str) -> Option<Json> {
    let mut wish = match understood(text) {
        Ok(wish) => wish,
        Err(refusal) => return Some(refusal),
    };
    if let Some(id) = wish.unsubscribe {
        subscriber.unsubscribe(id);
        return None;
    }
    let Some(id) = wish.subscribe else {
        return grant(&subscriber.own, wish);
    };
    let done = match wish.pod.take().as_deref() {
        None => match subscriber.in_pod(id, |session| grant(session, wish)) {
            Ok(answer) => return answer,
            Err(error) => Err(error.into()),
        },
        Some("followed") => subscriber.in_followed(&app.pod, id, |session| {
            grant(session, wish).map_or(Ok(()), |refusal| Err(Said(refusal)))
        }),
        Some(_) => return Some(elsewhere(id)),
    };
    done.err().map(|Said(mut refusal)| {
        refusal["id"] = id.into();
        refusal
    })
}

pub(super) fn is_token(text: &str, wanted: &str) -> bool {
    serde_json::from_str::<Wish>(text)
        .ok()
        .and_then(|w| w.auth)
        .is_some_and(|token| same_secret(&token, wanted))
}

fn grant(session: &Session, wish: Wish) -> Option<Json> {
    if let Some(id) = wish.unsubscribe {
        session.unsubscribe(id);
        return None;
    }
    let Some(id) = wish.subscribe else {
        return Some(
            json!({ "error": { "code": "request", "message": "expected `subscribe` or `unsubscribe`" } }),
        );
    };
    let done = match (wish.q, wish.entities, wish.status) {
        (Some(q), None, None) => {
            let form = if wish.typed {
                Form::Stored
            } else {
                Form::Plain
            };
            session.subscribe_in(form, id, &q, &wish.inputs)
        }
        (None, Some(entities), None) => match ids(&entities) {
            Ok(entities) => session.watch(id, entities),
            Err(message) => {
                return Some(
                    json!({ "id": id, "error": { "code": "request", "message": message } }),
                );
            }
        },
        (None, None, Some(true)) => session.watch_figures(id),
        _ => {
            return Some(
                json!({ "id": id, "error": { "code": "request", "message": "expected exactly one of `q`, `entities`, `status`" } }),
            );
        }
    };
    done.err()
        .map(|error: SubscribeError| json!({ "id": id, "error": subscribe_error_json(&error) }))
}

fn ids(texts: &[String]) -> Result<Vec<EntityId>, String> {
    texts
        .iter()
        .map(|text| EntityId::from_str(text).map_err(|e| e.to_string()))
        .collect()
}

type Sink = SplitSink<WebSocket, Message>;

async fn write(
    who: Who,
    session: Arc<Subscriber>,
    mut sink: Sink,
    mut said: mpsc::Receiver<Message>,
) {
    if send(&mut sink, json!({ "ready": true })).await.is_err() {
        return;
    }
    let mut ping = tokio::time::interval(PING_EVERY);
    loop {
        let next = tokio::select! {
            next = session.own.outbox().next() => next,
            Some(message) = said.recv() => {
                let last = matches!(message, Message::Close(_));
                let sent = tokio::time::timeout(PATIENCE, sink.send(message)).await;
                if last || !matches!(sent, Ok(Ok(()))) {
                    return;
                }
                continue;
            }
            _ = ping.tick() => {
                if tokio::time::timeout(PATIENCE, sink.send(Message::Ping(Vec::new().into()))).await.is_err() {
                    return;
                }
                continue;
            }
        };
        let done = match next {
            Next::Event(event) => tell(&who, &mut sink, event).await,
            Next::Stale(stale) => {
                session.reset(&stale);
                Ok(())
            }
            Next::Closed => return,
        };
        if done.is_err() {
            return;
        }
    }
}

/// The other side has gone, or takes nothing any more.
struct Gone;

async fn send(sink: &mut Sink, message: Json) -> Result<(), Gone> {
    match tokio::time::timeout(
        PATIENCE,
        sink.send(Message::Text(message.to_string().into())),
    )
    .await
    {
        Ok(Ok(())) => Ok(()),
        _ => Err(Gone),
    }
}

async fn tell(who: &Who, sink: &mut Sink, event: Event) -> Result<(), Gone> {
    match event {
        Event::Reset { id, columns, rows } => {
            let mut columns = Some(columns);
            let mut rows = rows.into_iter().peekable();
            loop {
                let mut part = Vec::new();
                let mut bytes = 0;
                while part.len() < ROWS_PER_MESSAGE && bytes < BYTES_PER_MESSAGE {
                    let Some(next) = rows.next() else { break };
                    bytes += next.weight();
                    part.push(row(next));
                }
                let mut message = json!({ "id": id, "rows": part });
                let done = rows.peek().is_none();
                if let Some(message) = message.as_object_mut() {
                    if let Some(columns) = columns.take() {
                        message.insert("reset".into(), json!(true));
                        message.insert("columns".into(), json!(columns));
                    }
                    if done {
                        message.insert("done".into(), json!(true));
                    }
                }
                send(sink, message).await?;
                if done {
                    return Ok(());
                }
            }
        }
        Event::Changed {
            id,
            added,
            changed,
            removed,
        } => {
            let rows = |rows: Vec<Row>| rows.into_iter().map(row).collect::<Vec<Json>>();
            send(
                sink,
                json!({ "id": id, "added": rows(added), "changed": rows(changed), "removed": removed }),
            )
            .await
        }
        Event::Entities { id, states } => {
            let states: serde_json::Map<String, Json> = states.into_iter().collect();
            send(sink, json!({ "id": id, "entities": states })).await
        }
        Event::Figures { id } => {
            let who = who.clone();
            let message = match tokio::task::spawn_blocking(move || who.status()).await {
                Ok(Ok(status)) => json!({ "id": id, "status": status }),
                Ok(Err(error)) => json!({ "id": id, "error": error_json(&error) }),
                Err(_) => return Err(Gone),
            };
            send(sink, message).await
        }
        Event::Failed { id, error } => send(sink, json!({ "id": id, "error": error })).await,
    }
}

fn row(row: Row) -> Json {
    let mut parts = vec![Json::from(row.key), Json::from(row.cells)];
    parts.extend(row.index.map(Json::from));
    Json::Array(parts)
}
