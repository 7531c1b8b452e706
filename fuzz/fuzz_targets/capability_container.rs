//! Containers: bounded, also when they are unpacked; the tokens come back as they were; whatever is in one, an executor answers, and
//! admits nothing twice.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rhizome_capability::container::{self, Framing, Limits};
use rhizome_capability::{Container, Context, Executor, Wanted};

const LIMITS: Limits = Limits {
    bytes: 16 << 10,
    tokens: 32,
};

fuzz_target!(|data: &[u8]| {
    let Ok(mut tokens) = container::read(data, LIMITS) else {
        return;
    };
    assert!(tokens.len() <= LIMITS.tokens);
    assert!(tokens.iter().map(Vec::len).sum::<usize>() <= LIMITS.bytes);
    tokens.sort();
    tokens.dedup();
    for framing in Framing::ALL {
        let written = container::write(framing, tokens.iter().map(Vec::as_slice));
        let written = written.expect("few enough");
        assert_eq!(
            container::read(&written, Limits::default()),
            Ok(tokens.clone())
        );
    }
    let Ok(container) = Container::decode(data, LIMITS) else {
        return;
    };
    for invocation in &container.invocations {
        let now = invocation.expires().unwrap_or(1_800_000_000);
        let context = Context::at(now);
        let verdict = context.verify(invocation, &container.proofs);
        let found = container.proofs.search(
            &Wanted {
                invoker: invocation.issuer(),
                subject: invocation.subject(),
                command: invocation.command(),
                arguments: Some(invocation.arguments()),
            },
            &context,
        );
        // Where a chain is valid there is one to be found.
        assert!(verdict.is_err() || found.is_some());
        let mut executor = Executor::new(invocation.audience().clone()).with_limits(LIMITS);
        if executor.admit_for(|_| true, data, now).is_ok() {
            assert!(verdict.is_ok());
            assert!(executor.admit_for(|_| true, data, now).is_err());
        }
        let _ = executor.revoke(data, now);
    }
});
