//! The volumes of a pod: one source each, and files within them.

use std::collections::BTreeSet;

use super::{EMPTY, Sense, field, has, is_open, items, quantity, said, sources};
use crate::object::Value;
use crate::object::naming::is_dns_name;
use crate::object::path::Here;
use crate::object::schema::cut;
use crate::quantity::Quantity;

impl Sense<'_> {
    /// A volume has a name and one source.
    pub(super) fn volume(&mut self, volume: &Value, here: &Here<'_>) {
        let Some(members) = volume.as_object() else { return };
        let mut given = sources(members, "name");
        match (given.next(), given.next()) {
            // It becomes an empty folder.
            (None, _) => {}
            (Some(first), Some(second)) => {
                self.fault(&here.key(second), format!("`{first}` and `{second}` exclude each other"));
            }
            (Some(source), None) => {
                self.within(volume, source, here, |sense, inner, here| sense.source(source, inner, here));
            }
        }
    }

    fn source(&mut self, kind: &str, source: &Value, here: &Here<'_>) {
        match kind {
            "configMap" => {
                self.full(source, "name", here);
                self.files(source, here);
            }
            "secret" => {
                self.full(source, "secretName", here);
                self.files(source, here);
            }
            "persistentVolumeClaim" => self.full(source, "claimName", here),
            "emptyDir" if quantity(field(source, "sizeLimit")).is_some_and(Quantity::is_negative) => {
                self.fault(&here.key("sizeLimit"), "must not be negative");
            }
            "hostPath" => self.host_path(source, here),
            "nfs" => self.full(source, "path", here),
            "csi" => self.csi(source, here),
            "downwardAPI" => self.downward(source, here),
            "projected" => {
                self.each(source, "sources", here, Self::projection);
                self.projected_paths(source, here);
            }
            "ephemeral" if !has(source, "volumeClaimTemplate") => {
                self.fault(here, "`volumeClaimTemplate` is missing");
            }
            "ephemeral" => self.within(source, "volumeClaimTemplate", here, |sense, template, here| {
                sense.within(template, "metadata", here, |sense, metadata, here| {
                    for key in ["name", "namespace", "generateName", "finalizers", "ownerReferences"] {
                        if has(metadata, key) && field(metadata, key) != "" {
                            sense.fault(&here.key(key), "cannot be given: only labels and annotations");
                        }
                    }
                });
                sense.within(template, "spec", here, Self::claim);
            }),
            _ => self.disk(kind, source, here),
        }
    }

    /// Disks of storage networks and clouds.
    fn disk(&mut self, kind: &str, source: &Value, here: &Here<'_>) {
        match kind {
            "iscsi" => {
                let named = |name: &str| ["iqn", "eui", "naa"].iter().any(|kind| name.starts_with(kind));
                if said(source, "iqn").is_some_and(|name| !named(name)) {
                    self.fault(&here.key("iqn"), "must begin with `iqn`, `eui` or `naa`");
                }
                for key in ["iqn", "targetPortal"] {
                    self.full(source, key, here);
                }
                self.bounds(source, "lun", 0, 255, here);
            }
            "fc" => {
                let given = ["targetWWNs", "wwids"].map(|key| !items(source, key).is_empty());
                if given[0] == given[1] {
                    self.fault(here, "needs `targetWWNs` or `wwids`, and not both");
                }
                self.bounds(source, "lun", 0, 255, here);
            }
            "cephfs" => self.filled(source, "monitors", here),
            "vsphereVolume" => self.full(source, "volumePath", here),
            "azureDisk" => {
                for key in ["diskName", "diskURI"] {
                    self.full(source, key, here);
                }
            }
            "awsElasticBlockStore" => {
                self.full(source, "volumeID", here);
                self.bounds(source, "partition", 0, 255, here);
            }
            _ => {}
        }
    }

    /// A path on the node.
    pub(super) fn host_path(&mut self, source: &Value, here: &Here<'_>) {
        self.full(source, "path", here);
        if said(source, "path").is_some_and(|path| path.split('/').any(|step| step == "..")) {
            self.fault(&here.key("path"), "must not have `..` in it");
        }
    }

    /// No two sources of one volume make the same file.
    fn projected_paths(&mut self, source: &Value, here: &Here<'_>) {
        let mut seen = BTreeSet::new();
        self.each(source, "sources", here, |sense, one, here| {
            for kind in ["secret", "configMap", "downwardAPI"] {
                sense.within(one, kind, here, |sense, part, here| {
                    sense.each(part, "items", here, |sense, item, here| {
                        if let Some(path) = said(item, "path").filter(|path| !seen.insert((*path).to_owned()))
                        {
                            sense.fault(
                                &here.key("path"),
                                format!("`{}` stands twice in this volume", cut(path)),
                            );
                        }
                    });
                });
            }
        });
    }

    /// Which keys become which files.
    fn files(&mut self, source: &Value, here: &Here<'_>) {
        self.each(source, "items", here, |sense, item, here| {
            sense.full(item, "key", here);
            sense.local_path(item, "path", here);
        });
    }

    /// A path within a volume.
    pub(super) fn local_path(&mut self, item: &Value, key: &str, here: &Here<'_>) {
        self.full(item, key, here);
        let Some(path) = said(item, key) else { return };
        if path.starts_with('/') || path.split('/').any(|step| step == "..") || path.starts_with("..") {
            self.fault(&here.key(key), "must be a path within the volume: no `/` before it, no `..` in it");
        }
    }

    fn projection(&mut self, one: &Value, here: &Here<'_>) {
        let kinds = [
            "secret",
            "configMap",
            "downwardAPI",
            "serviceAccountToken",
            "clusterTrustBundle",
            "podCertificate",
        ];
        self.either(one, &kinds, true, here);
        for kind in ["configMap", "secret"] {
            self.within(one, kind, here, |sense, source, here| {
                sense.full(source, "name", here);
                sense.files(source, here);
            });
        }
        self.within(one, "downwardAPI", here, Self::downward);
        self.within(one, "serviceAccountToken", here, |sense, token, here| {
            sense.bounds(token, "expirationSeconds", 600, 1 << 32, here);
            sense.local_path(token, "path", here);
        });
    }

    fn csi(&mut self, source: &Value, here: &Here<'_>) {
        self.driver(source, here);
        self.within(source, "nodePublishSecretRef", here, |sense, secret, here| {
            if !has(secret, "name") || field(secret, "name") == "" {
                sense.fault(here, "`name` is missing");
            }
        });
    }

    /// The name of a CSI driver: of a domain, and no longer than a label.
    pub(super) fn driver(&mut self, source: &Value, here: &Here<'_>) {
        let Some(name) = source.get("driver").and_then(Value::as_str).filter(|name| !is_open(name)) else {
            return;
        };
        let here = here.key("driver");
        if name.is_empty() {
            self.fault(&here, EMPTY);
        } else if name.len() > 63 || !is_dns_name(&name.to_ascii_lowercase()) {
            self.fault(
                &here,
                format!("`{}` is no driver's name: at most 63 letters, digits, `-` and `.`", cut(name)),
            );
        }
    }
}
