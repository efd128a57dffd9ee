//! BGP as Cilium speaks it: who announces the addresses of services, and to which routers.

use crate::inventory::record::{List, Map};
use crate::inventory::value::{AddressText, Duration, Scalar, Text, Whole};
use crate::record;

record! {
    /// BGP of Cilium: a CiliumBGPClusterConfig, and what is announced.
    pub struct CiliumBgp {
        /// The cluster's own autonomous system number.
        #[required]
        my_asn: Option<Whole>,
        /// The routers that Cilium talks to.
        peers: Map<CiliumPeer>,
        /// The nodes that talk to them, by name. Default: all.
        nodes: List<Text>,
        /// Labels of the nodes that talk to them.
        node_selector: Map<Scalar>,
        /// BGP communities of the routes: values such as `65535:65282` or `large:64500:1:2`, or names that everybody knows, such as `no-export`.
        communities: List<Text>,
        /// How iBGP peers rank the routes: the highest wins.
        local_pref: Option<Whole>,
    }
}

record! {
    /// A BGP peer of Cilium.
    pub struct CiliumPeer {
        /// The peer's autonomous system number.
        #[required]
        peer_asn: Option<Whole>,
        /// The peer's address.
        #[required]
        peer_address: Option<AddressText>,
        /// The peer's TCP port. Default 179.
        peer_port: Option<Whole>,
        /// How long the peer is waited for before its session counts as dead, in whole seconds, at least 3. Default `90s`.
        hold_time: Option<Duration>,
        /// How often a keepalive is sent, in whole seconds; at most the hold time. Default `30s`.
        keepalive_time: Option<Duration>,
        /// How long is waited until a connection is tried again, in whole seconds. Default `120s`.
        connect_time: Option<Duration>,
        /// How many hops away the peer may be (eBGP only): 1 to 255. Default 1.
        ebgp_multi_hop: Option<Whole>,
        /// How long the peer keeps the routes while Cilium restarts, in whole seconds, at most 4095. Default: not at all.
        graceful_restart: Option<Duration>,
        /// A Secret beside Cilium's agents, in `kube-system`, whose key `password` signs the session.
        password_secret: Option<Text>,
    }
}
