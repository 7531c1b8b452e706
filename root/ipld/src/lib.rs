//! Content addressing: CIDs, canonical DAG-CBOR, CAR files, and signatures that turn untrusted bytes into verified values.
