//! Objects as people expect them: keys in the usual order, nothing written that says nothing.

use crate::object::{Map, Value};

/// `object` with its keys in the order that people expect of Kubernetes, absent values left out.
///
/// Keys nobody expects follow in the order they had. Labels, annotations and the data of ConfigMaps
/// and Secrets are sorted. Nulls go, and so do empty maps and lists, but only under those few keys
/// where empty means absent (`labels`, a container's `env`…): `emptyDir: {}`, `podSelector: {}` or
/// `ingress: []` mean something. What is passed on to others (chart values) stays as it was written.
///
/// Not for patches, where a null removes. Recursion follows the depth of the value.
pub fn tidy(object: Value) -> Value {
    tidy_at(object, &ROOT)
}

/// What is known of a map at one kind of place.
struct Place {
    /// The keys that come first, in this order.
    first: &'static [&'static str],
    /// The keys whose empty maps and lists mean the same as their absence.
    hollow: &'static [&'static str],
    /// All keys in alphabetical order.
    sorted: bool,
}

static ROOT: Place = Place {
    first: &["apiVersion", "kind", "metadata", "type", "immutable", "spec"],
    hollow: &[],
    sorted: false,
};

static METADATA: Place = Place {
    first: &["name", "generateName", "namespace", "labels", "annotations", "finalizers", "ownerReferences"],
    hollow: &["labels", "annotations", "finalizers", "ownerReferences"],
    sorted: false,
};

static TEXTS: Place = Place { first: &[], hollow: &[], sorted: true };

/// References, subjects, environment variables, volumes: whatever names something.
static ANY: Place = Place {
    first: &["apiVersion", "apiGroup", "kind", "metadata", "name", "namespace", "key", "value", "valueFrom"],
    hollow: &[],
    sorted: false,
};

static SPEC: Place = Place {
    first: &[
        "schedule",
        "timeZone",
        "suspend",
        "concurrencyPolicy",
        "type",
        "clusterIP",
        "clusterIPs",
        "loadBalancerClass",
        "loadBalancerIP",
        "externalTrafficPolicy",
        "internalTrafficPolicy",
        "ipFamilyPolicy",
        "ipFamilies",
        "ingressClassName",
        "replicas",
        "revisionHistoryLimit",
        "serviceName",
        "podManagementPolicy",
        "strategy",
        "updateStrategy",
        "minReadySeconds",
        "podSelector",
        "policyTypes",
        "selector",
        "ports",
        "template",
        "jobTemplate",
        "volumeClaimTemplates",
    ],
    hollow: &[],
    sorted: false,
};

static POD: Place = Place {
    first: &[
        "serviceAccountName",
        "automountServiceAccountToken",
        "hostname",
        "subdomain",
        "hostNetwork",
        "hostPID",
        "hostIPC",
        "dnsPolicy",
        "dnsConfig",
        "hostAliases",
        "nodeName",
        "nodeSelector",
        "affinity",
        "tolerations",
        "topologySpreadConstraints",
        "priorityClassName",
        "runtimeClassName",
        "schedulerName",
        "enableServiceLinks",
        "securityContext",
        "imagePullSecrets",
        "restartPolicy",
        "terminationGracePeriodSeconds",
        "initContainers",
        "containers",
        "ephemeralContainers",
        "volumes",
    ],
    hollow: &[
        "hostAliases",
        "nodeSelector",
        "affinity",
        "tolerations",
        "topologySpreadConstraints",
        "securityContext",
        "imagePullSecrets",
        "initContainers",
        "ephemeralContainers",
        "volumes",
    ],
    sorted: false,
};

static CONTAINER: Place = Place {
    first: &[
        "name",
        "image",
        "imagePullPolicy",
        "restartPolicy",
        "command",
        "args",
        "workingDir",
        "ports",
        "env",
        "envFrom",
        "startupProbe",
        "livenessProbe",
        "readinessProbe",
        "lifecycle",
        "resources",
        "securityContext",
        "volumeMounts",
        "volumeDevices",
    ],
    hollow: &[
        "command",
        "args",
        "ports",
        "env",
        "envFrom",
        "resources",
        "securityContext",
        "volumeMounts",
        "volumeDevices",
    ],
    sorted: false,
};

static RESOURCES: Place =
    Place { first: &["requests", "limits"], hollow: &["requests", "limits", "claims"], sorted: false };

static PORT: Place = Place {
    first: &[
        "name",
        "port",
        "containerPort",
        "targetPort",
        "nodePort",
        "hostPort",
        "hostIP",
        "protocol",
        "appProtocol",
    ],
    hollow: &[],
    sorted: false,
};

static MOUNT: Place =
    Place { first: &["name", "mountPath", "subPath", "readOnly"], hollow: &[], sorted: false };

/// The place of the value under `key` in a map at `parent`; `None` where values are passed on as
/// they are. A list's elements are in the list's place.
fn place_of(parent: &Place, key: &str, value: &Value) -> Option<&'static Place> {
    Some(match key {
        "values" | "valuesObject" | "valuesInline" => return None,
        "metadata" => &METADATA,
        "labels" | "annotations" | "matchLabels" => &TEXTS,
        "data" | "stringData" | "binaryData" | "encryptedData" if value.is_object() => &TEXTS,
        "spec" if value.get("containers").is_some_and(Value::is_array) => &POD,
        "spec" => &SPEC,
        "containers" | "initContainers" | "ephemeralContainers" if std::ptr::eq(parent, &raw const POD) => {
            &CONTAINER
        }
        "resources" if std::ptr::eq(parent, &raw const CONTAINER) => &RESOURCES,
        "volumeMounts" => &MOUNT,
        "ports" => &PORT,
        _ => &ANY,
    })
}

fn tidy_at(mut value: Value, place: &'static Place) -> Value {
    tidy_in_place(&mut value, place);
    value
}

fn tidy_in_place(value: &mut Value, place: &'static Place) {
    match value {
        Value::Object(map) => tidy_map(map, place),
        Value::Array(list) => list.iter_mut().for_each(|element| tidy_in_place(element, place)),
        _ => {}
    }
}

/// Templates write most maps as they should be: only those that are not are built anew.
fn tidy_map(map: &mut Map, place: &'static Place) {
    map.retain(|key, value| keep(key, value, place));
    if place.sorted {
        if !map.keys().is_sorted() {
            map.sort_keys();
        }
    } else if !map.keys().is_sorted_by_key(|key| rank(key, place)) {
        let mut members: Vec<(String, Value)> = std::mem::take(map).into_iter().collect();
        members.sort_by_key(|(key, _)| rank(key, place));
        *map = members.into_iter().collect();
    }
}

fn rank(key: &str, place: &Place) -> usize {
    place.first.iter().position(|first| *first == key).unwrap_or(place.first.len())
}

/// Tidies one member. False if it says nothing and goes.
fn keep(key: &str, value: &mut Value, place: &'static Place) -> bool {
    match place_of(place, key, value) {
        Some(_) if value.is_null() => return false,
        Some(inner) => tidy_in_place(value, inner),
        None => {}
    }
    !(is_hollow(value) && place.hollow.contains(&key))
}

fn is_hollow(value: &Value) -> bool {
    match value {
        Value::Object(map) => map.is_empty(),
        Value::Array(list) => list.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::tidy;
    use crate::object::emit::emit;
    use serde_json::{Value, json};

    #[test]
    fn keys_stand_where_people_look_for_them() {
        let deployment = json!({
            "spec": {
                "template": {
                    "spec": {
                        "volumes": [{"emptyDir": {}, "name": "tmp"}],
                        "containers": [{
                            "volumeMounts": [{"readOnly": true, "mountPath": "/tmp", "name": "tmp"}],
                            "resources": {"limits": {"memory": "1Gi"}, "requests": {"cpu": "100m"}},
                            "env": [{"value": "x", "name": "A"}],
                            "ports": [{"protocol": "TCP", "containerPort": 80, "name": "http"}],
                            "image": "nginx:1.27", "name": "web",
                        }],
                    },
                    "metadata": {"labels": {"b": "1", "a": "2"}},
                },
                "selector": {"matchLabels": {"a": "2"}},
                "replicas": 1,
            },
            "metadata": {"labels": {"a": "2"}, "name": "web"},
            "kind": "Deployment",
            "apiVersion": "apps/v1",
        });
        let expected = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\n  labels:\n    a: \"2\"\nspec:\n  replicas: 1\n  selector:\n    matchLabels:\n      a: \"2\"\n  template:\n    metadata:\n      labels:\n        a: \"2\"\n        b: \"1\"\n    spec:\n      containers:\n        - name: web\n          image: nginx:1.27\n          ports:\n            - name: http\n              containerPort: 80\n              protocol: TCP\n          env:\n            - name: A\n              value: x\n          resources:\n            requests:\n              cpu: 100m\n            limits:\n              memory: 1Gi\n          volumeMounts:\n            - name: tmp\n              mountPath: /tmp\n              readOnly: true\n      volumes:\n        - name: tmp\n          emptyDir: {}\n";
        assert_eq!(emit(&tidy(deployment)), expected);
    }

    #[test]
    fn what_says_nothing_goes() {
        let pod = json!({"metadata": {"name": "a", "labels": {}, "annotations": {"x": null}, "finalizers": []},
            "spec": {"nodeSelector": {}, "volumes": [], "restartPolicy": null, "containers": [
                {"name": "a", "env": [], "args": [], "resources": {"limits": {}, "requests": {"cpu": null}}}]}});
        assert_eq!(tidy(pod), json!({"metadata": {"name": "a"}, "spec": {"containers": [{"name": "a"}]}}));
    }

    /// Empty maps and lists that mean something in Kubernetes or in a custom resource.
    #[test]
    fn meaningful_empties_stay() {
        let meaningful = [
            json!({"spec": {"podSelector": {}, "ingress": [], "egress": [{}], "policyTypes": []}}),
            json!({"spec": {"ingress": [{"from": [], "ports": []}, {"from": [{"namespaceSelector": {}, "podSelector": {}}]}]}}),
            json!({"spec": {"endpointSelector": {}, "ingress": [{}], "egressDeny": []}}),
            json!({"spec": {"nodeSelectors": [], "ipAddressPools": [], "nodeSelector": {}}}),
            json!({"spec": {"tls": {}, "routes": []}}),
            json!({"spec": {"tls": {"options": {}, "passthrough": false}}}),
            json!({"spec": {"syncPolicy": {"automated": {}}, "generators": [{"clusters": {}}]}}),
            json!({"spec": {"acme": {"solvers": [{"http01": {"ingress": {}}, "selector": {}}]}, "selfSigned": {}}}),
            json!({"spec": {"namespaceSelector": {}, "selector": {"matchLabels": {}}, "serviceAccountSelector": {}}}),
            json!({"spec": {"resources": {}, "env": [], "ports": [], "volumes": []}}),
            json!({"spec": {"containers": [{"name": "a", "securityContext": {"capabilities": {"drop": []}}}],
                "volumes": [{"name": "a", "emptyDir": {}}], "affinity": {"podAffinity": {}}}}),
            json!({"spec": {"storageClassName": "", "selector": {}, "accessModes": []}}),
            json!({"data": {}, "rules": [], "subjects": [], "webhooks": [], "parameters": {}}),
            json!({"spec": {"values": {"a": null, "b": {}, "labels": {}, "resources": {"limits": {}}, "z": 1, "env": []}}}),
            json!({"spec": {"source": {"helm": {"valuesObject": {"nodeSelector": {}, "x": null}}}}}),
            json!({"spec": {"matchExpressions": [{"key": "a", "operator": "In", "values": []}]}}),
        ];
        for object in meaningful {
            assert_eq!(tidy(object.clone()), object);
        }
    }

    #[test]
    fn chart_values_keep_their_order() {
        let values = json!({"spec": {"values": {"zebra": {"labels": {"b": 1, "a": 2}}, "apple": 1}}});
        assert_eq!(
            emit(&tidy(values)),
            "spec:\n  values:\n    zebra:\n      labels:\n        b: 1\n        a: 2\n    apple: 1\n"
        );
    }

    #[test]
    fn to_tidy_twice_is_to_tidy_once() {
        let once = tidy(
            json!({"x": {"labels": {"b": null}}, "kind": "A", "spec": {"containers": [{"resources": {"limits": {}}}]}}),
        );
        assert_eq!(emit(&tidy(once.clone())), emit(&once));
        assert_eq!(tidy(Value::Null), Value::Null);
    }
}
