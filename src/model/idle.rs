//! Claims that no pod wants yet. Many classes make a volume only for the first pod that mounts it: until then the
//! claim is pending, and whoever waits for it waits in vain.

use std::collections::BTreeMap;

use crate::inventory::service::Kind;
use crate::inventory::storage::{Backend, BindingMode};
use crate::model::Model;
use crate::model::service::Service;
use crate::model::stack::Stack;
use crate::model::storage::Claim;
use crate::model::volume::Source;

/// Whether pods of a service start as soon as it is applied: not those of a cron job, nor where it is switched off.
pub fn starts(service: &Service) -> bool {
    let suspended = service.job.as_ref().is_some_and(|job| job.suspend);
    let none = service.replicas.as_ref().is_some_and(|count| count.value == 0);
    service.kind != Kind::CronJob && !suspended && !none
}

/// The claims of a stack whose volumes are made at once, each with the first wave in which a pod mounts it.
pub fn first_mounts(stack: &Stack) -> BTreeMap<&str, usize> {
    let mut first: BTreeMap<&str, usize> = BTreeMap::new();
    for service in stack.services.iter().filter(|service| starts(service)) {
        for volume in &service.volumes {
            if let Source::Claim { name, .. } = &volume.source {
                let wave = first.entry(name).or_insert(service.wave);
                *wave = service.wave.min(*wave);
            }
        }
    }
    first
}

/// Whether a claim of a stack may be pending for as long as nothing changes.
pub fn has_idle_claim(stack: &Stack, model: &Model) -> bool {
    let first = first_mounts(stack);
    let idle = stack.claims.iter().filter(|claim| !first.contains_key(claim.name.as_str()));
    idle.into_iter().any(|claim| !claim.existing && may_wait_for_a_pod(claim, model))
}

/// Of a class that something else brings along, the inventory does not know when it makes volumes.
fn may_wait_for_a_pod(claim: &Claim, model: &Model) -> bool {
    let class = claim.class.as_deref().and_then(|class| model.storage_class(class));
    claim.volume.is_none()
        && class.is_none_or(|class| match class.provisioner {
            Some(_) => class.volume_binding_mode == BindingMode::WaitForFirstConsumer,
            None => class.backend != Backend::Nfs,
        })
}
