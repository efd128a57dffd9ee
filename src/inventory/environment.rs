//! Environments: what differs from the defaults.

use crate::inventory::record::Map;
use crate::inventory::service::Service;
use crate::inventory::stack::Stack;
use crate::inventory::value::{Scalar, Text};
use crate::record;

record! {
    /// One deployment of the stacks. It says only what differs from the defaults.
    pub struct Environment {
        /// What it is for.
        description: Option<Text>,
        /// What is added to every namespace, so that environments can live in one cluster.
        namespace_suffix: Option<Text>,
        /// The domain that host names without a dot get: `plex` becomes `plex.DOMAIN`.
        domain: Option<Text>,
        /// Environment variables that every service of it gets.
        env: Map<Scalar>,
        /// What differs, by stack: any key of a stack.
        stacks: Map<Stack>,
        /// What differs, by service: any key of a service. Tables merge key by key, all else is replaced.
        services: Map<Box<Service>>,
    }
}

impl Environment {
    /// Whether it is deployed as the defaults stand.
    pub fn changes_nothing(&self) -> bool {
        let Self { description: _, namespace_suffix, domain, env, stacks, services, .. } = self;
        namespace_suffix.is_none()
            && domain.is_none()
            && env.is_empty()
            && stacks.is_empty()
            && services.is_empty()
    }
}
