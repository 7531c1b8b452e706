//! [CAR v1](https://ipld.io/specs/transport/car/carv1/): a header with roots, then blocks, as one stream.
//!
//! ```
//! use rhizome_ipld::{car, cid_blake3, codec};
//! let block = codec::encode("hello")?;
//! let cid = cid_blake3(&block);
//!
//! let mut writer = car::Writer::new(Vec::new(), &[cid])?;
//! writer.write(&cid, &block)?;
//! let bytes = writer.finish()?;
//!
//! let mut reader = car::Reader::new(bytes.as_slice(), car::Limits::default())?;
//! assert_eq!(reader.roots(), [cid]);
//! assert_eq!(reader.next().transpose()?, Some((cid, block)));
//! assert!(reader.next().is_none());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::io::{self, Read, Write};

use cid::Cid;
use serde::{Deserialize, Serialize};

use crate::address::{MAX_CID_LEN, cid_from_bytes, verify_block};
use crate::codec::{self, CodecError};

/// Bounds on what a [`Reader`] takes into memory at once. The length of the whole stream is the caller's to bound (`Read::take`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Longest header in bytes.
    pub header: usize,
    /// Longest block in bytes, without its CID.
    pub block: usize,
}

impl Default for Limits {
    /// 64 KiB of header (some 1,600 roots), 2 MiB blocks (what IPFS nodes exchange).
    fn default() -> Self {
        Self {
            header: 64 << 10,
            block: 2 << 20,
        }
    }
}

/// Why a CAR stream was refused or could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CarError {
    /// The underlying stream failed.
    #[error("the CAR stream failed: {0}")]
    Io(#[from] io::Error),
    /// The stream ends inside the header or a block.
    #[error("the CAR ends inside its header or a block")]
    Truncated,
    /// A length is not a varint in its shortest form of at most 9 bytes, or zero.
    #[error("a length in the CAR is not a well-formed varint")]
    Length,
    /// A header or block is longer than allowed.
    #[error("{len} bytes are more than the {max} allowed for a CAR header or block")]
    TooLong {
        /// Length announced, in bytes.
        len: u64,
        /// The bound.
        max: usize,
    },
    /// The header is not canonical DAG-CBOR of `{roots: […], version: 1}`.
    #[error("the CAR header is malformed: {0}")]
    Header(CodecError),
    /// A CAR version other than 1.
    #[error("CAR version {0} is not supported; export the file as CAR v1")]
    Version(u64),
    /// A block does not start with a well-formed CID.
    #[error("a block does not start with a well-formed CID")]
    Cid,
    /// A block's hash is not in the accepted set, so its bytes cannot be checked.
    #[error("block {0} uses a hash other than sha2-256 and blake3, so it cannot be checked")]
    UnknownHash(Cid),
    /// A block's bytes do not hash to its CID.
    #[error("the bytes of block {0} do not match its hash")]
    Mismatch(Cid),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    roots: Vec<Cid>,
    version: u64,
}

/// Reads a CAR v1 block by block; every block's bytes are checked against its CID. After the first error it yields nothing more.
#[derive(Debug)]
pub struct Reader<R> {
    stream: R,
    roots: Vec<Cid>,
    limits: Limits,
    failed: bool,
}

impl<R: Read> Reader<R> {
    /// Reads the header. Give a buffered stream: lengths are read byte by byte.
    ///
    /// # Errors
    /// Any [`CarError`] but those about blocks.
    pub fn new(mut stream: R, limits: Limits) -> Result<Self, CarError> {
        let len = read_length(&mut stream)?.ok_or(CarError::Truncated)?;
        let bytes = read_section(&mut stream, len, limits.header)?;
        let header: Header =
            codec::decode(&bytes, limits.header).map_err(|error| match version(&bytes) {
                Some(other) if other != 1 => CarError::Version(other),
                _ => CarError::Header(error),
            })?;
        if header.version != 1 {
            return Err(CarError::Version(header.version));
        }
        Ok(Self {
            stream,
            roots: header.roots,
            limits,
            failed: false,
        })
    }

    /// The roots the header names. Nothing says that their blocks are in the file.
    pub fn roots(&self) -> &[Cid] {
        &self.roots
    }

    fn block(&mut self) -> Result<Option<(Cid, Vec<u8>)>, CarError> {
        let Some(len) = read_length(&mut self.stream)? else {
            return Ok(None);
        };
        let mut section = read_section(
            &mut self.stream,
            len,
            self.limits.block.saturating_add(MAX_CID_LEN),
        )?;
        let mut rest = section.as_slice();
        Cid::read_bytes(&mut rest).map_err(|_| CarError::Cid)?;
        let data_at = section.len() - rest.len();
        let cid = section
            .get(..data_at)
            .and_then(|bytes| cid_from_bytes(bytes).ok())
            .ok_or(CarError::Cid)?;
        if rest.len() > self.limits.block {
            return Err(CarError::TooLong {
                len: rest.len() as u64,
                max: self.limits.block,
            });
        }
        match verify_block(&cid, rest) {
            Some(true) => {
                section.drain(..data_at);
                Ok(Some((cid, section)))
            }
            Some(false) => Err(CarError::Mismatch(cid)),
            None => Err(CarError::UnknownHash(cid)),
        }
    }
}

impl<R: Read> Iterator for Reader<R> {
    type Item = Result<(Cid, Vec<u8>), CarError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let block = self.block().transpose();
        self.failed = !matches!(block, Some(Ok(_)));
        block
    }
}

/// The version field of a header that is not a v1 header, for a better message (v2 has no roots).
fn version(header: &[u8]) -> Option<u64> {
    #[derive(Deserialize)]
    struct Version {
        version: u64,
    }
    codec::decode::<Version>(header, header.len())
        .ok()
        .map(|v| v.version)
}

/// A varint of at most 9 bytes in its shortest form; `None` at the end of the stream.
fn read_length<R: Read>(stream: &mut R) -> Result<Option<u64>, CarError> {
    let mut value = 0_u64;
    for i in 0..9 {
        let Some(byte) = read_byte(stream)? else {
            return if i == 0 {
                Ok(None)
            } else {
                Err(CarError::Truncated)
            };
        };
        value |= u64::from(byte & 0x7f) << (7 * i);
        if byte & 0x80 == 0 {
            // A last byte of zero would be a longer form of a shorter varint, and an empty section has no meaning.
            return if byte == 0 {
                Err(CarError::Length)
            } else {
                Ok(Some(value))
            };
        }
    }
    Err(CarError::Length)
}

fn read_byte<R: Read>(stream: &mut R) -> io::Result<Option<u8>> {
    let mut byte = [0];
    loop {
        match stream.read(&mut byte) {
            Ok(0) => return Ok(None),
            Ok(_) => return Ok(Some(byte[0])),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

/// Memory grows with what arrives, not with what is announced.
fn read_section<R: Read>(stream: &mut R, len: u64, max: usize) -> Result<Vec<u8>, CarError> {
    if len > max as u64 {
        return Err(CarError::TooLong { len, max });
    }
    let mut bytes = Vec::new();
    stream.by_ref().take(len).read_to_end(&mut bytes)?;
    if bytes.len() as u64 == len {
        Ok(bytes)
    } else {
        Err(CarError::Truncated)
    }
}

/// Writes a CAR v1. Give a buffered stream.
#[derive(Debug)]
pub struct Writer<W> {
    stream: W,
}

impl<W: Write> Writer<W> {
    /// Writes the header.
    ///
    /// # Errors
    /// [`CarError::Io`]; [`CarError::Header`] if the roots cannot be encoded.
    pub fn new(mut stream: W, roots: &[Cid]) -> Result<Self, CarError> {
        let header = codec::encode(&Header {
            roots: roots.to_vec(),
            version: 1,
        })
        .map_err(CarError::Header)?;
        write_length(&mut stream, header.len())?;
        stream.write_all(&header)?;
        Ok(Self { stream })
    }

    /// Appends a block, after checking that its bytes hash to its CID: a file written here can be read back.
    ///
    /// # Errors
    /// [`CarError::Io`], [`CarError::Mismatch`], [`CarError::UnknownHash`].
    pub fn write(&mut self, cid: &Cid, block: &[u8]) -> Result<(), CarError> {
        match verify_block(cid, block) {
            Some(true) => {}
            Some(false) => return Err(CarError::Mismatch(*cid)),
            None => return Err(CarError::UnknownHash(*cid)),
        }
        let name = cid.to_bytes();
        write_length(&mut self.stream, name.len() + block.len())?;
        self.stream.write_all(&name)?;
        self.stream.write_all(block)?;
        Ok(())
    }

    /// Flushes and gives the stream back.
    ///
    /// # Errors
    /// [`CarError::Io`].
    pub fn finish(mut self) -> Result<W, CarError> {
        self.stream.flush()?;
        Ok(self.stream)
    }
}

fn write_length<W: Write>(stream: &mut W, len: usize) -> io::Result<()> {
    let mut buffer = unsigned_varint::encode::usize_buffer();
    stream.write_all(unsigned_varint::encode::usize(len, &mut buffer))
}
