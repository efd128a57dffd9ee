//! Makes `src/object/schemas.bin` from the sources of published crates: no file of another project is copied.
//!
//! `cargo run --release --manifest-path tests/bundle/Cargo.toml`, from anywhere.

mod core;
mod correct;
mod custom;
mod pack;
mod schema;

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::schema::Schemas;

/// Types that values of an inventory have, beside the kinds.
const EXPORTED: &[&str] = &[
    "api.core.v1.Affinity",
    "api.core.v1.Container",
    "api.core.v1.PodSecurityContext",
    "api.core.v1.PodSpec",
    "api.core.v1.ResourceRequirements",
    "api.core.v1.SecurityContext",
    "api.core.v1.Toleration",
    "api.core.v1.TopologySpreadConstraint",
];

/// The type of every object's `metadata`.
pub const METADATA: &str = "apimachinery.pkg.apis.meta.v1.ObjectMeta";

fn main() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut schemas = Schemas::default();
    let mut crates = sources(&here.join("sources/Cargo.toml"));
    crates.sort();
    for (name, folder) in &crates {
        match name.as_str() {
            "k8s-openapi" => core::read(folder, &mut schemas),
            _ => custom::read(folder, &mut schemas),
        }
    }
    let corrections = std::fs::read_to_string(here.join("corrections.txt")).expect("corrections.txt");
    correct::apply(&corrections, &mut schemas);
    let before = schemas.types.len();
    schemas.shrink(EXPORTED);
    let bytes = pack::pack(&schemas, EXPORTED);
    let packed = miniz_oxide::deflate::compress_to_vec(&bytes, 10);
    println!(
        "{} kinds, {} types of {before}, {} bytes, {} packed",
        schemas.kinds.len(),
        schemas.types.len(),
        bytes.len(),
        packed.len()
    );
    let mut whole = u32::try_from(bytes.len()).expect("small").to_le_bytes().to_vec();
    whole.extend(packed);
    std::fs::write(here.join("../../src/object/schemas.bin"), whole).expect("schemas.bin");
    if let Some(name) = std::env::args().nth(1) {
        for ((version, kind), of) in &schemas.kinds {
            println!("{version} {kind}: {}", of.of);
        }
        show(&schemas, &name);
    }
}

/// Prints the types whose names hold a text, for whoever writes a correction.
fn show(schemas: &Schemas, part: &str) {
    for (name, of) in schemas.types.iter().filter(|(name, _)| name.contains(part)) {
        println!("{name}{}", if of.open { " (open)" } else { "" });
        for (field, what) in &of.fields {
            println!("    {field}{} {:?}", if what.required { "!" } else { "" }, what.node);
        }
    }
}

/// Name and folder of every source crate, as Cargo resolved them.
fn sources(manifest: &Path) -> Vec<(String, PathBuf)> {
    let output = Command::new("cargo")
        .args(["metadata", "--locked", "--format-version", "1", "--manifest-path"])
        .arg(manifest)
        .output()
        .expect("cargo metadata");
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    let wanted = |name: &str| name == "k8s-openapi" || name.starts_with("kcr_");
    packages
        .iter()
        .filter_map(|package| Some((package["name"].as_str()?, package["manifest_path"].as_str()?)))
        // The custom kinds' crates were made for an older one.
        .filter(|(name, path)| wanted(name) && !path.contains("k8s-openapi-0.27"))
        .filter_map(|(name, path)| Some((name.to_owned(), Path::new(path).parent()?.to_owned())))
        .collect()
}

/// Every Rust file below a folder, in order.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = std::fs::read_dir(folder) else { return found };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}
