//! The canonical checker agrees with the decoder and the encoder: what is accepted decodes, and encodes to the same bytes.
#![no_main]

use ipld_core::ipld::Ipld;
use libfuzzer_sys::fuzz_target;
use rhizome_ipld::codec;

fuzz_target!(|data: &[u8]| {
    match codec::check(data) {
        Ok(()) => {
            let value: Ipld = codec::decode(data, data.len()).expect("canonical bytes are a value");
            assert_eq!(
                codec::encode(&value).expect("a decoded value encodes"),
                data
            );
            let exact: Ipld =
                codec::decode_exact(data, data.len()).expect("the encoding of its value");
            assert_eq!(exact, value);
        }
        // The serde decoder alone may be more lenient (links, nesting), never about a value that it would write differently:
        // if it accepts and writes the same bytes, the checker had a reason that the decoder does not know.
        Err(error) => {
            if let Ok(value) = serde_ipld_dagcbor::from_slice::<Ipld>(data)
                && serde_ipld_dagcbor::to_vec(&value).is_ok_and(|bytes| bytes == data)
            {
                assert!(
                    matches!(error, codec::CodecError::TooDeep { .. }),
                    "refused canonical bytes: {error}"
                );
            }
        }
    }
});
