//! Helm charts.

use crate::inventory::flux::ChartFlux;
use crate::inventory::ingress::ChartRoute;
use crate::inventory::policy::PodSecuritySetting;
use crate::inventory::record::{List, Map};
use crate::inventory::sources::ChartArgocd;
use crate::inventory::value::{AddressText, OneOrMany, PassthroughTable, Text};
use crate::record;

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
        pod_security: Option<PodSecuritySetting>,
        /// The chart's values: what you would write into its `values.yaml`, as the chart spells it.
        values: Option<PassthroughTable>,
        /// A YAML file beside the inventory that holds values, too: `values` is laid over it.
        values_file: Option<Text>,
        /// How Argo CD installs it.
        argocd: Option<ChartArgocd>,
        /// How Flux releases it.
        flux: Option<ChartFlux>,
        /// The load balancer addresses that its values ask for, by name: `${addresses.NAME}` in `values`.
        addresses: Map<OneOrMany<AddressText>>,
        /// How people reach a Service that the chart brings: writes a route beside it.
        route: Option<ChartRoute>,
        /// Charts that must be ready before it.
        depends_on: List<Text>,
    }
}
