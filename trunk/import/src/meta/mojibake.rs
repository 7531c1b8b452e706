//! Texts that were UTF-8 once and were written as if each byte were a character.

use std::borrow::Cow;

use serde_json::Value;

/// The text as it was meant. Only one whose characters are all bytes, and as bytes are UTF-8, was written that way: a text with
/// another character, or with a lone é, is left as it is.
pub fn repair(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let bytes: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(c).ok()).collect();
    match bytes.map(String::from_utf8) {
        Some(Ok(meant)) => Cow::Owned(meant),
        _ => Cow::Borrowed(text),
    }
}

/// Repairs every text of a document, and every name.
pub fn repair_all(value: &mut Value) {
    match value {
        Value::String(text) => {
            if let Cow::Owned(meant) = repair(text) {
                *text = meant;
            }
        }
        Value::Array(values) => values.iter_mut().for_each(repair_all),
        Value::Object(fields) => {
            if fields.keys().any(|name| !name.is_ascii()) {
                let old = std::mem::take(fields);
                fields.extend(old.into_iter().map(|(name, of)| {
                    let name = repair(&name).into_owned();
                    (name, of)
                }));
            }
            fields.values_mut().for_each(repair_all);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_meant_otherwise_is_repaired() {
        for (written, meant) in [
            ("Zo\u{c3}\u{ab}", "Zoë"),
            ("\u{f0}\u{9f}\u{91}\u{8d}", "👍"),
            ("plain", "plain"),
            ("Zoë", "Zoë"),
            ("Zo\u{c3}\u{ab} 👍", "Zo\u{c3}\u{ab} 👍"),
            ("", ""),
        ] {
            assert_eq!(repair(written), meant);
        }
        let mut value = serde_json::json!({"Pr\u{c3}\u{a9}nom": ["Zo\u{c3}\u{ab}", 7]});
        repair_all(&mut value);
        assert_eq!(value, serde_json::json!({"Prénom": ["Zoë", 7]}));
    }

    proptest::proptest! {
        #[test]
        fn what_was_written_wrong_comes_back(text in "\\PC{0,20}") {
            let written: String = text.bytes().map(char::from).collect();
            proptest::prop_assert_eq!(repair(&written), text);
        }
    }
}
