//! The keys of rows: what other tables may refer to.

use std::collections::{HashMap, HashSet};

use crate::Cell;

/// What all values of a row make: equal for equal rows.
pub fn print(cells: &[Cell]) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new();
    for cell in cells {
        let (tag, bytes): (u8, Vec<u8>) = match cell {
            Cell::Null => (0, Vec::new()),
            Cell::Boolean(b) => (1, vec![u8::from(*b)]),
            Cell::Integer(i) => (2, i.to_le_bytes().to_vec()),
            Cell::Real(x) => (3, x.to_bits().to_le_bytes().to_vec()),
            Cell::Text(s) => (4, s.as_bytes().to_vec()),
            Cell::Time(ms) => (5, ms.to_le_bytes().to_vec()),
            Cell::Bytes(b) => (6, b.clone()),
            // members have no order
            Cell::Json(json) => (7, sorted(json).into_bytes()),
        };
        hasher.update(&[tag]);
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(&bytes);
    }
    let mut print = [0; 16];
    hasher.finalize_xof().fill(&mut print);
    print
}

fn sorted(json: &serde_json::Value) -> String {
    match json {
        serde_json::Value::Object(members) => {
            let mut all: Vec<String> = members
                .iter()
                .map(|(k, v)| format!("{}:{}", serde_json::Value::from(k.as_str()), sorted(v)))
                .collect();
            all.sort();
            format!("{{{}}}", all.join(","))
        }
        serde_json::Value::Array(all) => {
            let all: Vec<String> = all.iter().map(sorted).collect();
            format!("[{}]", all.join(","))
        }
        other => other.to_string(),
    }
}

/// The keys of a table, and which row had which.
#[derive(Default)]
pub struct Keys {
    used: HashSet<String>,
    by_print: HashMap<[u8; 16], Vec<String>>,
}

impl Keys {
    /// Those of the rows that are there; each may be taken by an equal row first, and by a new version of it then.
    pub fn of(rows: &[(String, Vec<Cell>)]) -> Self {
        let mut by_print: HashMap<_, Vec<_>> = HashMap::new();
        for (key, cells) in rows {
            by_print.entry(print(cells)).or_default().push(key.clone());
        }
        Self {
            used: HashSet::new(),
            by_print,
        }
    }

    /// The key of a row that is equal to this one, if it is free.
    pub fn same(&mut self, cells: &[Cell]) -> Option<String> {
        let key = self.by_print.get_mut(&print(cells))?.pop()?;
        self.used.insert(key.clone());
        Some(key)
    }

    /// A key for a row: its entity, or what all of it makes.
    pub fn take(&mut self, cells: &[Cell]) -> String {
        let base = match cells.first() {
            Some(Cell::Text(s)) if s.starts_with("rz:") && s.len() < 64 => s.clone(),
            _ => data_encoding::HEXLOWER.encode(&print(cells)),
        };
        let mut key = base.clone();
        let mut number = 2_usize;
        while !self.used.insert(key.clone()) {
            key = format!("{base}#{number}");
            number += 1;
        }
        key
    }

    /// This key and no other; whether it was free.
    pub fn claim(&mut self, key: &str) -> bool {
        self.used.insert(key.to_owned())
    }

    /// Gives a key back.
    pub fn free(&mut self, key: &str) {
        self.used.remove(key);
    }

    /// Whether a row has this key.
    pub fn holds(&self, key: &str) -> bool {
        self.used.contains(key)
    }
}
