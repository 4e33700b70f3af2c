//! Names that a person may have meant.

/// How many names are offered.
const OFFERED: usize = 5;
/// Names less alike than this are not offered: 1 is the same, 0 has nothing in common.
const ALIKE: f64 = 0.5;
/// Words less alike than this are different words.
const ALIKE_WORD: f64 = 0.7;

/// The names that are most like `asked`, the most alike first, whatever their case: those that have each word of it,
/// or one that is spelt much like it, then those that are like it as a whole. Likeness is by the edits that turn one
/// into the other (Damerau–Levenshtein), in relation to their length.
pub fn nearest<'a>(asked: &str, names: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let asked = folded(asked);
    let mut found: Vec<(f64, &str)> = names
        .into_iter()
        .map(|name| {
            let known = folded(name);
            let whole = strsim::normalized_damerau_levenshtein(&asked, &known);
            // Names with all of its words come before all others: the shorter of them first.
            (by_words(&asked, &known).map_or(whole, |words| 1.0 + words + whole), name)
        })
        .filter(|(alike, _)| *alike >= ALIKE)
        .collect();
    found.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    found.dedup_by(|a, b| a.1 == b.1);
    found.truncate(OFFERED);
    found.into_iter().map(|(_, name)| name).collect()
}

/// How alike the words of `asked` are to words of `known`: the least of them, if each has one that is like it.
fn by_words(asked: &str, known: &str) -> Option<f64> {
    let alike = |word: &str| {
        let found = words(known).map(|one| strsim::normalized_damerau_levenshtein(word, one));
        found.fold(0.0, f64::max)
    };
    let least = words(asked).map(alike).reduce(f64::min)?;
    (least >= ALIKE_WORD).then_some(least)
}

/// The words of a name: what stands between spaces and punctuation.
fn words(name: &str) -> impl Iterator<Item = &str> {
    name.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty())
}

/// A name in lower case with single spaces, so that two spellings of it are the same.
pub fn folded(name: &str) -> String {
    name.split_whitespace().map(str::to_lowercase).collect::<Vec<_>>().join(" ")
}

/// What to say of the names that were found.
pub(crate) fn named(what: &str, names: &[&str]) -> String {
    match names {
        [] => format!("none of the {what} is like it"),
        names => format!("of the {what}, most like it: {}", names.join(", ")),
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
        for (asked, found) in [
            ("Douglas", &["KS Douglas County", "NE Douglas County"][..]),
            ("duglas", &["KS Douglas County", "NE Douglas County"]),
            ("yakutat", &["AK Yakutat City and Borough"]),
            ("county Dickinson", &["KS Dickinson County"]),
        ] {
            assert_eq!(nearest(asked, names), found, "{asked}");
        }
        let runs = ["upload-us-2022-600-dwca-zip-0123abcd", "gbif-0000001-220101000000000"];
        assert_eq!(nearest("upload-us-2022", runs), runs[..1]);
        assert!(nearest("Atlantis", names).is_empty());
        assert_eq!(named("regions", &[]), "none of the regions is like it");
    }
}
