//! The program that one would write in an afternoon: what bayplan does beyond it is what its time goes into.

use std::path::Path;

use minijinja::value::Serde;
use minijinja::{Environment, context};
use toml::{Table, Value};

/// Renders every service for the defaults and for each environment.
pub fn render(root: &Path) {
    let text = std::fs::read_to_string(root.join("inventory.toml")).expect("the inventory can be read");
    let inventory: Table = toml::from_str(&text).expect("the inventory is TOML");
    let services = inventory["services"].as_table().expect("services");
    let mut engine = Environment::new();
    engine.add_template("service", TEMPLATE).expect("the template can be read");
    let template = engine.get_template("service").expect("the template");
    for (environment, own) in inventory["environments"].as_table().expect("environments") {
        let suffix = own.get("namespace-suffix").and_then(Value::as_str).unwrap_or_default();
        let changes = own.get("services").and_then(Value::as_table);
        for (name, service) in services {
            let mut service = service.as_table().expect("a service").clone();
            for (key, value) in changes.and_then(|all| all.get(name)?.as_table()).into_iter().flatten() {
                merge(service.entry(key.clone()).or_insert(Value::Boolean(false)), value);
            }
            let stack = service["stack"].as_str().unwrap_or_default().to_owned();
            let folder = root.join("prototype").join(environment).join(&stack);
            std::fs::create_dir_all(&folder).expect("a folder can be made");
            let service = minijinja::Value::from(Serde(&service));
            let text = template.render(context! { name, service, namespace => stack + suffix });
            std::fs::write(folder.join(format!("{name}.yaml")), text.expect("it renders"))
                .expect("a file can be written");
        }
    }
}

fn merge(base: &mut Value, over: &Value) {
    match (base, over) {
        (Value::Table(base), Value::Table(over)) => {
            for (key, value) in over {
                merge(base.entry(key.clone()).or_insert(Value::Boolean(false)), value);
            }
        }
        (base, over) => *base = over.clone(),
    }
}

const TEMPLATE: &str = r#"apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ name }}
  namespace: {{ namespace }}
  labels:
    app.kubernetes.io/name: {{ name }}
    app.kubernetes.io/part-of: {{ service.stack }}
  annotations:
    kubernetes.io/description: "{{ service.description }}"
spec:
  replicas: {{ service.replicas|default(1) }}
  revisionHistoryLimit: 3
  strategy:
    type: {{ service.strategy|default("RollingUpdate") }}
  selector:
    matchLabels:
      app.kubernetes.io/name: {{ name }}
  template:
    metadata:
      labels:
        app.kubernetes.io/name: {{ name }}
        app.kubernetes.io/part-of: {{ service.stack }}
    spec:
      automountServiceAccountToken: false
      enableServiceLinks: false
      containers:
        - name: {{ name }}
          image: "{{ service.image }}"
          ports:
{%- for port, number in service.ports|items %}
            - name: {{ port }}
              containerPort: {{ number }}
              protocol: TCP
{%- endfor %}
          env:
{%- for key, value in service.env|items %}
            - name: {{ key }}
              value: "{{ value }}"
{%- endfor %}
{%- for kind in ["startupProbe", "livenessProbe", "readinessProbe"] %}
          {{ kind }}:
            httpGet:
              path: {{ service.probe.http }}
              port: http
            periodSeconds: 10
            timeoutSeconds: 5
            failureThreshold: {{ 30 if kind == "startupProbe" else 3 }}
{%- endfor %}
          resources:
{%- for kind, amounts in service.resources|items %}
            {{ kind }}:
{%- for resource, amount in amounts|items %}
              {{ resource }}: "{{ amount }}"
{%- endfor %}
{%- endfor %}
          volumeMounts:
{%- for volume, mount in service.volumes|items %}
            - name: {{ volume }}
              mountPath: {{ mount.mount }}
              subPath: {{ mount["sub-path"] }}
{%- endfor %}
      volumes:
{%- for volume, mount in service.volumes|items %}
        - name: {{ volume }}
          persistentVolumeClaim:
            claimName: {{ mount.claim }}
{%- endfor %}
---
apiVersion: v1
kind: Service
metadata:
  name: {{ name }}
  namespace: {{ namespace }}
  labels:
    app.kubernetes.io/name: {{ name }}
    app.kubernetes.io/part-of: {{ service.stack }}
{%- if service.ip %}
  annotations:
    metallb.io/loadBalancerIPs: "{{ service.ip }}"
{%- endif %}
spec:
  type: {{ "LoadBalancer" if service.ip else "ClusterIP" }}
  selector:
    app.kubernetes.io/name: {{ name }}
  ports:
{%- for port, number in service.ports|items %}
    - name: {{ port }}
      port: {{ number }}
      targetPort: {{ port }}
      protocol: TCP
{%- endfor %}
"#;
