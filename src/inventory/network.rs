//! The cluster, its network and its nodes.

use serde_json::{Value as Json, json};

use crate::inventory::node::{Node as Raw, Value};
use crate::inventory::record::{Decode, List, Map, Reader, Schemas};
use crate::inventory::value::{
    AddressText, CidrText, Flag, OneOrMany, QuantityText, RangeText, Scalar, Text, Whole,
};
use crate::source::Spanned;
use crate::{choice, record};

record! {
    /// What is true of the whole cluster.
    pub struct Cluster {
        /// The cluster's name. Appears in labels and in the tree's README. Default `cluster`.
        name: Option<Text>,
        /// Its Kubernetes version, `major.minor`: decides which apiVersions are written. Default `1.34`.
        kubernetes: Option<Text>,
        /// Its DNS domain. Default `cluster.local`.
        domain: Option<Text>,
        /// The network that pods get addresses from: one, or one of each family.
        pod_cidr: Option<OneOrMany<CidrText>>,
        /// The network of ClusterIPs: one, or one of each family. Its families decide which a Service can have.
        service_cidr: Option<OneOrMany<CidrText>>,
        /// Where the API server answers: a URL, `host:port` or an address; without a port, a URL means 443 and the others 6443. On a control-plane node's own address it is that node's; elsewhere it is a virtual address of its own.
        api_endpoint: Option<Text>,
        /// A virtual address of the control plane, if it has one.
        vip: Option<OneOrMany<AddressText>>,
        /// The time zone, such as `Europe/Berlin`. Use it as `${cluster.timezone}`.
        timezone: Option<Text>,
    }
}

record! {
    /// The network that the nodes stand in.
    pub struct Network {
        /// The networks that the cluster's machines and load balancers live in. Every address of the inventory should lie in one of them.
        lan: Option<OneOrMany<CidrText>>,
        /// The router's address on each of them.
        gateway: Option<OneOrMany<AddressText>>,
        /// The ranges that the DHCP server gives out. No fixed address may lie in one.
        dhcp: Option<OneOrMany<RangeText>>,
        /// The plugin that connects pods and keeps policies. Default: Cilium, if it is one of the charts or has a table of its own.
        cni: Option<Spanned<Cni>>,
        /// The name servers that machines ask, for what `bayplan export` writes.
        dns: List<AddressText>,
        /// Addresses of other machines, by name: nothing else may take them.
        reserved: Map<OneOrMany<AddressText>>,
    }
}

choice! {
    /// What connects pods and keeps policies.
    pub enum Cni {
        /// Cilium, whose own policies can name hosts.
        Cilium = "cilium",
        /// Any other, which keeps the policies of Kubernetes.
        Other = "other",
    }
}

choice! {
    /// What a node does.
    pub enum Role {
        /// Runs the control plane; takes other pods only with `schedulable = true`.
        ControlPlane = "control-plane",
        /// Runs pods.
        Worker = "worker",
    }
}

record! {
    /// A machine of the cluster.
    pub struct Node {
        /// Its address.
        ip: Option<AddressText>,
        /// Its addresses, where it has one of each family. Use `ip` or `ips`, not both.
        ips: List<AddressText>,
        /// Its network interface, such as `eth0`, for `bayplan export talos`. Default: its physical one.
        interface: Option<Text>,
        /// The disk to install on, such as `/dev/sda`, for `bayplan export talos`.
        disk: Option<Text>,
        /// What it does. Default `worker`.
        role: Option<Spanned<Role>>,
        /// Whether ordinary pods may run on it. Default: workers yes, control planes no, unless no worker is declared.
        schedulable: Option<Flag>,
        /// The processors that pods can have, as a quantity: `16` or `3800m`.
        cpu: Option<QuantityText>,
        /// The memory that pods can have, as a quantity: `27Gi`.
        memory: Option<QuantityText>,
        /// Its GPUs: a number of `nvidia.com/gpu`, or a table of resource names and numbers.
        gpu: Option<Gpu>,
        /// Labels of the node, which `node-selector` is compared with.
        labels: Map<Scalar>,
        /// Taints as `key=value:Effect` or `key:Effect`. A service runs there only if it tolerates them.
        taints: List<Text>,
    }
}

/// GPUs by resource name; a plain number counts `nvidia.com/gpu`.
#[derive(Clone, Debug, PartialEq)]
pub struct Gpu(pub Map<Whole>, pub crate::source::Span);

/// What a plain number of GPUs counts.
pub const DEFAULT_GPU: &str = "nvidia.com/gpu";

impl Decode for Gpu {
    fn decode(node: &Raw, reader: &mut Reader) -> Option<Self> {
        if let Value::Integer(_) = node.value {
            let count = Whole::decode(node, reader)?;
            let named = crate::inventory::record::Named { key: node.span, value: count };
            return Some(Self(Map::from_iter([(DEFAULT_GPU.to_owned(), named)]), node.span));
        }
        if node.table().is_none() {
            reader.wrong_type(node, "a number of GPUs, or a table such as { \"nvidia.com/gpu\" = 1 }");
            return None;
        }
        Map::decode(node, reader).map(|map| Self(map, node.span))
    }
    fn schema(_: &mut Schemas) -> Json {
        json!({ "anyOf": [
            { "type": "integer", "minimum": 0 },
            { "type": "object", "additionalProperties": { "type": "integer", "minimum": 0 } },
        ] })
    }
}
