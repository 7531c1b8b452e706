//! Policies as JSON, over arguments as JSON: read or refused, written back the same, and consistent with themselves.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rhizome_capability::{Ipld, Policy};

/// Longer ones can meet the bound on steps, where a statement and its negation are both refused.
const MAX_LEN: usize = 1024;

fuzz_target!(|data: &str| {
    if data.len() > MAX_LEN {
        return;
    }
    // One line of arguments, then the policy.
    let Some((arguments, policy)) = data.split_once('\n') else {
        return;
    };
    let (Ok(arguments), Ok(policy)) = (
        serde_json::from_str::<Ipld>(arguments),
        Policy::from_json(policy),
    ) else {
        return;
    };
    let statements = policy.to_ipld();
    assert_eq!(Policy::from_ipld(&statements).as_ref(), Ok(&policy));
    let holds = |statements: &[Ipld]| {
        Policy::from_ipld(statements)
            .ok()
            .map(|policy| policy.matches(&arguments))
    };
    let matches = policy.matches(&arguments);
    let statement =
        |operator: &str, argument: Ipld| vec![Ipld::List(vec![operator.into(), argument])];
    let all = statement("and", Ipld::List(statements.clone()));
    // One deeper than what was read may be too deep.
    if let Some(and) = holds(&all) {
        assert_eq!(and, matches);
        let [and] = <[Ipld; 1]>::try_from(all).expect("one statement");
        if let Some(not) = holds(&statement("not", and)) {
            assert_eq!(not, !matches);
        }
    }
    let each = statements
        .iter()
        .map(|one| holds(std::slice::from_ref(one)));
    assert_eq!(each.flatten().all(|one| one), matches);
    if policy.check_portable().is_ok() {
        // What is minted asks for a field, or for nothing.
        assert!(!policy.matches(&Ipld::Null) || policy.is_empty());
    }
});
