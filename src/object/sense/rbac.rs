//! Who may do what with the Kubernetes API.

use super::{EMPTY, Sense, field, has, is_segment, items, said, text};
use crate::object::Value;
use crate::object::naming::is_dns_name;
use crate::object::path::Here;
use crate::object::schema::cut;

const GROUP: &str = "rbac.authorization.k8s.io";

impl Sense<'_> {
    pub(super) fn rbac(&mut self, object: &Value, kind: &str) {
        let root = Here::ROOT;
        match kind {
            "Role" => self.each(object, "rules", &root, |sense, rule, here| sense.rule(rule, true, here)),
            "ClusterRole" => {
                self.each(object, "rules", &root, |sense, rule, here| sense.rule(rule, false, here));
                self.within(object, "aggregationRule", &root, Self::aggregation);
            }
            "RoleBinding" | "ClusterRoleBinding" => self.binding(object, kind == "ClusterRoleBinding"),
            _ => {}
        }
    }

    /// A rule is about resources or about URLs, and says what may be done.
    fn rule(&mut self, rule: &Value, namespaced: bool, here: &Here<'_>) {
        let given = |key: &str| !items(rule, key).is_empty();
        if has(rule, "verbs") && !given("verbs") {
            self.fault(&here.key("verbs"), EMPTY);
        }
        if given("nonResourceURLs") {
            let resources = ["resources", "apiGroups", "resourceNames"].into_iter().find(|key| given(key));
            if namespaced {
                self.fault(
                    &here.key("nonResourceURLs"),
                    "belong to no namespace: they need a ClusterRole and a ClusterRoleBinding",
                );
            } else if let Some(other) = resources {
                self.fault(
                    &here.key("nonResourceURLs"),
                    format!("`{other}` and `nonResourceURLs` exclude each other: write two rules"),
                );
            }
            return;
        }
        for key in ["apiGroups", "resources"].into_iter().filter(|key| !given(key)) {
            match has(rule, key) {
                true => self.fault(&here.key(key), EMPTY),
                false => self.fault(here, format!("`{key}` is missing")),
            }
        }
    }

    fn aggregation(&mut self, rule: &Value, here: &Here<'_>) {
        if items(rule, "clusterRoleSelectors").is_empty() {
            self.fault(here, "`clusterRoleSelectors` has no selector");
        }
        self.each(rule, "clusterRoleSelectors", here, Self::selector);
    }

    fn binding(&mut self, object: &Value, of_cluster: bool) {
        let root = Here::ROOT;
        self.within(object, "roleRef", &root, |sense, role, here| {
            if said(role, "apiGroup").is_some_and(|group| group != GROUP) {
                sense.fault(&here.key("apiGroup"), format!("must be `{GROUP}`"));
            }
            if of_cluster && text(role, "kind") == Some("Role") {
                sense.fault(&here.key("kind"), "must be `ClusterRole` in a ClusterRoleBinding");
            }
            sense.full(role, "name", here);
            sense.fits(role, "name", is_segment, "cannot have `/` or `%` in it", here);
        });
        self.each(object, "subjects", &root, Self::subject);
        if of_cluster {
            self.each(object, "subjects", &root, |sense, subject, here| {
                let nowhere = !has(subject, "namespace") || field(subject, "namespace") == "";
                if text(subject, "kind") == Some("ServiceAccount") && nowhere {
                    sense.fault(here, "`namespace` is missing: a service account stands in one");
                }
            });
        }
    }

    fn subject(&mut self, subject: &Value, here: &Here<'_>) {
        self.full(subject, "name", here);
        let account = text(subject, "kind") == Some("ServiceAccount");
        if account {
            self.fits(subject, "name", is_dns_name, super::BAD_NAME, here);
        }
        let wanted = if account { "" } else { GROUP };
        if let Some(group) = said(subject, "apiGroup").filter(|group| *group != wanted) {
            let message = match account {
                true => format!("`{}` has no service accounts: leave it out", cut(group)),
                false => format!("must be `{GROUP}`"),
            };
            self.fault(&here.key("apiGroup"), message);
        }
    }
}
