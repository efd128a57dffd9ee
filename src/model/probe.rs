//! How a service's health is told.

use std::sync::Arc;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::inventory;
use crate::inventory::service::Probe as Written;
use crate::inventory::value::OrOff;
use crate::model::naming::one_of;
use crate::model::port::{Port, listed, named, speaks_https};
use crate::model::references::Resolver;
use crate::model::texts::list;
use crate::model::workload::whole;
use crate::model::{BAD_VALUE, CONFLICTING_KEYS};
use crate::source::{Span, Spanned};

/// How health is told; null where it is not asked.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Probe {
    /// Until it succeeds, the other two wait.
    pub startup: Option<Ask>,
    /// Takes the pod out of the Service.
    pub readiness: Option<Ask>,
    /// Restarts the container.
    pub liveness: Option<Ask>,
    /// The ports it names, for rules: the key that names it, and the port.
    #[serde(skip)]
    pub ports: Vec<(&'static str, Spanned<String>)>,
}

/// A way to ask, and how often. Written out in Kubernetes' spelling.
#[derive(Clone, Debug, PartialEq)]
pub struct Ask {
    /// Whom and how. Mostly the same for all three uses.
    handler: Arc<Handler>,
    delay: Option<i64>,
    period: i64,
    timeout: i64,
    failures: i64,
    successes: Option<i64>,
}

/// Whom a probe asks, and how.
#[derive(Clone, Debug, PartialEq)]
enum Handler {
    Http(HttpGet),
    Tcp(TcpSocket),
    Grpc(Grpc),
    Exec(Exec),
}

/// A question over HTTP.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct HttpGet {
    path: String,
    port: PortRef,
    #[serde(skip_serializing_if = "Option::is_none")]
    scheme: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    http_headers: Vec<Header>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct TcpSocket {
    port: PortRef,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Grpc {
    port: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Exec {
    command: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Header {
    name: String,
    value: String,
}

/// A port as Kubernetes takes it: only a container's own ports go by name.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
enum PortRef {
    Name(String),
    Number(i64),
}

impl Probe {
    /// How long its container may take to start, in seconds.
    pub fn longest_start(&self) -> i64 {
        let longest =
            |ask: &Ask| ask.delay.unwrap_or(0).saturating_add(ask.failures.saturating_mul(ask.period));
        self.startup.as_ref().map_or(0, longest)
    }
}

impl Serialize for Ask {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match &*self.handler {
            Handler::Http(get) => map.serialize_entry("httpGet", get)?,
            Handler::Tcp(socket) => map.serialize_entry("tcpSocket", socket)?,
            Handler::Grpc(grpc) => map.serialize_entry("grpc", grpc)?,
            Handler::Exec(exec) => map.serialize_entry("exec", exec)?,
        }
        let seconds = [
            ("initialDelaySeconds", self.delay),
            ("periodSeconds", Some(self.period)),
            ("timeoutSeconds", Some(self.timeout)),
            ("failureThreshold", Some(self.failures)),
            ("successThreshold", self.successes),
        ];
        for (name, number) in seconds {
            if let Some(number) = number {
                map.serialize_entry(name, &number)?;
            }
        }
        map.end()
    }
}

/// What is written of a container's health: one probe for all uses, and those that differ.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked<'t> {
    /// For all uses.
    pub probe: Option<&'t OrOff<Written>>,
    /// For readiness.
    pub readiness: Option<&'t OrOff<Written>>,
    /// For liveness.
    pub liveness: Option<&'t OrOff<Written>>,
    /// For the start.
    pub startup: Option<&'t OrOff<Written>>,
    /// Whether the service has ports that could not be read.
    pub unread_ports: bool,
}

/// Lowers the probes of a container. `own` is its name if it is not the service's own, `main` the port that is asked
/// over HTTP where none is named.
pub fn lower_probes(
    resolver: &mut Resolver<'_>,
    asked: &Asked<'_>,
    ports: &[Port],
    own: Option<&str>,
    main: Option<&str>,
) -> Option<Box<Probe>> {
    let around = Ports { ports, own, main, unread: asked.unread_ports };
    let mut lower = |key: &'static str, written: Option<&OrOff<Written>>| -> Option<Lowered> {
        lower_probe(resolver, key, written?.on()?, &around)
    };
    let common = lower("probe", asked.probe);
    let readiness = lower("readiness-probe", asked.readiness);
    let liveness = lower("liveness-probe", asked.liveness);
    let startup = lower("startup-probe", asked.startup);
    let ports = [&common, &readiness, &liveness, &startup];
    let ports: Vec<_> =
        ports.into_iter().flatten().filter_map(|probe| Some((probe.key, probe.port.clone()?))).collect();
    let pick = |written: Option<&OrOff<Written>>, own: Option<&Lowered>| match written {
        Some(OrOff::Off(_)) => None,
        Some(OrOff::On(_)) => own.cloned(),
        None => common.clone(),
    };
    let readiness = pick(asked.readiness, readiness.as_ref());
    let liveness = pick(asked.liveness, liveness.as_ref());
    let startup = pick(asked.startup, startup.as_ref());
    // Whoever is restarted for bad health needs time to start.
    let startup = startup.or_else(|| liveness.clone().filter(|_| asked.startup.is_none()));
    report_useless(resolver, asked);
    let probe = Probe {
        startup: startup.map(|probe| Ask { failures: probe.startup, successes: None, ..probe.ask }),
        readiness: readiness.map(|probe| probe.ask),
        liveness: liveness.map(|probe| Ask { successes: None, ..probe.ask }),
        ports,
    };
    let told = [&probe.startup, &probe.readiness, &probe.liveness].into_iter().any(Option::is_some);
    told.then(|| Box::new(probe))
}

/// Reports keys that a probe for one use has no use for.
fn report_useless(resolver: &mut Resolver<'_>, asked: &Asked<'_>) {
    let startup = |probe: &Written| probe.startup.as_ref().map(|time| time.0.span);
    let successes = |probe: &Written| probe.successes.map(|count| count.span);
    let on = |probe: Option<&OrOff<Written>>, place: &dyn Fn(&Written) -> Option<Span>| place(probe?.on()?);
    let told = "which only tells when a container is restarted";
    let counted = "which only tells when a pod gets traffic again";
    for (key, name, place, why, help) in [
        (
            "readiness-probe",
            "startup",
            on(asked.readiness, &startup),
            told,
            "say it in `probe`, `liveness-probe` or `startup-probe`",
        ),
        (
            "liveness-probe",
            "successes",
            on(asked.liveness, &successes),
            counted,
            "say it in `readiness-probe`",
        ),
        ("startup-probe", "successes", on(asked.startup, &successes), counted, "say it in `readiness-probe`"),
    ] {
        let Some(place) = place else { continue };
        let message = format!("`{key}` has `{name}`, {why}");
        resolver.found.push(BAD_VALUE.at(place, "of no use here", message).help(help));
    }
}

/// The ports that a probe may name.
struct Ports<'p> {
    ports: &'p [Port],
    own: Option<&'p str>,
    main: Option<&'p str>,
    /// Whether there are others that could not be read.
    unread: bool,
}

impl Ports<'_> {
    fn reference(&self, name: &str) -> PortRef {
        match named(self.ports, name) {
            Some(port) if port.container.as_deref() != self.own => PortRef::Number(port.target_port),
            Some(port) => PortRef::Name(listed(port, self.ports).name.clone()),
            None => PortRef::Name(name.to_owned()),
        }
    }
}

/// One way to ask, with what only some uses of it need.
#[derive(Clone, Debug)]
struct Lowered {
    key: &'static str,
    ask: Ask,
    /// How often it may fail while the container starts.
    startup: i64,
    port: Option<Spanned<String>>,
}

fn lower_probe(
    resolver: &mut Resolver<'_>,
    key: &'static str,
    probe: &Written,
    ports: &Ports<'_>,
) -> Option<Lowered> {
    let given = [
        ("http", probe.http.as_ref().map(|text| text.span)),
        ("tcp", probe.tcp.as_ref().map(|text| text.span)),
        ("grpc", probe.grpc.as_ref().map(|text| text.span)),
        ("exec", probe.exec.first().map(|text| text.span)),
    ];
    one_of(resolver, &given, &format!("`{key}`"), probe.span, None);
    report_other_ways(resolver, key, probe);
    for (count, what) in [(probe.failures, "failures"), (probe.successes, "successes")] {
        if let Some(count) = count.filter(|count| !(1..=i64::from(i32::MAX)).contains(&count.value)) {
            resolver.found.push(
                BAD_VALUE
                    .at(count.span, "at least 1", format!("{count} is no number of {what} in a row"))
                    .help("give 1 or more"),
            );
        }
    }
    let (handler, port) = probe_handler(resolver, key, probe, ports)?;
    let seconds = |time: &Option<inventory::value::Duration>, default: i64| {
        whole(time.as_ref()).map_or(default, |seconds| seconds.max(1))
    };
    for (name, time) in [("period", &probe.period), ("timeout", &probe.timeout)] {
        if let Some(time) = time.as_ref().filter(|time| time.seconds() <= 0.0) {
            let message = format!("`{name}` of `{key}` is no time at all");
            let diagnostic = BAD_VALUE.at(time.0.span, "at least a second", message);
            resolver.found.push(diagnostic.help("give `\"1s\"` or more"));
        }
    }
    let (period, timeout) = (seconds(&probe.period, 10), seconds(&probe.timeout, 5));
    let failures = probe.failures.map_or(3, |failures| failures.value);
    let startup = seconds(&probe.startup, 300).saturating_add(period - 1) / period;
    let delay = whole(probe.delay.as_ref());
    let successes = probe.successes.map(|count| count.value);
    let ask = Ask { handler: Arc::new(handler), delay, period, timeout, failures, successes };
    Some(Lowered { key, ask, startup, port })
}

/// Reports keys of another way to ask.
fn report_other_ways(resolver: &mut Resolver<'_>, key: &str, probe: &Written) {
    let http = [
        ("port", probe.port.as_ref().map(|text| text.span)),
        ("tls", probe.tls.map(|flag| flag.span)),
        ("headers", probe.headers.values().next().map(|entry| entry.key)),
    ];
    let http = http.into_iter().filter(|_| probe.http.is_none()).map(|(name, span)| (name, span, "http"));
    let grpc = probe.grpc_service.as_ref().filter(|_| probe.grpc.is_none()).map(|text| text.span);
    for (name, span, way) in http.chain([("grpc-service", grpc, "grpc")]) {
        let Some(span) = span else { continue };
        let message = format!("`{key}` has `{name}`, which belongs to `{way}`");
        resolver.found.push(CONFLICTING_KEYS.at(span, "of no use here", message).help("drop it"));
    }
}

fn probe_handler(
    resolver: &mut Resolver<'_>,
    key: &str,
    probe: &Written,
    ports: &Ports<'_>,
) -> Option<(Handler, Option<Spanned<String>>)> {
    if !probe.exec.is_empty() {
        return Some((Handler::Exec(Exec { command: list(resolver, &probe.exec) }), None));
    }
    if let Some(port) = probe.tcp.as_ref().map(|text| resolver.text(text)) {
        return Some((Handler::Tcp(TcpSocket { port: ports.reference(&port) }), Some(port)));
    }
    if let Some(port) = probe.grpc.as_ref().map(|text| resolver.text(text)) {
        let known = ports.ports.iter().find(|known| known.name == port.value);
        let number = known.map_or(0, |port| port.target_port);
        let service = probe.grpc_service.as_ref().map(|service| resolver.text(service).value);
        return Some((Handler::Grpc(Grpc { port: number, service }), Some(port)));
    }
    let path = resolver.text(probe.http.as_ref()?);
    let port = probe.port.as_ref().map(|text| resolver.text(text));
    let port = port.or_else(|| Some(Spanned::new(ports.main?.to_owned(), path.span)));
    let Some(port) = port else {
        if ports.unread {
            return None;
        }
        resolver.found.push(
            BAD_VALUE
                .at(
                    path.span,
                    "on which port?",
                    format!("`{key}` asks over HTTP, and the service has no port"),
                )
                .help("add the port to `ports`"),
        );
        return None;
    };
    let headers = probe
        .headers
        .iter()
        .map(|(name, entry)| Header { name: name.clone(), value: resolver.text(&entry.value.0).value });
    let tls =
        probe.tls.map_or_else(|| named(ports.ports, &port).is_some_and(speaks_https), |flag| flag.value);
    let get = HttpGet {
        http_headers: headers.collect(),
        path: path.value,
        port: ports.reference(&port),
        scheme: tls.then_some("HTTPS"),
    };
    Some((Handler::Http(get), Some(port)))
}
