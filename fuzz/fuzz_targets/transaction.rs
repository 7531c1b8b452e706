//! Transactions as JSON, and the values in them: refused in words, or read so that they are written back the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rhizome_pod::json::{ChangeKind, TxValue, from_json, parse_changes, to_json};
use rhizome_tuple::Value;

fn same(a: &Value, b: &Value) -> bool {
    // NaN is refused, so that equality is an equivalence
    a == b
}

fn check(value: &TxValue) {
    if let TxValue::Plain(value) = value {
        let again = from_json(&to_json(value)).expect("what was written can be read");
        assert!(same(value, &again), "{value:?} became {again:?}");
    }
}

fuzz_target!(|data: &[u8]| {
    let Ok(json) = serde_json::from_slice(data) else {
        return;
    };
    match parse_changes(&json) {
        Ok(changes) => {
            for change in &changes {
                match &change.kind {
                    ChangeKind::Assert(v) | ChangeKind::Insert(v) | ChangeKind::Push(v) | ChangeKind::Retract(Some(v)) => check(v),
                    ChangeKind::List(all) => all.iter().for_each(check),
                    ChangeKind::Add(_) | ChangeKind::Retract(None) => {}
                }
            }
        }
        Err(error) => assert!(error.to_string().len() < 1_000, "a message, not an echo"),
    }
});
