//! The HTTP binding of W3C DID Resolution, for the one identity that is known here. `docs/did.md` says what is answered.

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
};

use super::{
    App, blocking,
    reply::{Asked, Named, Refusal},
};

/// Resolves a DID. Options come after the question mark, the form of the answer from `Accept`.
pub(super) async fn resolve(
    State(app): State<App>,
    Named(did): Named,
    Asked(options): Asked<Vec<(String, String)>>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let accept = headers.get(header::ACCEPT).and_then(|a| a.to_str().ok());
    let accept = accept.map(str::to_owned);
    let answer = blocking(move || {
        let (own, log) = app.pod.device_log();
        let options: Vec<(&str, &str)> = options
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let find = |asked: &rhizome_identity::Did| (*asked == own).then_some(log);
        Ok(rhizome_identity::resolve(&did, accept.as_deref(), &options, find).answer())
    })
    .await?;
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() =
        StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(answer.content_type),
    );
    Ok(response)
}
