//! Golden files: what is made must equal what is committed.

use crate::repo;

/// Compares `made` with the file below the root of the repository; `UPDATE_GOLDEN=1` writes it instead.
///
/// # Panics
/// When they differ, with both and how to accept the change.
pub fn assert_golden(below_root: &str, made: &str) {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(repo::path(below_root), made).unwrap_or_else(|error| panic!("{below_root}: {error}"));
        return;
    }
    let committed = std::fs::read_to_string(repo::path(below_root)).unwrap_or_default();
    assert!(
        committed == made,
        "{below_root} is not what the code makes now.\n--- committed\n{committed}\n--- made\n{made}\n\
         If the change is meant, accept it with UPDATE_GOLDEN=1 cargo test -p bisonflow-tests, and look at the diff."
    );
}

/// A value as the golden files hold it: indented, with a newline at the end.
///
/// # Panics
/// When it cannot be serialised.
pub fn to_json(value: &impl serde::Serialize) -> String {
    let mut text = serde_json::to_string_pretty(value).expect("contract types serialise");
    text.push('\n');
    text
}
