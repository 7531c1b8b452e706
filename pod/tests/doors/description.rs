//! `docs/openapi.json` beside the pod that it describes.

use std::collections::BTreeSet;

use crate::ask::operations;

/// The routes as the router's source has them: `(method, path)`.
fn routes() -> BTreeSet<(String, String)> {
    let source = include_str!("../../src/http/mod.rs");
    let mut out = BTreeSet::new();
    for part in source.split(".route(").skip(1) {
        let path = part.split('"').nth(1).unwrap();
        let rest = part.split('"').nth(2).unwrap();
        // up to where the next call on the router begins
        let mut depth = 1;
        let end = rest.char_indices().find(|(_, c)| {
            depth += i32::from(*c == '(') - i32::from(*c == ')');
            depth == 0
        });
        let handlers = &rest[..end.unwrap().0];
        if path == "/link" || handlers.contains("any(") {
            continue; // for devices, by their keys; and no route at all
        }
        let of_api = !path.starts_with("/ipfs/") && !path.starts_with("/1.0/");
        let path = if of_api {
            format!("/api/1{path}")
        } else {
            path.replace("{*", "{")
        };
        for method in ["get", "post", "delete", "put", "patch"] {
            if handlers.contains(&format!("{method}(")) {
                out.insert((method.to_uppercase(), path.clone()));
            }
        }
    }
    // for apps alone
    out.insert(("POST".into(), "/api/1/apps/leave".into()));
    out
}

#[test]
fn every_route_is_described_and_no_other() {
    let described: BTreeSet<_> = operations()
        .into_iter()
        .map(|o| (o.method, o.path))
        .collect();
    let routes = routes();
    assert!(routes.len() > 60, "the routes were not found: {routes:?}");
    let missing: Vec<_> = routes.difference(&described).collect();
    let made_up: Vec<_> = described.difference(&routes).collect();
    assert!(
        missing.is_empty() && made_up.is_empty(),
        "missing: {missing:?}; made up: {made_up:?}"
    );
}
