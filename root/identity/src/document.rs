//! The W3C DID document of an identity.

use serde_json::{Value, json};

use crate::{Genesis, Role};

/// The [DID Core](https://www.w3.org/TR/did-core/) document: one `Multikey` per device, which authenticates, asserts and invokes;
/// an admin also delegates. A further `Multikey` per device receives secrets. Services stand as the genesis lists them, that of
/// the pod under `#pod`.
pub fn document(genesis: &Genesis) -> Value {
    let did = genesis.did().to_string();
    let url = |fragment: &str| Value::from(format!("{did}#{fragment}"));
    let mut methods = Vec::new();
    let mut all = Vec::new();
    let mut admins = Vec::new();
    let mut receivers = Vec::new();
    for device in &genesis.devices {
        let key = device.key.to_multibase();
        // An X-Wing key has 1,219 bytes: too long for a name, so the name is taken from the device.
        let kem = format!("kem-{key}");
        methods.push(json!({
            "id": url(&key), "type": "Multikey", "controller": did, "publicKeyMultibase": key,
        }));
        methods.push(json!({
            "id": url(&kem), "type": "Multikey", "controller": did,
            "publicKeyMultibase": device.kem.to_multibase(),
        }));
        all.push(url(&key));
        receivers.push(url(&kem));
        if device.role == Role::Admin {
            admins.push(url(&key));
        }
    }
    let services: Vec<Value> = genesis
        .services
        .iter()
        .map(|s| json!({ "id": url(&s.id), "type": s.kind, "serviceEndpoint": s.endpoint }))
        .collect();
    json!({
        "@context": ["https://www.w3.org/ns/did/v1", "https://w3id.org/security/multikey/v1"],
        "id": did,
        "verificationMethod": methods,
        "authentication": all,
        "assertionMethod": all,
        "capabilityInvocation": all,
        "capabilityDelegation": admins,
        "keyAgreement": receivers,
        "service": services,
    })
}
