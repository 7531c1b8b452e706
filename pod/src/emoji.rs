//! The pictures that two people compare.

use serde::Serialize;

/// A picture that can be told from the others at a glance, and said in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Emoji {
    /// What is shown.
    pub symbol: &'static str,
    /// What it is called.
    pub name: &'static str,
}

/// How many are compared: 42 bits.
pub const COMPARED: usize = 7;

const fn emoji(symbol: &'static str, name: &'static str) -> Emoji {
    Emoji { symbol, name }
}

/// Those that there are, as in the protocol: never in another order.
const TABLE: [Emoji; 64] = [
    emoji("🐶", "dog"),
    emoji("🐱", "cat"),
    emoji("🦁", "lion"),
    emoji("🐎", "horse"),
    emoji("🦄", "unicorn"),
    emoji("🐷", "pig"),
    emoji("🐘", "elephant"),
    emoji("🐰", "rabbit"),
    emoji("🐼", "panda"),
    emoji("🐓", "rooster"),
    emoji("🐧", "penguin"),
    emoji("🐢", "turtle"),
    emoji("🐟", "fish"),
    emoji("🐙", "octopus"),
    emoji("🦋", "butterfly"),
    emoji("🌷", "flower"),
    emoji("🌳", "tree"),
    emoji("🌵", "cactus"),
    emoji("🍄", "mushroom"),
    emoji("🌏", "globe"),
    emoji("🌙", "moon"),
    emoji("☁️", "cloud"),
    emoji("🔥", "fire"),
    emoji("🍌", "banana"),
    emoji("🍎", "apple"),
    emoji("🍓", "strawberry"),
    emoji("🌽", "corn"),
    emoji("🍕", "pizza"),
    emoji("🎂", "cake"),
    emoji("❤️", "heart"),
    emoji("😀", "smiley"),
    emoji("🤖", "robot"),
    emoji("🎩", "hat"),
    emoji("👓", "glasses"),
    emoji("🔧", "spanner"),
    emoji("🎅", "santa"),
    emoji("👍", "thumbs up"),
    emoji("☂️", "umbrella"),
    emoji("⌛", "hourglass"),
    emoji("⏰", "clock"),
    emoji("🎁", "gift"),
    emoji("💡", "light bulb"),
    emoji("📕", "book"),
    emoji("✏️", "pencil"),
    emoji("📎", "paperclip"),
    emoji("✂️", "scissors"),
    emoji("🔒", "lock"),
    emoji("🔑", "key"),
    emoji("🔨", "hammer"),
    emoji("☎️", "telephone"),
    emoji("🏁", "flag"),
    emoji("🚂", "train"),
    emoji("🚲", "bicycle"),
    emoji("✈️", "aeroplane"),
    emoji("🚀", "rocket"),
    emoji("🏆", "trophy"),
    emoji("⚽", "ball"),
    emoji("🎸", "guitar"),
    emoji("🎺", "trumpet"),
    emoji("🔔", "bell"),
    emoji("⚓", "anchor"),
    emoji("🎧", "headphones"),
    emoji("📁", "folder"),
    emoji("📌", "pin"),
];

/// The first 42 bits of a hash, six for each.
pub(crate) fn of(hash: &blake3::Hash) -> [Emoji; COMPARED] {
    let bits = hash.as_bytes().iter().take(8);
    let bits = bits.fold(0u64, |bits, byte| bits << 8 | u64::from(*byte));
    std::array::from_fn(|i| TABLE[(bits >> (58 - 6 * i)) as usize % TABLE.len()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_are_alike() {
        for (i, one) in TABLE.iter().enumerate() {
            let alike = |other: &Emoji| one.symbol == other.symbol || one.name == other.name;
            assert!(!TABLE[i + 1..].iter().any(alike), "{one:?}");
        }
    }

    #[test]
    fn each_takes_six_bits_of_its_own() {
        let mut bytes = [0; 32];
        bytes[..6].copy_from_slice(&[0x00, 0x10, 0x83, 0x10, 0x51, 0xbf]);
        // 0, 1, 2, 3, 4, 5, 6; the last six bits do not count
        let names = of(&blake3::Hash::from_bytes(bytes)).map(|e| e.name);
        assert_eq!(
            names,
            ["dog", "cat", "lion", "horse", "unicorn", "pig", "elephant"]
        );
        assert_eq!(of(&blake3::Hash::from_bytes([255; 32])), [TABLE[63]; 7]);
    }
}
