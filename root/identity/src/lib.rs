//! did:rhizome and did:key, the device log's genesis, recovery words and the key store.
