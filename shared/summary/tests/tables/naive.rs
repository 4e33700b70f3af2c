//! The tables again, computed in the most obvious way from the records themselves.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use crate::records::{Record, Text};

/// An occurrence: a record in one region.
#[derive(Clone)]
pub(crate) struct Occurrence<'a> {
    pub(crate) key: Text,
    pub(crate) label: Text,
    pub(crate) record: &'a Record,
    /// The year that the record should be given.
    pub(crate) year: Option<i32>,
}

fn key_of(key: Text) -> Text {
    key.filter(|key| !["", "0"].contains(key))
}

/// Nulls last.
fn order(text: Text) -> (bool, Text) {
    (text.is_none(), text)
}

fn show<T: ToString>(value: Option<T>) -> String {
    value.map_or("∅".into(), |value| value.to_string())
}

/// The most frequent label of a key.
fn label(key: Text, pairs: impl Iterator<Item = (Text, Text)>) -> Text {
    let mut counts: BTreeMap<&'static str, u64> = BTreeMap::new();
    for (_, label) in pairs.filter(|(other, label)| key.is_some() && *other == key && label.is_some()) {
        *counts.entry(label.unwrap()).or_default() += 1;
    }
    counts.remove("");
    counts.into_iter().max_by_key(|&(label, count)| (count, Reverse(label))).map(|(label, _)| label)
}

fn group<'a, K: Ord>(
    occurrences: &[Occurrence<'a>],
    by: impl Fn(&Occurrence<'a>) -> K,
) -> BTreeMap<K, Vec<Occurrence<'a>>> {
    let mut groups: BTreeMap<K, Vec<Occurrence<'a>>> = BTreeMap::new();
    for occurrence in occurrences {
        groups.entry(by(occurrence)).or_default().push(occurrence.clone());
    }
    groups
}

fn counts(group: &[Occurrence<'_>]) -> String {
    let species: BTreeSet<Text> = group.iter().map(|o| key_of(o.record.species_key)).collect();
    let taxa: BTreeSet<Text> = group.iter().map(|o| key_of(o.record.taxon_key)).collect();
    let without = group.iter().filter(|o| key_of(o.record.species_key).is_none()).count();
    let (species, taxa) = (species.iter().flatten().count(), taxa.iter().flatten().count());
    format!("{} | {species} | {taxa} | {without}", group.len())
}

fn dates(group: &[Occurrence<'_>]) -> String {
    let years: Vec<i32> = group.iter().filter_map(|o| o.year).collect();
    format!(
        "{} | {} | {} | {}",
        group.len(),
        show(years.iter().min()),
        show(years.iter().max()),
        group.len() - years.len()
    )
}

/// Introduced, invasive, nonnative, not listed; the number assessed before, the percentages behind.
fn statuses(all: &[&str]) -> String {
    let count = |names: &[&str]| all.iter().filter(|status| names.contains(status)).count();
    let (introduced, invasive) = (["introduced", "established"], ["invasive", "widespread_invasive"]);
    let assessed = all.len() - count(&["not_assessed"]);
    let figures = [
        count(&introduced),
        count(&invasive),
        count(&[introduced, invasive].concat()),
        count(&["not_listed"]),
    ];
    let mut cells = vec![assessed.to_string()];
    cells.extend(figures.map(|figure| figure.to_string()));
    cells.extend(figures.map(|figure| match assessed {
        0 => "∅".into(),
        _ => format!("{:?}", 100.0 * figure as f64 / assessed as f64),
    }));
    cells.join(" | ")
}

fn riis(group_of_key: &[Occurrence<'_>]) -> String {
    let all: Vec<&str> = group_of_key.iter().map(|o| o.record.assessment).collect();
    let mut worst = Vec::new();
    for (species, occurrences) in group(group_of_key, |o| key_of(o.record.species_key)) {
        let has = |name: &str| occurrences.iter().any(|o| o.record.assessment == name);
        let severity = ["widespread_invasive", "invasive", "established", "introduced", "not_listed"];
        if species.is_some() {
            worst.push(severity.into_iter().find(|&name| has(name)).unwrap_or("not_assessed"));
        }
    }
    format!("{} | {}", statuses(&worst), statuses(&all))
}

/// The rows of the five tables. `records` are all records, each once.
pub(crate) fn tables(records: &[Record], occurrences: &[Occurrence<'_>]) -> Vec<Vec<String>> {
    let place = |key: Text| {
        let name = label(key, occurrences.iter().map(|o| (o.key, o.label)));
        format!("{} | {}", show(key), show(name))
    };
    let mut out = vec![Vec::new(); 5];
    for ((_, key), group) in group(occurrences, |o| order(o.key)) {
        out[0].push(format!("{} | {}", place(key), counts(&group)));
        out[4].push(format!("{} | {}", place(key), riis(&group)));
    }
    for (((_, key), status), group) in group(occurrences, |o| (order(o.key), o.record.assessment)) {
        out[1].push(format!("{} | {status} | {}", place(key), counts(&group)));
    }
    let by_species =
        |o: &Occurrence<'_>| (order(o.key), order(key_of(o.record.species_key)), o.record.assessment);
    for (((_, key), (_, species), status), group) in group(occurrences, by_species) {
        let name = label(species, records.iter().map(|r| (key_of(r.species_key), r.species)));
        out[2].push(format!(
            "{} | {} | {} | {status} | {}",
            place(key),
            show(species),
            show(name),
            dates(&group)
        ));
    }
    let by_taxon =
        |o: &Occurrence<'_>| (order(o.key), order(key_of(o.record.taxon_key)), o.record.assessment);
    for (((_, key), (_, taxon), status), group) in group(occurrences, by_taxon) {
        let name = label(taxon, records.iter().map(|r| (key_of(r.taxon_key), r.scientific_name)));
        out[3].push(format!(
            "{} | {} | {} | {status} | {}",
            place(key),
            show(taxon),
            show(name),
            dates(&group)
        ));
    }
    out
}
