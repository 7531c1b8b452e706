//! JSON that an export wrapped into a script: `window.YTD.tweets.part0 = […]`.

use std::io::{self, Chain, Cursor, Read};

/// Bytes before the value.
const MAX_PREFIX: usize = 1_024;

/// The value's bytes: what follows the first `=`, or everything where the file begins as a value does.
pub fn value(mut reader: impl Read) -> io::Result<Chain<Cursor<Vec<u8>>, impl Read>> {
    let mut head = Vec::with_capacity(MAX_PREFIX);
    reader
        .by_ref()
        .take(MAX_PREFIX as u64)
        .read_to_end(&mut head)?;
    let rest = value_of(&head).to_vec();
    Ok(Cursor::new(rest).chain(reader))
}

/// The same for bytes in memory.
pub fn value_of(bytes: &[u8]) -> &[u8] {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let start = bytes.iter().find(|b| !b.is_ascii_whitespace());
    if matches!(start, Some(b'[' | b'{')) {
        return bytes;
    }
    let head = bytes.get(..MAX_PREFIX).unwrap_or(bytes);
    match head.iter().position(|b| *b == b'=') {
        Some(at) => bytes.get(at + 1..).unwrap_or_default(),
        None => bytes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_value_is_what_follows_the_name() {
        for (script, json) in [
            (&b"window.YTD.tweet.part0 = [1]"[..], &b" [1]"[..]),
            (b"\xef\xbb\xbfvar x={\"a\": \"b=c\"}", b"{\"a\": \"b=c\"}"),
            (b" [\"a=b\"]", b" [\"a=b\"]"),
            (b"", b""),
            (b"nothing", b"nothing"),
        ] {
            let mut read = Vec::new();
            value(script).unwrap().read_to_end(&mut read).unwrap();
            assert_eq!(read, json);
        }
        let long = [b"a = ".as_slice(), &vec![b'1'; 5_000]].concat();
        let mut read = Vec::new();
        value(long.as_slice())
            .unwrap()
            .read_to_end(&mut read)
            .unwrap();
        assert_eq!(read.len(), 5_001);
    }
}
