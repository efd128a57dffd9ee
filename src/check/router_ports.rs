//! Ports 80 and 443 of every node, where servicelb opens them for the router.

use crate::check::host_ports::nodes_of_servicelb;
use crate::check::placement::nodes;
use crate::check::ports::HOST_PORT_CLASH;
use crate::diagnostic::{Diagnostic, Diagnostics, Level};
use crate::inventory::ingress::IngressProvider;
use crate::inventory::load_balancer::Provider;
use crate::inventory::service::Protocol;
use crate::model::Model;
use crate::model::chart::Chart;
use crate::model::service::Service;
use crate::source::{Span, Spanned};

/// What routes host names, with a load balancer on the ports of the web.
struct Router {
    /// In words: "chart `traefik`".
    owner: String,
    subject: String,
    namespace: String,
    place: Span,
}

const WEB: [i64; 2] = [80, 443];
/// By this label servicelb is divided: each service is on some nodes only.
const POOL: &str = "svccontroller.k3s.cattle.io/lbpool";

/// A service that wants a port of the router's. What people have changed of k3s' own Traefik the inventory does not say:
/// this is no more than a warning.
pub fn router_ports(model: &Model, found: &mut Diagnostics) {
    let divided = model.labels_nodes(POOL);
    if model.load_balancer.provider != Provider::Servicelb || divided {
        return;
    }
    let Some(router) = router(model) else { return };
    for service in model.services().filter(|service| service.namespace != router.namespace) {
        for port in service.ports.iter().filter(|port| port.protocol == Protocol::Tcp) {
            let on_host = service.host_network.is_some_and(|flag| flag.value);
            let of_node = match port.host_port {
                None if on_host => Some(Spanned::new(port.target_port, port.port.span)),
                wanted => wanted,
            };
            let by_servicelb = service.load_balancer.as_ref().filter(|_| !port.internal).map(|_| port.port);
            let of_node = of_node.filter(|_| stays_with_servicelb(model, service));
            let wanted = by_servicelb.into_iter().chain(of_node).find(|port| WEB.contains(&port.value));
            found.extend(wanted.map(|port| taken(&router, service, port)));
        }
    }
}

fn taken(router: &Router, service: &Service, port: Spanned<i64>) -> Diagnostic {
    let message = format!(
        "service `{}` wants port {}/TCP of nodes, which servicelb opens for {} already",
        service.key, port.value, router.owner
    );
    let mut diagnostic = HOST_PORT_CLASH
        .at(port.span, "the router's", message)
        .because(router.place, "the router")
        .about(service.subject())
        .about(router.subject.clone());
    diagnostic.level = Level::Warning;
    diagnostic.help("give it another port, or a `host` in place of the port of a node; if the router has other ports, say so in `[[allow]]`")
}

/// Whether all nodes that a service may run on are such that servicelb opens ports of.
fn stays_with_servicelb(model: &Model, service: &Service) -> bool {
    let opened = nodes_of_servicelb(model);
    let opens =
        |name: &str| opened.iter().any(|at| model.nodes.get(*at).is_some_and(|node| node.name == name));
    nodes(model, service).is_some_and(|nodes| !nodes.is_empty() && nodes.iter().all(|node| opens(&node.name)))
}

/// The Traefik that k3s brings along in `kube-system`, or a chart whose Service is as its makers wrote it.
fn router(model: &Model) -> Option<Router> {
    let ingress = model.ingress.as_ref().filter(|ingress| ingress.provider != IngressProvider::Gateway)?;
    let Some(name) = &ingress.chart else {
        let by_chart = model.charts.iter().any(|chart| chart.chart == "traefik");
        let class = ingress.class.as_deref().unwrap_or("traefik");
        let of_k3s = ingress.namespace.as_deref() == Some("kube-system") && class == "traefik" && !by_chart;
        return of_k3s.then(|| Router {
            owner: "the Traefik of k3s".to_owned(),
            subject: "ingress".to_owned(),
            namespace: "kube-system".to_owned(),
            place: model.place_of("", &["ingress", "namespace"]).unwrap_or_default(),
        });
    };
    let chart = model.chart(name).filter(|chart| opens_the_web(chart))?;
    Some(Router {
        owner: format!("chart `{name}`"),
        subject: format!("charts.{name}"),
        namespace: chart.namespace.value.clone(),
        place: model.place_of("", &["ingress", "chart"]).unwrap_or(chart.place),
    })
}

/// Whether a chart's Service is a load balancer on 80 and 443, as it is unless its values say anything of that.
fn opens_the_web(chart: &Chart) -> bool {
    let says = |pointers: &[&str]| pointers.iter().any(|pointer| chart.values.pointer(pointer).is_some());
    let changed = match chart.chart.as_str() {
        "traefik" => {
            says(&["/service/type", "/service/enabled", "/service/spec", "/ports/web", "/ports/websecure"])
        }
        "ingress-nginx" => says(&["/controller/service"]),
        _ => true,
    };
    !changed && chart.flux.values_from.is_empty()
}
