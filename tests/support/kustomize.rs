//! The real kustomize, and the kubectl that has it built in. Shared by the tests that build what we write.

use std::path::{Path, PathBuf};
use std::process::Command;

use bayplan::object::Value;
use bayplan::object::read::read_documents;

/// The commands that build a folder, as far as they are there.
fn tools() -> Vec<Vec<PathBuf>> {
    let variable = std::env::var_os("KUSTOMIZE").map(PathBuf::from);
    let home = std::env::var_os("HOME").map(|home| Path::new(&home).join("go/bin/kustomize"));
    let kustomize = [variable, Some("kustomize".into()), home];
    let builds =
        kustomize.into_iter().flatten().find(|tool| runs(tool)).map(|tool| vec![tool, "build".into()]);
    let kubectl = runs(Path::new("kubectl")).then(|| vec!["kubectl".into(), "kustomize".into()]);
    builds.into_iter().chain(kubectl).collect()
}

fn runs(tool: &Path) -> bool {
    Command::new(tool).arg("help").output().is_ok_and(|output| output.status.success())
}

/// The tools; none, and a word about it, if the user asked to do without.
pub fn wanted_tools() -> Vec<Vec<PathBuf>> {
    let tools = tools();
    if tools.is_empty() {
        let skip = std::env::var_os("BAYPLAN_SKIP_KUSTOMIZE").is_some();
        assert!(
            skip,
            "neither kustomize nor kubectl found: install one (`go install sigs.k8s.io/kustomize/kustomize/v5@latest`), \
             name it in $KUSTOMIZE, or set BAYPLAN_SKIP_KUSTOMIZE=1"
        );
        println!("skipped: neither kustomize nor kubectl found");
    }
    tools
}

/// The objects of a folder. Fails if the tool does, or has something to say.
pub fn build(tool: &[PathBuf], folder: &Path) -> Vec<Value> {
    let output = Command::new(&tool[0]).args(&tool[1..]).arg(folder).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{tool:?} {}: {errors}", folder.display());
    assert_eq!(errors, "", "{tool:?} {} has something to say", folder.display());
    read_documents(&String::from_utf8(output.stdout).unwrap()).unwrap()
}
