//! Objects as a homelab has them, and random edits of them. Shared by the unit tests of patches and
//! by the test on the real kustomize.

use serde_json::{Map, Value, json};

/// A small generator (SplitMix64), so that a seed is all it takes to see a case again.
pub struct Dice {
    state: u64,
    /// Whether types may change: kustomize itself reads built-in kinds (names of what they refer
    /// to) and fails on a map where a text belongs.
    wild: bool,
}

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self { state: seed, wild: true }
    }

    fn roll(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.roll() % bound.max(1) as u64) as usize
    }

    fn one_in(&mut self, bound: usize) -> bool {
        self.below(bound) == 0
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

/// One to five random edits of an object. Its identity stays, and so do the types of labels,
/// annotations and data, on which kustomize insists.
pub fn edited(object: &Value, dice: &mut Dice) -> Value {
    let mut object = object.clone();
    let group = object["apiVersion"].as_str().unwrap_or_default();
    dice.wild = group.contains('.') && !group.contains(".k8s.io") || group == "gateway.networking.k8s.io/v1";
    for _ in 0..=dice.below(5) {
        edit_member(&mut object, dice, &[]);
    }
    object
}

fn edit_member(value: &mut Value, dice: &mut Dice, path: &[&str]) {
    match value {
        Value::Object(map) => edit_map(map, dice, path),
        Value::Array(list) => edit_list(list, dice, path),
        scalar => *scalar = other_scalar(scalar, dice, path),
    }
}

fn is_texts(path: &[&str]) -> bool {
    matches!(path.last(), Some(&("labels" | "annotations" | "data" | "stringData" | "matchLabels")))
}

fn edit_map(map: &mut Map<String, Value>, dice: &mut Dice, path: &[&str]) {
    let fixed: &[&str] = match path {
        [] => &["apiVersion", "kind", "metadata"],
        ["metadata"] => &["name", "namespace", "labels", "annotations", "finalizers"],
        _ => &[],
    };
    let keys: Vec<String> = map.keys().cloned().collect();
    let key = if keys.is_empty() { String::new() } else { dice.pick(&keys).clone() };
    let inner: Vec<&str> = path.iter().copied().chain([key.as_str()]).collect();
    match dice.below(10) {
        0 | 1 if path.len() > 1 || path == ["spec"] || is_texts(path) => {
            let value = if is_texts(path) { json!(text(dice)) } else { anything(dice, 2) };
            // An annotation named like a number makes kustomize fail after any JSON patch.
            let prefix = if path.first() == Some(&"metadata") { "x-" } else { "" };
            map.insert(format!("{prefix}{}", new_key(dice)), value);
        }
        2 if !keys.is_empty() && !fixed.contains(&key.as_str()) && !path.is_empty() => {
            map.shift_remove(&key);
        }
        3 if !keys.is_empty()
            && !fixed.contains(&key.as_str())
            && path.len() > 1
            && (dice.wild || is_texts(path)) =>
        {
            let value = if is_texts(path) { json!(text(dice)) } else { anything(dice, 2) };
            map.insert(key, value);
        }
        _ if !keys.is_empty()
            && !matches!(inner[..], ["apiVersion" | "kind"] | ["metadata", "name" | "namespace"]) =>
        {
            if let Some(value) = map.get_mut(&key) {
                edit_member(value, dice, &inner);
            }
        }
        _ => {}
    }
}

fn edit_list(list: &mut Vec<Value>, dice: &mut Dice, path: &[&str]) {
    let at = dice.below(list.len());
    match dice.below(9) {
        0 if !list.is_empty() => drop(list.remove(at)),
        1 if !list.is_empty() => {
            let to = dice.below(list.len());
            list.swap(at, to);
        }
        2 | 3 => {
            let element = match list.get(at) {
                Some(element) => renamed(element, dice),
                None if path.first() == Some(&"metadata") => json!(text(dice)),
                None if dice.wild => anything(dice, 2),
                None => return,
            };
            let to = if dice.one_in(2) { list.len() } else { dice.below(list.len() + 1) };
            list.insert(to, element);
        }
        4 if dice.one_in(4) => list.reverse(),
        5 if dice.one_in(4) => list.clear(),
        _ if !list.is_empty() => edit_member(&mut list[at], dice, path),
        _ => {}
    }
}

/// An element much like `element`, mostly with other merge keys.
fn renamed(element: &Value, dice: &mut Dice) -> Value {
    let mut element = element.clone();
    match &mut element {
        Value::Object(map) => {
            for key in ["name", "port", "containerPort", "mountPath", "ip", "protocol", "topologyKey"] {
                if let Some(value) = map.get_mut(key).filter(|_| !dice.one_in(6)) {
                    *value = match value {
                        Value::Number(_) => json!(1024 + dice.below(40)),
                        _ if key == "protocol" => json!(dice.pick(&["TCP", "UDP"])),
                        _ => json!(format!("new-{}", dice.below(40))),
                    };
                }
            }
        }
        Value::String(old) => *old = text(dice),
        _ => {}
    }
    element
}

fn other_scalar(old: &Value, dice: &mut Dice, path: &[&str]) -> Value {
    let texts = path.iter().any(|step| is_texts(&[*step])) || matches!(path, ["metadata", ..]);
    match old {
        Value::Number(_) if !dice.one_in(5) => json!(dice.below(10_000)),
        Value::Bool(old) if !dice.one_in(5) => json!(!old),
        _ if texts || !dice.wild || !dice.one_in(6) => json!(text(dice)),
        _ => anything(dice, 1),
    }
}

fn new_key(dice: &mut Dice) -> String {
    const KEYS: [&str; 12] = [
        "enabled",
        "newKey",
        "a.b/c",
        "x~y",
        "yes",
        "0644",
        "null",
        "8080",
        "value",
        "12:30",
        "tls",
        "valueFrom",
    ];
    (*dice.pick(if dice.wild { &KEYS } else { &KEYS[..10] })).to_owned()
}

fn text(dice: &mut Dice) -> String {
    const TEXTS: [&str; 24] = [
        "yes",
        "no",
        "null",
        "~",
        "0755",
        "1e3",
        "12:30",
        "2024-01-01",
        "0x1F",
        "1.10",
        "10.69.1.200",
        "512Mi",
        "nginx:1.27.3",
        "",
        " padded ",
        "${VAR}",
        "$patch",
        "a\nb\n",
        "line\n  indented\n\nlast",
        "tab\there",
        "é🚀",
        "true",
        "=",
        "<<",
    ];
    (*dice.pick(&TEXTS)).to_owned()
}

fn anything(dice: &mut Dice, depth: usize) -> Value {
    match dice.below(if depth == 0 { 4 } else { 8 }) {
        0 => json!(dice.below(100_000)),
        1 => json!(dice.one_in(2)),
        2 | 3 => json!(text(dice)),
        4 => json!({}),
        5 => json!([]),
        6 => (0..=dice.below(2))
            .map(|_| (new_key(dice), anything(dice, depth - 1)))
            .collect::<Map<_, _>>()
            .into(),
        _ => (0..=dice.below(2)).map(|_| anything(dice, depth - 1)).collect(),
    }
}

/// The objects, each with its own kind and the given name.
pub fn objects(name: &str) -> Vec<Value> {
    vec![
        workload(
            "apps/v1",
            "Deployment",
            name,
            json!({"replicas": 1, "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": 0}}}),
        ),
        workload(
            "apps/v1",
            "StatefulSet",
            name,
            json!({"serviceName": name, "volumeClaimTemplates": [
            {"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}},
            {"metadata": {"name": "logs"}, "spec": {"storageClassName": ""}}]}),
        ),
        workload("apps/v1", "DaemonSet", name, json!({})),
        object(
            "batch/v1",
            "CronJob",
            name,
            "spec",
            json!({"schedule": "*/5 * * * *", "jobTemplate": {"spec": {"backoffLimit": 2, "template": pod_template(name)}}}),
        ),
        object(
            "v1",
            "Service",
            name,
            "spec",
            json!({"type": "LoadBalancer", "selector": {"app": name}, "ports": [
            {"name": "http", "port": 80, "targetPort": "http", "protocol": "TCP"},
            {"name": "torrent", "port": 6881, "targetPort": 6881, "protocol": "TCP"},
            {"name": "torrent-udp", "port": 6881, "targetPort": 6881, "protocol": "UDP"}]}),
        ),
        // Two ports, one without a protocol: kustomize has its own ideas about them.
        object(
            "v1",
            "Service",
            &format!("{name}-bare"),
            "spec",
            json!({"ports": [{"port": 53}, {"port": 53, "protocol": "UDP"}, {"port": 80}]}),
        ),
        object(
            "v1",
            "ConfigMap",
            name,
            "data",
            json!({"run.sh": "#!/bin/sh\necho hi # x\n\texit 0\n", "PUID": "1000", "TZ": "Europe/Berlin", "FLAG": "yes"}),
        ),
        object("v1", "Secret", name, "stringData", json!({"token": "s3cret", "port": "8080"})),
        object("v1", "ServiceAccount", name, "secrets", json!([{"name": "a"}, {"name": "b"}])),
        object(
            "v1",
            "PersistentVolumeClaim",
            name,
            "spec",
            json!({"accessModes": ["ReadWriteMany"], "storageClassName": "nfs", "resources": {"requests": {"storage": "10Gi"}}}),
        ),
        object(
            "networking.k8s.io/v1",
            "Ingress",
            name,
            "spec",
            json!({"ingressClassName": "nginx", "tls": [{"hosts": ["a.lan"], "secretName": "tls"}], "rules": [
            {"host": "a.lan", "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": {"service": {"name": name, "port": {"number": 80}}}}]}}]}),
        ),
        object(
            "networking.k8s.io/v1",
            "NetworkPolicy",
            name,
            "spec",
            json!({"podSelector": {}, "policyTypes": ["Ingress", "Egress"], "ingress": [
            {"from": [{"namespaceSelector": {}}, {"podSelector": {"matchLabels": {"app": "x"}}}], "ports": [{"port": 80, "protocol": "TCP"}]}], "egress": [{}]}),
        ),
        object(
            "autoscaling/v2",
            "HorizontalPodAutoscaler",
            name,
            "spec",
            json!({"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}, "minReplicas": 1,
            "maxReplicas": 3, "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}}]}),
        ),
        object(
            "rbac.authorization.k8s.io/v1",
            "Role",
            name,
            "rules",
            json!([{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}]),
        ),
        object(
            "monitoring.coreos.com/v1",
            "ServiceMonitor",
            name,
            "spec",
            json!({"selector": {"matchLabels": {"app": name}}, "endpoints": [{"port": "http", "interval": "30s", "path": "/metrics"}, {"port": "admin"}]}),
        ),
        object(
            "traefik.io/v1alpha1",
            "IngressRoute",
            name,
            "spec",
            json!({"entryPoints": ["websecure"], "tls": {}, "routes": [
            {"match": "Host(`a.lan`)", "kind": "Rule", "middlewares": [{"name": "auth"}, {"name": "gzip"}], "services": [{"name": name, "port": 80}]}]}),
        ),
        object(
            "gateway.networking.k8s.io/v1",
            "HTTPRoute",
            name,
            "spec",
            json!({"parentRefs": [{"name": "lan", "namespace": "infra"}], "hostnames": ["a.lan"],
            "rules": [{"name": "all", "matches": [{"path": {"type": "PathPrefix", "value": "/"}}], "backendRefs": [{"name": name, "port": 80}]}]}),
        ),
        object(
            "metallb.io/v1beta1",
            "IPAddressPool",
            name,
            "spec",
            json!({"addresses": ["10.69.1.160-10.69.1.190"], "autoAssign": false, "avoidBuggyIPs": true}),
        ),
        object(
            "helm.toolkit.fluxcd.io/v2",
            "HelmRelease",
            name,
            "spec",
            json!({"interval": "30m", "chart": {"spec": {"chart": "x", "version": "1.2.3"}},
            "values": {"replicas": 2, "extra": {"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"template": pod_template("inner")}},
                "list": [1, "two", {"name": "three", "env": [{"name": "A"}]}], "empty": {}, "ratio": 0.5}}),
        ),
    ]
}

#[allow(clippy::needless_pass_by_value, reason = "the callers write it in place")]
fn object(api_version: &str, kind: &str, name: &str, key: &str, value: Value) -> Value {
    json!({"apiVersion": api_version, "kind": kind,
        "metadata": {"name": name, "labels": {"app": name, "tier": "1"}, "annotations": {"metallb.io/loadBalancerIPs": "10.69.1.165", "on": "yes"},
            "finalizers": ["kubernetes.io/pvc-protection", "example.com/b"]},
        key: value})
}

fn workload(api_version: &str, kind: &str, name: &str, more: Value) -> Value {
    let mut spec = json!({"selector": {"matchLabels": {"app": name}}, "template": pod_template(name)});
    if let (Value::Object(spec), Value::Object(more)) = (&mut spec, more) {
        spec.extend(more);
    }
    object(api_version, kind, name, "spec", spec)
}

fn pod_template(name: &str) -> Value {
    json!({
        "metadata": {"labels": {"app": name}},
        "spec": {
            "securityContext": {"fsGroup": 1000},
            "hostAliases": [{"ip": "10.0.0.1", "hostnames": ["nas"]}],
            "topologySpreadConstraints": [{"topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule", "maxSkew": 1}],
            "tolerations": [{"key": "gpu", "operator": "Exists"}],
            "initContainers": [{"name": "init", "image": "busybox:1.36", "command": ["sh", "-c", "true"]}],
            "containers": [
                {
                    "name": name, "image": "nginx:1.27", "args": ["--port=80", "--verbose"],
                    "ports": [{"name": "http", "containerPort": 80, "protocol": "TCP"}, {"name": "dns", "containerPort": 53, "protocol": "TCP"}, {"name": "dns-udp", "containerPort": 53, "protocol": "UDP"}],
                    "env": [{"name": "TZ", "value": "Europe/Berlin"}, {"name": "PUID", "value": "1000"}, {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "s", "key": "token"}}}],
                    "envFrom": [{"configMapRef": {"name": name}}],
                    "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "1Gi"}},
                    "livenessProbe": {"httpGet": {"path": "/", "port": "http"}, "periodSeconds": 10},
                    "volumeMounts": [{"name": "data", "mountPath": "/data"}, {"name": "tmp", "mountPath": "/tmp", "readOnly": true}],
                },
                {"name": "sidecar", "image": "busybox:1.36", "ports": [{"containerPort": 9000}, {"containerPort": 9001, "protocol": "TCP"}]},
            ],
            "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}, {"name": "tmp", "emptyDir": {}}],
        },
    })
}
