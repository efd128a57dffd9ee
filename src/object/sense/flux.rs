//! Objects of Flux and Traefik: what their definitions say of texts and numbers, and what they do not take.

use super::{BAD_DATA_KEY, Sense, is_open, said};
use crate::object::Value;
use crate::object::path::Here;
use crate::object::schema::cut;

/// The longest name of a Helm release.
const LONGEST_RELEASE: usize = 53;

/// The longest channel, address or URL.
const LONGEST: usize = 2048;

impl Sense<'_> {
    pub(super) fn provider(&mut self, spec: &Value, here: &Here<'_>) {
        for key in ["address", "channel", "proxy", "username"] {
            if said(spec, key).is_some_and(|text| text.len() > LONGEST) {
                self.fault(&here.key(key), "may have 2048 letters at most");
            }
        }
        self.fits(spec, "proxy", is_web, "is no URL: it begins with `http://` or `https://`", here);
    }

    pub(super) fn helm_release(&mut self, spec: &Value, here: &Here<'_>) {
        self.either(spec, &["chart", "chartRef"], true, here);
        for key in ["releaseName", "storageNamespace", "targetNamespace"] {
            self.full(spec, key, here);
            if said(spec, key)
                .is_some_and(|name| name.len() > 63 || key == "releaseName" && name.len() > LONGEST_RELEASE)
            {
                self.fault(&here.key(key), "is too long");
            }
        }
        self.each(spec, "valuesFrom", here, |sense, from, here| {
            for key in ["name", "targetPath", "valuesKey"] {
                sense.full(from, key, here);
            }
            sense.fits(from, "valuesKey", is_values_key, BAD_DATA_KEY, here);
            sense.fits(
                from,
                "targetPath",
                is_target,
                "is no way into values: names with `.` between them, and `[0]` for the element of a list",
                here,
            );
        });
        self.within(spec, "chart", here, |sense, chart, here| {
            sense.within(chart, "spec", here, |sense, chart, here| {
                sense
                    .within(chart, "sourceRef", here, |sense, source, here| sense.full(source, "name", here));
            });
        });
    }

    pub(super) fn flux_kustomization(&mut self, spec: &Value, here: &Here<'_>) {
        for key in ["namePrefix", "nameSuffix", "targetNamespace"] {
            self.full(spec, key, here);
        }
        self.within(spec, "postBuild", here, |sense, build, here| {
            sense.each(build, "substituteFrom", here, |sense, from, here| {
                sense.full(from, "name", here);
                if said(from, "name").is_some_and(|name| name.len() > 253) {
                    sense.fault(&here.key("name"), "is too long");
                }
            });
        });
    }

    pub(super) fn flux_source(&mut self, spec: &Value, kind: &str, here: &Here<'_>) {
        let (begins, wanted): (&[&str], _) = match kind {
            "GitRepository" => (&["http://", "https://", "ssh://"], "`https://`, `http://` or `ssh://`"),
            _ => (&["http://", "https://", "oci://"], "`https://`, `http://` or `oci://`"),
        };
        if let Some(url) = said(spec, "url").filter(|url| !begins.iter().any(|begin| url.starts_with(begin)))
        {
            self.fault(&here.key("url"), format!("must begin with {wanted}, and is `{}`", cut(url)));
        }
        if said(spec, "timeout").is_some_and(|time| time.contains('h')) {
            self.fault(&here.key("timeout"), "cannot have hours in it");
        }
    }

    /// Headers that Traefik sets.
    pub(super) fn set_headers(&mut self, headers: &Value, here: &Here<'_>) {
        self.bounds(headers, "stsSeconds", 0, i64::MAX, here);
    }

    /// What Traefik does with a request.
    ///
    /// Of the type, and of what a router that names it is switched off for: `buildConstructor` in Traefik's
    /// `pkg/server/middleware`.
    pub(super) fn middleware(&mut self, spec: &Value, here: &Here<'_>) {
        let mut given = spec.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
        match (given.next(), given.next()) {
            (None, _) if spec.is_object() => self.fault(here, "says nothing that Traefik could do"),
            (Some((first, _)), Some((second, _))) => {
                let message = format!("`{first}` and `{second}` cannot be in one Middleware");
                self.fault(&here.key(second), message);
            }
            _ => {}
        }
        self.within(spec, "ipAllowList", here, |sense, list, here| sense.filled(list, "sourceRange", here));
        self.within(spec, "redirectScheme", here, |sense, to, here| sense.full(to, "scheme", here));
        self.within(spec, "retry", here, |sense, retry, here| {
            if retry.get("attempts").and_then(Value::as_i64) == Some(0) {
                sense.fault(&here.key("attempts"), "must be 1 or more, and is 0");
            }
        });
        for (what, key) in [
            ("rateLimit", "average"),
            ("rateLimit", "burst"),
            ("inFlightReq", "amount"),
            ("retry", "attempts"),
        ] {
            self.within(spec, what, here, |sense, inner, here| sense.bounds(inner, key, 0, i64::MAX, here));
        }
        self.within(spec, "headers", here, Self::set_headers);
        self.within(spec, "circuitBreaker", here, |sense, breaker, here| {
            sense.bounds(breaker, "responseCode", 100, 599, here);
        });
        self.within(spec, "errors", here, |sense, errors, here| {
            sense.each(errors, "status", here, |sense, status, here| {
                let bad = status.as_str().filter(|status| !is_open(status) && !is_status(status));
                if let Some(bad) = bad {
                    sense.fault(here, format!("`{}` is no status: `404`, `500-599`", cut(bad)));
                }
            });
        });
    }
}

fn is_web(url: &str) -> bool {
    url.starts_with("http://") || url.starts_with("https://")
}

fn is_values_key(key: &str) -> bool {
    key.len() <= 253 && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

/// Names, with `.` between them and numbers in brackets behind them.
fn is_target(path: &str) -> bool {
    let mut rest = path;
    while let Some(letter) = rest.bytes().next() {
        if letter == b'[' {
            let Some((number, after)) = rest[1..].split_once(']') else { return false };
            if !(1..=5).contains(&number.len()) || !number.bytes().all(|byte| byte.is_ascii_digit()) {
                return false;
            }
            rest = after;
        } else if letter.is_ascii_alphanumeric() || b"_-.\\/".contains(&letter) {
            rest = &rest[1..];
        } else {
            return false;
        }
    }
    path.len() <= 250
}

/// Statuses, single or from one to another.
fn is_status(text: &str) -> bool {
    let code = |code: &str| code.len() == 3 && code.parse().is_ok_and(|code: u16| (100..600).contains(&code));
    text.trim_end_matches([',', '-']).split([',', '-']).all(code)
}
