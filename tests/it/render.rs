//! The committed tree is what the committed inventory says.

use std::path::Path;
use std::process::Command;

use crate::bayplan::Desk;

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

/// A name that people choose freely is shown as it is, and leads nowhere.
#[test]
fn names_begin_no_links_in_the_page_of_the_tree() {
    let desk = Desk::with(
        "[cluster]\nname = \"home [x](http://evil.example)\"\n\
         [network.reserved]\n\"a` [x](http://evil.example) `\" = \"10.0.0.9\"\n\
         [nfs.\"b [x](http://evil.example)\"]\nserver = \"10.0.0.8\"\nexports.\"c [x](y)\" = \"/c\"\n",
    );
    let said = desk.run("render");
    assert_eq!(said.code, Some(0), "{said:?}");
    let page = desk.read("out/README.md");
    assert!(page.contains("# home &#91;x&#93;(http://evil.example)"), "{page}");
    assert!(!page.contains("[x]"), "{page}");
}
