//! The files of the repository.

use std::path::{Path, PathBuf};

/// A path below the root of the repository.
pub fn path(below_root: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(below_root)
}

/// The text of a file below the root of the repository.
///
/// # Panics
/// When it cannot be read.
pub fn read(below_root: &str) -> String {
    std::fs::read_to_string(path(below_root)).unwrap_or_else(|error| panic!("{below_root}: {error}"))
}

/// A JSON file below the root of the repository.
///
/// # Panics
/// When it cannot be read or is not JSON.
pub fn read_json(below_root: &str) -> serde_json::Value {
    serde_json::from_str(&read(below_root)).unwrap_or_else(|error| panic!("{below_root}: {error}"))
}

/// The names in a folder below the root of the repository, sorted.
///
/// # Panics
/// When it cannot be listed.
pub fn list(below_root: &str) -> Vec<String> {
    let entries = std::fs::read_dir(path(below_root)).unwrap_or_else(|error| panic!("{below_root}: {error}"));
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("the folder stays readable").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}
