//! Where pods want to be.

use super::{EMPTY, Sense, is_open};
use crate::object::Value;
use crate::object::naming::is_dns_label;
use crate::object::path::Here;

const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";

impl Sense<'_> {
    pub(super) fn affinity(&mut self, affinity: &Value, here: &Here<'_>) {
        self.within(affinity, "nodeAffinity", here, |sense, nodes, here| {
            sense.within(nodes, REQUIRED, here, Self::node_selector);
            sense.each(nodes, PREFERRED, here, |sense, one, here| {
                sense.bounds(one, "weight", 1, 100, here);
                sense.within(one, "preference", here, Self::node_term);
            });
        });
        for key in ["podAffinity", "podAntiAffinity"] {
            self.within(affinity, key, here, |sense, pods, here| {
                sense.each(pods, REQUIRED, here, Self::pod_term);
                sense.each(pods, PREFERRED, here, |sense, one, here| {
                    sense.bounds(one, "weight", 1, 100, here);
                    sense.within(one, "podAffinityTerm", here, Self::pod_term);
                });
            });
        }
    }

    fn pod_term(&mut self, term: &Value, here: &Here<'_>) {
        self.label_key(term, "topologyKey", here);
        self.label_selector(term, "labelSelector", here);
        self.label_selector(term, "namespaceSelector", here);
        self.own_labels(term, here);
        self.each(term, "namespaces", here, |sense, one, here| match one.as_str() {
            Some("") => sense.fault(here, EMPTY),
            Some(name) if !is_open(name) && !is_dns_label(name) => {
                sense.fault(here, "is no namespace's name");
            }
            _ => {}
        });
    }
}
