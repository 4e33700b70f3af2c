//! Names that a person may have meant.

/// How many names are offered.
const OFFERED: usize = 5;
/// Names less alike than this are not offered: 1 is the same, 0 has nothing in common.
const ALIKE: f64 = 0.5;

/// The names that are most like `asked`, the most alike first, whatever their case: by the edits that turn one
/// into the other (Damerau–Levenshtein), in relation to their length.
pub fn nearest<'a>(asked: &str, names: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let asked = folded(asked);
    let mut found: Vec<(f64, &str)> = names
        .into_iter()
        .map(|name| (strsim::normalized_damerau_levenshtein(&asked, &folded(name)), name))
        .filter(|(alike, _)| *alike >= ALIKE)
        .collect();
    found.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    found.dedup_by(|a, b| a.1 == b.1);
    found.truncate(OFFERED);
    found.into_iter().map(|(_, name)| name).collect()
}

/// A name in lower case with single spaces, so that two spellings of it are the same.
pub fn folded(name: &str) -> String {
    name.split_whitespace().map(str::to_lowercase).collect::<Vec<_>>().join(" ")
}

/// What to say of the names that were found.
pub(crate) fn named(what: &str, names: &[&str]) -> String {
    match names {
        [] => format!("none of the {what} is like it"),
        names => format!("{what} most like it: {}", names.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typo_finds_its_name() {
        let names =
            ["KS Douglas County", "KS Dickinson County", "NE Douglas County", "AK Yakutat City and Borough"];
        assert_eq!(nearest("KS Duglas County", names)[..2], ["KS Douglas County", "NE Douglas County"]);
        assert_eq!(nearest("ks  douglas COUNTY", names)[0], "KS Douglas County");
        assert!(nearest("Atlantis", names).is_empty());
        assert_eq!(named("regions", &[]), "none of the regions is like it");
    }
}
