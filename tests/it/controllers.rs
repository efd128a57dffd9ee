//! What controllers are told so that they do what the inventory means, in whatever release the tree may meet.

use bayplan::object::Value;
use bayplan::object::read::read_documents;
use serde_json::json;

use crate::inventories::Sample;

/// The objects of a tree of one stack and one service, all of them as they are written.
fn objects(head: &str, service: &str) -> Vec<Value> {
    let text = format!(
        "{head}\n[stacks.s]\nisolate = \"ingress\"\n[services.app]\nstack = \"s\"\n\
         image = \"docker.io/library/nginx:1.29.1\"\n{service}\n"
    );
    let tree = Sample::new("inline", "inventory.toml", text).tree_despite_warnings();
    let yaml = tree.iter().filter(|(path, _)| path.name().ends_with(".yaml"));
    yaml.flat_map(|(_, text)| read_documents(text).unwrap()).collect()
}

fn of_kind(objects: &[Value], kind: &str) -> Vec<Value> {
    objects.iter().filter(|object| object["kind"] == kind).cloned().collect()
}

/// The only one of its kind and name.
fn one(objects: &[Value], kind: &str, name: &str) -> Value {
    let found = of_kind(objects, kind);
    let mut found = found.iter().filter(|object| object["metadata"]["name"] == name);
    found.next().unwrap_or_else(|| panic!("no {kind} `{name}`")).clone()
}

const ARGOCD: &str = "[gitops]\nrepository = \"https://example.org/r.git\"\napps = \"argocd\"\n";
const METALLB: &str = "[charts.metallb]\nrepository = \"https://metallb.github.io/metallb\"\nchart = \"metallb\"\n\
                       version = \"0.15.2\"\nnamespace = \"metallb-system\"\n";

fn compare(object: &Value) -> &Value {
    &object["metadata"]["annotations"]["argocd.argoproj.io/compare-options"]
}

#[test]
fn argocd_has_the_api_server_compare() {
    let applications = of_kind(&objects(&format!("{ARGOCD}{METALLB}"), "ports.http = 80"), "Application");
    assert!(applications.len() > 3, "{applications:#?}");
    for application in &applications {
        assert_eq!(compare(application), "ServerSideDiff=true", "{application:#}");
    }
}

/// The API server refuses to try out a changed job, and what it did not apply itself it does not know to be gone.
#[test]
fn argocd_compares_by_itself_what_the_api_server_cannot() {
    let job = objects(ARGOCD, "kind = \"job\"");
    assert_eq!(compare(&one(&job, "Application", "s-default")), "ServerSideDiff=false");
    assert_eq!(compare(&one(&job, "Application", "cluster")), "ServerSideDiff=true");
    let by_client = objects(&format!("{ARGOCD}argocd.sync-options = [\"ServerSideApply=false\"]\n"), "");
    for application in of_kind(&by_client, "Application") {
        assert_eq!(compare(&application), "ServerSideDiff=false");
    }
}

#[test]
fn applications_of_a_set_are_compared_each_in_its_own_way() {
    let set = |service: &str| {
        let head = format!("{ARGOCD}argocd.style = \"applicationset\"\n");
        one(&objects(&head, service), "ApplicationSet", "cluster-stacks")
    };
    let plain = set("");
    assert_eq!(compare(&plain["spec"]["template"]), "ServerSideDiff=true");
    let element = |set: &Value| set["spec"]["generators"][0]["list"]["elements"][0].clone();
    assert!(element(&plain).get("annotations").is_none());
    let own = &element(&set("kind = \"job\""))["annotations"];
    assert_eq!(own, &json!({ "argocd.argoproj.io/compare-options": "ServerSideDiff=false" }));
}

/// What an API server adds to items of lists is written: Argo CD would take it for a change.
#[test]
fn references_of_routes_are_written_in_full() {
    let gateway = "[ingress]\nprovider = \"gateway\"\nissuer = \"own\"\nissuers.own.self-signed = true\n\
                   [ingress.gateway]\nname = \"house\"\nnamespace = \"gateway\"\nclass = \"cilium\"\n\
                   listeners.https = { hostname = \"*.example.org\", secret = \"tls\" }\n\
                   listeners.db = { port = 5432, protocol = \"TCP\" }\n";
    let all = objects(
        gateway,
        "host = \"app.example.org\"\nports.http = 80\nports.db = { port = 5432, listener = \"db\" }",
    );
    let mut routes = of_kind(&all, "HTTPRoute");
    routes.extend(of_kind(&all, "TCPRoute"));
    assert_eq!(routes.len(), 2);
    for route in &routes {
        let parent = &route["spec"]["parentRefs"][0];
        assert_eq!(parent["group"], "gateway.networking.k8s.io");
        assert_eq!(parent["kind"], "Gateway");
        let backend = &route["spec"]["rules"][0]["backendRefs"][0];
        assert_eq!([&backend["group"], &backend["kind"]], ["", "Service"]);
        assert_eq!(backend["weight"], 1);
    }
    let listeners = &one(&all, "Gateway", "house")["spec"]["listeners"];
    let mut secured = listeners.as_array().unwrap().iter().filter(|one| one.get("tls").is_some());
    assert_eq!(
        secured.next().unwrap()["tls"]["certificateRefs"],
        json!([{ "group": "", "kind": "Secret", "name": "tls" }])
    );
}

fn traefik(version: &str, values: &str) -> String {
    format!(
        "[charts.traefik]\nrepository = \"oci://ghcr.io/traefik/helm\"\nchart = \"traefik\"\n\
         version = \"{version}\"\nnamespace = \"traefik\"\n{values}\n\
         [ingress]\nprovider = \"traefik\"\nchart = \"traefik\"\nclass = \"inside\"\n"
    )
}

/// The field is refused by every Traefik before 3.7.
#[test]
fn traefik_is_told_the_class_as_it_knows_it() {
    let service =
        "host = \"a.example.org\"\nports.http = 80\nports.db = { port = 5432, entry-point = \"db\" }";
    let told = |head: &str| -> Vec<(Value, Value)> {
        let all = objects(head, service);
        let routes = of_kind(&all, "IngressRoute").into_iter().chain(of_kind(&all, "IngressRouteTCP"));
        let told = |route: Value| {
            let annotation = route["metadata"]["annotations"]["kubernetes.io/ingress.class"].clone();
            (annotation, route["spec"]["ingressClassName"].clone())
        };
        routes.map(told).collect()
    };
    let annotated = vec![(json!("inside"), json!(null)); 2];
    let in_the_field = vec![(json!(null), json!("inside")); 2];
    assert_eq!(told(&traefik("37.0.0", "")), annotated);
    assert_eq!(told(&traefik("40.1.0", "")), in_the_field);
    assert_eq!(told(&traefik("40.1.0", "values.image.tag = \"v3.6.2\"")), annotated);
    // Nobody knows which one k3s brings along.
    let of_k3s = "[ingress]\nprovider = \"traefik\"\nnamespace = \"kube-system\"\nclass = \"inside\"\n";
    assert_eq!(told(of_k3s), annotated);
}

const NGINX: &str = "[ingress]\nclass = \"nginx\"\nnamespace = \"ingress-nginx\"\n";

#[test]
fn routers_are_told_what_a_port_speaks() {
    let traefik = "[ingress]\nprovider = \"traefik\"\nnamespace = \"traefik\"\n";
    for (ports, scheme, protocol) in [
        ("https = 9443", json!("https"), json!("HTTPS")),
        ("web = { port = 9443, app-protocol = \"https\" }", json!("https"), json!("HTTPS")),
        ("api = { port = 443, target-port = 6443 }", json!("https"), json!("HTTPS")),
        ("grpc = 9090", json!("h2c"), json!("GRPC")),
        ("api = { port = 9090, app-protocol = \"grpcs\" }", json!("https"), json!("GRPCS")),
        ("web = { port = 9090, app-protocol = \"kubernetes.io/h2c\" }", json!("h2c"), json!(null)),
        ("web = { port = 443, target-port = 8080 }", json!(null), json!(null)),
        ("http = 80", json!(null), json!(null)),
    ] {
        let service = format!("host = \"a.example.org\"\nports.{ports}");
        let route = one(&objects(traefik, &service), "IngressRoute", "app");
        assert_eq!(route["spec"]["routes"][0]["services"][0]["scheme"], scheme, "{ports}");
        let ingress = one(&objects(NGINX, &service), "Ingress", "app");
        let key = "nginx.ingress.kubernetes.io/backend-protocol";
        assert_eq!(ingress["metadata"]["annotations"][key], protocol, "{ports}");
    }
}

/// Who shares its node's network has the node's address.
#[test]
fn a_router_on_its_nodes_network_is_let_in() {
    let router = "[nodes]\nw1 = { ip = \"10.0.0.5\" }\n\
                  [charts.ingress-nginx]\nrepository = \"https://kubernetes.github.io/ingress-nginx\"\n\
                  chart = \"ingress-nginx\"\nversion = \"4.13.1\"\nnamespace = \"ingress-nginx\"\n\
                  values.controller = { hostNetwork = true, kind = \"DaemonSet\" }\n\
                  [ingress]\nclass = \"nginx\"\nchart = \"ingress-nginx\"\n";
    let service = "host = \"a.example.org\"\nports.http = 80";
    let policy = one(&objects(router, service), "NetworkPolicy", "app");
    assert_eq!(policy["spec"]["ingress"][0]["from"], json!([{ "ipBlock": { "cidr": "10.0.0.5/32" } }]));
    // Cilium finds a node by no address.
    let by_cilium = objects(&format!("[network]\ncni = \"cilium\"\n{router}"), service);
    let policy = one(&by_cilium, "CiliumNetworkPolicy", "app");
    assert_eq!(policy["spec"]["ingress"][0]["fromEntities"], json!(["host", "remote-node"]));
    assert!(of_kind(&by_cilium, "NetworkPolicy").iter().all(|policy| policy["metadata"]["name"] != "app"));
}

/// Whom Traefik asks who is there need not have a host of its own.
#[test]
fn the_router_is_let_in_to_ask_for_a_login() {
    let from_traefik = |address: &str, ports: &str| -> Option<Value> {
        let head = format!(
            "[ingress]\nprovider = \"traefik\"\nnamespace = \"traefik\"\n\
             middlewares.login = {{ forward-auth = {{ address = \"{address}\" }} }}"
        );
        let policies = of_kind(&objects(&head, ports), "NetworkPolicy");
        let own = policies.iter().find(|policy| policy["metadata"]["name"] == "app")?;
        Some(own["spec"]["ingress"][0]["ports"].clone())
    };
    let ports = "ports = { http = { port = 80, target-port = 9091 }, metrics = 9959 }";
    let http = Some(json!([{ "port": 9091, "protocol": "TCP" }]));
    for address in [
        "${services.app.internal-url}/api/authz/forward-auth",
        "http://app.s.svc.cluster.local:80/verify",
        "http://app.s.svc?rd=https://login.example.org",
        "http://app.s:80",
    ] {
        assert_eq!(from_traefik(address, ports), http, "{address}");
    }
    for address in ["http://app.s:9091", "http://app.t.svc", "http://other.s.svc", "https://app.s.svc"] {
        assert_eq!(from_traefik(address, ports), None, "{address}");
    }
}

/// A closed network lets pods ask whom they are told to ask.
#[test]
fn names_can_be_resolved_by_other_servers() {
    let egress = |dns: &str| -> Value {
        let closed = format!(
            "[stacks.closed]\nisolate = true\n[services.web]\nstack = \"closed\"\n\
             image = \"docker.io/library/nginx:1.29.1\"\n{dns}"
        );
        let policies = of_kind(&objects("", &closed), "NetworkPolicy");
        let own = policies.iter().find(|policy| policy["metadata"]["name"] == "web");
        own.map_or(Value::Null, |policy| policy["spec"]["egress"].clone())
    };
    let ports = json!([{ "port": 53, "protocol": "UDP" }, { "port": 53, "protocol": "TCP" }]);
    let to = |cidrs: &[&str]| {
        let blocks: Vec<_> = cidrs.iter().map(|cidr| json!({ "ipBlock": { "cidr": cidr } })).collect();
        json!([{ "to": blocks, "ports": ports }])
    };
    let two = "dns = { policy = \"none\", nameservers = [\"192.168.1.53\", \"2001:db8::53\"] }";
    assert_eq!(egress(two), to(&["192.168.1.53/32", "2001:db8::53/128"]));
    assert_eq!(egress("dns.nameservers = [\"192.168.1.53\"]"), to(&["192.168.1.53/32"]));
    assert_eq!(egress("dns.policy = \"default\""), to(&["0.0.0.0/0"]));
    // A policy sees the pods behind an address of the cluster.
    let hole = "dns.nameservers = [\"192.168.1.53\"]\n[services.hole]\nstack = \"s\"\nimage = \"example/hole:1.0\"\n\
                ip = \"192.168.1.53\"\n\
                ports = { http = 80, dns = { port = 53, target-port = 5353, protocol = \"UDP\" } }\n\
                [metallb.pools.lan]\naddresses = [\"192.168.1.50-192.168.1.59\"]";
    let rules = egress(hole);
    assert_eq!(rules[0], to(&["192.168.1.53/32"])[0]);
    assert_eq!(rules[1]["ports"], json!([{ "port": 5353, "protocol": "UDP" }]));
    assert_eq!(rules[1]["to"][0]["podSelector"]["matchLabels"]["app.kubernetes.io/name"], "hole");
    assert_eq!(egress("dns.policy = \"cluster-first\""), Value::Null);
    assert_eq!(egress(""), Value::Null);
}

/// A program that speaks HTTPS refuses plain HTTP.
#[test]
fn probes_and_monitors_speak_what_their_port_does() {
    let schemes = |port: &str, tls: &str| -> [Value; 2] {
        let service =
            format!("{port}\nprobe = {{ http = \"/\"{tls} }}\nmonitor = {{ path = \"/metrics\"{tls} }}");
        let all = objects("[monitoring]\nnamespace = \"monitoring\"", &service);
        let probe = one(&all, "Deployment", "app")["spec"]["template"]["spec"]["containers"][0]
            ["readinessProbe"]["httpGet"]["scheme"]
            .clone();
        [probe, one(&all, "ServiceMonitor", "app")["spec"]["endpoints"][0]["scheme"].clone()]
    };
    let (secure, plain) = ([json!("HTTPS"), json!("https")], [json!(null), json!("http")]);
    for port in [
        "ports.https = 8443",
        "ports.ui = { port = 443, target-port = 8443 }",
        "ports.ui = { port = 8443, app-protocol = \"https\" }",
    ] {
        assert_eq!(schemes(port, ""), secure, "{port}");
        assert_eq!(schemes(port, ", tls = false"), plain, "{port}");
    }
    assert_eq!(schemes("ports.http = 443", ""), plain);
    assert_eq!(schemes("ports.http = 443", ", tls = true"), secure);
}

/// A container lists each of its ports once, by one of its names.
#[test]
fn a_port_of_two_names_is_asked_by_the_one_that_its_container_lists() {
    let service = "ports.http = { port = 80, target-port = 8080 }\nports.web = { port = 8081, target-port = 8080 }\n\
                   probe = { tcp = \"web\" }\nmonitor = { kind = \"pod\", port = \"web\" }";
    let all = objects("[monitoring]\nnamespace = \"monitoring\"", service);
    let container = &one(&all, "Deployment", "app")["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["ports"], json!([{ "name": "http", "containerPort": 8080, "protocol": "TCP" }]));
    assert_eq!(container["readinessProbe"]["tcpSocket"]["port"], "http");
    assert_eq!(one(&all, "PodMonitor", "app")["spec"]["podMetricsEndpoints"][0]["port"], "http");
    // What only a container can ask for is kept.
    let all = objects(
        "",
        &service.replace("target-port = 8080 }\nprobe", "target-port = 8080, host-port = 80 }\nprobe"),
    );
    let container = &one(&all, "Deployment", "app")["spec"]["template"]["spec"]["containers"][0];
    let port = json!([{ "name": "web", "containerPort": 8080, "hostPort": 80, "protocol": "TCP" }]);
    assert_eq!(container["ports"], port);
    assert_eq!(container["readinessProbe"]["tcpSocket"]["port"], "web");
    let by_service = objects("", &service.replace("kind = \"pod\", ", ""));
    assert_eq!(one(&by_service, "ServiceMonitor", "app")["spec"]["endpoints"][0]["port"], "web");
}

/// A control plane that takes no pods is no place to spread them over.
#[test]
fn places_that_repel_pods_are_not_counted() {
    let policies = |version: &str| -> Vec<Value> {
        let service = "ports.http = 80\nspread = [\"kubernetes.io/hostname\", \
                       { key = \"kubernetes.io/hostname\", when = \"do-not-schedule\" }]";
        let all = objects(&format!("[cluster]\nkubernetes = \"{version}\""), service);
        let spec = &one(&all, "Deployment", "app")["spec"]["template"]["spec"];
        let spread = spec["topologySpreadConstraints"].as_array().unwrap().iter();
        spread.map(|one| one["nodeTaintsPolicy"].clone()).collect()
    };
    assert_eq!(policies("1.34"), [json!(null), json!("Honor")]);
    assert_eq!(policies("1.25"), [json!(null), json!(null)]);
}

/// Kubernetes gives a Deployment ten minutes.
#[test]
fn a_deployment_may_take_the_time_that_its_pods_need() {
    let deadline = |service: &str| -> Value {
        let all = objects("", &format!("ports.http = 80\n{service}"));
        one(&all, "Deployment", "app")["spec"]["progressDeadlineSeconds"].clone()
    };
    assert_eq!(deadline("probe = { http = \"/\", startup = \"15m\" }"), 1200);
    assert_eq!(deadline("probe = { http = \"/\", startup = \"10m\" }"), 900);
    assert_eq!(deadline("probe = { http = \"/\", startup = \"9m\" }"), json!(null));
    assert_eq!(deadline("probe = { http = \"/\", startup = \"9m\" }\nrollout.min-ready = \"2m\""), 960);
    assert_eq!(
        deadline("probe = { http = \"/\", startup = \"15m\" }\nrollout.progress-deadline = \"30m\""),
        1800
    );
}
