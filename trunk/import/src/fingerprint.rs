//! Values as eight bytes, to tell whether an export still says what it said last time.

use rhizome_tuple::Value;

/// Eight bytes of BLAKE3. They decide only whether a value of the same record and attribute changed, so a chance
/// collision (one in 2⁶⁴ for each comparison) would make one change go unnoticed until the next.
pub type Fingerprint = u64;

/// A fixed key: the separation of these hashes from all others.
const KEY: [u8; 32] = *b"rhizome import fingerprint v1\0\0\0";

/// Computes fingerprints, with a buffer it keeps.
#[derive(Default)]
pub struct Fingerprints(Vec<u8>);

impl Fingerprints {
    /// Of one value.
    pub fn of(&mut self, value: &Value) -> Fingerprint {
        self.0.clear();
        put(&mut self.0, value);
        self.finish()
    }

    /// Of values in order.
    pub fn of_all(&mut self, values: &[Value]) -> Fingerprint {
        self.0.clear();
        for value in values {
            let at = self.0.len();
            self.0.extend_from_slice(&[0; 4]);
            put(&mut self.0, value);
            let len = (self.0.len() - at) as u32;
            if let Some(place) = self.0.get_mut(at..at + 4) {
                place.copy_from_slice(&len.to_le_bytes());
            }
        }
        self.finish()
    }

    fn finish(&self) -> Fingerprint {
        let hash = blake3::keyed_hash(&KEY, &self.0);
        let (head, _) = hash.as_bytes().split_at(8);
        head.iter()
            .rev()
            .fold(0, |sum, byte| sum << 8 | u64::from(*byte))
    }
}

/// A type byte and the value.
fn put(out: &mut Vec<u8>, value: &Value) {
    let (tag, bytes): (u8, &[u8]) = match value {
        Value::Boolean(b) => (0, if *b { &[1] } else { &[0] }),
        Value::Integer(i) => (1, &i.to_le_bytes()),
        Value::Float(x) => (2, &(x + 0.0).to_bits().to_le_bytes()),
        Value::Time(ms) => (3, &ms.to_le_bytes()),
        Value::Text(text) => (4, text.as_bytes()),
        Value::Bytes(bytes) => (5, bytes),
        Value::Ref(entity) => (6, entity.as_bytes()),
        Value::Blob(cid) => (7, &cid.to_bytes()),
    };
    out.push(tag);
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_and_borders_count() {
        let mut f = Fingerprints::default();
        assert_ne!(f.of(&Value::Integer(1)), f.of(&Value::Time(1)));
        assert_ne!(f.of(&Value::from("a")), f.of(&Value::Bytes(b"a".to_vec())));
        assert_eq!(f.of(&Value::Float(0.0)), f.of(&Value::Float(-0.0)));
        let (ab_c, a_bc) = (
            [Value::from("ab"), Value::from("c")],
            [Value::from("a"), Value::from("bc")],
        );
        assert_ne!(f.of_all(&ab_c), f.of_all(&a_bc));
        assert_ne!(f.of_all(&[]), f.of_all(&[Value::from("")]));
    }

    /// Pins the function: bases written by earlier versions stay readable.
    #[test]
    fn a_known_fingerprint() {
        assert_eq!(
            Fingerprints::default().of(&Value::from("Rhizome")),
            16_181_952_729_344_807_571
        );
    }
}
