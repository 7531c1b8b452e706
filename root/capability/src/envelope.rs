//! The envelope that all tokens share: `[signature, {"h": varsig header, "ucan/…@version": payload}]`.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::OnceLock;

use ipld_core::ipld::Ipld;
use rhizome_ipld::varsig::{self, Algorithm, SIGNATURE_LEN};
use rhizome_ipld::{Cid, PublicKey, cid_sha256, codec};

use crate::principal::{Principal, Resolver};
use crate::{CapabilityError, Command, MAX_TIME, Signer};

/// Longest token in bytes.
pub const MAX_TOKEN: usize = 64 << 10;

/// The version that is emitted: the one that other implementations read today.
pub const VERSION: &str = "1.0.0-rc.1";

/// The versions that are accepted. Their tokens differ in the tag alone.
pub const VERSIONS: [&str; 2] = ["1.0.0-rc.1", "1.0.0"];

/// Longest signature that is read. Those of the accepted algorithms have 64 bytes; another length is a signature that does not verify.
const MAX_SIGNATURE: usize = 1024;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Delegation,
    Invocation,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Delegation => "dlg",
            Self::Invocation => "inv",
        }
    }

    fn from_tag(tag: &str) -> Option<Self> {
        let (name, version) = tag.strip_prefix("ucan/")?.split_once('@')?;
        [Self::Delegation, Self::Invocation]
            .into_iter()
            .find(|kind| kind.name() == name && VERSIONS.contains(&version))
    }
}

/// A token's bytes and what can be said of them whatever the payload is.
pub(crate) struct Envelope {
    bytes: Vec<u8>,
    cid: Cid,
    algorithm: Algorithm,
    /// Where the signature begins and ends; the signed bytes follow it to the end.
    signature: (usize, usize),
    payload: Box<Cid>,
    /// The key that was tried first, and whether the signature is its. A pure function of the bytes, so it may be kept.
    checked: OnceLock<(PublicKey, bool)>,
}

/// Length of a CBOR head with this argument, in its shortest form.
const fn head(argument: usize) -> usize {
    match argument {
        0..24 => 1,
        24..0x100 => 2,
        0x100..0x1_0000 => 3,
        _ => 5,
    }
}

impl fmt::Debug for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.cid, f)
    }
}

impl Envelope {
    /// Reads the envelope; the payload's fields come beside it. The signature is not verified here.
    pub(crate) fn open(bytes: &[u8]) -> Result<(Self, Kind, Fields), CapabilityError> {
        let Ipld::List(list) = codec::decode(bytes, MAX_TOKEN)? else {
            return Err(CapabilityError::Envelope);
        };
        let Ok([Ipld::Bytes(signature), Ipld::Map(mut signed)]) = <[Ipld; 2]>::try_from(list)
        else {
            return Err(CapabilityError::Envelope);
        };
        if signed.len() != 2 || signature.len() > MAX_SIGNATURE {
            return Err(CapabilityError::Envelope);
        }
        let Some(Ipld::Bytes(header)) = signed.remove("h") else {
            return Err(CapabilityError::Envelope);
        };
        let Some((tag, Ipld::Map(fields))) = signed.pop_first() else {
            return Err(CapabilityError::Envelope);
        };
        let Some(kind) = Kind::from_tag(&tag) else {
            return Err(CapabilityError::Tag(tag));
        };
        let algorithm = Algorithm::from_header(&header).ok_or(CapabilityError::Algorithm)?;
        // The encoding is canonical, so every part lies where the lengths say; "h" sorts before the tag.
        let begin = 1 + head(signature.len());
        let end = begin + signature.len();
        let payload = end + 1 + 2 + head(header.len()) + header.len() + head(tag.len()) + tag.len();
        let envelope = Self {
            cid: cid_sha256(bytes),
            algorithm,
            signature: (begin, end),
            payload: Box::new(cid_sha256(bytes.get(payload..).unwrap_or_default())),
            checked: OnceLock::new(),
            bytes: bytes.to_vec(),
        };
        Ok((envelope, kind, Fields(fields)))
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn cid(&self) -> &Cid {
        &self.cid
    }

    /// Names the payload alone: the same under every tag and signature.
    pub(crate) fn payload(&self) -> &Cid {
        &self.payload
    }

    /// Whether the signature is that of the issuer's key, which is asked for every time; the arithmetic is done once.
    pub(crate) fn verify(
        &self,
        issuer: &Principal,
        resolver: &dyn Resolver,
    ) -> Result<(), CapabilityError> {
        let key = issuer
            .signing_key(resolver)
            .ok_or_else(|| CapabilityError::IssuerKey(issuer.to_string()))?;
        let (tried, valid) = self.checked.get_or_init(|| (key, self.is_signed_by(&key)));
        let valid = if *tried == key {
            *valid
        } else {
            self.is_signed_by(&key)
        };
        if valid {
            Ok(())
        } else {
            Err(CapabilityError::Signature)
        }
    }

    fn is_signed_by(&self, key: &PublicKey) -> bool {
        let (begin, end) = self.signature;
        let signature = self
            .bytes
            .get(begin..end)
            .map(<[u8; SIGNATURE_LEN]>::try_from);
        let (Some(Ok(signature)), Some(message)) = (signature, self.bytes.get(end..)) else {
            return false;
        };
        Algorithm::of(key) == self.algorithm && varsig::verify(key, message, &signature)
    }
}

/// A token that waits for its signature, for keys that sign elsewhere: [`message`](Self::message) is what to sign,
/// [`finish`](Self::finish) takes the signature.
#[derive(Debug)]
pub struct Unsigned<T> {
    key: PublicKey,
    message: Vec<u8>,
    read: fn(&[u8]) -> Result<T, CapabilityError>,
}

impl<T> Unsigned<T> {
    pub(crate) fn new(
        kind: Kind,
        key: &PublicKey,
        payload: BTreeMap<String, Ipld>,
        read: fn(&[u8]) -> Result<T, CapabilityError>,
    ) -> Result<Self, CapabilityError> {
        let header = Algorithm::of(key).header().to_vec();
        let tag = format!("ucan/{}@{VERSION}", kind.name());
        let signed = BTreeMap::from([
            ("h".to_owned(), Ipld::Bytes(header)),
            (tag, Ipld::Map(payload)),
        ]);
        Ok(Self {
            key: *key,
            message: codec::encode(&Ipld::Map(signed))?,
            read,
        })
    }

    /// The bytes to sign as they are: Ed25519, or ECDSA over their SHA2-256.
    pub fn message(&self) -> &[u8] {
        &self.message
    }

    /// The token with this signature. An ECDSA signature with a high S is lowered first.
    ///
    /// # Errors
    /// [`CapabilityError::Signer`] if the signature does not verify; those of decoding if a field is out of bounds.
    pub fn finish(self, signature: [u8; SIGNATURE_LEN]) -> Result<T, CapabilityError> {
        let signature = varsig::normalize(Algorithm::of(&self.key), signature);
        if !varsig::verify(&self.key, &self.message, &signature) {
            return Err(CapabilityError::Signer);
        }
        // A list of two, a byte string of 64.
        let mut bytes = vec![0x82, 0x58, SIGNATURE_LEN as u8];
        bytes.extend_from_slice(&signature);
        bytes.extend_from_slice(&self.message);
        (self.read)(&bytes)
    }

    pub(crate) fn sign(self, signer: &(impl Signer + ?Sized)) -> Result<T, CapabilityError> {
        let signature = signer.sign(&self.message);
        self.finish(signature)
    }
}

/// The fields of a payload, taken out one by one; what is left over does not belong there.
pub(crate) struct Fields(BTreeMap<String, Ipld>);

const fn claim(field: &'static str, reason: &'static str) -> CapabilityError {
    CapabilityError::Claim { field, reason }
}

impl Fields {
    pub(crate) fn required(&mut self, field: &'static str) -> Result<Ipld, CapabilityError> {
        self.0.remove(field).ok_or(claim(field, "is required"))
    }

    fn text(field: &'static str, value: Ipld) -> Result<String, CapabilityError> {
        match value {
            Ipld::String(text) => Ok(text),
            _ => Err(claim(field, "must be text")),
        }
    }

    pub(crate) fn principal(&mut self, field: &'static str) -> Result<Principal, CapabilityError> {
        Self::text(field, self.required(field)?)?
            .parse()
            .map_err(|_| claim(field, "must be a DID"))
    }

    pub(crate) fn principal_or_null(
        &mut self,
        field: &'static str,
    ) -> Result<Option<Principal>, CapabilityError> {
        if self.0.get(field) == Some(&Ipld::Null) {
            self.0.remove(field);
            return Ok(None);
        }
        self.principal(field).map(Some)
    }

    pub(crate) fn optional_principal(
        &mut self,
        field: &'static str,
    ) -> Result<Option<Principal>, CapabilityError> {
        if self.0.contains_key(field) {
            self.principal(field).map(Some)
        } else {
            Ok(None)
        }
    }

    pub(crate) fn command(&mut self) -> Result<Command, CapabilityError> {
        Self::text("cmd", self.required("cmd")?)?.parse()
    }

    pub(crate) fn bytes(&mut self, field: &'static str) -> Result<Vec<u8>, CapabilityError> {
        match self.required(field)? {
            Ipld::Bytes(bytes) => Ok(bytes),
            _ => Err(claim(field, "must be bytes")),
        }
    }

    pub(crate) fn list(&mut self, field: &'static str) -> Result<Vec<Ipld>, CapabilityError> {
        match self.required(field)? {
            Ipld::List(list) => Ok(list),
            _ => Err(claim(field, "must be a list")),
        }
    }

    pub(crate) fn optional_map(
        &mut self,
        field: &'static str,
    ) -> Result<BTreeMap<String, Ipld>, CapabilityError> {
        match self.0.remove(field) {
            None => Ok(BTreeMap::new()),
            Some(Ipld::Map(map)) => Ok(map),
            Some(_) => Err(claim(field, "must be a map")),
        }
    }

    pub(crate) fn optional_link(
        &mut self,
        field: &'static str,
    ) -> Result<Option<Cid>, CapabilityError> {
        match self.0.remove(field) {
            None => Ok(None),
            Some(Ipld::Link(cid)) => Ok(Some(cid)),
            Some(_) => Err(claim(field, "must be a link")),
        }
    }

    fn time(field: &'static str, value: &Ipld) -> Result<u64, CapabilityError> {
        match value {
            Ipld::Integer(time) => u64::try_from(*time).ok().filter(|time| *time <= MAX_TIME),
            _ => None,
        }
        .ok_or(claim(field, "must be seconds since 1970, below 2⁵³"))
    }

    pub(crate) fn optional_time(
        &mut self,
        field: &'static str,
    ) -> Result<Option<u64>, CapabilityError> {
        self.0
            .remove(field)
            .map(|value| Self::time(field, &value))
            .transpose()
    }

    pub(crate) fn time_or_null(
        &mut self,
        field: &'static str,
    ) -> Result<Option<u64>, CapabilityError> {
        match self.required(field)? {
            Ipld::Null => Ok(None),
            value => Self::time(field, &value).map(Some),
        }
    }

    pub(crate) fn end(mut self) -> Result<(), CapabilityError> {
        match self.0.pop_first() {
            None => Ok(()),
            Some((name, _)) => Err(CapabilityError::UnknownField(name)),
        }
    }
}

/// Whether `now` is within the bounds; both ends belong to them.
pub(crate) fn check_time(
    not_before: Option<u64>,
    expires: Option<u64>,
    now: u64,
) -> Result<(), CapabilityError> {
    match (not_before, expires) {
        (_, Some(end)) if now > end => Err(CapabilityError::Expired(end)),
        (Some(begin), _) if now < begin => Err(CapabilityError::TooEarly(begin)),
        _ => Ok(()),
    }
}
