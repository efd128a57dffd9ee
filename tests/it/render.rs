//! The committed tree is what the committed inventory says.

use std::path::Path;
use std::process::Command;

#[test]
fn out_is_fresh() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    assert!(root.join("out/README.md").is_file(), "there is no tree: run `cargo run --release -- render`");
    let output = Command::new(env!("CARGO_BIN_EXE_bayplan"))
        .args(["render", "--check", "--color", "never"])
        .current_dir(root)
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
}
