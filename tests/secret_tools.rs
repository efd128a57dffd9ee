//! Secrets with the real kubeseal, sops and age: what `bayplan secret template` prints can be sealed and encrypted,
//! and `bayplan check` tells what is wrong with the files that come out.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const INVENTORY: &str = include_str!("inventories/secrets.toml");
/// A certificate of the sealed-secrets controller's kind, made with openssl; nobody has its key.
const CERTIFICATE: &str = "tests/data/sealed-secrets.pem";

/// A program of Go's, on the PATH or where `go install` puts it.
fn tool(name: &str, version: &str) -> Option<PathBuf> {
    let home = std::env::var_os("HOME").map(|home| Path::new(&home).join("go/bin").join(name));
    let found = [Some(PathBuf::from(name)), home].into_iter().flatten();
    let mut found =
        found.filter(|tool| Command::new(tool).arg(version).output().is_ok_and(|run| run.status.success()));
    let tool = found.next();
    if tool.is_none() {
        let skip = std::env::var_os("BAYPLAN_SKIP_SECRET_TOOLS").is_some();
        assert!(skip, "{name} is not found: .ci/tools installs it; or set BAYPLAN_SKIP_SECRET_TOOLS=1");
        println!("skipped: {name} is not found");
    }
    tool
}

/// A folder with the inventory, and what it renders.
struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Self {
        let desk = Self(tempfile::tempdir().unwrap());
        fs::write(desk.path("inventory.toml"), INVENTORY).unwrap();
        assert!(desk.bayplan(&["render", "-q"]).status.success());
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn bayplan(&self, words: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_bayplan")).args(words).current_dir(self.0.path()).output().unwrap()
    }

    /// The filled-in template of a secret.
    fn filled(&self, words: &[&str]) -> String {
        let output = self.bayplan(&[&["secret", "template"], words].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().replace("REPLACE-ME", "correct horse")
    }

    /// The findings about one secret, as `rule: message`.
    fn findings(&self, secret: &str) -> Vec<String> {
        let output = self.bayplan(&["check", "--format", "json"]);
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let all = report["diagnostics"].as_array().unwrap().iter();
        let lines = all
            .map(|one| format!("{}: {} ({})", text(&one["rule"]), text(&one["message"]), text(&one["help"])));
        let report = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(!report.contains("correct horse"), "{report}");
        lines.filter(|line| line.contains(secret)).collect()
    }

    fn edit(&self, file: &str, edit: impl Fn(&str) -> String) {
        let text = fs::read_to_string(self.path(file)).unwrap();
        let edited = edit(&text);
        assert_ne!(text, edited, "{file} is not edited");
        fs::write(self.path(file), edited).unwrap();
    }
}

/// The one finding there is.
fn only(found: &[String], rule: &str, words: &str) {
    assert!(
        found.len() == 1 && found[0].starts_with(rule) && found[0].contains(words),
        "{rule}, {words}: {found:#?}"
    );
}

fn without_line(text: &str, start: &str) -> String {
    text.lines()
        .filter(|line| !line.trim_start().starts_with(start))
        .map(|line| format!("{line}\n"))
        .collect()
}

fn run(tool: &Path, words: &[&str], folder: &Path, input: &str) -> String {
    use std::io::Write;
    use std::process::Stdio;
    let mut child = Command::new(tool)
        .args(words)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{} {words:?}: {errors}", tool.display());
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_sealed_secret_goes_from_template_to_tree() {
    let Some(kubeseal) = tool("kubeseal", "--version") else { return };
    let desk = Desk::new();
    let found = desk.findings("media-keys");
    assert_eq!(found.len(), 2, "{found:#?}");
    let command = "bayplan secret template media-keys --environment staging > media-keys.secret.yaml";
    assert!(found.iter().all(|line| line.starts_with("missing-secret-file")), "{found:#?}");
    assert!(found.iter().any(|line| line.contains(command)), "{found:#?}");

    let certificate = Path::new(env!("CARGO_MANIFEST_DIR")).join(CERTIFICATE);
    let seal = |environment: &str, scope: &str| {
        let words = ["--cert", certificate.to_str().unwrap(), "--format", "yaml", "--scope", scope];
        let filled = desk.filled(&["media-keys", "--environment", environment]);
        run(&kubeseal, &words, desk.0.path(), &filled)
    };
    let file = |environment: &str| format!("out/apps/media/overlays/{environment}/media-keys.sealed.yaml");
    for environment in ["production", "staging"] {
        fs::write(desk.path(&file(environment)), seal(environment, "strict")).unwrap();
    }
    assert_eq!(desk.findings("media-keys"), Vec::<String>::new());
    assert!(desk.bayplan(&["render", "-q"]).status.success());
    let listed = fs::read_to_string(desk.path("out/apps/media/overlays/staging/kustomization.yaml")).unwrap();
    assert!(listed.contains("- media-keys.sealed.yaml"), "{listed}");
    let list = desk.bayplan(&["secret", "list"]);
    let list = String::from_utf8(list.stdout).unwrap();
    assert!(list.contains(&file("staging")[4..]) && list.contains("missing: apps/office/"), "{list}");

    let staging = file("staging");
    desk.edit(&staging, |text| without_line(text, "tmdb-key:"));
    only(&desk.findings("media-keys"), "missing-secret-key", "no key `tmdb-key`");
    desk.edit(&staging, |text| text.replace("plex-claim:", "plex-token:"));
    let found = desk.findings("media-keys").join("\n");
    assert!(found.contains("undeclared-secret-key") && found.contains("has key `plex-token`"), "{found}");

    // Copied from the other environment: it would not open.
    fs::copy(desk.path(&file("production")), desk.path(&staging)).unwrap();
    only(&desk.findings("media-keys"), "misnamed-secret", "is for namespace `media`");
    fs::write(desk.path(&staging), seal("production", "namespace-wide")).unwrap();
    only(&desk.findings("media-keys"), "misnamed-secret", "seal it again for the right namespace");
    fs::write(desk.path(&staging), seal("production", "cluster-wide")).unwrap();
    assert_eq!(desk.findings("media-keys"), Vec::<String>::new());
    desk.edit(&staging, |text| text.replace("name: media-keys", "name: keys"));
    only(&desk.findings("media-keys"), "misnamed-secret", "change its name");
    fs::write(desk.path(&staging), seal("staging", "strict").replace("name: media-keys", "name: keys"))
        .unwrap();
    only(&desk.findings("media-keys"), "misnamed-secret", "strict scope");

    fs::write(desk.path(&staging), desk.filled(&["media-keys", "--environment", "staging"])).unwrap();
    let found = desk.findings("media-keys").join("\n");
    assert!(found.contains("bad-secret-file") && found.contains("secret-in-clear-text"), "{found}");
}

#[test]
fn a_sops_secret_goes_from_template_to_tree() {
    let (Some(sops), Some(keygen)) = (tool("sops", "--version"), tool("age-keygen", "--version")) else {
        return;
    };
    let desk = Desk::new();
    let key = run(&keygen, &[], desk.0.path(), "");
    fs::write(desk.path("age.key"), &key).unwrap();
    let public = key.lines().find_map(|line| line.strip_prefix("# public key: ")).unwrap();
    desk.edit("inventory.toml", |text| {
        let text = text.replace("age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p", public);
        without_line(&text, "pgp =")
    });
    assert!(desk.bayplan(&["render", "-q"]).status.success());
    assert_eq!(desk.findings("`papers`").len(), 1);

    let file = "out/apps/office/overlays/production/papers.sops.yaml";
    fs::write(desk.path(file), desk.filled(&["papers"])).unwrap();
    let found = desk.findings("papers").join("\n");
    let command = format!("sops --config out/sops.config encrypt --in-place {file}");
    assert!(found.contains("secret-in-clear-text") && found.contains(&command), "{found}");
    let words: Vec<&str> = command.split(' ').skip(1).collect();
    run(&sops, &words, desk.0.path(), "");
    assert_eq!(desk.findings("papers"), Vec::<String>::new());
    let encrypted = fs::read_to_string(desk.path(file)).unwrap();
    assert!(encrypted.contains("secret-key: ENC[") && encrypted.contains("kind: Secret"), "{encrypted}");
    let mut decrypt = Command::new(&sops);
    decrypt.args(["decrypt", file]).current_dir(desk.0.path()).env("SOPS_AGE_KEY_FILE", desk.path("age.key"));
    assert!(String::from_utf8_lossy(&decrypt.output().unwrap().stdout).contains("correct horse"));

    desk.edit(file, |text| text.replace("secret-key: ENC[", "extra: ENC["));
    let found = desk.findings("papers");
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(found.iter().any(|line| line.starts_with("missing-secret-key") && line.contains("`secret-key`")));
    assert!(found.iter().any(|line| line.starts_with("undeclared-secret-key") && line.contains("`extra`")));
    fs::write(
        desk.path(file),
        encrypted.replace("stringData:\n", "stringData:\n    password2: correct horse\n"),
    )
    .unwrap();
    let found = desk.findings("papers").join("\n");
    assert!(found.contains("key `password2` of") && found.contains("in clear text"), "{found}");

    // Without `encrypted_regex` all of it is encrypted.
    fs::write(desk.path(file), desk.filled(&["papers"])).unwrap();
    run(&sops, &["encrypt", "--age", public, "--in-place", file], desk.0.path(), "");
    only(&desk.findings("papers"), "bad-secret-file", "encrypted as a whole");

    // A chart's, whose namespace no overlay sets.
    let router = "out/infrastructure/controllers/router.sops.yaml";
    fs::write(desk.path(router), desk.filled(&["router"])).unwrap();
    run(&sops, &["--config", "out/sops.config", "encrypt", "--in-place", router], desk.0.path(), "");
    assert_eq!(desk.findings("router"), Vec::<String>::new());
    desk.edit(router, |text| text.replace("namespace: metallb-system", "namespace: default"));
    only(&desk.findings("router"), "misnamed-secret", "lives in `metallb-system`");
}

#[test]
fn a_secret_that_is_not_there_is_answered() {
    let desk = Desk::new();
    let said = |words: &[&str]| {
        let output = desk.bayplan(&[&["secret", "template"], words].concat());
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(said(&["media-key"]).contains("did you mean `media-keys`?"));
    assert!(said(&["media-keys"]).contains("add --environment production or --environment staging"));
    assert!(said(&["papers", "--environment", "moon"]).contains("it is in production"));
    let list = desk.bayplan(&["secret", "list", "--format", "json"]);
    let list: serde_json::Value = serde_json::from_slice(&list.stdout).unwrap();
    let tls = list["secrets"].as_array().unwrap().iter().find(|one| one["secret"] == "office-tls").unwrap();
    assert_eq!((&tls["there"], &tls["namespace"]), (&serde_json::Value::Null, &"office".into()));
}
