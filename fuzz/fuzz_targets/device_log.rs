//! The device log: operations, proposals and whole logs from outside. What is accepted comes back as the same bytes, resolves, and
//! resolves the same after any detour.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rhizome_identity::{
    Enrol, IdentityError, Log, Operation, Proposal, Representation, document, resolve,
};
use rhizome_ipld::Signed;

fuzz_target!(|data: &[u8]| {
    if let Ok(log) = Log::from_car(data) {
        read_back(&log);
    }
    if let Ok(proposal) = Proposal::from_bytes(data) {
        assert_eq!(proposal.to_bytes().expect("it was read"), data);
        match proposal.complete() {
            Ok(operation) => assert_eq!(proposal.missing().count(), 0, "{}", operation.id()),
            Err(_) => assert!(proposal.missing().next().is_some()),
        }
    }
    // Two blocks without a CAR around them, whose hashes random changes seldom keep.
    if let Some((split, blocks)) = data.split_first_chunk::<2>() {
        let at = usize::from(u16::from_be_bytes(*split)).min(blocks.len());
        let (payload, signatures) = blocks.split_at(at);
        if let Ok(operation) = Operation::verify(payload, signatures) {
            assert_eq!(operation.payload_bytes(), payload);
            assert_eq!(operation.signature_block().expect("it was read"), signatures);
        }
    }
    if let Ok(enrol) = Signed::<Enrol>::from_bytes(data).and_then(Signed::verify) {
        let _ = enrol.incarnation();
    }
    if let Ok(text) = std::str::from_utf8(data) {
        let (did, accept) = text.split_once(' ').unwrap_or((text, "*/*"));
        let answer = resolve::<Log>(did, Some(accept), &[("versionId", accept)], |_| None).answer();
        assert!(answer.status >= 400);
    }
});

/// The log again, its operations backwards, so that all of them wait.
fn read_back(log: &Log) {
    let car = log.to_car().expect("a log can be written");
    let again = Log::from_car(&car).expect("written by us");
    assert_eq!(again.to_car().expect("a log can be written"), car);
    let now = log.resolve();
    assert_eq!(again.resolve(), now);
    let mut backwards = Log::new(log.genesis().clone()).expect("a log of one operation");
    let operations: Vec<&Operation> = log.operations().collect();
    for operation in operations.iter().rev() {
        match backwards.insert((*operation).clone()) {
            Ok(_) => {}
            Err(IdentityError::LogFull(_)) => return,
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(backwards.resolve(), now);
    let document = document(&now, Representation::Did);
    assert_eq!(document["id"], log.did().to_string());
}
