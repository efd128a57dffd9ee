//! Helm charts, and how host names are routed.

use crate::inventory::flux::ChartFlux;
use crate::inventory::record::{List, Map};
use crate::inventory::value::{AddressText, OneOrMany, PassthroughTable, PodSecurity, Scalar, Text};
use crate::source::Spanned;
use crate::{choice, record};

record! {
    /// A Helm chart of the infrastructure layer.
    pub struct Chart {
        /// The chart repository: `https://…`, or `oci://…`.
        #[required]
        repository: Option<Text>,
        /// The chart's name in the repository.
        #[required]
        chart: Option<Text>,
        /// Its version, exactly: no range, no `latest`.
        #[required]
        version: Option<Text>,
        /// The namespace it is installed in.
        #[required]
        namespace: Option<Text>,
        /// The Helm release's name. Default: the chart's name in this inventory.
        release: Option<Text>,
        /// What it is for.
        description: Option<Text>,
        /// The Pod Security Standard that its namespace enforces, by a label.
        pod_security: Option<Spanned<PodSecurity>>,
        /// The chart's values: what you would write into its `values.yaml`, as the chart spells it.
        values: Option<PassthroughTable>,
        /// A YAML file beside the inventory that holds values, too: `values` is laid over it.
        values_file: Option<Text>,
        /// How Flux releases it.
        flux: Option<ChartFlux>,
        /// The load balancer addresses that its values ask for, by name: `${addresses.NAME}` in `values`.
        addresses: Map<OneOrMany<AddressText>>,
        /// Charts that must be ready before it.
        depends_on: List<Text>,
    }
}

choice! {
    /// What routes host names to services.
    pub enum IngressProvider {
        /// Traefik's IngressRoute.
        Traefik = "traefik",
        /// Kubernetes' Ingress.
        Ingress = "ingress",
        /// The Gateway API's HTTPRoute.
        Gateway = "gateway",
    }
}

record! {
    /// How a service's `host` is routed.
    pub struct Ingress {
        /// What routes: decides the kind of object. Default `ingress`.
        provider: Option<Spanned<IngressProvider>>,
        /// The ingress class (`ingress`, `traefik`).
        class: Option<Text>,
        /// Traefik's entry points. Default `websecure` with an issuer, `web` without.
        entry_points: List<Text>,
        /// The cert-manager ClusterIssuer that certificates come from. Without one, hosts have no TLS of their own.
        issuer: Option<Text>,
        /// The chart that serves the hosts: what isolated stacks let in, and the load balancer behind the links.
        chart: Option<Text>,
        /// The Gateway that routes attach to, as `namespace/name` or `namespace/name/listener` (`gateway`).
        gateway: Option<Text>,
        /// Annotations for every Ingress, IngressRoute or HTTPRoute.
        annotations: Map<Scalar>,
    }
}
