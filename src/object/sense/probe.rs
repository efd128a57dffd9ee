//! How Kubernetes asks a container how it is, and what it tells it when it starts and stops.

use super::{Sense, field, has, items, said, text};
use crate::object::Value;
use crate::object::path::Here;
use crate::object::schema::cut;

impl Sense<'_> {
    pub(super) fn probe(&mut self, probe: &Value, key: &str, ports: &[Value], here: &Here<'_>) {
        self.either(probe, &["exec", "httpGet", "tcpSocket", "grpc"], true, here);
        self.probed(probe, ports, here);
        self.command(probe, here);
        self.headers(probe, here);
        if key != "readinessProbe" {
            self.bounds(probe, "successThreshold", 0, 1, here);
        }
        if key == "readinessProbe" && has(probe, "terminationGracePeriodSeconds") {
            self.fault(
                &here.key("terminationGracePeriodSeconds"),
                "cannot be given in a readiness probe: it ends nothing",
            );
        }
        self.bounds(probe, "terminationGracePeriodSeconds", 1, i64::MAX, here);
    }

    /// What runs when the container starts, or before it stops.
    pub(super) fn hook(&mut self, hook: &Value, grace: i64, here: &Here<'_>) {
        self.either(hook, &["exec", "httpGet", "tcpSocket", "sleep"], true, here);
        self.command(hook, here);
        self.headers(hook, here);
        self.within(hook, "sleep", here, |sense, sleep, here| {
            sense.bounds(sleep, "seconds", 0, grace.max(1), here);
        });
    }

    fn command(&mut self, action: &Value, here: &Here<'_>) {
        self.within(action, "exec", here, |sense, exec, here| {
            if items(exec, "command").is_empty() && !field(exec, "command").is_string() {
                sense.fault(here, "`command` is missing");
            }
        });
    }

    fn headers(&mut self, action: &Value, here: &Here<'_>) {
        self.within(action, "httpGet", here, |sense, get, here| {
            sense.each(get, "httpHeaders", here, |sense, header, here| {
                sense.full(header, "name", here);
                sense.fits(
                    header,
                    "name",
                    is_header,
                    "is no name of a header: letters, digits and `-`",
                    here,
                );
            });
        });
    }

    /// A probe asks for a port of its own container if it names one.
    fn probed(&mut self, probe: &Value, ports: &[Value], here: &Here<'_>) {
        for way in ["httpGet", "tcpSocket"] {
            let Some(port) = probe.get(way).and_then(|way| said(way, "port")) else { continue };
            let known = ports.iter().any(|own| text(own, "name") == Some(port));
            if !known && port.parse::<u16>().is_err() {
                let way = here.key(way);
                self.fault(&way.key("port"), format!("the container has no port `{}`", cut(port)));
            }
        }
    }
}

fn is_header(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}
