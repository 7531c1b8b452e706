//! Posts as people write them, as far as a search can tell: short, and with few words that are common and many that are rare.

use crate::generate::Random;

/// Different words.
const VOCABULARY: usize = 100_000;
const SYLLABLES: [&str; 24] = [
    "ka", "lo", "mi", "ne", "ru", "ta", "so", "vi", "da", "be", "ga", "po", "shi", "tre", "wen",
    "lar", "mon", "ist", "eck", "und", "ber", "fal", "zin", "qua",
];

/// Posts by their number: nothing is kept but the words.
pub struct Posts {
    count: u64,
    words: Vec<String>,
    /// Sums of the shares of the words, by Zipf's law.
    shares: Vec<f64>,
}

/// One question, as each side wants it written.
pub struct Question {
    pub ours: String,
    #[cfg_attr(not(feature = "peers"), allow(dead_code))]
    pub fts5: String,
}

impl Posts {
    pub fn new(count: u64) -> Self {
        let words = (0..VOCABULARY).map(word).collect();
        let mut sum = 0.0;
        let shares = (1..=VOCABULARY)
            .map(|rank| {
                sum += 1.0 / rank as f64;
                sum
            })
            .collect();
        Self {
            count,
            words,
            shares,
        }
    }

    pub fn len(&self) -> u64 {
        self.count
    }

    /// When a post was made.
    pub fn at(n: u64) -> u64 {
        1_500_000_000_000 + n * 60_000
    }

    fn drawn(&self, random: &mut Random) -> &str {
        let most = self.shares.last().copied().unwrap_or_default();
        let at = random.below(1 << 48) as f64 / (1_u64 << 48) as f64 * most;
        let rank = self.shares.partition_point(|sum| *sum < at);
        self.words.get(rank).map_or("", String::as_str)
    }

    fn words_of(&self, n: u64) -> Vec<&str> {
        let mut random = Random::new(n.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x5EED);
        let length = 5 + random.below(20) + random.below(20);
        (0..length).map(|_| self.drawn(&mut random)).collect()
    }

    /// 5 to 43 words, with some punctuation.
    pub fn text(&self, n: u64) -> String {
        let mut out = String::new();
        for (i, word) in self.words_of(n).into_iter().enumerate() {
            if i > 0 {
                out.push_str(if i.is_multiple_of(9) { ". " } else { " " });
            }
            out.push_str(word);
        }
        out
    }

    /// So many questions of each kind.
    pub fn questions(&self, each: usize) -> Vec<(&'static str, Vec<Question>)> {
        let mut random = Random::new(7);
        let ranked = |random: &mut Random, from: u64, to: u64| {
            let rank = from + random.below(to - from);
            self.words[rank as usize].clone()
        };
        let all = |words: &[String]| Question {
            ours: words.join(" "),
            fts5: words
                .iter()
                .map(|w| format!("\"{w}\""))
                .collect::<Vec<_>>()
                .join(" "),
        };
        let mut kinds: [(&'static str, Vec<Question>); 6] = [
            ("a common word", Vec::new()),
            ("a word", Vec::new()),
            ("two words", Vec::new()),
            ("three words of a post", Vec::new()),
            ("a phrase of a post", Vec::new()),
            ("the beginning of a word", Vec::new()),
        ];
        for _ in 0..each {
            let n = random.below(self.count.max(1));
            let words = self.words_of(n);
            let at = random.below(words.len() as u64 - 2) as usize;
            let here: Vec<String> = words[at..at + 3].iter().map(|w| (*w).to_owned()).collect();
            let phrase = here[..2].join(" ");
            let begin: String = ranked(&mut random, 2_000, 50_000).chars().take(7).collect();
            let one = [
                all(&[ranked(&mut random, 5, 100)]),
                all(&[ranked(&mut random, 100, 20_000)]),
                all(&[
                    ranked(&mut random, 20, 1_000),
                    ranked(&mut random, 20, 5_000),
                ]),
                all(&here),
                Question {
                    ours: format!("\"{phrase}\""),
                    fts5: format!("\"{phrase}\""),
                },
                Question {
                    ours: format!("{begin}*"),
                    fts5: format!("\"{begin}\"*"),
                },
            ];
            for ((_, questions), question) in kinds.iter_mut().zip(one) {
                questions.push(question);
            }
        }
        kinds.into()
    }
}

/// The word of a rank: the commoner, the shorter.
fn word(rank: usize) -> String {
    let mut out = String::new();
    let mut rest = rank + 1;
    while rest > 0 {
        out.push_str(SYLLABLES[rest % SYLLABLES.len()]);
        rest /= SYLLABLES.len();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn posts_are_the_same_each_time_and_have_common_words_and_rare_ones() {
        let (posts, again) = (Posts::new(1_000), Posts::new(1_000));
        let mut counts = std::collections::BTreeMap::new();
        for n in 0..1_000 {
            assert_eq!(posts.text(n), again.text(n));
            for word in posts.words_of(n) {
                *counts.entry(word.to_owned()).or_insert(0) += 1;
            }
        }
        assert!(counts[&word(0)] > 1_000 && counts.len() > 5_000);
        let words: std::collections::BTreeSet<String> = (0..VOCABULARY).map(word).collect();
        assert!(words.len() > VOCABULARY * 9 / 10, "{}", words.len());
    }
}
