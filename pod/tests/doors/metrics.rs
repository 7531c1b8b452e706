use crate::{ask::ask, node};
use serde_json::json;

#[test]
fn what_happens_is_counted_by_the_pattern_of_its_route() {
    let node = node::start();
    let token = format!("Bearer {}", node.running.token);
    let get = |path: &str| {
        ask(
            node.address(),
            "GET",
            path,
            &[("authorization", &token)],
            b"",
        )
    };
    let made = node
        .client
        .transact(
            &json!([{ "assert": { "entity": "_:n", "attribute": "note/text", "value": "x" } }]),
        )
        .unwrap();
    let entity = made["entities"]["_:n"].as_str().unwrap().to_owned();
    get(&format!("/api/1/entity/{entity}"));
    get("/api/1/entity/nonsense");
    get("/ipfs/bafkqaaa?format=raw");
    get("/api/1/no/such/path");
    let answer = get("/api/1/metrics");
    assert_eq!(answer.status, 200);
    assert!(answer.has("content-type", "application/openmetrics-text"));
    let text = String::from_utf8(answer.body).unwrap();
    for line in [
        r#"rhizome_http_requests_total{method="POST",route="/api/1/tx",status="200"} 1"#,
        r#"rhizome_http_requests_total{method="GET",route="/api/1/entity/{id}",status="200"} 1"#,
        r#"rhizome_http_requests_total{method="GET",route="/api/1/entity/{id}",status="400"} 1"#,
        r#"rhizome_http_requests_total{method="GET",route="/ipfs/{*path}",status="200"} 1"#,
        r#"rhizome_http_requests_total{method="GET",route="other",status="404"} 1"#,
        r#"rhizome_http_request_seconds_count{route="/api/1/entity/{id}"} 2"#,
        "rhizome_commits 1",
        "rhizome_live_subscriptions 0",
        "# EOF",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    let tuples = text
        .lines()
        .find_map(|l| l.strip_prefix("rhizome_tuples "))
        .unwrap();
    assert!(tuples.parse::<u64>().unwrap() >= 1);
    if cfg!(target_os = "linux") {
        let memory = text
            .lines()
            .find_map(|l| l.strip_prefix("rhizome_process_resident_memory_bytes "))
            .unwrap();
        assert!(memory.parse::<u64>().unwrap() > 1 << 20);
    }
    assert!(!text.contains(&entity) && !text.contains(&node.running.token));
    assert_eq!(
        ask(node.address(), "GET", "/api/1/metrics", &[], b"").status,
        401
    );
}
