//! Recovery words.

use rhizome_identity::{IdentityError, RecoveryWords, Secret};

use crate::genesis::genesis;
use crate::random;

#[test]
fn words_come_back() {
    for seed in 0..50 {
        let words = RecoveryWords::generate(&mut random(seed));
        let phrase = words.phrase();
        assert_eq!(phrase.split(' ').count(), 24);
        let messy = format!("  {}\n", phrase.to_uppercase().replace(' ', " \t\n "));
        for text in [phrase.as_str(), &messy] {
            let again = RecoveryWords::parse(text).unwrap();
            assert_eq!(again.entropy().expose(), words.entropy().expose());
            assert_eq!(again.key().public(), words.key().public());
            assert_eq!(again.policy(), words.policy());
        }
    }
}

#[test]
fn words_are_checked_against_the_genesis() {
    let genesis = genesis(&[1]);
    let right = RecoveryWords::from_entropy(Secret::take(&mut [9; 32]));
    assert_eq!(right.verify(&genesis.policies).unwrap(), 0);
    let wrong = RecoveryWords::generate(&mut random(1));
    assert!(matches!(
        wrong.verify(&genesis.policies),
        Err(IdentityError::OtherWords)
    ));
}

#[test]
fn typing_errors_are_named_without_repeating_the_words() {
    let phrase = RecoveryWords::generate(&mut random(2)).phrase().to_string();
    let mut words: Vec<&str> = phrase.split(' ').collect();
    words[4] = "rhizome";
    let error = RecoveryWords::parse(&words.join(" "))
        .err()
        .unwrap()
        .to_string();
    assert!(error.contains("word 5"), "{error}");
    assert!(
        !words.iter().any(|w| w.len() > 4 && error.contains(w)),
        "{error}"
    );

    let mut words: Vec<&str> = phrase.split(' ').collect();
    words.swap(0, 1);
    assert!(matches!(
        RecoveryWords::parse(&words.join(" ")),
        Err(IdentityError::Words(_))
    ));
    words.pop();
    let error = RecoveryWords::parse(&words.join(" "))
        .err()
        .unwrap()
        .to_string();
    assert!(error.contains("23 words"), "{error}");
    assert!(RecoveryWords::parse("").is_err());
    assert!(RecoveryWords::parse(&"a ".repeat(10_000)).is_err());
}
