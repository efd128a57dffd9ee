//! Load balancers: who gives Services their addresses, from which pools, and how the network learns of them.

use crate::inventory::cilium_bgp::CiliumBgp;
use crate::inventory::record::{List, Map};
use crate::inventory::value::{
    AddressText, Duration, Flag, OneOrMany, OrOff, RangeText, Scalar, Text, Whole,
};
use crate::source::Spanned;
use crate::{choice, record};

choice! {
    /// What gives Services of type LoadBalancer their addresses.
    pub enum Provider {
        /// MetalLB: the pools of `metallb.pools`.
        Metallb = "metallb",
        /// Cilium's LB-IPAM: the pools of `cilium.pools`.
        Cilium = "cilium",
        /// kube-vip and its cloud provider: the pools of `kube-vip.pools`.
        KubeVip = "kube-vip",
        /// The one that k3s brings along: services have the addresses of the nodes, and there are no pools.
        Servicelb = "servicelb",
    }
}

record! {
    /// Which load balancer the cluster has.
    pub struct LoadBalancer {
        /// What gives services their addresses. Default: whichever of `metallb`, `cilium` and `kube-vip` has a table of its own.
        provider: Option<Spanned<Provider>>,
    }
}

record! {
    /// Cilium as a load balancer: pools of LB-IPAM, and their announcement on the local network.
    pub struct Cilium {
        /// The pools.
        pools: Map<CiliumPool>,
        /// How addresses are announced by ARP and NDP; `false` if something else announces them. Default: by every node, on every interface; not at all with `bgp`.
        l2: Option<OrOff<CiliumL2>>,
        /// How they are announced by BGP.
        bgp: Option<CiliumBgp>,
    }
}

record! {
    /// A pool of addresses of Cilium's LB-IPAM.
    pub struct CiliumPool {
        /// Its addresses: networks (`192.168.1.64/28`) or ranges (`192.168.1.60-192.168.1.69`). Never a bare address: write `/32`.
        #[required]
        addresses: List<RangeText>,
        /// Whether the first and last address of each network are given out, too. Default true.
        allow_first_last_ips: Option<Flag>,
        /// The namespaces it serves, before the environments' suffix or with it. Default: all.
        namespaces: List<Text>,
        /// The services it serves, by their names in this inventory. Default: all.
        services: List<Text>,
    }
}

record! {
    /// Announcement by ARP and NDP: a CiliumL2AnnouncementPolicy.
    pub struct CiliumL2 {
        /// The network interfaces it is made on, as regular expressions. Default: all.
        interfaces: List<Text>,
        /// The nodes that announce, by name. Default: all.
        nodes: List<Text>,
        /// Labels of the nodes that announce.
        node_selector: Map<Scalar>,
    }
}

record! {
    /// kube-vip as a load balancer: the pools of its cloud provider.
    pub struct KubeVip {
        /// The pools.
        pools: Map<KubeVipPool>,
    }
}

record! {
    /// A pool of addresses of kube-vip's cloud provider.
    pub struct KubeVipPool {
        /// Its addresses: networks (`192.168.1.64/28`) or ranges (`192.168.1.60-192.168.1.69`). Never a bare address: write `/32`.
        #[required]
        addresses: List<RangeText>,
        /// The namespace it serves, with the environment's suffix. Default: every namespace without a pool of its own.
        namespace: Option<Text>,
        /// Whether services with `ip = "auto"` may share its addresses, as long as their port numbers differ (IPv4 only). Default false.
        allow_share: Option<Flag>,
    }
}

record! {
    /// MetalLB: the pools that load balancers get addresses from, and how they are announced.
    pub struct Metallb {
        /// The namespace that MetalLB runs in and reads its pools from. Default `metallb-system`.
        namespace: Option<Text>,
        /// The pools.
        pools: Map<Pool>,
        /// BGP, for pools that are announced by it.
        bgp: Option<Bgp>,
    }
}

choice! {
    /// How a pool's addresses are announced.
    pub enum Advertise {
        /// By ARP and NDP on the local network.
        L2 = "l2",
        /// By BGP to the peers.
        Bgp = "bgp",
    }
}

record! {
    /// A pool of addresses for load balancers.
    pub struct Pool {
        /// Its addresses: networks (`192.168.1.64/28`) or ranges (`192.168.1.60-192.168.1.69`). Never a bare address: write `/32`.
        #[required]
        addresses: List<RangeText>,
        /// Whether services with `ip = "auto"` may be given its addresses. Default true.
        auto_assign: Option<Flag>,
        /// Whether addresses that end in .0 or .255 are left out. Default false.
        avoid_buggy_ips: Option<Flag>,
        /// How it is announced: `l2`, `bgp`, or both in a list. Default `l2`; an empty list announces nothing.
        advertise: Option<OneOrMany<Spanned<Advertise>>>,
        /// The nodes that announce it, by name. Default: all.
        nodes: List<Text>,
        /// The nodes that announce it, by labels: any of these sets.
        node_selectors: List<Map<Scalar>>,
        /// The network interfaces that an L2 announcement is made on. Default: all.
        interfaces: List<Text>,
        /// The namespaces it serves, before the environments' suffix or with it. Default: all.
        namespaces: List<Text>,
        /// The services it serves, by their names in this inventory. Default: all.
        services: List<Text>,
        /// Which pool is used first for `ip = "auto"`: the lowest number; none comes last.
        priority: Option<Whole>,
        /// The BGP peers it is announced to, by name. Default: all.
        peers: List<Text>,
        /// BGP communities of its routes: names of `metallb.bgp.communities`, or values such as `65535:65282`.
        communities: List<Text>,
        /// How long the prefix of an announced IPv4 route is: 24 announces whole networks. Default 32, each address.
        aggregation_length: Option<Whole>,
        /// The same for IPv6. Default 128.
        aggregation_length_v6: Option<Whole>,
        /// How iBGP peers rank its routes: the highest wins.
        local_pref: Option<Whole>,
    }
}

record! {
    /// BGP as MetalLB speaks it.
    pub struct Bgp {
        /// The routers that MetalLB talks to.
        peers: Map<Peer>,
        /// How fast a lost router is noticed, for peers that name the profile.
        bfd_profiles: Map<BfdProfile>,
        /// Communities by name: `65535:65282`, or `large:64500:1:2`.
        communities: Map<Text>,
    }
}

choice! {
    /// Which autonomous system numbers a peer may have.
    pub enum DynamicAsn {
        /// The cluster's own: iBGP.
        Internal = "internal",
        /// Any other: eBGP.
        External = "external",
    }
}

record! {
    /// How fast a lost router is noticed: a BFDProfile of MetalLB.
    pub struct BfdProfile {
        /// How often packets may come in: `10ms` to `60s`. Default `300ms`.
        receive_interval: Option<Duration>,
        /// How often packets are sent: `10ms` to `60s`. Default `300ms`.
        transmit_interval: Option<Duration>,
        /// How many packets may be lost before the session is down: 2 to 255. Default 3.
        detect_multiplier: Option<Whole>,
        /// How often echo packets may come: `10ms` to `60s`. Default `50ms`.
        echo_interval: Option<Duration>,
        /// Whether echo packets are sent. Not over more than one hop. Default false.
        echo_mode: Option<Flag>,
        /// Whether the peer has to speak first. Default false.
        passive_mode: Option<Flag>,
        /// The least time to live of packets that come over more than one hop: 1 to 254. Default 254.
        minimum_ttl: Option<Whole>,
    }
}

record! {
    /// A BGP peer of MetalLB.
    pub struct Peer {
        /// The cluster's own autonomous system number.
        #[required]
        my_asn: Option<Whole>,
        /// The peer's autonomous system number. Or `dynamic-asn`.
        peer_asn: Option<Whole>,
        /// Which numbers the peer may have, instead of `peer-asn`.
        dynamic_asn: Option<Spanned<DynamicAsn>>,
        /// The peer's address. Or `interface`.
        peer_address: Option<AddressText>,
        /// The interface that the peer is found on, instead of `peer-address`: unnumbered BGP.
        interface: Option<Text>,
        /// The peer's TCP port. Default 179.
        peer_port: Option<Whole>,
        /// How long the peer is waited for before its session counts as dead: 0, or at least 3 seconds.
        hold_time: Option<Duration>,
        /// How often a keepalive is sent; at most the hold time.
        keepalive_time: Option<Duration>,
        /// How long a connection is waited for: 1 to 65535 seconds.
        connect_time: Option<Duration>,
        /// The BFD profile, by name.
        bfd_profile: Option<Text>,
        /// Whether the peer is more than one hop away (eBGP only).
        ebgp_multi_hop: Option<Flag>,
        /// The address that the session is opened from.
        source_address: Option<AddressText>,
        /// The cluster's own router ID, an IPv4 address. Default: each node's own.
        router_id: Option<AddressText>,
        /// The VRF that the session is opened in.
        vrf: Option<Text>,
        /// The nodes that talk to this peer, by name. Default: all.
        nodes: List<Text>,
        /// The nodes that talk to this peer, by labels: any of these sets.
        node_selectors: List<Map<Scalar>>,
        /// A `kubernetes.io/basic-auth` Secret in MetalLB's namespace whose `password` signs the session.
        password_secret: Option<Text>,
    }
}
