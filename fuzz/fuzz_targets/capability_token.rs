//! Delegations and invocations: one spelling, bounded; what a token says of itself can be written and read again, and none verifies that
//! differs from a signed one.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rhizome_capability::{
    Context, Delegation, DidKeys, Invocation, MAX_TOKEN, Policy, Principal, Proofs, Revocation,
};

fuzz_target!(|data: &[u8]| {
    if let Ok(token) = Delegation::decode(data) {
        assert_eq!(token.bytes(), data);
        assert!(data.len() <= MAX_TOKEN);
        let policy = Policy::from_ipld(&token.policy().to_ipld());
        assert_eq!(policy.as_ref(), Ok(token.policy()));
        for principal in [
            Some(token.issuer()),
            Some(token.audience()),
            token.subject(),
        ] {
            same(principal);
        }
        if token.verify_signature(&DidKeys).is_ok() {
            // The last byte is the payload's, the fourth the signature's.
            for at in [3, data.len() - 1] {
                let mut changed = data.to_vec();
                changed[at] ^= 1;
                let verified =
                    Delegation::decode(&changed).and_then(|token| token.verify_signature(&DidKeys));
                assert!(verified.is_err());
            }
        }
    }
    if let Ok(token) = Invocation::decode(data) {
        assert_eq!(token.bytes(), data);
        for principal in [token.issuer(), token.subject(), token.audience()] {
            same(Some(principal));
        }
        let context = Context::at(token.expires().unwrap_or(0));
        let verdict = context.verify(&token, &Proofs::new());
        assert!(verdict.is_err() || token.issuer() == token.subject());
        if Revocation::verify(&token, &Proofs::new(), &context).is_ok() {
            assert!(verdict.is_ok());
        }
    }
});

fn same(principal: Option<&Principal>) {
    if let Some(principal) = principal {
        let again: Principal = principal.as_str().parse().expect("it was read");
        assert_eq!(again.as_str(), principal.as_str());
    }
}
