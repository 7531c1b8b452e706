//! Large XML documents, one element at a time.

use std::io::{BufReader, Read};

use encoding_rs::{Encoding, UTF_8};

use quick_xml::Reader;
use quick_xml::XmlVersion;
use quick_xml::encoding::DecodingReader;
use quick_xml::events::{BytesStart, Event};

use crate::error::ImportError;
use crate::outcome::{End, Outcome};
use crate::source::{Metered, Source};
use crate::text::{Lossy, marked};

/// One element with all that is in it. Names are as written, with their prefix: `content:encoded`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Element {
    /// Its name.
    pub name: String,
    /// Its attributes, in order.
    pub attributes: Vec<(String, String)>,
    /// The text right in it, without that of elements in it.
    pub text: String,
    /// The elements right in it.
    pub children: Vec<Element>,
}

impl Element {
    /// The first element of that name in it.
    pub fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// Every element of that name in it.
    pub fn each<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The text of the first element of that name, without white space around it; `None` where there is none.
    pub fn text_of(&self, name: &str) -> Option<&str> {
        self.child(name)
            .map(|child| child.text.trim())
            .filter(|text| !text.is_empty())
    }

    /// The value of an attribute that is there and not empty, whatever the case of its name.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        attribute(&self.attributes, name)
    }
}

/// As [`Element::attribute`].
pub fn attribute<'a>(attributes: &'a [(String, String)], name: &str) -> Option<&'a str> {
    attributes
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
        .filter(|value| !value.is_empty())
}

/// What a walk through a document meets.
#[derive(Debug)]
pub enum Met {
    /// An element that was asked for, whole.
    Item(Element),
    /// The start of another one; its children follow.
    Open(Vec<(String, String)>),
    /// Its end.
    Close,
}

/// Elements in elements.
const DEPTH: usize = 256;
/// Attributes of one element.
const ATTRIBUTES: usize = 256;
/// Elements and attributes in one item: an empty element of four bytes takes a hundred in memory.
const PARTS: usize = 1 << 19;

/// Takes what is met: its path, what it is, and the bytes read so far.
pub type Take<'a> = &'a mut dyn FnMut(&[String], Met, u64) -> Result<(), ImportError>;

/// Reads a document and hands over every element whose path (the names from the top down to it) `wanted` says yes to,
/// whole, and of the others start and end, each with its path and the bytes read so far. An element is at most `limit`
/// bytes. Entities other than those of XML stay as they are written.
pub fn each_element(
    source: &Source,
    file: &str,
    limit: usize,
    wanted: &dyn Fn(&[String]) -> bool,
    take: Take<'_>,
) -> Result<Outcome, ImportError> {
    let head = source.head(file, 512)?;
    let (lossy, replaced) = Lossy::new(utf8(source.read(file)?, &head));
    let (metered, allowance) = Metered::new(lossy, limit as u64);
    let mut reader = Reader::from_reader(BufReader::with_capacity(1 << 15, metered));
    let config = reader.config_mut();
    config.allow_dangling_amp = true;
    config.expand_empty_elements = true;
    let mut path: Vec<String> = Vec::new();
    // The elements that are open inside of an item, the item first.
    let mut open: Vec<Element> = Vec::new();
    let mut parts = 0_usize;
    let mut buffer = Vec::new();
    let broken = loop {
        buffer.clear();
        if open.is_empty() {
            allowance.renew();
            parts = 0;
        }
        let event = match reader.read_event_into(&mut buffer) {
            Ok(event) => event,
            Err(_) if allowance.spent() => {
                break Some(format!("an element has more than {limit} bytes"));
            }
            Err(error) => break Some(error.to_string()),
        };
        match event {
            Event::Start(start) => {
                if path.len() >= DEPTH {
                    break Some(format!("elements lie more than {DEPTH} deep"));
                }
                let name = start.name().as_ref().to_owned();
                path.push(name.clone());
                let attributes = attributes_of(&start);
                parts += 1 + attributes.len();
                if parts > PARTS {
                    break Some(format!("an element has more than {PARTS} parts"));
                }
                if open.is_empty() && !wanted(&path) {
                    take(&path, Met::Open(attributes), allowance.read())?;
                } else {
                    open.push(Element {
                        name,
                        attributes,
                        ..Element::default()
                    });
                }
            }
            Event::End(_) => {
                match (open.pop(), open.last_mut()) {
                    (Some(element), Some(parent)) => parent.children.push(element),
                    (Some(item), None) => take(&path, Met::Item(item), allowance.read())?,
                    (None, _) => take(&path, Met::Close, allowance.read())?,
                }
                path.pop();
            }
            Event::Text(text) => {
                if let Some(element) = open.last_mut() {
                    element
                        .text
                        .push_str(&text.xml_content(XmlVersion::Implicit1_0));
                }
            }
            Event::CData(text) => {
                if let Some(element) = open.last_mut() {
                    element
                        .text
                        .push_str(&text.xml_content(XmlVersion::Implicit1_0));
                }
            }
            Event::GeneralRef(entity) => {
                if let Some(element) = open.last_mut() {
                    match entity.resolve_char_ref() {
                        Ok(Some(c)) => element.text.push(c),
                        _ => refer(&mut element.text, &entity.into_inner()),
                    }
                }
            }
            Event::Eof if path.is_empty() => break None,
            Event::Eof => break Some("the document ends before its end".to_owned()),
            _ => {}
        }
    };
    Ok(Outcome {
        end: broken.map_or(End::Whole, End::Broken),
        mismatches: 0,
        replaced: replaced.count(),
    })
}

fn refer(text: &mut String, name: &str) {
    if let Some(meant) = quick_xml::escape::resolve_predefined_entity(name) {
        text.push_str(meant);
    } else {
        text.push('&');
        text.push_str(name);
        text.push(';');
    }
}

/// The attributes of an element; those that are not well-formed are passed over.
fn attributes_of(start: &BytesStart<'_>) -> Vec<(String, String)> {
    start
        .attributes()
        .with_checks(false)
        .filter_map(Result::ok)
        .take(ATTRIBUTES)
        .map(|attribute| {
            let value = attribute
                .normalized_value(XmlVersion::Implicit1_0)
                .map_or_else(
                    |_| attribute.value.to_string(),
                    std::borrow::Cow::into_owned,
                );
            (attribute.key.as_ref().to_owned(), value)
        })
        .collect()
}

/// A reader of an XML document that gives UTF-8, whatever its mark or declaration says it is in. UTF-8 itself passes as it
/// is, so that [`crate::text::Lossy`] behind it can count what is broken.
fn utf8(reader: Box<dyn Read>, head: &[u8]) -> Box<dyn Read> {
    let declared = || {
        let head = head.get(..head.len().min(256))?;
        let from = memchr::memmem::find(head, b"encoding=")? + b"encoding=".len();
        let end = memchr::memmem::find(head, b"?>")?;
        let label = head.get(from..end)?.get(1..)?;
        let label = label.split(|b| matches!(b, b'"' | b'\'')).next()?;
        Encoding::for_label(label)
    };
    if marked(head).is_some() || head.starts_with(b"<\0") || head.starts_with(b"\0<") {
        return unmarked_or_wide(reader, head);
    }
    match declared() {
        // A document whose declaration can be read byte by byte is not in UTF-16, whatever it says.
        Some(encoding) if encoding != UTF_8 && encoding.is_ascii_compatible() => {
            let mut decoding = DecodingReader::new(BufReader::new(reader));
            decoding.set_encoding(encoding);
            Box::new(decoding)
        }
        _ => reader,
    }
}

fn unmarked_or_wide(reader: Box<dyn Read>, head: &[u8]) -> Box<dyn Read> {
    if marked(head) == Some(UTF_8) {
        reader
    } else {
        Box::new(DecodingReader::new(BufReader::new(reader)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wide(text: &str, big: bool) -> Vec<u8> {
        let units = "\u{feff}".encode_utf16().chain(text.encode_utf16());
        units
            .flat_map(|unit| {
                if big {
                    unit.to_be_bytes()
                } else {
                    unit.to_le_bytes()
                }
            })
            .collect()
    }

    fn through(bytes: &[u8]) -> String {
        let mut out = Vec::new();
        utf8(Box::new(std::io::Cursor::new(bytes.to_vec())), bytes)
            .read_to_end(&mut out)
            .unwrap();
        String::from_utf8_lossy(&out)
            .trim_start_matches('\u{feff}')
            .to_owned()
    }

    #[test]
    fn xml_is_read_as_it_declares() {
        let latin = b"<?xml version='1.0' encoding='ISO-8859-1'?><a>gr\xfcn</a>";
        assert!(through(latin).ends_with("<a>grün</a>"));
        assert!(through(&wide("<a>grün</a>", false)).ends_with("<a>grün</a>"));
        assert!(through(&wide("<a>grün</a>", true)).ends_with("<a>grün</a>"));
        let lies = "<?xml version='1.0' encoding='UTF-16'?><a>grün</a>";
        assert_eq!(through(lies.as_bytes()), lies);
        assert_eq!(
            through(b"<?xml encoding='no-such'?>"),
            "<?xml encoding='no-such'?>"
        );
    }
}
