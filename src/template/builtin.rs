//! The built-in templates. What stands in the folder `templates/` is what the program carries.

/// Every built-in template: its path in the folder, and its text.
pub const BUILTIN: &[(&str, &str)] = &[
    ("README.md.j2", include_str!("../../templates/README.md.j2")),
    ("_route.j2", include_str!("../../templates/_route.j2")),
    ("apps/{stack}/base/_container.j2", include_str!("../../templates/apps/{stack}/base/_container.j2")),
    (
        "apps/{stack}/base/_external-secret.j2",
        include_str!("../../templates/apps/{stack}/base/_external-secret.j2"),
    ),
    ("apps/{stack}/base/_files.j2", include_str!("../../templates/apps/{stack}/base/_files.j2")),
    ("apps/{stack}/base/_job.j2", include_str!("../../templates/apps/{stack}/base/_job.j2")),
    (
        "apps/{stack}/base/_load-balancer.j2",
        include_str!("../../templates/apps/{stack}/base/_load-balancer.j2"),
    ),
    ("apps/{stack}/base/_monitor.j2", include_str!("../../templates/apps/{stack}/base/_monitor.j2")),
    ("apps/{stack}/base/_pod.j2", include_str!("../../templates/apps/{stack}/base/_pod.j2")),
    ("apps/{stack}/base/_rbac.j2", include_str!("../../templates/apps/{stack}/base/_rbac.j2")),
    ("apps/{stack}/base/_route.j2", include_str!("../../templates/apps/{stack}/base/_route.j2")),
    ("apps/{stack}/base/_scale.j2", include_str!("../../templates/apps/{stack}/base/_scale.j2")),
    ("apps/{stack}/base/_service.j2", include_str!("../../templates/apps/{stack}/base/_service.j2")),
    ("apps/{stack}/base/_workload.j2", include_str!("../../templates/apps/{stack}/base/_workload.j2")),
    ("apps/{stack}/base/alerts.yaml.j2", include_str!("../../templates/apps/{stack}/base/alerts.yaml.j2")),
    ("apps/{stack}/base/backups.yaml.j2", include_str!("../../templates/apps/{stack}/base/backups.yaml.j2")),
    ("apps/{stack}/base/claims.yaml.j2", include_str!("../../templates/apps/{stack}/base/claims.yaml.j2")),
    (
        "apps/{stack}/base/dashboards.yaml.j2",
        include_str!("../../templates/apps/{stack}/base/dashboards.yaml.j2"),
    ),
    ("apps/{stack}/base/env.yaml.j2", include_str!("../../templates/apps/{stack}/base/env.yaml.j2")),
    (
        "apps/{stack}/base/external-secrets.yaml.j2",
        include_str!("../../templates/apps/{stack}/base/external-secrets.yaml.j2"),
    ),
    (
        "apps/{stack}/base/namespace.yaml.j2",
        include_str!("../../templates/apps/{stack}/base/namespace.yaml.j2"),
    ),
    (
        "apps/{stack}/base/network-policies.yaml.j2",
        include_str!("../../templates/apps/{stack}/base/network-policies.yaml.j2"),
    ),
    ("apps/{stack}/base/network.yaml.j2", include_str!("../../templates/apps/{stack}/base/network.yaml.j2")),
    ("apps/{stack}/base/quota.yaml.j2", include_str!("../../templates/apps/{stack}/base/quota.yaml.j2")),
    (
        "apps/{stack}/base/{service}.yaml.j2",
        include_str!("../../templates/apps/{stack}/base/{service}.yaml.j2"),
    ),
    (
        "apps/{stack}/overlays/{environment}/volumes.yaml.j2",
        include_str!("../../templates/apps/{stack}/overlays/{environment}/volumes.yaml.j2"),
    ),
    ("argocd/README.md.j2", include_str!("../../templates/argocd/README.md.j2")),
    ("argocd/_annotations.j2", include_str!("../../templates/argocd/_annotations.j2")),
    ("argocd/_sync-policy.j2", include_str!("../../templates/argocd/_sync-policy.j2")),
    (
        "argocd/applications/infrastructure.yaml.j2",
        include_str!("../../templates/argocd/applications/infrastructure.yaml.j2"),
    ),
    (
        "argocd/applications/notifications.yaml.j2",
        include_str!("../../templates/argocd/applications/notifications.yaml.j2"),
    ),
    (
        "argocd/applications/stacks.yaml.j2",
        include_str!("../../templates/argocd/applications/stacks.yaml.j2"),
    ),
    (
        "argocd/applications/{stack}-{environment}.yaml.j2",
        include_str!("../../templates/argocd/applications/{stack}-{environment}.yaml.j2"),
    ),
    ("argocd/project.yaml.j2", include_str!("../../templates/argocd/project.yaml.j2")),
    ("argocd/root.yaml.j2", include_str!("../../templates/argocd/root.yaml.j2")),
    ("flux/_kustomization.j2", include_str!("../../templates/flux/_kustomization.j2")),
    ("flux/image-updates.yaml.j2", include_str!("../../templates/flux/image-updates.yaml.j2")),
    ("flux/infrastructure.yaml.j2", include_str!("../../templates/flux/infrastructure.yaml.j2")),
    ("flux/notifications.yaml.j2", include_str!("../../templates/flux/notifications.yaml.j2")),
    ("flux/receivers.yaml.j2", include_str!("../../templates/flux/receivers.yaml.j2")),
    ("flux/source.yaml.j2", include_str!("../../templates/flux/source.yaml.j2")),
    (
        "flux/{stack}-{environment}.yaml.j2",
        include_str!("../../templates/flux/{stack}-{environment}.yaml.j2"),
    ),
    ("infrastructure/_application.j2", include_str!("../../templates/infrastructure/_application.j2")),
    ("infrastructure/_release-step.j2", include_str!("../../templates/infrastructure/_release-step.j2")),
    ("infrastructure/_release.j2", include_str!("../../templates/infrastructure/_release.j2")),
    (
        "infrastructure/charts/{chart}.yaml.j2",
        include_str!("../../templates/infrastructure/charts/{chart}.yaml.j2"),
    ),
    (
        "infrastructure/configs/certificates.yaml.j2",
        include_str!("../../templates/infrastructure/configs/certificates.yaml.j2"),
    ),
    (
        "infrastructure/configs/cilium.yaml.j2",
        include_str!("../../templates/infrastructure/configs/cilium.yaml.j2"),
    ),
    (
        "infrastructure/configs/gateway.yaml.j2",
        include_str!("../../templates/infrastructure/configs/gateway.yaml.j2"),
    ),
    (
        "infrastructure/configs/kube-vip.yaml.j2",
        include_str!("../../templates/infrastructure/configs/kube-vip.yaml.j2"),
    ),
    (
        "infrastructure/configs/metallb.yaml.j2",
        include_str!("../../templates/infrastructure/configs/metallb.yaml.j2"),
    ),
    (
        "infrastructure/configs/network-inventory.yaml.j2",
        include_str!("../../templates/infrastructure/configs/network-inventory.yaml.j2"),
    ),
    (
        "infrastructure/configs/routes.yaml.j2",
        include_str!("../../templates/infrastructure/configs/routes.yaml.j2"),
    ),
    (
        "infrastructure/configs/secrets.yaml.j2",
        include_str!("../../templates/infrastructure/configs/secrets.yaml.j2"),
    ),
    (
        "infrastructure/configs/velero.yaml.j2",
        include_str!("../../templates/infrastructure/configs/velero.yaml.j2"),
    ),
    (
        "infrastructure/controllers/priority-classes.yaml.j2",
        include_str!("../../templates/infrastructure/controllers/priority-classes.yaml.j2"),
    ),
    (
        "infrastructure/controllers/storage-classes.yaml.j2",
        include_str!("../../templates/infrastructure/controllers/storage-classes.yaml.j2"),
    ),
    (
        "infrastructure/controllers/{chart}.yaml.j2",
        include_str!("../../templates/infrastructure/controllers/{chart}.yaml.j2"),
    ),
    (
        "infrastructure/releases/{chart}.yaml.j2",
        include_str!("../../templates/infrastructure/releases/{chart}.yaml.j2"),
    ),
    (
        "infrastructure/values/{chart}.values.j2",
        include_str!("../../templates/infrastructure/values/{chart}.values.j2"),
    ),
    ("sops.config.j2", include_str!("../../templates/sops.config.j2")),
];

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::BUILTIN;
    use crate::source::FileId;
    use crate::template::{Engine, TemplateFile, TemplateSet};

    fn files(folder: &Path) -> Vec<PathBuf> {
        let entries = folder.read_dir().unwrap().map(|entry| entry.unwrap().path());
        entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
    }

    #[test]
    fn the_folder_is_what_is_built_in() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates");
        let name = |path: PathBuf| path.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/");
        let mut found: Vec<String> = files(&root).into_iter().map(name).collect();
        found.sort();
        let listed: Vec<&str> = BUILTIN.iter().map(|(path, _)| *path).collect();
        assert_eq!(listed, found);
    }

    #[test]
    fn every_template_can_be_read_and_says_what_it_makes() {
        let file = |(index, (path, text)): (usize, &(&str, &str))| TemplateFile {
            path: (*path).to_owned(),
            file: FileId(u32::try_from(index).unwrap()),
            text: (*text).into(),
        };
        let set = TemplateSet::new(BUILTIN.iter().enumerate().map(file).collect(), Vec::new());
        let engine = Engine::new(&set.value, |_| String::new());
        for found in [set.diagnostics, engine.diagnostics] {
            assert!(found.is_empty(), "{found:?}");
        }
        for (path, text) in BUILTIN {
            assert!(text.starts_with("{# ") && text.ends_with('\n'), "{path}");
        }
    }
}
