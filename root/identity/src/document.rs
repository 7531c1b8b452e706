//! The W3C DID document of an identity.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::{Resolution, Role};

/// In which of its forms a document is represented: they differ in `@context`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Representation {
    /// `application/did`, of DID 1.1.
    Did,
    /// `application/did+json`, of DID Core 1.0: without a context.
    DidJson,
    /// `application/did+ld+json`, of DID Core 1.0.
    DidLdJson,
}

impl Representation {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Did, Self::DidJson, Self::DidLdJson];

    /// Its media type.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Did => "application/did",
            Self::DidJson => "application/did+json",
            Self::DidLdJson => "application/did+ld+json",
        }
    }

    fn context(self) -> Option<Value> {
        match self {
            Self::Did => Some(json!(["https://www.w3.org/ns/did/v1.1"])),
            Self::DidJson => None,
            Self::DidLdJson => Some(json!([
                "https://www.w3.org/ns/did/v1",
                "https://w3id.org/security/multikey/v1"
            ])),
        }
    }
}

/// The [DID Core](https://www.w3.org/TR/did-core/) document: one `Multikey` per member, which authenticates, asserts and invokes; an
/// admin's also delegates, unless the identity is contested. A further `Multikey` per member receives secrets. Services under their
/// names, that of the pod under `#pod`. Of an identity that has ended, nothing but the `id` and empty lists.
pub fn document(resolution: &Resolution, representation: Representation) -> Value {
    let did = resolution.did.to_string();
    let url = |fragment: &str| Value::from(format!("{did}#{fragment}"));
    let mut methods = Vec::new();
    let mut all = Vec::new();
    let mut admins = Vec::new();
    let mut receivers = Vec::new();
    let mut seen = BTreeSet::new();
    for device in resolution.devices.iter().map(|active| &active.device) {
        let key = device.key.to_multibase();
        if device.role == Role::Admin && resolution.is_admin(&device.key) {
            let name = url(&key);
            if !admins.contains(&name) {
                admins.push(name);
            }
        }
        // A key with two memberships is shown once, as the senior of them has it.
        if !seen.insert(device.key) {
            continue;
        }
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
    }
    let services: Vec<Value> = resolution
        .services
        .iter()
        .map(|s| json!({ "id": url(&s.id), "type": s.kind, "serviceEndpoint": s.endpoint }))
        .collect();
    let mut document = Map::new();
    if let Some(context) = representation.context() {
        document.insert("@context".into(), context);
    }
    document.insert("id".into(), did.clone().into());
    let mut list = |name: &str, values: Vec<Value>| document.insert(name.into(), values.into());
    if resolution.deactivated {
        list("verificationMethod", Vec::new());
        list("service", Vec::new());
        return document.into();
    }
    if !resolution.also_known_as.is_empty() {
        let names = resolution.also_known_as.iter().cloned();
        list("alsoKnownAs", names.map(Value::from).collect());
    }
    list("verificationMethod", methods);
    list("authentication", all.clone());
    list("assertionMethod", all.clone());
    list("capabilityInvocation", all);
    list("capabilityDelegation", admins);
    list("keyAgreement", receivers);
    list("service", services);
    document.into()
}

/// The metadata of the document. There is no clock here, so it has no times.
pub fn document_metadata(resolution: &Resolution) -> Value {
    let mut metadata = Map::new();
    metadata.insert("versionId".into(), resolution.version.to_string().into());
    if resolution.deactivated {
        metadata.insert("deactivated".into(), true.into());
    }
    metadata.into()
}
