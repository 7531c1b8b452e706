//! Signed envelopes: parsing is bounded and exact, and nothing verifies that was not signed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rhizome_ipld::{HashKind, MultiPayload, MultiSigned, Payload, PublicKey, Signed};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Note {
    author: PublicKey,
    text: String,
}

impl Payload for Note {
    const DOMAIN: &'static str = "vector/note@1";
    const MAX_LEN: usize = 4096;
    const HASH: HashKind = HashKind::Sha256;

    fn signer(&self) -> PublicKey {
        self.author
    }
}

#[derive(Serialize, Deserialize)]
struct Agreement {
    parties: Vec<PublicKey>,
    text: String,
}

impl MultiPayload for Agreement {
    const DOMAIN: &'static str = "vector/agreement@1";
    const MAX_LEN: usize = 4096;
    const MAX_SIGNATURES: usize = 8;
    const HASH: HashKind = HashKind::Sha256;

    fn accepts_signers(&self, signers: &[PublicKey]) -> bool {
        self.parties.len() == signers.len() && self.parties.iter().all(|p| signers.contains(p))
    }
}

fuzz_target!(|data: &[u8]| {
    if let Ok(signed) = Signed::<Note>::from_bytes(data) {
        assert_eq!(signed.to_bytes(), data, "an envelope has one spelling");
        if let Ok(note) = signed.verify() {
            assert_eq!(note.to_bytes(), data);
        }
    }
    if let Some((&split, rest)) = data.split_first() {
        let (payload, signatures) = rest.split_at(usize::from(split).min(rest.len()));
        if let Ok(signed) = MultiSigned::<Agreement>::from_blocks(payload, signatures)
            && let Ok(agreement) = signed.verify()
        {
            assert_eq!(agreement.signature_block().as_deref(), Ok(signatures));
        }
    }
});
