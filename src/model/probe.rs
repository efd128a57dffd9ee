//! How a service's health is told.

use serde::Serialize;
use serde_json::{Value as Json, json};

use crate::inventory;
use crate::model::BAD_VALUE;
use crate::model::cluster::{list, one_of};
use crate::model::references::Resolver;
use crate::model::service::Port;
use crate::source::Spanned;

/// How health is told, in Kubernetes' spelling.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Probe {
    /// Until it succeeds, the other two wait.
    pub startup: Json,
    /// Takes the pod out of the Service.
    pub readiness: Json,
    /// Restarts the container.
    pub liveness: Json,
    /// The port it names, for rules.
    #[serde(skip)]
    pub port: Option<Spanned<String>>,
}

/// Lowers the probe of a service: one way to ask, three uses of the answer.
pub fn lower_probe(
    resolver: &mut Resolver<'_>,
    table: &inventory::service::Service,
    ports: &[Port],
    main_port: Option<&str>,
) -> Option<Probe> {
    let probe = table.probe.as_ref()?.on()?;
    let given = [
        ("http", probe.http.as_ref().map(|text| text.span)),
        ("tcp", probe.tcp.as_ref().map(|text| text.span)),
        ("grpc", probe.grpc.as_ref().map(|text| text.span)),
        ("exec", probe.exec.first().map(|text| text.span)),
    ];
    if let Err(fault) = one_of(&given, "`probe`", probe.span) {
        resolver.found.push(fault);
    }
    let (handler, port) = probe_handler(resolver, probe, ports, main_port)?;
    let seconds = |time: &Option<inventory::value::Duration>, default: i64| {
        time.as_ref().map_or(default, |time| (time.seconds().round() as i64).max(1))
    };
    let (period, timeout) = (seconds(&probe.period, 10), seconds(&probe.timeout, 5));
    let failures = probe.failures.map_or(3, |failures| failures.value);
    let startup = (seconds(&probe.startup, 300) + period - 1) / period;
    let with = |failures: i64| {
        let mut json = handler.clone();
        json["periodSeconds"] = json!(period);
        json["timeoutSeconds"] = json!(timeout);
        json["failureThreshold"] = json!(failures);
        json
    };
    Some(Probe { startup: with(startup), readiness: with(failures), liveness: with(failures), port })
}

fn probe_handler(
    resolver: &mut Resolver<'_>,
    probe: &inventory::service::Probe,
    ports: &[Port],
    main_port: Option<&str>,
) -> Option<(Json, Option<Spanned<String>>)> {
    if !probe.exec.is_empty() {
        return Some((json!({ "exec": { "command": list(resolver, &probe.exec) } }), None));
    }
    if let Some(port) = probe.tcp.as_ref().map(|text| resolver.text(text)) {
        return Some((json!({ "tcpSocket": { "port": port.value } }), Some(port)));
    }
    if let Some(port) = probe.grpc.as_ref().map(|text| resolver.text(text)) {
        let number = ports.iter().find(|known| known.name == port.value).map_or(0, |port| port.target_port);
        return Some((json!({ "grpc": { "port": number } }), Some(port)));
    }
    let path = resolver.text(probe.http.as_ref()?);
    let port = probe.port.as_ref().map(|text| resolver.text(text));
    let port = port.or_else(|| Some(Spanned::new(main_port?.to_owned(), path.span)));
    let Some(port) = port else {
        resolver.found.push(
            BAD_VALUE
                .at(path.span, "on which port?", "`probe` asks over HTTP, and the service has no port")
                .help("add the port to `ports`"),
        );
        return None;
    };
    let mut get = json!({ "path": path.value, "port": port.value });
    if probe.tls.is_some_and(|flag| flag.value) {
        get["scheme"] = json!("HTTPS");
    }
    Some((json!({ "httpGet": get }), Some(port)))
}
