//! Follows a live query of the node that holds a pod, as a program does that is no browser. Blocking.

use std::{io, net::TcpStream, time::Duration};

use serde_json::{Value as Json, json};
use tokio_tungstenite::tungstenite::{self, Message, WebSocket};

use crate::{
    Client, Pod, PodError,
    live::{Event, Form, Next, Row, SubscribeError},
};

/// How long a node may take to answer at first.
const PATIENCE: Duration = Duration::from_secs(10);
/// The number of the only subscription of a connection.
const ONLY: u64 = 1;

/// What is heard of a live query. Cells show the types of values: `{"time": …}`, `{"ref": …}`, `{"bytes": …}`, `{"blob": …}`.
#[derive(Clone, Debug, PartialEq)]
pub enum LiveNews {
    /// The whole result: at first, and when changes were lost on the way.
    Whole {
        /// Names of the columns.
        columns: Vec<String>,
        /// All rows.
        rows: Vec<Row>,
    },
    /// A change of it.
    Change {
        /// New rows, and those whose cells or place changed.
        put: Vec<Row>,
        /// Keys of rows that are gone.
        removed: Vec<String>,
    },
}

/// A live query of a running node.
pub struct LiveQuery {
    socket: WebSocket<TcpStream>,
    /// A result of which not all parts are here yet.
    part: Option<(Vec<String>, Vec<Row>)>,
}

fn remote(code: &str, message: String) -> PodError {
    PodError::Remote {
        code: code.to_owned(),
        message,
        position: None,
    }
}

fn lost(why: impl std::fmt::Display) -> PodError {
    remote(
        "unreachable",
        format!("the pod does not answer any more ({why}): is `rhizome up` still running?"),
    )
}

impl LiveQuery {
    /// Subscribes to a query: its text, or IQL as an object.
    pub fn subscribe(client: &Client, q: &Json, inputs: &[Json]) -> Result<Self, PodError> {
        let running = client.running();
        let host = running.url.strip_prefix("http://").unwrap_or(&running.url);
        let stream = TcpStream::connect(host).map_err(lost)?;
        stream.set_nodelay(true).map_err(lost)?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(lost)?;
        let (mut socket, _) =
            tungstenite::client(format!("ws://{host}/api/1/live"), stream).map_err(lost)?;
        let subscribe = json!({ "subscribe": ONLY, "q": q, "inputs": inputs, "typed": true });
        for message in [json!({ "auth": running.token }), subscribe] {
            socket
                .send(Message::Text(message.to_string().into()))
                .map_err(lost)?;
        }
        Ok(Self { socket, part: None })
    }

    /// Waits for news, not longer than `patience`; `None` if there are none. After an error it is over.
    pub fn next(&mut self, patience: Duration) -> Result<Option<LiveNews>, PodError> {
        // no time at all would mean: for ever
        let patience = patience.max(Duration::from_millis(1));
        self.socket
            .get_ref()
            .set_read_timeout(Some(patience))
            .map_err(lost)?;
        loop {
            let text = match self.socket.read() {
                Ok(Message::Text(text)) => text,
                Ok(Message::Close(frame)) => {
                    return Err(lost(frame.map_or_else(
                        || "it ended the connection".to_owned(),
                        |frame| frame.reason.to_string(),
                    )));
                }
                Ok(_) => continue,
                Err(tungstenite::Error::Io(error))
                    if matches!(
                        error.kind(),
                        io::ErrorKind::WouldBlock
                            | io::ErrorKind::TimedOut
                            | io::ErrorKind::Interrupted
                    ) =>
                {
                    return Ok(None);
                }
                Err(error) => return Err(lost(error)),
            };
            if let Some(news) = self.hear(&text)? {
                return Ok(Some(news));
            }
        }
    }

    fn hear(&mut self, text: &str) -> Result<Option<LiveNews>, PodError> {
        let mut message: Json = serde_json::from_str(text).map_err(lost)?;
        if let Some(error) = message.get("error") {
            let text = |member: &str| error.get(member).and_then(Json::as_str);
            let number = |member: &str| {
                let n = error.get("position")?.get(member)?.as_u64()?;
                u32::try_from(n).ok()
            };
            return Err(PodError::Remote {
                code: text("code").unwrap_or("unknown").to_owned(),
                message: text("message")
                    .unwrap_or("the pod refused the query")
                    .to_owned(),
                position: number("line")
                    .zip(number("column"))
                    .map(|(line, column)| rhizome_query::Position { line, column }),
            });
        }
        if message.get("id").and_then(Json::as_u64) != Some(ONLY) {
            return Ok(None);
        }
        let mut rows = |member: &str| -> Vec<Row> {
            match message.get_mut(member).map(Json::take) {
                Some(Json::Array(rows)) => rows.into_iter().filter_map(row).collect(),
                _ => Vec::new(),
            }
        };
        let (part, mut put, changed) = (rows("rows"), rows("added"), rows("changed"));
        if message.get("rows").is_none() {
            put.extend(changed);
            let removed = message.get("removed").and_then(Json::as_array);
            let removed = removed.into_iter().flatten();
            let removed = removed
                .filter_map(Json::as_str)
                .map(str::to_owned)
                .collect();
            return Ok(Some(LiveNews::Change { put, removed }));
        }
        if message.get("reset").is_some() {
            let columns = message.get("columns").and_then(Json::as_array);
            let columns = columns.into_iter().flatten().filter_map(Json::as_str);
            self.part = Some((columns.map(str::to_owned).collect(), Vec::new()));
        }
        if let Some((_, rows)) = &mut self.part {
            rows.extend(part);
        }
        if message.get("done").is_none() {
            return Ok(None);
        }
        let whole = self.part.take();
        Ok(whole.map(|(columns, rows)| LiveNews::Whole { columns, rows }))
    }
}

/// `[KEY, [cells]]`, with its place in the result as a third part if that has an order.
fn row(json: Json) -> Option<Row> {
    let Json::Array(parts) = json else {
        return None;
    };
    let mut parts = parts.into_iter();
    let (Some(Json::String(key)), Some(Json::Array(cells))) = (parts.next(), parts.next()) else {
        return None;
    };
    let index = parts.next().and_then(|i| usize::try_from(i.as_u64()?).ok());
    Some(Row { key, cells, index })
}

impl Pod {
    /// What a live query would say first, of a pod that this process opened.
    pub fn live_result(&self, q: &Json, inputs: &[Json]) -> Result<LiveNews, PodError> {
        let session = self.hub().session();
        session
            .subscribe_in(Form::Stored, ONLY, q, inputs)
            .map_err(|error| match error {
                SubscribeError::Pod(error) => error,
                other => PodError::Request(other.to_string()),
            })?;
        match session.outbox().try_next() {
            Some(Next::Event(Event::Reset { columns, rows, .. })) => {
                Ok(LiveNews::Whole { columns, rows })
            }
            _ => Err(PodError::Request("this query has no live result".into())),
        }
    }
}
