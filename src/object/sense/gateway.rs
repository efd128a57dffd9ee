//! Routes and Gateways of the Gateway API: what their definitions say of fields together.

use std::collections::{BTreeMap, BTreeSet};

use super::service::is_domain;
use super::{BAD_NAME, Sense, TWICE, field, has, is_open, items, said};
use crate::object::Value;
use crate::object::naming::is_dns_name;
use crate::object::path::Here;
use crate::object::schema::cut;

/// The filters of a route, and where each is told more.
const FILTERS: &[(&str, &str)] = &[
    ("ExtensionRef", "extensionRef"),
    ("RequestHeaderModifier", "requestHeaderModifier"),
    ("RequestMirror", "requestMirror"),
    ("RequestRedirect", "requestRedirect"),
    ("ResponseHeaderModifier", "responseHeaderModifier"),
    ("URLRewrite", "urlRewrite"),
];

/// The part of a Gateway that a route is for: a listener by name, and a port.
type Part<'v> = (Option<&'v str>, Option<i64>);

impl Sense<'_> {
    pub(super) fn route(&mut self, spec: &Value, here: &Here<'_>) {
        self.parents(spec, here);
        self.filled(spec, "rules", here);
        self.each(spec, "hostnames", here, |sense, host, here| {
            let bad = host.as_str().filter(|host| !is_open(host) && !is_domain(host));
            if let Some(bad) = bad {
                sense.fault(here, format!("`{}` is no host", cut(bad)));
            }
        });
        self.each(spec, "rules", here, |sense, rule, here| {
            sense.each(rule, "matches", here, |sense, one, here| {
                sense.within(one, "path", here, Self::route_path);
                sense.route_headers(one, "headers", here);
            });
            sense.within(rule, "timeouts", here, Self::timeouts);
            sense.backends(rule, here);
            sense.filters(rule, here);
        });
    }

    /// The backend's part of the time is not longer than the whole.
    fn timeouts(&mut self, timeouts: &Value, here: &Here<'_>) {
        let time = |key: &str| said(timeouts, key).map(milliseconds);
        for key in ["request", "backendRequest"].into_iter().filter(|key| time(key) == Some(None)) {
            self.fault(&here.key(key), "is no duration: whole numbers of `h`, `m`, `s` and `ms`");
        }
        if let (Some(Some(whole)), Some(Some(part))) = (time("request"), time("backendRequest"))
            && whole > 0
            && part > whole
        {
            self.fault(&here.key("backendRequest"), "is longer than `request`");
        }
    }

    /// A Service as a backend needs its port.
    fn backends(&mut self, rule: &Value, here: &Here<'_>) {
        self.each(rule, "backendRefs", here, |sense, backend, here| {
            let service = said(backend, "kind").is_none_or(|kind| kind == "Service")
                && said(backend, "group").is_none();
            if service && !has(backend, "port") {
                sense.fault(here, "`port` is missing: a Service needs one here");
            }
        });
    }

    /// One Gateway is named once, or with its listeners told apart.
    fn parents(&mut self, spec: &Value, here: &Here<'_>) {
        let whole = (None, None);
        let mut named: BTreeMap<[Option<&str>; 4], BTreeSet<Part<'_>>> = BTreeMap::new();
        let list = here.key("parentRefs");
        for (at, one) in items(spec, "parentRefs").iter().enumerate() {
            let parts =
                named.entry(["group", "kind", "name", "namespace"].map(|key| said(one, key))).or_default();
            let part = (said(one, "sectionName"), field(one, "port").as_i64());
            let clash =
                !parts.is_empty() && (part == whole || parts.contains(&whole) || parts.contains(&part));
            parts.insert(part);
            if clash {
                self.fault(&list.index(at), "names one Gateway again: each needs a `sectionName` of its own");
            }
        }
    }

    fn route_path(&mut self, path: &Value, here: &Here<'_>) {
        let Some(value) = said(path, "value").filter(|_| said(path, "type") != Some("RegularExpression"))
        else {
            return;
        };
        let low = value.to_ascii_lowercase();
        let bad = ["//", "/./", "/../", "%2f", "#", " "].into_iter().find(|part| low.contains(part));
        let bad = bad.or(["/..", "/."].into_iter().find(|part| low.ends_with(part)));
        if !value.starts_with('/') {
            self.fault(&here.key("value"), "must begin with `/`");
        } else if let Some(bad) = bad {
            self.fault(&here.key("value"), format!("must not have `{bad}` in it"));
        } else if value.len() > 1024 {
            self.fault(&here.key("value"), "must be 1024 letters at most");
        }
    }

    fn route_headers(&mut self, one: &Value, key: &str, here: &Here<'_>) {
        self.once((one, key, Some("name")), |header| said(header, "name"), TWICE, here);
        self.each(one, key, here, |sense, header, here| {
            sense.full(header, "name", here);
            sense.full(header, "value", here);
            sense.fits(header, "name", is_header, "is no name of a header", here);
        });
    }

    fn filters(&mut self, rule: &Value, here: &Here<'_>) {
        let all = items(rule, "filters");
        let once = |kind: &&str| ["RequestRedirect", "URLRewrite"].contains(kind);
        let twice = "is for a `type` that stands in this list already";
        self.once((rule, "filters", None), |filter| said(filter, "type").filter(once), twice, here);
        self.each(rule, "filters", here, |sense, filter, here| {
            let kind = said(filter, "type");
            let own = FILTERS.iter().find(|(word, _)| kind == Some(word)).map(|(_, key)| *key);
            for (_, other) in FILTERS.iter().filter(|(_, key)| Some(*key) != own && has(filter, key)) {
                sense.fault(&here.key(other), "belongs to another `type`");
            }
            let Some(own) = own else { return };
            if !has(filter, own) {
                sense.fault(here, format!("`{own}` is missing"));
            }
            sense.within(filter, own, here, |sense, inner, here| {
                for key in ["add", "set"].into_iter().filter(|_| own.ends_with("HeaderModifier")) {
                    sense.route_headers(inner, key, here);
                }
                sense.within(inner, "path", here, |sense, path, here| {
                    let wrong = match said(path, "type") {
                        Some("ReplaceFullPath") => "replacePrefixMatch",
                        _ => "replaceFullPath",
                    };
                    if has(path, wrong) {
                        sense.fault(&here.key(wrong), "belongs to another `type`");
                    }
                });
                let code = inner.get("statusCode").and_then(Value::as_i64);
                if own == "requestRedirect"
                    && code.is_some_and(|code| ![301, 302, 303, 307, 308].contains(&code))
                {
                    sense.fault(&here.key("statusCode"), "must be 301, 302, 303, 307 or 308");
                }
            });
        });
        let redirects = all.iter().any(|filter| said(filter, "type") == Some("RequestRedirect"));
        if redirects && !items(rule, "backendRefs").is_empty() {
            self.fault(&here.key("backendRefs"), "cannot be given with a redirect");
        }
    }

    pub(super) fn gateway(&mut self, spec: &Value, here: &Here<'_>) {
        self.full(spec, "gatewayClassName", here);
        self.within(spec, "infrastructure", here, |sense, own, here| sense.label_map(own, "labels", here));
        self.filled(spec, "listeners", here);
        self.once((spec, "listeners", Some("name")), |listener| said(listener, "name"), TWICE, here);
        let key = |one| Some((field(one, "port").as_i64(), said(one, "protocol"), said(one, "hostname")));
        let twice = "has the port, protocol and host of another listener";
        self.once((spec, "listeners", None), key, twice, here);
        self.each(spec, "listeners", here, |sense, listener, here| {
            sense.full(listener, "protocol", here);
            sense.fits(listener, "name", is_dns_name, BAD_NAME, here);
            let protocol = said(listener, "protocol");
            let tls = field(listener, "tls");
            let mode = said(tls, "mode").unwrap_or("Terminate");
            if matches!(protocol, Some("HTTP" | "TCP" | "UDP")) && has(listener, "tls") {
                sense.fault(&here.key("tls"), "cannot be given with this `protocol`");
            }
            if matches!(protocol, Some("TCP" | "UDP")) && said(listener, "hostname").is_some() {
                sense.fault(&here.key("hostname"), "cannot be given with this `protocol`");
            }
            if protocol == Some("HTTPS") && has(listener, "tls") && mode != "Terminate" {
                sense.fault(&here.key("tls"), "must have `mode: Terminate` with this `protocol`");
            }
            let named = !items(tls, "certificateRefs").is_empty() || has(tls, "options");
            if has(listener, "tls") && mode == "Terminate" && !named {
                sense.fault(&here.key("tls"), "`certificateRefs` is missing");
            }
        });
    }
}

/// A time of whole hours, minutes, seconds and milliseconds.
fn milliseconds(text: &str) -> Option<u64> {
    let (mut rest, mut total) = (text, 0_u64);
    while !rest.is_empty() {
        let digits = rest.find(|letter: char| !letter.is_ascii_digit())?;
        let after = &rest[digits..];
        let end = after.find(|letter: char| letter.is_ascii_digit()).unwrap_or(after.len());
        let unit = match &after[..end] {
            "h" => 3_600_000,
            "m" => 60_000,
            "s" => 1000,
            "ms" => 1,
            _ => return None,
        };
        total = total.saturating_add(rest[..digits].parse::<u64>().ok()?.saturating_mul(unit));
        rest = &after[end..];
    }
    (!text.is_empty()).then_some(total)
}

/// The name of a header, as HTTP has it.
fn is_header(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}
