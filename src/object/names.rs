//! Which objects name which others, where a table can say it.

use crate::object::path::{Path, Step};
use crate::object::{Id, Value};

/// A name that an object gives.
#[derive(Clone, Debug, PartialEq)]
pub struct Name {
    /// Where it stands.
    pub path: Path,
    /// The kind of what is named.
    pub kind: &'static str,
    /// Its namespace, where that is said; empty for what belongs to the whole cluster.
    pub namespace: Option<String>,
    /// The name.
    pub name: String,
    /// Whether it is looked for wherever it is: what Flux reads is in its own namespace.
    pub of_flux: bool,
}

/// Who names whom: a group and kind, where the name stands, and the kind of what is named. After an `@` it is only
/// what is meant if no `kind` stands beside the name.
const TABLE: &[(&str, &str, &str)] = &[
    ("/PersistentVolumeClaim", "spec.volumeName", "PersistentVolume"),
    ("apps/StatefulSet", "spec.serviceName", "Service"),
    ("argoproj.io/Application", "spec.project", "AppProject"),
    ("argoproj.io/ApplicationSet", "spec.template.spec.project", "AppProject"),
    ("cert-manager.io/Certificate", "spec.issuerRef.name", "@Issuer"),
    (
        "cilium.io/CiliumBGPClusterConfig",
        "spec.bgpInstances[].peers[].peerConfigRef.name",
        "CiliumBGPPeerConfig",
    ),
    ("external-secrets.io/ExternalSecret", "spec.secretStoreRef.name", "@SecretStore"),
    ("gateway.networking.k8s.io/*", "spec.parentRefs[].name", "@Gateway"),
    ("gateway.networking.k8s.io/Gateway", "spec.listeners[].tls.certificateRefs[].name", "@Secret"),
    ("helm.toolkit.fluxcd.io/HelmRelease", "spec.valuesFrom[].name", "@Secret"),
    ("image.toolkit.fluxcd.io/*", "spec.secretRef.name", "Secret"),
    ("image.toolkit.fluxcd.io/ImageUpdateAutomation", "spec.sourceRef.name", "@GitRepository"),
    ("kustomize.toolkit.fluxcd.io/Kustomization", "spec.decryption.secretRef.name", "Secret"),
    ("kustomize.toolkit.fluxcd.io/Kustomization", "spec.postBuild.substituteFrom[].name", "@Secret"),
    ("metallb.io/BGPAdvertisement", "spec.ipAddressPools[]", "IPAddressPool"),
    ("metallb.io/BGPAdvertisement", "spec.peers[]", "BGPPeer"),
    ("metallb.io/BGPPeer", "spec.bfdProfile", "BFDProfile"),
    ("metallb.io/L2Advertisement", "spec.ipAddressPools[]", "IPAddressPool"),
    ("monitoring.coreos.com/PodMonitor", "spec.podMetricsEndpoints[].basicAuth.password.name", "Secret"),
    ("monitoring.coreos.com/PodMonitor", "spec.podMetricsEndpoints[].basicAuth.username.name", "Secret"),
    ("monitoring.coreos.com/ServiceMonitor", "spec.endpoints[].authorization.credentials.name", "Secret"),
    ("monitoring.coreos.com/ServiceMonitor", "spec.endpoints[].basicAuth.password.name", "Secret"),
    ("monitoring.coreos.com/ServiceMonitor", "spec.endpoints[].basicAuth.username.name", "Secret"),
    ("monitoring.coreos.com/ServiceMonitor", "spec.endpoints[].bearerTokenSecret.name", "Secret"),
    ("networking.k8s.io/Ingress", "spec.tls[].secretName", "Secret"),
    ("notification.toolkit.fluxcd.io/*", "spec.secretRef.name", "Secret"),
    ("rbac.authorization.k8s.io/ClusterRoleBinding", "subjects[].name", "@User"),
    ("rbac.authorization.k8s.io/RoleBinding", "roleRef.name", "@Role"),
    ("rbac.authorization.k8s.io/RoleBinding", "subjects[].name", "@User"),
    ("source.toolkit.fluxcd.io/*", "spec.certSecretRef.name", "Secret"),
    ("source.toolkit.fluxcd.io/*", "spec.secretRef.name", "Secret"),
    ("source.toolkit.fluxcd.io/*", "spec.verify.secretRef.name", "Secret"),
    ("traefik.io/IngressRoute", "spec.tls.secretName", "Secret"),
    ("traefik.io/IngressRouteTCP", "spec.tls.secretName", "Secret"),
    ("traefik.io/Middleware", "spec.chain.middlewares[].name", "Middleware"),
    ("traefik.io/TLSStore", "spec.defaultCertificate.secretName", "Secret"),
    ("velero.io/BackupStorageLocation", "spec.credential.name", "Secret"),
    ("velero.io/Schedule", "spec.template.storageLocation", "BackupStorageLocation"),
    ("volsync.backube/*", "spec.rclone.destinationPVC", "PersistentVolumeClaim"),
    ("volsync.backube/*", "spec.rclone.rcloneConfig", "Secret"),
    ("volsync.backube/*", "spec.restic.destinationPVC", "PersistentVolumeClaim"),
    ("volsync.backube/*", "spec.restic.repository", "Secret"),
    ("volsync.backube/*", "spec.rsyncTLS.destinationPVC", "PersistentVolumeClaim"),
    ("volsync.backube/*", "spec.rsyncTLS.keySecret", "Secret"),
];

/// Kinds that a `kind` beside a name can say.
const SAID: &[&str] = &[
    "ClusterIssuer",
    "ClusterSecretStore",
    "ConfigMap",
    "Gateway",
    "GitRepository",
    "Issuer",
    "Role",
    "Secret",
    "SecretStore",
    "ServiceAccount",
];

/// Kinds that belong to no namespace.
pub const OF_CLUSTER: &[&str] =
    &["CiliumBGPPeerConfig", "ClusterIssuer", "ClusterSecretStore", "PersistentVolume"];

/// Every name that an object gives.
pub fn of(object: &Value, group: &str, kind: &str) -> Vec<Name> {
    let mut names = Vec::new();
    let own = TABLE.iter().filter(|(who, _, _)| is(who, group, kind));
    for (_, pattern, whom) in own {
        walk((object, object), pattern, &mut Vec::new(), &mut |steps, parent, value| {
            let of_flux = group.ends_with(".toolkit.fluxcd.io");
            names.extend(name(steps, parent, value, whom).map(|name| Name { of_flux, ..name }));
        });
    }
    names
}

fn is(who: &str, group: &str, kind: &str) -> bool {
    who.split_once('/').is_some_and(|(of, own)| of == group && (own == "*" || own == kind))
}

fn name(steps: &[Step], parent: &Value, value: &Value, whom: &'static str) -> Option<Name> {
    let text = |key: &str| parent.get(key).and_then(Value::as_str);
    let name = value
        .as_str()
        .filter(|name| !name.is_empty() && !["${", "{{", "@"].iter().any(|of| name.contains(of)))?;
    if parent.get("optional").and_then(Value::as_bool) == Some(true) {
        return None;
    }
    let kind = match (whom.strip_prefix('@'), text("kind")) {
        (None, _) => whom,
        (Some(usual), None) => usual,
        (Some(_), Some(said)) => SAID.iter().find(|kind| **kind == said)?,
    };
    let namespace = match OF_CLUSTER.contains(&kind) {
        true => Some(String::new()),
        false => text("namespace").map(str::to_owned),
    };
    Some(Name { path: Path(steps.to_vec()), kind, namespace, name: name.to_owned(), of_flux: false })
}

/// Visits every value that a pattern such as `spec.tls[].secretName` leads to, with the map around it.
fn walk(
    (value, parent): (&Value, &Value),
    pattern: &str,
    steps: &mut Vec<Step>,
    visit: &mut dyn FnMut(&[Step], &Value, &Value),
) {
    if let Some(rest) = pattern.strip_prefix("[]") {
        for (index, item) in value.as_array().into_iter().flatten().enumerate() {
            steps.push(Step::Index(index));
            walk((item, parent), rest.trim_start_matches('.'), steps, visit);
            steps.pop();
        }
        return;
    }
    if pattern.is_empty() {
        return visit(steps, parent, value);
    }
    let (key, rest) = pattern.split_at(pattern.find(['.', '[']).unwrap_or(pattern.len()));
    let Some(inner) = value.get(key) else { return };
    steps.push(Step::Key(key.to_owned()));
    walk((inner, value), rest.trim_start_matches('.'), steps, visit);
    steps.pop();
}

/// What an object of Flux waits for.
#[derive(Clone, Debug, PartialEq)]
pub struct Wait {
    /// Which object of the file.
    pub object: usize,
    /// Where it says so.
    pub path: Path,
    /// What it is itself.
    pub id: Id,
    /// The namespace of what it waits for, where that is said.
    pub namespace: Option<String>,
    /// The name of what it waits for: of the same kind.
    pub name: String,
}

/// A folder of a repository that an object applies.
#[derive(Clone, Debug, PartialEq)]
pub struct Folder {
    /// Which object of the file.
    pub object: usize,
    /// Where it says so.
    pub path: Path,
    /// The repository: its address, or the name of a GitRepository.
    pub repository: String,
    /// The folder.
    pub folder: String,
}

/// The waits of an object.
pub fn waits(object: &Value, number: usize, id: &Id) -> Vec<Wait> {
    let mut waits = Vec::new();
    if id.group.ends_with(".toolkit.fluxcd.io") {
        walk((object, object), "spec.dependsOn[].name", &mut Vec::new(), &mut |steps, parent, value| {
            let namespace = parent.get("namespace").and_then(Value::as_str).map(str::to_owned);
            waits.extend(value.as_str().map(|name| Wait {
                object: number,
                path: Path(steps.to_vec()),
                id: id.clone(),
                namespace: namespace.clone().or_else(|| id.namespace.clone()),
                name: name.to_owned(),
            }));
        });
    }
    waits
}

/// The folders that an object applies; none of those that are made up later.
pub fn folders(object: &Value, number: usize, id: &Id) -> Vec<Folder> {
    let mut found = Vec::new();
    let mut add = |steps: &[Step], repository: Option<&Value>, folder: &Value| {
        let plain = |value: &Value| {
            value.as_str().filter(|text| !text.contains("{{") && !text.contains("${")).map(str::to_owned)
        };
        if let (Some(repository), Some(folder)) = (repository.and_then(plain), plain(folder)) {
            found.push(Folder { object: number, path: Path(steps.to_vec()), repository, folder });
        }
    };
    match (id.group.as_str(), id.kind.as_str()) {
        ("kustomize.toolkit.fluxcd.io", "Kustomization") => {
            let source = object.pointer("/spec/sourceRef");
            let git =
                source.filter(|source| source.get("kind").and_then(Value::as_str) == Some("GitRepository"));
            walk((object, object), "spec.path", &mut Vec::new(), &mut |steps, _, value| {
                add(steps, git.and_then(|source| source.get("name")), value);
            });
        }
        ("argoproj.io", "Application") => {
            for pattern in ["spec.source.path", "spec.sources[].path"] {
                walk((object, object), pattern, &mut Vec::new(), &mut |steps, parent, value| {
                    add(steps, parent.get("repoURL"), value);
                });
            }
        }
        _ => {}
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{folders, of, waits};
    use crate::object::Id;
    use serde_json::json;

    #[test]
    fn names_are_found_with_their_kind_and_place() {
        let gateway = json!({"spec": {"listeners": [{"tls": {"certificateRefs": [
            {"name": "web"}, {"kind": "ConfigMap", "name": "ca"}, {"kind": "Strange", "name": "x"}]}}]}});
        let found = of(&gateway, "gateway.networking.k8s.io", "Gateway");
        let shown: Vec<String> =
            found.iter().map(|one| format!("{} {} {}", one.path, one.kind, one.name)).collect();
        assert_eq!(
            shown,
            [
                "spec.listeners[0].tls.certificateRefs[0].name Secret web",
                "spec.listeners[0].tls.certificateRefs[1].name ConfigMap ca"
            ]
        );
        let certificate = json!({"spec": {"issuerRef": {"kind": "ClusterIssuer", "name": "x"}}});
        assert_eq!(of(&certificate, "cert-manager.io", "Certificate")[0].namespace.as_deref(), Some(""));
    }

    #[test]
    fn waits_and_folders() {
        let object = json!({"apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization",
            "metadata": {"name": "apps", "namespace": "flux"}, "spec": {"dependsOn": [{"name": "base"}],
            "path": "./out/apps", "sourceRef": {"kind": "GitRepository", "name": "home"}}});
        let id = Id::of(&object).unwrap();
        let wait = &waits(&object, 0, &id)[0];
        assert_eq!((wait.namespace.as_deref(), wait.name.as_str()), (Some("flux"), "base"));
        let folder = &folders(&object, 0, &id)[0];
        assert_eq!((folder.repository.as_str(), folder.folder.as_str()), ("home", "./out/apps"));
    }
}
