//! Claims and volumes of the cluster.

use super::{
    BAD_KEY, BAD_NAME, Sense, field, has, is_label_key, is_positive, items, members, quantity, said, sources,
    text,
};
use crate::object::Value;
use crate::object::naming::is_dns_name;
use crate::object::path::Here;

/// The fields of a PersistentVolume that are no source.
const NO_SOURCES: &[&str] = &[
    "accessModes",
    "capacity",
    "claimRef",
    "mountOptions",
    "nodeAffinity",
    "persistentVolumeReclaimPolicy",
    "storageClassName",
    "volumeAttributesClassName",
    "volumeMode",
];

impl Sense<'_> {
    pub(super) fn claim(&mut self, spec: &Value, here: &Here<'_>) {
        self.access_modes(spec, here);
        self.label_selector(spec, "selector", here);
        self.fits(spec, "storageClassName", is_dns_name, BAD_NAME, here);
        self.within(spec, "resources", here, |sense, resources, here| {
            sense.within(resources, "requests", here, |sense, requests, here| {
                if !has(requests, "storage") {
                    sense.fault(here, "`storage` is missing");
                }
            });
            if !has(resources, "requests") {
                sense.fault(here, "`requests.storage` is missing");
            }
            let requests = here.key("requests");
            sense.size(field(resources, "requests"), &requests);
        });
        self.fits(spec, "volumeAttributesClassName", is_dns_name, BAD_NAME, here);
        let (source, reference) = (field(spec, "dataSource"), field(spec, "dataSourceRef"));
        if source.is_object() && reference.is_object() && source != reference {
            self.fault(&here.key("dataSourceRef"), "must be the same as `dataSource`");
        }
        for key in ["dataSource", "dataSourceRef"] {
            self.within(spec, key, here, |sense, source, here| {
                sense.full(source, "kind", here);
                sense.full(source, "name", here);
                let core = !has(source, "apiGroup") || field(source, "apiGroup") == "";
                if core && text(source, "kind").is_some_and(|kind| kind != "PersistentVolumeClaim") {
                    sense.fault(here, "`apiGroup` is missing");
                }
            });
        }
    }

    fn access_modes(&mut self, spec: &Value, here: &Here<'_>) {
        self.filled(spec, "accessModes", here);
        let modes = items(spec, "accessModes");
        if modes.len() > 1 && modes.iter().any(|mode| mode == "ReadWriteOncePod") {
            self.fault(&here.key("accessModes"), "`ReadWriteOncePod` excludes every other mode");
        }
    }

    fn size(&mut self, amounts: &Value, here: &Here<'_>) {
        let size = quantity(field(amounts, "storage"));
        if size.is_some_and(|size| !is_positive(size)) {
            self.fault(&here.key("storage"), "must be more than 0");
        }
    }

    /// Who makes volumes of a class, and where.
    pub(super) fn storage_class(&mut self, class: &Value) {
        let root = Here::ROOT;
        self.full(class, "provisioner", &root);
        let low = |name: &str| is_label_key(&name.to_ascii_lowercase());
        self.fits(class, "provisioner", low, BAD_KEY, &root);
        if said(class, "reclaimPolicy") == Some("Recycle") {
            self.fault(&root.key("reclaimPolicy"), "must be `Delete` or `Retain`");
        }
        if members(class, "parameters").any(|(key, _)| key.is_empty()) {
            self.fault(&root.key("parameters"), "must not have an empty key");
        }
        self.each(class, "allowedTopologies", &root, |sense, term, here| {
            sense.each(term, "matchLabelExpressions", here, |sense, one, here| {
                sense.label_key(one, "key", here);
                sense.filled(one, "values", here);
            });
        });
    }

    pub(super) fn persistent_volume(&mut self, spec: &Value, here: &Here<'_>) {
        self.access_modes(spec, here);
        self.fits(spec, "storageClassName", is_dns_name, BAD_NAME, here);
        self.within(spec, "capacity", here, |sense, capacity, here| {
            sense.size(capacity, here);
            if !has(capacity, "storage") {
                sense.fault(here, "`storage` is missing");
            }
        });
        for (name, _) in members(spec, "capacity").filter(|(name, _)| *name != "storage") {
            let capacity = here.key("capacity");
            self.fault(&capacity.key(name), "cannot be given: a volume has `storage` only");
        }
        let Some(members) = spec.as_object() else { return };
        let mut given = sources(members, "").filter(|key| !NO_SOURCES.contains(key));
        match (given.next(), given.next()) {
            (None, _) => self.fault(here, "has no source, such as `nfs` or `csi`"),
            (Some(first), Some(second)) => {
                self.fault(&here.key(second), format!("`{first}` and `{second}` exclude each other"));
            }
            _ => {}
        }
        self.within(spec, "csi", here, |sense, csi, here| {
            sense.driver(csi, here);
            sense.full(csi, "volumeHandle", here);
            for (key, _) in
                csi.as_object().into_iter().flatten().filter(|(key, _)| key.ends_with("SecretRef"))
            {
                sense.within(csi, key, here, |sense, secret, here| {
                    for part in ["name", "namespace"].into_iter().filter(|part| said(secret, part).is_none())
                    {
                        if field(secret, part).as_str().is_none_or(str::is_empty) {
                            sense.fault(here, format!("`{part}` is missing"));
                        }
                    }
                });
            }
        });
        for source in ["hostPath", "local"] {
            self.within(spec, source, here, |sense, source, here| sense.host_path(source, here));
        }
        let root = said(field(spec, "hostPath"), "path") == Some("/");
        if root && said(spec, "persistentVolumeReclaimPolicy") == Some("Recycle") {
            self.fault(&here.key("persistentVolumeReclaimPolicy"), "`Recycle` would empty the whole node");
        }
        if has(spec, "nodeAffinity") && !has(field(spec, "nodeAffinity"), "required") {
            self.fault(&here.key("nodeAffinity"), "`required` is missing");
        }
        self.within(spec, "nodeAffinity", here, |sense, affinity, here| {
            sense.within(affinity, "required", here, Self::node_selector);
        });
        if has(spec, "local") && !has(spec, "nodeAffinity") {
            self.fault(here, "`nodeAffinity.required` is missing: a local volume is on one node");
        }
    }
}
