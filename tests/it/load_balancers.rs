//! What each load balancer is asked, in its own words.

use serde_json::{Value, json};

use crate::inventories::Sample;

fn service(head: &str) -> Value {
    let text = format!(
        "{head}\n[stacks.web]\n[services.pages]\nstack = \"web\"\nimage = \"docker.io/library/nginx:1.29.1\"\n\
         ip = \"192.168.1.65\"\nports.http = 8080\n{}",
        if head.contains("servicelb") { "" } else { "share-ip = \"web\"\n" }
    );
    let sample = Sample::new("inline", "inventory.toml", text);
    let built = sample.deployed();
    let objects = built.values().flatten();
    let mut services = objects.filter(|object| object["kind"] == "Service");
    services.next().cloned().unwrap()
}

fn annotations(head: &str) -> Value {
    service(head)["metadata"]["annotations"].clone()
}

#[test]
fn each_is_asked_in_its_own_words() {
    let pool = "pools.lan.addresses = [\"192.168.1.64/28\"]";
    assert_eq!(
        annotations(&format!("[metallb]\n{pool}")),
        json!({ "metallb.io/loadBalancerIPs": "192.168.1.65", "metallb.io/allow-shared-ip": "web" })
    );
    assert_eq!(
        annotations(&format!("[cilium]\n{pool}")),
        json!({
            "lbipam.cilium.io/ips": "192.168.1.65",
            "lbipam.cilium.io/sharing-key": "web",
            "lbipam.cilium.io/sharing-cross-namespace": "*",
        })
    );
    assert_eq!(
        annotations(&format!("[kube-vip]\n{pool}")),
        json!({ "kube-vip.io/loadbalancerIPs": "192.168.1.65" })
    );
}

#[test]
fn servicelb_is_asked_nothing() {
    let head = "[load-balancer]\nprovider = \"servicelb\"\n[nodes]\nw1 = { ip = \"192.168.1.65\" }";
    let service = service(head);
    assert_eq!(service["spec"]["type"], "LoadBalancer");
    assert!(service["metadata"].get("annotations").is_none(), "{service}");
}

/// The data of the ConfigMap that kube-vip's cloud provider reads.
fn kube_vip_data(pools: &str) -> Value {
    let sample = Sample::new("inline", "inventory.toml", format!("{pools}\n[stacks.web]\n"));
    let built = sample.deployed();
    let mut maps = built.values().flatten().filter(|object| object["metadata"]["name"] == "kubevip");
    maps.next().cloned().unwrap()["data"].clone()
}

#[test]
fn a_namespace_says_no_where_kube_vip_would_take_the_answer_for_everyone() {
    let everyone = "[kube-vip.pools.all]\naddresses = [\"192.168.1.64/32\"]\nallow-share = true";
    let own = "[kube-vip.pools.own]\naddresses = [\"192.168.1.65/32\"]\nnamespace = \"web\"";
    let data = kube_vip_data(&format!("{everyone}\n{own}"));
    assert_eq!(data["allow-share-global"], "true");
    assert_eq!(data["allow-share-web"], "false");
    let data = kube_vip_data(own);
    assert_eq!(data, json!({ "range-web": "192.168.1.65-192.168.1.65" }));
}
