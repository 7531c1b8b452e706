//! The mainline DHT.

use iroh::endpoint::Builder;
use iroh_mainline_address_lookup::DhtAddressLookup;
use n0_mainline::DhtBuilder;

use super::Publish;

pub(super) fn add(builder: Builder, bootstrap: &[String], publish: Publish) -> Builder {
    let mut dht = DhtBuilder::default();
    if !bootstrap.is_empty() {
        dht.bootstrap(bootstrap);
    }
    let lookup = DhtAddressLookup::builder().dht_builder(dht);
    builder.address_lookup(match publish.filter() {
        Some(filter) => lookup.addr_filter(filter),
        None => lookup.no_publish(),
    })
}
