//! A DID document that lies beside a repository: who may sign it, and what its owner is called.

use rhizome_ipld::PublicKey;
use serde_json::Value;

use crate::error::ImportError;
use crate::source::Source;

/// Bytes of a DID document, and how many files may be looked at for one.
const MAX_DOCUMENT_LEN: u64 = 256 << 10;
const MAX_LOOKED_AT: usize = 256;
/// Longest key in text: base58 of an uncompressed point.
const MAX_KEY_LEN: usize = 128;

/// What a document says.
pub struct Document {
    /// Where it is.
    pub path: String,
    /// The key that signs the repository, or why there is none.
    pub key: Result<PublicKey, &'static str>,
    /// `name.host`, where it names one.
    pub handle: Option<String>,
}

/// The document of `did` in the folder of `car`.
pub fn find(source: &Source, car: &str, did: &str) -> Result<Option<Document>, ImportError> {
    let name = car.rsplit('/').next().unwrap_or(car);
    let folder = car.strip_suffix(name).unwrap_or_default();
    let beside = source.entries().iter().filter(|entry| {
        let name = entry.path.strip_prefix(folder).unwrap_or("/");
        let json = name.len() > 5 && name.to_ascii_lowercase().ends_with(".json");
        json && !name.contains('/') && entry.size <= MAX_DOCUMENT_LEN
    });
    for entry in beside.take(MAX_LOOKED_AT) {
        let bytes = match source.read_document(&entry.path) {
            Ok(bytes) => bytes,
            Err(ImportError::Read { .. }) => continue,
            Err(error) => return Err(error),
        };
        let Ok(document) = serde_json::from_slice::<Value>(&bytes) else {
            continue;
        };
        if document.get("id").and_then(Value::as_str) == Some(did)
            && document.get("verificationMethod").is_some()
        {
            return Ok(Some(Document {
                path: entry.path.clone(),
                key: key(&document),
                handle: handle(&document),
            }));
        }
    }
    Ok(None)
}

fn handle(document: &Value) -> Option<String> {
    let names = document.get("alsoKnownAs")?.as_array()?;
    let mut handles = names.iter().filter_map(|name| {
        let handle = name.as_str()?.strip_prefix("at://")?;
        is_handle(handle).then_some(handle)
    });
    handles.next().map(str::to_owned)
}

/// Whether a text can be a handle: a domain name.
pub fn is_handle(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-.".contains(&b);
    text.len() <= 253 && !text.is_empty() && text.bytes().all(plain)
}

fn key(document: &Value) -> Result<PublicKey, &'static str> {
    let methods = document.get("verificationMethod").and_then(Value::as_array);
    let method = methods
        .into_iter()
        .flatten()
        .find(|method| {
            let id = method.get("id").and_then(Value::as_str);
            id.is_some_and(|id| id.ends_with("#atproto"))
        })
        .ok_or("the DID document names no key #atproto")?;
    let text = |name| method.get(name).and_then(Value::as_str);
    let key = text("publicKeyMultibase")
        .filter(|key| key.len() <= MAX_KEY_LEN && key.starts_with('z'))
        .ok_or("the key in the DID document is not base58btc text")?;
    let read = match text("type") {
        Some("Multikey") => key.parse().ok(),
        Some("EcdsaSecp256k1VerificationKey2019") => point(key).map(PublicKey::Secp256k1),
        Some("EcdsaSecp256r1VerificationKey2019") => point(key).map(PublicKey::P256),
        _ => return Err("the key in the DID document is of an unknown type"),
    };
    read.ok_or("the key in the DID document is not a key of its type")
}

/// A point of a curve, compressed or not, as a compressed one: the form of the years before Multikey.
fn point(key: &str) -> Option<[u8; 33]> {
    let (_, bytes) = multibase::decode(key).ok()?;
    let (first, rest) = bytes.split_first()?;
    let (x, y) = rest.split_at_checked(32)?;
    let first = match (first, y.last()) {
        (2 | 3, None) => *first,
        (4, Some(last)) if y.len() == 32 => 2 + (last & 1),
        _ => return None,
    };
    let mut point = [first; 33];
    point.get_mut(1..)?.copy_from_slice(x);
    Some(point)
}
