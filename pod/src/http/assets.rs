//! The console's files, embedded in the binary (in debug builds: read from disk).

use axum::{
    body::Body,
    http::{HeaderValue, Response, StatusCode, Uri, header},
};
use rust_embed::RustEmbed;

// The folder may be missing: the Rust side then builds all the same, and the page says how to build the console.
#[derive(RustEmbed)]
#[folder = "../apps/console/dist"]
#[allow_missing = true]
struct Console;

/// What the page may do: talk to this pod and show its blobs. No inline script or style, no other origin, no frame around it, no HTML
/// made from strings.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

const NOT_BUILT: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Rhizome</title>\
     <h1>The console is not built</h1><p>This binary was compiled before its page was. Run <code>make console</code> in the source tree \
     (it needs Node.js and npm; <code>scripts/setup up</code> installs them), then build again, or just run <code>make up</code>.</p>\
     <p>The pod itself is running: <code>rhizome query</code>, <code>rhizome tx</code> and the API work.</p>";

/// A file of the console. Its pages have addresses of their own (`/query`, `/data/…`), so everything without a dot is the page.
pub async fn serve(uri: Uri) -> Response<Body> {
    let path = uri.path().trim_start_matches('/');
    let asset = Console::get(path).filter(|_| !path.is_empty());
    let is_asset = asset.is_some();
    if !is_asset
        && path
            .rsplit('/')
            .next()
            .is_some_and(|name| name.contains('.'))
    {
        return page(
            StatusCode::NOT_FOUND,
            "text/plain; charset=utf-8",
            "nothing is here".into(),
            false,
        );
    }
    match asset.or_else(|| Console::get("index.html")) {
        Some(file) => {
            let kind = if is_asset {
                content_type(path)
            } else {
                "text/html; charset=utf-8"
            };
            page(
                StatusCode::OK,
                kind,
                file.data.into_owned().into(),
                path.starts_with("assets/"),
            )
        }
        None => page(
            StatusCode::OK,
            "text/html; charset=utf-8",
            NOT_BUILT.into(),
            false,
        ),
    }
}

fn page(status: StatusCode, kind: &'static str, body: Body, hashed_name: bool) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(POLICY),
    );
    // names under assets/ hold a hash of their content
    let cache = if hashed_name {
        "private, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    response
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("json") => "application/json",
        Some("png") => "image/png",
        Some("woff2") => "font/woff2",
        _ => "application/octet-stream",
    }
}
