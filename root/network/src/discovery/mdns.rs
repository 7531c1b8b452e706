//! Multicast on the local network.

use futures_util::StreamExt;
use iroh::Endpoint;
use iroh_mdns_address_lookup::{DiscoveryEvent, MdnsAddressLookup};
use tokio::task::JoinHandle;

use super::{Sightings, failed};
use crate::error::NetworkError;
use crate::quic;

pub(super) fn start(
    endpoint: &Endpoint,
    service: &str,
    advertise: bool,
    sightings: Sightings,
) -> Result<JoinHandle<()>, NetworkError> {
    let fits = (1..=15).contains(&service.len())
        && service
            .bytes()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-');
    if !fits {
        return Err(failed(
            "mDNS",
            "the name of the service has 1 to 15 of a-z, 0-9 and -",
        ));
    }
    let lookup = MdnsAddressLookup::builder()
        .service_name(service)
        .advertise(advertise)
        .build(endpoint.id())
        .map_err(|e| failed("mDNS", format!("{e:#}")))?;
    endpoint
        .address_lookup()
        .map_err(|e| failed("mDNS", format!("{e:#}")))?
        .add(lookup.clone());
    Ok(tokio::spawn(async move {
        let mut events = lookup.subscribe().await;
        drop(lookup); // the endpoint's own keeps it going
        while let Some(event) = events.next().await {
            if let DiscoveryEvent::Discovered { endpoint_info, .. } = event {
                let _ = sightings.send(quic::public(endpoint_info.endpoint_id));
            }
        }
    }))
}
