//! Text in whatever encoding a file came in.

use std::io::{BufReader, Read};

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};
use quick_xml::encoding::DecodingReader;

/// What a byte order mark says.
pub fn marked(bytes: &[u8]) -> Option<&'static Encoding> {
    match bytes {
        [0xef, 0xbb, 0xbf, ..] => Some(UTF_8),
        [0xff, 0xfe, ..] => Some(UTF_16LE),
        [0xfe, 0xff, ..] => Some(UTF_16BE),
        _ => None,
    }
}

/// The text of a document, and what had to be guessed or replaced to read it. Without a byte order mark it is UTF-8 where
/// that fits, and else Windows-1252, in which every byte is a character.
pub fn decode(bytes: &[u8]) -> (String, Option<String>) {
    if let Some(encoding) = marked(bytes) {
        let (text, broken) = encoding.decode_with_bom_removal(bytes);
        let said = broken.then(|| {
            format!(
                "it is not whole {}; what is not became U+FFFD",
                encoding.name()
            )
        });
        return (text.into_owned(), said);
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => (text.to_owned(), None),
        Err(_) => (
            WINDOWS_1252
                .decode_without_bom_handling(bytes)
                .0
                .into_owned(),
            Some("it is not UTF-8 and was read as Windows-1252".to_owned()),
        ),
    }
}

/// A reader of a text file: UTF-16 with its mark becomes UTF-8, everything else stays.
pub fn unmarked(reader: Box<dyn Read>, head: &[u8]) -> Box<dyn Read> {
    match marked(head) {
        Some(encoding) if encoding != UTF_8 => {
            Box::new(DecodingReader::new(BufReader::new(reader)))
        }
        _ => reader,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wide(text: &str, big: bool) -> Vec<u8> {
        "\u{feff}"
            .encode_utf16()
            .chain(text.encode_utf16())
            .flat_map(|unit| {
                if big {
                    unit.to_be_bytes()
                } else {
                    unit.to_le_bytes()
                }
            })
            .collect()
    }

    #[test]
    fn every_encoding_becomes_text() {
        assert_eq!(decode("grün".as_bytes()), ("grün".to_owned(), None));
        assert_eq!(decode(b"\xef\xbb\xbfa"), ("a".to_owned(), None));
        assert_eq!(decode(&wide("grün", false)), ("grün".to_owned(), None));
        assert_eq!(decode(&wide("grün", true)), ("grün".to_owned(), None));
        let (text, said) = decode(b"gr\xfcn \x80");
        assert_eq!(text, "grün €");
        assert!(said.is_some_and(|said| said.contains("Windows-1252")));
        assert!(decode(b"\xff\xfea").1.is_some(), "half a character");
    }
}
