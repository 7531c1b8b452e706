//! Files by their hash. What is served was verified against it, byte by byte.

use std::sync::Arc;

use axum::{
    Extension, Json as JsonBody,
    body::Body,
    extract::State,
    http::{HeaderMap, Response, StatusCode, header},
    response::IntoResponse,
};
use serde::Deserialize;
use serde_json::json;

use super::{
    App, apps, blocking,
    guard::{Site, same_secret},
    pieces, range,
    reply::{Answer, Asked, Named, Payload, Refusal, insert},
    sniff,
};
use crate::{apps::Doing, json::blob_cid, thumbnail::SIZES};

#[derive(Deserialize)]
pub(super) struct Token {
    t: Option<String>,
    /// In which a picture is to fit.
    size: Option<u32>,
}

/// Takes a file in. It goes nowhere else as long as no tuple names it.
pub(super) async fn bring(State(app): State<App>, Payload(body): Payload) -> Answer {
    blocking(move || {
        let cid = app.pod.blobs().put_bytes(&body)?;
        Ok(json!({ "blob": cid.to_string(), "bytes": body.len() }))
    })
    .await
    .map(JsonBody)
}

/// A blob, or a range of it.
pub(super) async fn blob(
    State(app): State<App>,
    Named(cid): Named,
    Asked(token): Asked<Token>,
    Extension(site): Extension<Site>,
    headers: HeaderMap,
) -> Result<axum::response::Response, Refusal> {
    let (asked, shown) = (token.t.as_deref(), super::bearer(&headers));
    let own = site == Site::Own
        && (asked.is_some_and(|t| same_secret(t, &app.tokens.blob))
            || shown.is_some_and(|t| same_secret(t, &app.tokens.api)));
    let caller = if own {
        None
    } else {
        Some(apps::caller_of_file(&app, &site, asked, shown)?)
    };
    let cid = blob_cid(&cid).ok_or_else(|| Refusal::request("this is not the CID of a blob"))?;
    let pod = Arc::clone(&app.pod);
    let file = blocking(move || match caller {
        None => Ok(pod.blobs().open(&cid)?),
        Some(caller) => {
            caller.note(Doing::File, None);
            caller.blob(&cid)
        }
    })
    .await?;
    let etag = match token.size {
        Some(size) => format!("\"{cid}-{size}\""),
        None => format!("\"{cid}\""),
    };
    if headers
        .get(header::IF_NONE_MATCH)
        .and_then(|h| h.to_str().ok())
        == Some(&*etag)
    {
        return Ok(StatusCode::NOT_MODIFIED.into_response());
    }
    if let Some(small) = thumbnail(&app, &cid, token.size).await? {
        return Ok(small);
    }
    let (file, head) = blocking(move || {
        let head = file.read_range(0, sniff::HEAD)?;
        Ok((file, head))
    })
    .await?;

    let mut response = range::answer(&headers, &etag, file.len(), |from, to| {
        pieces::file(file, from, to)
    });
    if !response.status().is_success() {
        return Ok(response);
    }
    let out = response.headers_mut();
    let kind = sniff::kind(&head);
    insert(
        out,
        header::CONTENT_TYPE,
        kind.unwrap_or("application/octet-stream"),
    );
    if kind.is_none() {
        insert(out, header::CONTENT_DISPOSITION, "attachment");
    }
    insert(out, header::ETAG, &etag);
    own_only(out);
    Ok(response)
}

/// How many pictures are made smaller at once: each may take half a gigabyte.
static MAKING: tokio::sync::Semaphore = tokio::sync::Semaphore::const_new(2);

/// A small one of a picture, if that is asked for and it can be made; otherwise the file itself is the answer.
async fn thumbnail(
    app: &App,
    cid: &rhizome_blob::Cid,
    size: Option<u32>,
) -> Result<Option<axum::response::Response>, Refusal> {
    let Some(size) = size else {
        return Ok(None);
    };
    if !SIZES.contains(&size) {
        return Err(Refusal::request(&format!(
            "`size` is to be one of {SIZES:?}"
        )));
    }
    let Ok(_turn) = MAKING.acquire().await else {
        return Ok(None);
    };
    let (app, name) = (app.clone(), *cid);
    let made = blocking(move || app.thumbnails.get(&app.pod, &name, size)).await?;
    Ok(made.map(|bytes| {
        let kind = sniff::kind(&bytes).unwrap_or("application/octet-stream");
        let mut response = Response::new(Body::from(bytes));
        let out = response.headers_mut();
        insert(out, header::CONTENT_TYPE, kind);
        insert(out, header::ETAG, &format!("\"{cid}-{size}\""));
        own_only(out);
        response
    }))
}

/// It may be kept by the browser that asked, and can do nothing when it is opened by itself.
fn own_only(out: &mut HeaderMap) {
    insert(
        out,
        header::CACHE_CONTROL,
        "private, max-age=31536000, immutable",
    );
    insert(
        out,
        header::CONTENT_SECURITY_POLICY,
        "sandbox; default-src 'none'",
    );
}
