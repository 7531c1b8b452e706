//! What is handed to somebody with whom something is shared.

use std::{fmt, str::FromStr};

use data_encoding::BASE32_NOPAD;
use rhizome_identity::Did;
use rhizome_ipld::codec;
use rhizome_network::PeerAddress;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteArray;
use zeroize::Zeroize;

use crate::{PodError, Seed};

/// What it begins with.
const PREFIX: &str = "rzshare1";
/// Longest text.
const MAX_TEXT: usize = 8 << 10;
const MAX_PLACES: usize = 8;

/// An invitation to a view: which, the seed of a guest's key, and where it is kept. It opens the view once: as soon as a device of the owner's has seen who came by it, it gives the guest another
/// key, and takes this one out.
pub struct ShareInvite {
    /// The view.
    pub view: Did,
    /// What the guest acts by at first.
    pub seed: Seed,
    /// Where the view is kept.
    pub places: Vec<PeerAddress>,
}

#[derive(Serialize, Deserialize)]
struct Wire(Did, ByteArray<32>, Vec<String>);

impl fmt::Display for ShareInvite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places = self.places.iter().map(PeerAddress::to_string).collect();
        let wire = Wire(self.view, ByteArray::new(*self.seed.expose()), places);
        let mut bytes = codec::encode(&wire).map_err(|_| fmt::Error)?;
        let text = BASE32_NOPAD.encode(&bytes).to_ascii_lowercase();
        bytes.zeroize();
        write!(f, "{PREFIX}{text}")
    }
}

impl FromStr for ShareInvite {
    type Err = PodError;

    fn from_str(text: &str) -> Result<Self, PodError> {
        let wrong = || {
            PodError::Request(
                "this is not an invitation to something shared: it begins with `rzshare1`, and has to be copied whole".into(),
            )
        };
        let text = text.trim();
        if text.len() > MAX_TEXT || !text.is_ascii() {
            return Err(wrong());
        }
        let text = text.to_ascii_lowercase();
        let body = text.strip_prefix(PREFIX).ok_or_else(wrong)?;
        let bytes = BASE32_NOPAD.decode(body.to_ascii_uppercase().as_bytes());
        let mut bytes = bytes.map_err(|_| wrong())?;
        let wire: Result<Wire, _> = codec::decode(&bytes, MAX_TEXT);
        bytes.zeroize();
        let Wire(view, seed, places) = wire.map_err(|_| wrong())?;
        if places.len() > MAX_PLACES {
            return Err(wrong());
        }
        let places = places.iter().map(|place| place.parse());
        Ok(Self {
            view,
            seed: Seed::take(&mut seed.into_array()),
            places: places.collect::<Result<_, _>>().map_err(|_| wrong())?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rhizome_ipld::SigningKey;

    #[test]
    fn an_invitation_comes_back_and_nothing_else_is_one() {
        let invite = ShareInvite {
            view: Did::from_key(SigningKey::from_seed([1; 32]).public()),
            seed: Seed::take(&mut [2; 32]),
            places: vec![],
        };
        let text = invite.to_string();
        for text in [text.clone(), text.to_uppercase(), format!(" {text}\n")] {
            let back: ShareInvite = text.parse().unwrap();
            assert_eq!(back.view, invite.view);
            assert_eq!(back.seed.expose(), invite.seed.expose());
        }
        for bad in [
            "",
            "rzshare1",
            "rzshare1a",
            &text[1..],
            &text[..text.len() - 2],
            "ä",
        ] {
            assert!(bad.parse::<ShareInvite>().is_err(), "{bad}");
        }
    }
}
