//! Files beside the inventory that it names.

use std::path::Path;

use super::read_text;

/// Larger files than this are not read. A ConfigMap holds no more.
const MAX_FILE: u64 = 1 << 20;

/// Reads a file by its path below the inventory's folder; says why if it cannot be. No symbolic link leads out.
///
/// # Errors
///
/// If it is not there, lies elsewhere, or is too large or no text.
pub fn read_beside(folder: &Path, path: &str) -> Result<String, String> {
    let here = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let target = here.join(path);
    let real = |path: &Path| std::fs::canonicalize(path);
    match (real(here), real(&target)) {
        (Ok(here), Ok(target)) if !target.starts_with(&here) => {
            Err("a symbolic link leads out of the inventory's folder".to_owned())
        }
        (Ok(_), Ok(real)) => read_text(&real, MAX_FILE).map_err(|error| reason(&error, &real)),
        _ => Err("it is not there".to_owned()),
    }
}

/// The reason without the whole path, which is another on every machine.
fn reason(error: &anyhow::Error, path: &Path) -> String {
    error.to_string().replace(&format!("`{}`", path.display()), "it")
}
