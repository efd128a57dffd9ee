//! How host names are routed: middlewares, certificates, issuers, the Gateway, and routes of their own.

use serde_json::{Value as Json, json};

use crate::inventory::node::{Node, Value};
use crate::inventory::record::{Decode, List, Map, Reader, Schemas};
use crate::inventory::value::{
    AddressText, Duration, Flag, OneOrMany, PassthroughTable, Scalar, Text, Whole,
};
use crate::source::Spanned;
use crate::{choice, record};

choice! {
    /// What routes host names to services.
    pub enum IngressProvider {
        /// Traefik's IngressRoute.
        Traefik = "traefik",
        /// Kubernetes' Ingress.
        Ingress = "ingress",
        /// The Gateway API's HTTPRoute.
        Gateway = "gateway",
    }
}

record! {
    /// How a service's `host` is routed.
    pub struct Ingress {
        /// What routes: decides the kind of object. Default `ingress`.
        provider: Option<Spanned<IngressProvider>>,
        /// The ingress class (`ingress`, `traefik`). To Traefik it is told by an annotation, unless its chart is one of the inventory and of version 40 or later, whose routes have a field for it.
        class: Option<Text>,
        /// Traefik's entry points. Default `websecure` with an issuer, `web` without.
        entry_points: List<Text>,
        /// The cert-manager ClusterIssuer that certificates come from. Without one, hosts have no TLS of their own.
        issuer: Option<Text>,
        /// Whether hosts with TLS answer plain HTTP with a redirect. Default false.
        redirect_http: Option<Flag>,
        /// The chart that serves the hosts: what isolated stacks let in, and the load balancer behind the links.
        chart: Option<Text>,
        /// The namespace that the router's pods run in, where no chart of this inventory brings it: `kube-system` for the Traefik of k3s. Default: the chart's.
        namespace: Option<Text>,
        /// Labels of the router's pods: isolated stacks let in nothing else of its namespace. Default: all of it.
        pod_labels: Map<Scalar>,
        /// The Gateway that routes attach to (`gateway`): as `namespace/name` or `namespace/name/listener` if it is there already, or a table to write it.
        gateway: Option<Gateway>,
        /// Traefik's middlewares, by name: services name them in `middlewares`, and get a copy in their own namespace.
        middlewares: Map<Middleware>,
        /// Certificates of cert-manager that are no single service's, by name: wildcards.
        certificates: Map<Certificate>,
        /// ClusterIssuers of cert-manager, by name.
        issuers: Map<Issuer>,
        /// The route to Traefik's own dashboard.
        dashboard: Option<DashboardRoute>,
        /// Annotations for every Ingress, IngressRoute or HTTPRoute.
        annotations: Map<Scalar>,
    }
}

/// A Gateway: the name of one that is there, or a table of one to write.
#[derive(Clone, Debug, PartialEq)]
pub enum Gateway {
    /// The name of one that is there.
    Named(Text),
    /// One to write.
    Written(Box<GatewayTable>),
}

impl Gateway {
    /// The name of one that is there.
    pub fn named(&self) -> Option<&Text> {
        match self {
            Self::Named(text) => Some(text),
            Self::Written(_) => None,
        }
    }

    /// One to write.
    pub fn written(&self) -> Option<&GatewayTable> {
        match self {
            Self::Named(_) => None,
            Self::Written(table) => Some(table),
        }
    }
}

impl Decode for Gateway {
    fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
        match node.value {
            Value::Table(_) => GatewayTable::decode(node, reader).map(|table| Self::Written(Box::new(table))),
            Value::String(_) => Text::decode(node, reader).map(Self::Named),
            _ => {
                reader.wrong_type(node, "`namespace/name`, or a table such as { name, namespace, class }");
                None
            }
        }
    }
    fn schema(schemas: &mut Schemas) -> Json {
        json!({ "anyOf": [{ "type": "string", "examples": ["gateways/public/https"] }, schemas.of::<GatewayTable>()] })
    }
}

record! {
    /// A Gateway to write.
    pub struct GatewayTable {
        /// Its name.
        #[required]
        name: Option<Text>,
        /// Its namespace: a chart's, one that the cluster has, or else one that is written along with it. Not a stack's.
        #[required]
        namespace: Option<Text>,
        /// The GatewayClass: `cilium`, `eg`, `traefik` …
        #[required]
        class: Option<Text>,
        /// Its load balancer address: an address, or one of each family in a list. Default: whatever the load balancer gives.
        ip: Option<OneOrMany<AddressText>>,
        /// Its listeners, by name. Default: `http` on 80, and with certificates of its namespace `https` on 443.
        listeners: Map<Listener>,
        /// Annotations for it.
        annotations: Map<Scalar>,
    }
}

choice! {
    /// What a listener speaks.
    pub enum ListenerProtocol {
        /// HTTP.
        Http = "HTTP",
        /// HTTPS, ended at the Gateway.
        Https = "HTTPS",
        /// TLS, passed on as it is to the port that its host name belongs to.
        Tls = "TLS",
        /// TCP, whatever is spoken.
        Tcp = "TCP",
        /// UDP, whatever is spoken.
        Udp = "UDP",
    }
}

record! {
    /// A listener of the Gateway.
    pub struct Listener {
        /// Its port. Default 80 for HTTP, 443 for HTTPS and TLS; TCP and UDP have none.
        port: Option<Whole>,
        /// What it speaks. Default `HTTPS` with a certificate, else `HTTP`.
        protocol: Option<Spanned<ListenerProtocol>>,
        /// The host names it serves: `*.example.org`. Default: all. Not for TCP and UDP.
        hostname: Option<Text>,
        /// The certificate, by its name in `ingress.certificates`. With neither this nor `secret`, `ingress.issuer` makes one for the `hostname`.
        certificate: Option<Text>,
        /// The Secret with the certificate, in the Gateway's namespace.
        secret: Option<Text>,
    }
}

record! {
    /// A middleware of Traefik. Exactly one key says what it does.
    pub struct Middleware {
        /// Asks for a name and password.
        basic_auth: Option<BasicAuthMiddleware>,
        /// Asks another service whether a request may pass.
        forward_auth: Option<ForwardAuth>,
        /// Lets in only some addresses.
        ip_allow_list: Option<IpAllowList>,
        /// Slows down who asks too often.
        rate_limit: Option<RateLimit>,
        /// Sends clients to another scheme.
        redirect_scheme: Option<RedirectScheme>,
        /// Sends clients to another URL.
        redirect_regex: Option<RedirectRegex>,
        /// Headers of requests and responses, in Traefik's spelling.
        headers: Option<PassthroughTable>,
        /// Takes these prefixes from the path.
        strip_prefix: List<Text>,
        /// Other middlewares, one after the other, by name.
        chain: List<Text>,
        /// Any other middleware, in Traefik's spelling: `{ compress = {} }`.
        spec: Option<PassthroughTable>,
    }
}

record! {
    /// Asks for a name and password.
    pub struct BasicAuthMiddleware {
        /// The Secret whose only key is `users`, or of type `kubernetes.io/basic-auth`: by its name in `secrets`, or in Kubernetes. It has to be in the namespace of whatever uses the middleware.
        #[required]
        secret: Option<Text>,
        /// What the browser shows.
        realm: Option<Text>,
        /// Whether the password is kept from the service behind. Default false.
        remove_header: Option<Flag>,
    }
}

record! {
    /// Asks another service whether a request may pass.
    pub struct ForwardAuth {
        /// The URL that is asked.
        #[required]
        address: Option<Text>,
        /// Headers of its answer that the service behind gets.
        auth_response_headers: List<Text>,
        /// Whether headers such as `X-Forwarded-For` are believed. Default false.
        trust_forward_header: Option<Flag>,
    }
}

record! {
    /// Lets in only some addresses.
    pub struct IpAllowList {
        /// Networks and addresses that are let in.
        #[required]
        source_range: List<Text>,
    }
}

record! {
    /// Slows down who asks too often.
    pub struct RateLimit {
        /// How many requests there may be in each period.
        #[required]
        average: Option<Whole>,
        /// How many more at once. Default 1.
        burst: Option<Whole>,
        /// The period. Default `1s`.
        period: Option<Duration>,
    }
}

record! {
    /// Sends clients to another scheme.
    pub struct RedirectScheme {
        /// The scheme: `https`.
        #[required]
        scheme: Option<Text>,
        /// The port. Default: the scheme's own.
        port: Option<Whole>,
        /// Whether clients remember. Default false.
        permanent: Option<Flag>,
    }
}

record! {
    /// Sends clients to another URL.
    pub struct RedirectRegex {
        /// What the URL is compared with.
        #[required]
        regex: Option<Text>,
        /// The URL they are sent to; `${1}` is the first group.
        #[required]
        replacement: Option<Text>,
        /// Whether clients remember. Default false.
        permanent: Option<Flag>,
    }
}

choice! {
    /// A kind of issuer of cert-manager.
    pub enum IssuerKind {
        /// Of one namespace.
        Issuer = "Issuer",
        /// Of the whole cluster.
        ClusterIssuer = "ClusterIssuer",
    }
}

record! {
    /// A certificate of cert-manager.
    pub struct Certificate {
        /// The host names it is for, in full: `*.example.org`.
        #[required]
        hosts: List<Text>,
        /// The namespace it is kept in: the Gateway's, or Traefik's.
        #[required]
        namespace: Option<Text>,
        /// Who issues it. Default: `ingress.issuer`.
        issuer: Option<Text>,
        /// What kind of issuer that is. Default `ClusterIssuer`.
        kind: Option<Spanned<IssuerKind>>,
        /// The Secret it is kept in. Default: its name in this inventory.
        secret: Option<Text>,
        /// Whether Traefik shows it for every host that has no other (`traefik`). Default false.
        default: Option<Flag>,
    }
}

record! {
    /// A ClusterIssuer of cert-manager. Exactly one of `acme`, `ca`, `self-signed` says how it issues.
    pub struct Issuer {
        /// From an authority that speaks ACME.
        acme: Option<Acme>,
        /// From an authority of one's own.
        ca: Option<CaIssuer>,
        /// Each certificate signs itself.
        self_signed: Option<Flag>,
    }
}

record! {
    /// An authority that speaks ACME.
    pub struct Acme {
        /// Its URL. Default: Let's Encrypt.
        server: Option<Text>,
        /// Where it writes to when a certificate runs out.
        email: Option<Text>,
        /// The Secret that the account's key is kept in. Default: the issuer's name with `-account`.
        account_secret: Option<Text>,
        /// Proof by DNS, in cert-manager's spelling: `{ cloudflare = { apiTokenSecretRef = { … } } }`. Wildcards need it.
        dns01: Option<PassthroughTable>,
        /// Proof by HTTP, in cert-manager's spelling: `{ ingress = { ingressClassName = "nginx" } }`.
        http01: Option<PassthroughTable>,
    }
}

record! {
    /// An authority of one's own.
    pub struct CaIssuer {
        /// The Secret with its certificate and key, in cert-manager's namespace.
        #[required]
        secret: Option<Text>,
    }
}

record! {
    /// The route to Traefik's own dashboard.
    pub struct DashboardRoute {
        /// Its host names, in full.
        #[required]
        host: Option<OneOrMany<Text>>,
        /// The middlewares before it, by name. One of them should ask who is there.
        middlewares: List<Text>,
        /// Its TLS, as for a service.
        tls: Option<Tls>,
    }
}

record! {
    /// One more route to a service, beside the one of its `host`.
    pub struct ServiceRoute {
        /// Its host names. A name without a dot gets the environment's `domain`. Default: the service's.
        host: Option<OneOrMany<Text>>,
        /// Its path, or several. Default `/`.
        path: Option<OneOrMany<Text>>,
        /// The port it leads to, by name. Default: where the service's URL points.
        port: Option<Text>,
        /// Whether `path` is taken away before the service sees it. Default false.
        strip_prefix: Option<Flag>,
        /// Traefik's middlewares before it, by their names in `ingress.middlewares`; `[]` for none. Default: the service's.
        middlewares: List<Text>,
        /// TLS of its hosts: `true`, `false`, or a table that says where the certificate comes from. Default: as the service has it.
        tls: Option<Box<Tls>>,
    }
}

record! {
    /// A route to a Service that a chart brings.
    pub struct ChartRoute {
        /// Its host names, in full.
        #[required]
        host: Option<OneOrMany<Text>>,
        /// The path it is routed by, or several. Default `/`.
        path: Option<OneOrMany<Text>>,
        /// The Service, by its name in Kubernetes.
        #[required]
        service: Option<Text>,
        /// The Service's port.
        #[required]
        port: Option<Whole>,
        /// Traefik's middlewares before it, by name.
        middlewares: List<Text>,
        /// Whether `path` is taken away before the Service sees it. Default false.
        strip_prefix: Option<Flag>,
        /// Its TLS, as for a service.
        tls: Option<Tls>,
    }
}

record! {
    /// Where the certificate of a host comes from. At most one of `secret`, `issuer`, `cert-resolver`.
    pub struct TlsTable {
        /// A Secret that is there, in the same namespace.
        secret: Option<Text>,
        /// The issuer of cert-manager, by name.
        issuer: Option<Text>,
        /// What kind of issuer that is. Default `ClusterIssuer`.
        kind: Option<Spanned<IssuerKind>>,
        /// Traefik's certificate resolver (`traefik`).
        cert_resolver: Option<Text>,
    }
}

/// TLS of a host: whether, or where its certificate comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum Tls {
    /// `true`: with a certificate of `ingress.issuer`, else with the router's own. `false`: none.
    Flag(Flag),
    /// Where the certificate comes from.
    From(TlsTable),
}

impl Tls {
    /// Whether there is any.
    pub fn on(&self) -> bool {
        match self {
            Self::Flag(flag) => flag.value,
            Self::From(_) => true,
        }
    }
}

impl Decode for Tls {
    fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
        match node.value {
            Value::Boolean(_) => Flag::decode(node, reader).map(Self::Flag),
            Value::Table(_) => TlsTable::decode(node, reader).map(Self::From),
            _ => {
                reader.wrong_type(node, "true, false, or a table such as { secret = \"wildcard-tls\" }");
                None
            }
        }
    }
    fn schema(schemas: &mut Schemas) -> Json {
        json!({ "anyOf": [{ "type": "boolean" }, schemas.of::<TlsTable>()] })
    }
}
