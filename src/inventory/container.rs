//! Containers beside a service's own: steps of preparation, and companions.

use serde_json::{Value as Json, json};

use crate::inventory::node::{Node, Value};
use crate::inventory::record::{Decode, List, Map, Reader, Schemas};
use crate::inventory::service::{Port, Probe, Resources, SecretKey, short_form};
use crate::inventory::value::{Flag, OrOff, PassthroughTable, Scalar, Text};
use crate::inventory::workload::Lifecycle;
use crate::record;

record! {
    /// A container that must end with success before the others start. They run one after the other, as they are listed.
    pub struct InitContainer {
        /// Its name, once in the pod.
        #[required]
        name: Option<Text>,
        /// Its image with a tag. Default: the service's own.
        image: Option<Text>,
        /// The command, instead of the image's own.
        command: List<Text>,
        /// The command's arguments, instead of the image's own.
        args: List<Text>,
        /// The folder that it starts in, instead of the image's own.
        working_dir: Option<Text>,
        /// Environment variables. Those of the stack are not passed on to it.
        env: Map<Scalar>,
        /// Environment variables that come from a secret: `secret/key`.
        secret_env: Map<SecretKey>,
        /// Environment variables that Kubernetes fills in: `status.podIP`, `spec.nodeName`, `limits.memory` …
        field_env: Map<Text>,
        /// Environment variables that come from a ConfigMap: `NAME/KEY`, by its name in Kubernetes.
        config_map_env: Map<Text>,
        /// Whole sets of environment variables, later ones over earlier: `config-map/NAME` or `secret/NAME`.
        env_from: List<Text>,
        /// What it asks for and may use, in Kubernetes' spelling.
        resources: Option<Resources>,
        /// Its security context, in Kubernetes' spelling.
        security_context: Option<PassthroughTable>,
        /// Which of the service's volumes it sees, and where: the volume's name, and a path or a table.
        mounts: Map<OrOff<ContainerMount>>,
        /// Small files of this container: the path of each, and its text.
        files: Map<OrOff<Text>>,
    }
}

record! {
    /// A container that runs beside the service's own, in the same pod.
    pub struct Sidecar {
        /// Its image with a tag.
        #[required]
        image: Option<Text>,
        /// Whether it starts before the service's own container, after the `init-containers`, and ends after it: a restartable init container, which Kubernetes has since 1.29. Default false.
        native: Option<Flag>,
        /// The command, instead of the image's own.
        command: List<Text>,
        /// The command's arguments, instead of the image's own.
        args: List<Text>,
        /// The folder that it starts in, instead of the image's own.
        working_dir: Option<Text>,
        /// Environment variables. Those of the stack are not passed on to it.
        env: Map<Scalar>,
        /// Environment variables that come from a secret: `secret/key`.
        secret_env: Map<SecretKey>,
        /// Environment variables that Kubernetes fills in: `status.podIP`, `spec.nodeName`, `limits.memory` …
        field_env: Map<Text>,
        /// Environment variables that come from a ConfigMap: `NAME/KEY`, by its name in Kubernetes.
        config_map_env: Map<Text>,
        /// Whole sets of environment variables, later ones over earlier: `config-map/NAME` or `secret/NAME`.
        env_from: List<Text>,
        /// The ports it listens on, by name. The Service opens them, too, so `monitor` and `probe` may name them.
        ports: Map<Port>,
        /// What it asks for and may use, in Kubernetes' spelling.
        resources: Option<Resources>,
        /// Its security context, in Kubernetes' spelling.
        security_context: Option<PassthroughTable>,
        /// Which of the service's volumes it sees, and where: the volume's name, and a path or a table.
        mounts: Map<OrOff<ContainerMount>>,
        /// Small files of this container: the path of each, and its text.
        files: Map<OrOff<Text>>,
        /// How its health is told: for readiness, liveness and start-up alike.
        probe: Option<OrOff<Probe>>,
        /// What runs in it when it starts and before it stops. An environment takes it away with `false`.
        lifecycle: Option<OrOff<Lifecycle>>,
    }
}

record! {
    /// Where a container sees one of the service's volumes, in full.
    pub struct ContainerMountTable {
        /// Where it appears in the container.
        #[required]
        path: Option<Text>,
        /// A folder or file inside the volume, instead of the whole.
        sub_path: Option<Text>,
        /// Whether it is mounted read-only. Default false.
        read_only: Option<Flag>,
    }
}

short_form!(
    /// Where a container sees a volume: a path, or a table.
    ContainerMount(ContainerMountTable),
    "a path such as \"/config\", or a table { path, sub-path, read-only }",
    |node, reader| match &node.value {
        Value::String(_) => Some(ContainerMountTable {
            span: node.span,
            path: Text::decode(node, reader),
            ..ContainerMountTable::default()
        }),
        _ => None,
    },
    json!({ "type": "string", "examples": ["/config"] })
);
