//! How messages lie on a byte stream: a varint of their length plus one, then their bytes. A zero says that nothing more comes: that
//! way a stream that was finished differs from one that broke off between two messages.

use unsigned_varint::{decode, encode};

/// Longest message in bytes: 1 MiB.
pub const MAX_MESSAGE: usize = 1 << 20;

/// Longest header in bytes: three hold numbers below 2²¹.
pub const MAX_HEADER: usize = 3;

/// Why bytes are not frames. The stream cannot be read any further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The header announces more than [`MAX_MESSAGE`].
    #[error("a message of more than {MAX_MESSAGE} bytes is announced")]
    TooLong,
    /// The length is spelt with more bytes than it needs.
    #[error("the length of a message is not a minimal varint")]
    NotMinimal,
}

/// What stands at the beginning of a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Head {
    /// The header is not complete yet.
    Partial,
    /// Nothing more comes.
    End,
    /// A message of `length` bytes begins after `header` bytes.
    Message {
        /// Length of the header in bytes.
        header: usize,
        /// Length of the message in bytes, at most [`MAX_MESSAGE`].
        length: usize,
    },
}

/// Reads the header at the beginning of `buffer`. Looks at [`MAX_HEADER`] bytes at most and allocates nothing.
///
/// # Errors
/// [`FrameError::TooLong`], [`FrameError::NotMinimal`].
pub fn head(buffer: &[u8]) -> Result<Head, FrameError> {
    let start = buffer.get(..MAX_HEADER).unwrap_or(buffer);
    match decode::u32(start) {
        Ok((0, _)) => Ok(Head::End),
        Ok((number, rest)) if number as usize <= MAX_MESSAGE + 1 => Ok(Head::Message {
            header: start.len() - rest.len(),
            length: number as usize - 1,
        }),
        Err(decode::Error::Insufficient) if start.len() < MAX_HEADER => Ok(Head::Partial),
        Err(decode::Error::NotMinimal) => Err(FrameError::NotMinimal),
        _ => Err(FrameError::TooLong),
    }
}

/// What says that nothing more comes.
pub(crate) const END: &[u8] = &[0];

/// The header of a message of `length` bytes, at most [`MAX_MESSAGE`], appended to `out`.
pub fn put_head(length: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(encode::usize(length + 1, &mut encode::usize_buffer()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn encoded(length: usize) -> Vec<u8> {
        let mut out = Vec::new();
        put_head(length, &mut out);
        out
    }

    #[test]
    fn bounds() {
        assert_eq!(head(END), Ok(Head::End));
        assert_eq!(head(&[]), Ok(Head::Partial));
        assert_eq!(head(&[0x80, 0x80]), Ok(Head::Partial));
        assert_eq!(
            head(&encoded(MAX_MESSAGE)),
            Ok(Head::Message {
                header: 3,
                length: MAX_MESSAGE
            })
        );
        assert_eq!(head(&encoded(MAX_MESSAGE + 1)), Err(FrameError::TooLong));
        assert_eq!(head(&[0xff; 3]), Err(FrameError::TooLong));
        assert_eq!(head(&[0xff; 10]), Err(FrameError::TooLong));
        assert_eq!(head(&[0x80, 0x00]), Err(FrameError::NotMinimal));
        assert_eq!(head(&[0x81, 0x80, 0x00]), Err(FrameError::NotMinimal));
    }

    proptest! {
        #[test]
        fn round_trip(length in 0..=MAX_MESSAGE, tail: Vec<u8>) {
            let mut bytes = encoded(length);
            let header = bytes.len();
            for partial in 0..header {
                prop_assert_eq!(head(&bytes[..partial]), Ok(Head::Partial));
            }
            bytes.extend(tail);
            prop_assert_eq!(head(&bytes), Ok(Head::Message { header, length }));
        }
    }
}
