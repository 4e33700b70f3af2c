//! What the archive's `metadata.xml` (EML) says of the download as a whole.

use bisonflow_contract::Checklist;
use roxmltree::{Document, Node};

use super::Metadata;

impl Metadata {
    /// Reads `metadata.xml`. Nothing in it is needed: what is absent, or not in the form that GBIF writes, is
    /// left out, and a document that does not parse says nothing.
    pub(super) fn from_eml(text: &str, otherwise: Checklist) -> Metadata {
        let Ok(document) = Document::parse(text.trim_start_matches('\u{feff}').trim_start()) else {
            return Metadata { checklist: checklist(text).unwrap_or(otherwise), ..Metadata::default() };
        };
        let dataset = document.root_element().children().find(|node| node.has_tag_name("dataset"));
        let of_dataset = |name: &'static str| {
            dataset
                .into_iter()
                .flat_map(|node: Node<'_, '_>| node.children())
                .filter(move |node| node.tag_name().name() == name)
        };
        let identifiers = of_dataset("alternateIdentifier").filter_map(|node| node.text());
        let citations = document
            .descendants()
            .filter(|node| node.tag_name().name() == "citation")
            .filter_map(|node| node.attribute("identifier"));
        let abstracts = of_dataset("abstract").flat_map(|node| node.descendants());
        Metadata {
            doi: identifiers.chain(citations).find_map(doi),
            records_declared: abstracts.filter_map(|node| node.text()).find_map(records),
            checklist: checklist(text).unwrap_or(otherwise),
        }
    }
}

/// A DOI, without `doi:` or the resolver's address.
fn doi(text: &str) -> Option<String> {
    let text = text.trim();
    let start = ["https://doi.org/", "http://doi.org/", "https://dx.doi.org/", "http://dx.doi.org/", "doi:"];
    let doi = start.iter().find_map(|prefix| text.strip_prefix(prefix)).unwrap_or(text).trim();
    let (registrant, suffix) = doi.strip_prefix("10.")?.split_once('/')?;
    let plausible = registrant.len() >= 4
        && registrant.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
        && !suffix.is_empty()
        && suffix.chars().all(|c| c.is_ascii_graphic());
    plausible.then(|| doi.to_owned())
}

/// The count in GBIF's sentence `A dataset containing 470 species occurrences available in GBIF …`.
fn records(text: &str) -> Option<u64> {
    let (count, rest) = text.trim_start().strip_prefix("A dataset containing ")?.split_once(' ')?;
    let what = rest.strip_prefix("species ").unwrap_or(rest);
    what.starts_with("occurrences").then(|| count.replace(',', "").parse().ok()).flatten()
}

/// The checklist that a `checklistKey` anywhere in the text names; `unknown` when several are named.
fn checklist(text: &str) -> Option<Checklist> {
    let lower = text.to_ascii_lowercase();
    let mut found: Option<Checklist> = None;
    for (at, name) in lower.match_indices("checklistkey").chain(lower.match_indices("checklist_key")) {
        let rest = lower[at + name.len()..].trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
        let rest = ["quot;", "value"].iter().fold(rest, |rest, word| {
            rest.strip_prefix(word).unwrap_or(rest).trim_start_matches(|c: char| !c.is_ascii_alphanumeric())
        });
        let rest = rest.strip_prefix("quot;").unwrap_or(rest);
        let uuid = rest.get(..36).filter(|uuid| is_uuid(uuid));
        let Some(uuid) = uuid else { continue };
        let checklist = Checklist::from(uuid.to_owned());
        if found.as_ref().is_some_and(|found| *found != checklist) {
            return Some(Checklist::unknown());
        }
        found = Some(checklist);
    }
    found
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(place, byte)| match place {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn eml(inner: &str) -> Metadata {
        Metadata::from_eml(&format!("<?xml version=\"1.0\"?>\n{inner}"), Checklist::backbone())
    }

    #[test]
    fn a_download_of_today() {
        let metadata = eml(r#"<eml:eml xmlns:eml="eml://ecoinformatics.org/eml-2.1.1"><dataset>
            <alternateIdentifier>https://doi.org/10.15468/dl.h6pp7k</alternateIdentifier>
            <title>GBIF Occurrence Download</title>
            <abstract><para>A dataset containing 12345 species occurrences available in GBIF matching the query:
            {"checklistKey": "7ddf754f-d193-4cc9-b351-99906754a03b"}</para></abstract></dataset></eml:eml>"#);
        assert_eq!(metadata.doi.as_deref(), Some("10.15468/dl.h6pp7k"));
        assert_eq!(metadata.records_declared, Some(12345));
        assert_eq!(metadata.checklist.as_str(), "col");
    }

    #[test]
    fn what_is_not_said_is_not_guessed() {
        for text in [
            "<eml><dataset><alternateIdentifier>0000066-140928181241064</alternateIdentifier></dataset></eml>",
            "<eml><dataset><abstract><para>A dataset containing all occurrences available</para></abstract></dataset></eml>",
            "<eml><dataset><creator><alternateIdentifier>10.1234/other</alternateIdentifier></creator></dataset></eml>",
            "<eml><dataset>",
            "",
        ] {
            let metadata = eml(text);
            assert_eq!((metadata.doi, metadata.records_declared), (None, None), "{text}");
            assert!(metadata.checklist.is_backbone(), "{text}");
        }
    }

    #[test]
    fn checklists() {
        const COL: &str = "7ddf754f-d193-4cc9-b351-99906754a03b";
        const BACKBONE: &str = "d7dddbf4-2cf0-4f39-9b2a-bb099caae36c";
        for (text, expected) in [
            (format!("{{&quot;checklistKey&quot;:&quot;{COL}&quot;}}"), Some("col")),
            (format!("checklistKey={COL}"), Some("col")),
            (format!("Checklist_Key: {BACKBONE}"), Some("backbone")),
            (format!("checklistKey={COL} and checklistKey={COL}"), Some("col")),
            (format!("checklistKey={COL} and checklistKey={BACKBONE}"), Some("unknown")),
            ("checklistKey is not here".to_owned(), None),
            ("checklistKey".to_owned(), None),
            (COL.to_owned(), None),
        ] {
            let found = checklist(&text);
            assert_eq!(found.as_ref().map(Checklist::as_str), expected, "{text}");
        }
    }
}
