//! Answers and refusals as JSON.

use axum::{
    Json as JsonBody,
    extract::{FromRequestParts, Path, Query},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, request::Parts},
    response::{IntoResponse, Response},
};
use rhizome_blob::BlobError;
use serde::de::DeserializeOwned;
use serde_json::{Value as Json, json};

use crate::{PodError, live::SubscribeError};

/// A refusal.
#[derive(Debug)]
pub struct Refusal {
    status: StatusCode,
    body: Json,
}

/// What every handler answers.
pub type Answer = Result<JsonBody<Json>, Refusal>;

pub use super::body::Payload;

impl Refusal {
    /// With a code for programs and a message for people.
    pub fn new(status: StatusCode, code: &str, message: &str) -> Self {
        Self {
            status,
            body: json!({ "error": { "code": code, "message": message } }),
        }
    }

    pub fn unauthorised() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "unauthorised",
            "the token is missing or wrong: it is in the address that `rhizome up` printed",
        )
    }

    pub fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "missing", what)
    }

    pub fn request(message: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "request", message)
    }
}

/// The changing part of a path.
pub struct Named(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        // what an app asks has gone by two routers, and each has noted it
        type Parts = Vec<(String, String)>;
        match Path::<Parts>::from_request_parts(parts, state).await {
            Ok(Path(mut all)) => all
                .pop()
                .map(|(_, name)| Self(name))
                .ok_or_else(|| Refusal::request("a part of the path is missing")),
            Err(rejection) => Err(Refusal::request(&rejection.body_text())),
        }
    }
}

/// What comes after the question mark.
pub struct Asked<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        match Query::from_request_parts(parts, state).await {
            Ok(Query(asked)) => Ok(Self(asked)),
            Err(rejection) => Err(Refusal::request(&rejection.body_text())),
        }
    }
}

/// Says a header, where its value can be one.
pub fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// An error as the API says it.
pub fn error_json(error: &PodError) -> Json {
    let mut body = json!({ "code": error.code(), "message": error.to_string() });
    if let (Some(at), Some(body)) = (error.position(), body.as_object_mut()) {
        body.insert(
            "position".into(),
            json!({ "line": at.line, "column": at.column }),
        );
    }
    body
}

/// Why a subscription was refused, as the API says it.
pub fn subscribe_error_json(error: &SubscribeError) -> Json {
    match error {
        SubscribeError::Pod(error) => error_json(error),
        other => json!({ "code": "subscription", "message": other.to_string() }),
    }
}

impl From<PodError> for Refusal {
    fn from(error: PodError) -> Self {
        let status = match &error {
            PodError::Blob(BlobError::Missing(_)) => StatusCode::NOT_FOUND,
            PodError::NotGranted(_) => StatusCode::FORBIDDEN,
            PodError::Quota { .. } => StatusCode::TOO_MANY_REQUESTS,
            PodError::Busy(_) => StatusCode::CONFLICT,
            PodError::NoRoom { .. } => StatusCode::INSUFFICIENT_STORAGE,
            e if e.is_callers() => StatusCode::BAD_REQUEST,
            e if e.is_others() => StatusCode::BAD_GATEWAY,
            e if e.code() == "disk-full" => StatusCode::INSUFFICIENT_STORAGE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let of_pod = status.is_server_error() && status != StatusCode::BAD_GATEWAY;
        if of_pod && !matches!(error, PodError::NoRoom { .. }) {
            tracing::error!(%error, "a request failed");
        }
        Self {
            status,
            body: json!({ "error": error_json(&error) }),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status, JsonBody(self.body)).into_response()
    }
}
