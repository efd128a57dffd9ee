//! What `bayplan export` writes for the machines. `UPDATE=1 cargo test --test it export` writes it anew: read the
//! difference before you commit it.

use std::fs;
use std::path::Path;

use bayplan::Inputs;
use bayplan::export::{File, k3s, talos};
use bayplan::object::read::read_documents;

use crate::bayplan::Desk;
use crate::inventories::named;

fn files(name: &str) -> (Vec<File>, Vec<File>) {
    let checked = bayplan::check(&named(name).inputs()).value.expect("a clean inventory");
    (talos::export(checked.model()).unwrap(), k3s::export(checked.model()).unwrap())
}

#[test]
fn machines_are_told_what_they_were() {
    let mut report = String::new();
    let (talos, k3s) = files("machines");
    for (folder, files) in [("talos", talos), ("k3s", k3s)] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/export").join(folder);
        fs::create_dir_all(&folder).unwrap();
        for file in files {
            let path = folder.join(&file.name);
            if std::env::var_os("UPDATE").is_some() {
                fs::write(&path, &file.text).unwrap();
            }
            let wanted = fs::read_to_string(&path).unwrap_or_default().replace("\r\n", "\n");
            if wanted != file.text {
                let diff = similar::TextDiff::from_lines(&wanted, &file.text);
                report.push_str(&format!("\n{}\n{}", path.display(), diff.unified_diff()));
            }
        }
    }
    assert!(report.is_empty(), "{report}\nif that is meant: UPDATE=1 cargo test --test it export");
}

#[test]
fn every_inventory_is_told_in_sound_yaml() {
    for sample in crate::inventories::all() {
        let checked = bayplan::check(&sample.inputs()).value.expect("a clean inventory");
        let files = [talos::export(checked.model()), k3s::export(checked.model())];
        for file in files.into_iter().flatten().flatten() {
            assert_eq!(read_documents(&file.text).unwrap().len(), 1, "{}: {}", sample.name, file.name);
        }
    }
}

#[test]
fn an_inventory_without_a_lan_or_machines_is_told_what_is_missing() {
    let export = |text: &str| {
        let checked = bayplan::check(&Inputs::new("inventory.toml", text)).value.unwrap();
        (talos::export(checked.model()), k3s::export(checked.model()))
    };
    let (talos, k3s) = export("");
    assert!(talos.unwrap_err().contains("`nodes`"));
    assert!(k3s.unwrap_err().contains("control-plane"));
    let (talos, _) = export("[nodes.w1]\nip = \"10.0.0.1\"\n");
    assert!(talos.unwrap_err().contains("network.lan"));
}

#[test]
fn a_folder_is_written_and_what_others_put_there_is_kept() {
    let desk = Desk::with(&named("machines").text);
    desk.ok("export talos --out patches");
    assert_eq!(desk.names("patches"), ["c1.yaml", "c2.yaml", "w1.yaml"]);
    let first = desk.files("patches");
    desk.ok("export talos --out patches");
    assert!(first == desk.files("patches"), "a file was written again");
    desk.edit("inventory.toml", "eno1", "eno2");
    desk.ok("export talos --out patches");
    assert!(desk.read("patches/w1.yaml").contains("eno2"));
    desk.write("patches/c1.yaml", "mine: true\n");
    let said = desk.run("export talos --out patches");
    assert_eq!(said.code, Some(2));
    assert!(said.err.contains("in the way"), "{}", said.err);
    assert_eq!(desk.read("patches/c1.yaml"), "mine: true\n");
}

#[test]
fn k3s_leaves_out_what_another_gives_and_keeps_its_control_plane_free() {
    let desk = Desk::with(
        r#"[kube-vip]

[nodes.cp]
ip = "192.168.1.10"
role = "control-plane"
taints = ["node-role:NoSchedule"]

[nodes.w1]
ip = "192.168.1.11"

[stacks.apps]

[services.web]
stack = "apps"
image = "example/web:1.0"
ip = "192.168.1.60"
ports.http = 80
"#,
    );
    desk.ok("export k3s --out machines");
    let all: String =
        desk.names("machines").iter().map(|name| desk.read(&format!("machines/{name}"))).collect();
    assert!(all.contains("- servicelb"), "{all}");
    assert!(all.contains("node-role.kubernetes.io/control-plane:NoSchedule"), "{all}");
}

const DUAL: &str = "[cluster]\npod-cidr = [\"10.42.0.0/16\", \"fd00:42::/56\"]\nservice-cidr = [\"10.43.0.0/16\", \"fd00:43::/112\"]\n";

#[test]
fn k3s_is_given_every_family_of_its_networks_the_first_one_first() {
    let node = |ips: &str| format!("{DUAL}\n[nodes.s1]\nips = [{ips}]\nrole = \"control-plane\"\n");
    let said = Desk::with(&node("\"192.168.1.11\"")).run("export k3s");
    assert_eq!(said.code, Some(2));
    assert!(said.err.contains("node `s1` has no IPv6 address"), "{}", said.err);
    let said = Desk::with(&node("\"fd00:1::11\", \"192.168.1.11\"")).ok("export k3s");
    assert!(said.out.contains("node-ip: \"192.168.1.11,fd00:1::11\"\n"), "{}", said.out);
}

#[test]
fn talos_lets_pods_onto_the_control_planes_that_take_them() {
    let desk = Desk::with(
        "[network]\nlan = \"192.168.1.0/24\"\ngateway = \"192.168.1.1\"\n[nodes]\n\
         c1 = { ip = \"192.168.1.11\", role = \"control-plane\" }\n\
         c2 = { ip = \"192.168.1.12\", role = \"control-plane\", schedulable = true }\n\
         w1 = { ip = \"192.168.1.13\" }\n",
    );
    desk.ok("export talos --out patches");
    let lets = |name: &str| {
        desk.read(&format!("patches/{name}.yaml")).contains("allowSchedulingOnControlPlanes: true")
    };
    assert!(!lets("c1") && lets("c2"));
}
