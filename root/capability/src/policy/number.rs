//! Numbers of two kinds compared by value, exactly.

use std::cmp::Ordering;

use ipld_core::ipld::Ipld;

/// How two numbers stand; `None` if one is none.
pub(crate) fn compare(a: &Ipld, b: &Ipld) -> Option<Ordering> {
    match (a, b) {
        (Ipld::Integer(a), Ipld::Integer(b)) => Some(a.cmp(b)),
        (Ipld::Float(a), Ipld::Float(b)) => a.partial_cmp(b),
        (Ipld::Integer(a), Ipld::Float(b)) => mixed(*a, *b),
        (Ipld::Float(a), Ipld::Integer(b)) => mixed(*b, *a).map(Ordering::reverse),
        _ => None,
    }
}

pub(crate) fn is_number(value: &Ipld) -> bool {
    matches!(value, Ipld::Integer(_)) || matches!(value, Ipld::Float(float) if !float.is_nan())
}

/// Integers beyond 2⁵³ have no float of their own, so the float is taken apart instead.
fn mixed(integer: i128, float: f64) -> Option<Ordering> {
    if float.is_nan() {
        return None;
    }
    // The cast saturates, and no integer of DAG-CBOR comes near its ends.
    let whole = float.trunc() as i128;
    let part = float - float.trunc();
    Some(integer.cmp(&whole).then_with(|| {
        if part > 0.0 {
            Ordering::Less
        } else if part < 0.0 {
            Ordering::Greater
        } else {
            Ordering::Equal
        }
    }))
}
