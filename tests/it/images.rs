//! Flux changes one file of the tree, and the next render takes it over.

use std::fs;
use std::path::Path;
use std::process::Command;

const INVENTORY: &str = r#"
[gitops]
repository = "https://github.com/example/lab.git"
apps = "flux"

[stacks.site]

[services.web]
stack = "site"
image = "ghcr.io/example/web:1.0.0"
image-policy = { semver = ">=1.0.0" }
ports.http = 80

[environments.prod]

[environments.test]
namespace-suffix = "-test"
services.web.image = "ghcr.io/example/web:2.0.0-rc.1"
"#;

fn bayplan(folder: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let output =
        Command::new(env!("CARGO_BIN_EXE_bayplan")).current_dir(folder).args(arguments).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    (output.status.code(), text)
}

#[test]
fn what_flux_wrote_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("inventory.toml"), INVENTORY).unwrap();
    assert_eq!(bayplan(folder, &["render"]).0, Some(0));
    let (images, web) = (folder.join("out/flux/images.yaml"), folder.join("out/apps/site/base/web.yaml"));
    let before = fs::read_to_string(&images).unwrap();
    assert!(
        before.contains(r#"  web: "ghcr.io/example/web:1.0.0" # {"$imagepolicy": "flux-system:web"}"#),
        "{before}"
    );

    // Flux writes in its own style.
    fs::write(&images, before.replace(r#""ghcr.io/example/web:1.0.0" #"#, "ghcr.io/example/web:1.2.0 #"))
        .unwrap();
    assert_eq!(bayplan(folder, &["render", "--check"]).0, Some(1));
    assert_eq!(bayplan(folder, &["render"]).0, Some(0));
    assert!(fs::read_to_string(&web).unwrap().contains("image: ghcr.io/example/web:1.2.0"));
    let patch = fs::read_to_string(folder.join("out/apps/site/overlays/test/web.patch.yaml")).unwrap();
    assert!(patch.contains("image: ghcr.io/example/web:2.0.0-rc.1"), "{patch}");
    assert!(fs::read_to_string(&images).unwrap().contains("web:1.2.0"));
    assert_eq!(bayplan(folder, &["render", "--check"]).0, Some(0));
    assert_eq!(bayplan(folder, &["check", "--deny", "warnings"]).0, Some(0));

    // The inventory is ahead: Flux's stays, and check says so.
    fs::write(folder.join("inventory.toml"), INVENTORY.replace("web:1.0.0", "web:1.3.0")).unwrap();
    let (code, text) = bayplan(folder, &["check"]);
    assert!(code == Some(0) && text.contains("stale-image-update") && text.contains("older"), "{text}");
    bayplan(folder, &["render"]);
    assert!(fs::read_to_string(&web).unwrap().contains("web:1.2.0"));

    // Another image: the inventory wins.
    fs::write(folder.join("inventory.toml"), INVENTORY.replace("example/web:1.0.0", "example/site:1.0.0"))
        .unwrap();
    let (_, text) = bayplan(folder, &["check"]);
    assert!(text.contains("stale-image-update") && text.contains("another one"), "{text}");
    bayplan(folder, &["render"]);
    assert!(fs::read_to_string(&web).unwrap().contains("example/site:1.0.0"));
    assert_eq!(bayplan(folder, &["check", "--deny", "warnings"]).0, Some(0));

    // Nonsense is reported, not obeyed.
    fs::write(&images, "a: [").unwrap();
    let (_, text) = bayplan(folder, &["check"]);
    assert!(text.contains("unreadable-manifest"), "{text}");
}
