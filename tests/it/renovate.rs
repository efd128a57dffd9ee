//! What `bayplan init` tells Renovate finds every image and chart of an inventory, and nothing else.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use bayplan::Inputs;
use regex::Regex;
use serde_json::Value;

use crate::inventories::all;

/// The file that `init` writes: JSON, but for comments on lines of their own.
fn managers() -> Vec<Value> {
    let folder = tempfile::tempdir().unwrap();
    let status =
        Command::new(env!("CARGO_BIN_EXE_bayplan")).arg("init").arg(folder.path()).output().unwrap().status;
    assert!(status.success());
    let text = fs::read_to_string(folder.path().join("renovate.json5")).unwrap();
    let plain: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let settings: Value = serde_json::from_str(&plain.join("\n")).unwrap();
    settings["customManagers"].as_array().unwrap().clone()
}

/// What the managers of a datasource find, with the names and versions that Renovate would look up.
fn found(managers: &[Value], text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for manager in managers {
        let pattern = Regex::new(manager["matchStrings"][0].as_str().unwrap()).unwrap();
        for captures in pattern.captures_iter(text) {
            let group = |name: &str| captures.name(name).map_or("", |found| found.as_str());
            let named = manager["depNameTemplate"].as_str().unwrap_or_else(|| group("depName"));
            let package = match manager["packageNameTemplate"].as_str() {
                Some(template) => {
                    template.replace("{{{registry}}}", group("registry")).replace("{{{depName}}}", named)
                }
                None => named.to_owned(),
            };
            let datasource = manager["datasourceTemplate"].as_str().unwrap();
            // A slash at the end is no difference to Renovate.
            let (registry, digest) = (group("registryUrl"), group("currentDigest"));
            let registry = registry.trim_end_matches('/');
            let value = group("currentValue");
            found.insert(format!("{datasource} {registry} {package} {value} {digest}"));
        }
    }
    found
}

/// What the model knows.
fn known(inputs: &Inputs) -> BTreeSet<String> {
    let checked = bayplan::check(inputs).value.expect("a clean inventory");
    let model = checked.model();
    let mut known = BTreeSet::new();
    model.each_text(|written| {
        let own = written.path.iter().any(|key| ["values", "patch"].contains(key));
        if written.path.last() == Some(&"image") && !own {
            known.insert(image(written.text));
        }
    });
    for chart in &model.charts {
        let version = &chart.version;
        known.insert(match chart.repository.strip_prefix("oci://") {
            Some(registry) => format!("docker  {registry}/{} {version} ", chart.chart),
            None => format!("helm {} {} {version} ", chart.repository, chart.chart),
        });
    }
    if let Some(node) = model.written.find(["cluster", "kubernetes"]) {
        known.insert(format!("github-releases  kubernetes/kubernetes {} ", node.text().unwrap()));
    }
    known
}

fn image(text: &str) -> String {
    let (name, digest) = text.split_once('@').unwrap_or((text, ""));
    let slash = name.rfind('/').unwrap_or(0);
    let (name, tag) = match name.rfind(':') {
        Some(at) if at > slash => (&name[..at], &name[at + 1..]),
        _ => (name, ""),
    };
    format!("docker  {name} {tag} {digest}")
}

#[test]
fn renovate_finds_every_image_and_chart_and_nothing_else() {
    let managers = managers();
    for sample in all() {
        assert_eq!(found(&managers, &sample.text), known(&sample.inputs()), "{}", sample.name);
    }
    let starter =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli/init/inventory.toml"))
            .unwrap();
    assert_eq!(found(&managers, &starter), known(&Inputs::new("inventory.toml", &starter)));
}

#[test]
fn renovate_reads_every_spelling() {
    let digest = format!("sha256:{}", "0123456789abcdef".repeat(4));
    let toml = format!(
        "[services.a]\nstack = \"s\"\nimage = \"registry.lan:5000/team/a:1.0@{digest}\" # image = \"no:1\"\nports.http = 80\n\
         # image = \"not/this:1\"\n[services]\nb = {{ stack = \"s\", image='b@{digest}', ports.http = 80 }}\n\
         c.image = \"c:2\"\nc.stack = \"s\"\n[stacks.s]\n\
         [charts]\nd = {{ repository = \"oci://ghcr.io/x\", chart = \"d\", version = \"1.0.0\", namespace = \"d\" }}\n\
         [charts.e]\nnamespace = \"e\"\nrepository = \"https://e.example/charts/\" # why\n\n# what\nchart = \"e\"\ndescription = \"e\"\nversion = \"2.0.0+1\"\n"
    );
    let yaml = format!(
        "services:\n  a:\n    stack: s\n    image: registry.lan:5000/team/a:1.0@{digest}\n  b: {{stack: s, image: 'b@{digest}'}}\n  \
         c:\n    image: \"c:2\"\n    stack: s\nstacks:\n  s: {{}}\ncharts:\n  d:\n    repository: oci://ghcr.io/x\n    chart: d\n    version: 1.0.0\n  \
         e:\n    repository: https://e.example/charts/\n    chart: e\n    version: \"2.0.0+1\"\n"
    );
    let expected: BTreeSet<String> = [
        format!("docker  registry.lan:5000/team/a 1.0 {digest}"),
        format!("docker  b  {digest}"),
        "docker  c 2 ".to_owned(),
        "docker  ghcr.io/x/d 1.0.0 ".to_owned(),
        "helm https://e.example/charts e 2.0.0+1 ".to_owned(),
    ]
    .into();
    let managers = managers();
    assert_eq!(found(&managers, &toml), expected);
    assert_eq!(found(&managers, &yaml), expected);
}
