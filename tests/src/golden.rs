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

/// Like [`assert_golden`], for JSON whose order of keys does not matter.
///
/// # Panics
/// When they differ.
pub fn assert_golden_value(below_root: &str, made: &serde_json::Value) {
    let committed = std::fs::read_to_string(repo::path(below_root)).unwrap_or_default();
    let same =
        serde_json::from_str::<serde_json::Value>(&committed).is_ok_and(|committed| committed == *made);
    assert_golden(below_root, &if same { committed } else { to_json(made) });
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
