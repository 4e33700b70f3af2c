//! Constants and names read from the source text of the functions, so that a test of their declarations does
//! not build them.

use std::collections::BTreeSet;

use crate::repo;

/// The string literals of `pub const NAME: &[&str] = &[…];` in a source file below the root of the repository.
///
/// # Panics
/// When the file has no such constant.
pub fn string_list(below_root: &str, name: &str) -> BTreeSet<String> {
    let text = repo::read(below_root);
    let start = format!("pub const {name}: &[&str] =");
    let (_, rest) =
        text.split_once(&start).unwrap_or_else(|| panic!("{below_root} has no `pub const {name}: &[&str]`"));
    let (list, _) = rest.split_once(';').expect("a constant ends with a semicolon");
    list.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The names that follow `prefix` in the source of a crate, its tests left out: `StepError::` gives `Throttled`
/// for `StepError::Throttled(…)`.
pub fn names_after(crate_folder: &str, prefix: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for file in repo::list(&format!("{crate_folder}/src")) {
        if !file.ends_with(".rs") {
            continue;
        }
        let text = repo::read(&format!("{crate_folder}/src/{file}"));
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for after in code.split(prefix).skip(1) {
            let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len());
            names.insert(after[..end].to_owned());
        }
    }
    names
}
