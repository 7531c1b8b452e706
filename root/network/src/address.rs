//! Where a peer is: its key, and the places it can be dialled at. As text it is one word, to be pasted or shown as a QR code.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use data_encoding::{BASE32_NOPAD, DecodeKind};
use rhizome_ipld::PublicKey;
use url::Url;

/// Most socket addresses in an address.
pub const MAX_SOCKETS: usize = 8;
/// Most relays in an address.
pub const MAX_RELAYS: usize = 4;
/// Longest URL in bytes.
pub const MAX_URL: usize = 200;
/// Longest text form in bytes.
pub const MAX_TEXT: usize = 2048;

const PREFIX: &str = "rhizome:";
const VERSION: &str = "1";
const CHECKSUM: usize = 4;

const IPV4: u8 = 1;
const IPV6: u8 = 2;
const RELAY: u8 = 3;
const WEBSOCKET: u8 = 4;

/// What is wrong with an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// It does not begin as an address does.
    #[error("an address begins with `rhizome:1:`")]
    Prefix,
    /// It is of a later version.
    #[error("this address is of a version that is not known here: update this program")]
    Version,
    /// Longer than any address.
    #[error("an address has at most {MAX_TEXT} characters")]
    TooLong,
    /// Small and capital letters are mixed.
    #[error("an address is written in small letters, or in capitals only")]
    Case,
    /// A character that no address has.
    #[error("character {at} of the address is none of a-z and 2-7")]
    Character {
        /// Which one, counted from 1.
        at: usize,
    },
    /// A number of characters that no address has, or bits in the last one that are not zero.
    #[error("the address is incomplete")]
    Incomplete,
    /// The checksum does not match.
    #[error("the address is mistyped or incomplete: its checksum does not match")]
    Checksum,
    /// The content is not in the one form it must have.
    #[error("the address is malformed: {0}")]
    Malformed(&'static str),
    /// Not an Ed25519 key.
    #[error("only an Ed25519 key can be in an address")]
    Key,
    /// A socket address that nobody can dial.
    #[error("{address} cannot be dialled")]
    Socket {
        /// The socket address.
        address: SocketAddr,
    },
    /// A URL that nobody can dial, or that is not spelt in its normal form.
    #[error("a URL in an address: {0}")]
    Url(&'static str),
    /// More than an address can hold.
    #[error(
        "an address holds at most {MAX_SOCKETS} socket addresses, {MAX_RELAYS} relays and one WebSocket"
    )]
    TooMany,
}

/// Where a peer is: its key and the places it can be dialled at; without any place it has to be found by discovery.
///
/// The text form is `rhizome:1:` and base32; see `docs/spec/network.md`. There is one spelling of an address, in small letters; all
/// capitals are read too, since QR codes hold them in less space.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerAddress {
    key: [u8; 32],
    sockets: Vec<SocketAddr>,
    relays: Vec<String>,
    websocket: Option<String>,
}

impl PeerAddress {
    /// The address of a key, without places.
    ///
    /// # Errors
    /// [`AddressError::Key`].
    pub fn new(key: PublicKey) -> Result<Self, AddressError> {
        let PublicKey::Ed25519(key) = key else {
            return Err(AddressError::Key);
        };
        Ok(Self {
            key,
            sockets: vec![],
            relays: vec![],
            websocket: None,
        })
    }

    /// Adds a socket address for QUIC. Scope and flow of an IPv6 address are dropped, an IPv4 address within IPv6 becomes IPv4.
    ///
    /// # Errors
    /// [`AddressError::Socket`], [`AddressError::TooMany`].
    pub fn with_socket(mut self, address: SocketAddr) -> Result<Self, AddressError> {
        let address = SocketAddr::new(address.ip().to_canonical(), address.port());
        check_socket(address)?;
        insert(&mut self.sockets, address);
        if self.sockets.len() > MAX_SOCKETS {
            return Err(AddressError::TooMany);
        }
        Ok(self)
    }

    /// Adds a relay, by its `http://` or `https://` URL.
    ///
    /// # Errors
    /// [`AddressError::Url`], [`AddressError::TooMany`].
    pub fn with_relay(mut self, url: &str) -> Result<Self, AddressError> {
        insert(&mut self.relays, check_url(url, &["http", "https"])?);
        if self.relays.len() > MAX_RELAYS {
            return Err(AddressError::TooMany);
        }
        Ok(self)
    }

    /// Sets the WebSocket, by its `ws://` or `wss://` URL.
    ///
    /// # Errors
    /// [`AddressError::Url`].
    pub fn with_websocket(mut self, url: &str) -> Result<Self, AddressError> {
        self.websocket = Some(check_url(url, &["ws", "wss"])?);
        Ok(self)
    }

    /// The key the peer must prove.
    pub fn key(&self) -> PublicKey {
        PublicKey::Ed25519(self.key)
    }

    pub(crate) fn key_bytes(&self) -> &[u8; 32] {
        &self.key
    }

    /// Its socket addresses, ascending.
    pub fn sockets(&self) -> &[SocketAddr] {
        &self.sockets
    }

    /// Its relays, ascending.
    pub fn relays(&self) -> &[String] {
        &self.relays
    }

    /// Its WebSocket.
    pub fn websocket(&self) -> Option<&str> {
        self.websocket.as_deref()
    }

    /// The text form in capitals, for QR codes: their alphanumeric mode holds it in two thirds of the space.
    pub fn to_qr_text(&self) -> String {
        self.to_string().to_ascii_uppercase()
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut out = self.key.to_vec();
        for socket in &self.sockets {
            match socket {
                SocketAddr::V4(v4) => {
                    out.push(IPV4);
                    out.extend_from_slice(&v4.ip().octets());
                }
                SocketAddr::V6(v6) => {
                    out.push(IPV6);
                    out.extend_from_slice(&v6.ip().octets());
                }
            }
            out.extend_from_slice(&socket.port().to_be_bytes());
        }
        let relays = self.relays.iter().map(|url| (RELAY, url));
        let websocket = self.websocket.iter().map(|url| (WEBSOCKET, url));
        for (kind, url) in relays.chain(websocket) {
            out.extend_from_slice(&[kind, url.len() as u8]);
            out.extend_from_slice(url.as_bytes());
        }
        out
    }

    /// Reads the form that [`Self::to_bytes`] writes, and no other.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, AddressError> {
        const SHORT: AddressError = AddressError::Malformed("it ends too early");
        let (key, mut rest) = bytes.split_first_chunk::<32>().ok_or(SHORT)?;
        let mut address = Self::new(PublicKey::Ed25519(*key))?;
        while let Some((kind, after)) = rest.split_first() {
            rest = match *kind {
                IPV4 => {
                    let (ip, after) = after.split_first_chunk::<4>().ok_or(SHORT)?;
                    let (port, after) = after.split_first_chunk().ok_or(SHORT)?;
                    let ip = Ipv4Addr::from(*ip);
                    let socket = SocketAddr::from((ip, u16::from_be_bytes(*port)));
                    address = address.with_socket(socket)?;
                    after
                }
                IPV6 => {
                    let (ip, after) = after.split_first_chunk::<16>().ok_or(SHORT)?;
                    let (port, after) = after.split_first_chunk().ok_or(SHORT)?;
                    let ip = Ipv6Addr::from(*ip);
                    let socket = SocketAddr::from((ip, u16::from_be_bytes(*port)));
                    address = address.with_socket(socket)?;
                    after
                }
                RELAY | WEBSOCKET => {
                    let (len, after) = after.split_first().ok_or(SHORT)?;
                    let (url, after) = after.split_at_checked(usize::from(*len)).ok_or(SHORT)?;
                    let url = std::str::from_utf8(url)
                        .map_err(|_| AddressError::Url("it is not text"))?;
                    address = match *kind {
                        RELAY => address.with_relay(url)?,
                        _ => address.with_websocket(url)?,
                    };
                    after
                }
                _ => {
                    return Err(AddressError::Malformed(
                        "it names a kind of place that is not known here",
                    ));
                }
            };
        }
        if address.to_bytes() != bytes {
            return Err(AddressError::Malformed(
                "its places are not in order, or not in their shortest form",
            ));
        }
        Ok(address)
    }
}

fn insert<T: Ord>(list: &mut Vec<T>, item: T) {
    if let Err(at) = list.binary_search(&item) {
        list.insert(at, item);
    }
}

fn check_socket(address: SocketAddr) -> Result<(), AddressError> {
    let ip = address.ip();
    let broadcast = matches!(ip, std::net::IpAddr::V4(v4) if v4.is_broadcast());
    if address.port() == 0 || ip.is_unspecified() || ip.is_multicast() || broadcast {
        return Err(AddressError::Socket { address });
    }
    Ok(())
}

/// A URL that is spelt in its normal form, so that there is one spelling of it.
fn check_url(text: &str, schemes: &[&str]) -> Result<String, AddressError> {
    if text.len() > MAX_URL {
        return Err(AddressError::Url("it is longer than 200 bytes"));
    }
    let url = Url::parse(text).map_err(|_| AddressError::Url("it is not a URL"))?;
    if !schemes.contains(&url.scheme()) {
        return Err(AddressError::Url(
            "a relay has http: or https:, a WebSocket ws: or wss:",
        ));
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err(AddressError::Url("it has no host"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(AddressError::Url("it must not hold a user or a password"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(AddressError::Url("it must not hold a query or a fragment"));
    }
    if url.as_str() != text {
        return Err(AddressError::Url(
            "it is not in its normal form (as a browser shows it, with the path `/` at least)",
        ));
    }
    Ok(text.to_owned())
}

fn checksum(payload: &[u8]) -> [u8; CHECKSUM] {
    let hash = blake3::derive_key("rhizome peer address v1", payload);
    let [a, b, c, d, ..] = hash;
    [a, b, c, d]
}

impl fmt::Display for PeerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = self.to_bytes();
        bytes.extend(checksum(&bytes));
        let text = BASE32_NOPAD.encode(&bytes).to_ascii_lowercase();
        write!(f, "{PREFIX}{VERSION}:{text}")
    }
}

impl fmt::Debug for PeerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerAddress")
            .field("key", &self.key())
            .field("sockets", &self.sockets)
            .field("relays", &self.relays)
            .field("websocket", &self.websocket)
            .finish()
    }
}

impl FromStr for PeerAddress {
    type Err = AddressError;

    /// Reads the text form. White space around it is the caller's to remove.
    fn from_str(text: &str) -> Result<Self, AddressError> {
        if text.len() > MAX_TEXT {
            return Err(AddressError::TooLong);
        }
        let small = text.bytes().any(|c| c.is_ascii_lowercase());
        let capital = text.bytes().any(|c| c.is_ascii_uppercase());
        if small && capital {
            return Err(AddressError::Case);
        }
        let capitals = text.to_ascii_uppercase();
        let after = capitals
            .strip_prefix("RHIZOME:")
            .ok_or(AddressError::Prefix)?;
        let (version, code) = after.split_once(':').ok_or(AddressError::Prefix)?;
        if version != VERSION {
            let number = !version.is_empty() && version.bytes().all(|c| c.is_ascii_digit());
            return Err(if number {
                AddressError::Version
            } else {
                AddressError::Prefix
            });
        }
        let before = capitals.len() - code.len();
        let bytes = BASE32_NOPAD
            .decode(code.as_bytes())
            .map_err(|e| match e.kind {
                DecodeKind::Symbol => AddressError::Character {
                    at: before + e.position + 1,
                },
                _ => AddressError::Incomplete,
            })?;
        let (payload, sum) = bytes
            .split_last_chunk::<CHECKSUM>()
            .ok_or(AddressError::Incomplete)?;
        if *sum != checksum(payload) {
            return Err(AddressError::Checksum);
        }
        Self::from_bytes(payload)
    }
}
