//! What is published: `runs/latest.json`; and what decides whether two runs can be compared.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::document::SourceKind;
use crate::input::FilterName;
use crate::{Checklist, RunId};

/// What has to be equal for the figures of two runs to be compared: all of it but the register.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Comparability {
    /// What the source is.
    pub source_kind: SourceKind,
    /// SHA-256 of the predicate that GBIF was asked with, where it is known; `landing.json` has the predicate.
    pub predicate_sha256: Option<String>,
    /// What each filter lets through, in words; filters that are off are absent.
    pub filters: BTreeMap<FilterName, String>,
    /// The checklist of the taxon keys.
    pub checklist: Checklist,
    /// The layers, in order.
    pub layers: Vec<ComparedLayer>,
    /// SHA-256 of the register used, if there was one. It does not decide: with another register records and species
    /// can be compared, but not statuses.
    pub riis_sha256: Option<String>,
}

/// A layer, as far as it decides whether two runs can be compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ComparedLayer {
    /// Its name.
    pub name: String,
    /// Which edition of the regions it is.
    pub vintage: String,
    /// SHA-256 of its source.
    pub sha256: String,
}

impl Comparability {
    /// In what `self` differs from `other` so that they cannot be compared, one sentence each; empty if they can.
    pub fn differences(&self, other: &Comparability) -> Vec<String> {
        let mut found = Vec::new();
        let json = |kind| serde_json::to_value(kind).ok().and_then(|name| name.as_str().map(str::to_owned));
        let mut differ = |what: &str, ours: Option<String>, theirs: Option<String>| {
            if ours != theirs {
                let text = |value: Option<String>| value.unwrap_or_else(|| "none".to_owned());
                found.push(format!("{what}: {}, not {}", text(ours), text(theirs)));
            }
        };
        differ("kind of source", json(self.source_kind), json(other.source_kind));
        let predicate = |this: &Comparability| this.predicate_sha256.as_deref().map(short);
        differ("predicate of the download", predicate(self), predicate(other));
        for name in FilterName::ALL {
            let setting = |this: &Comparability| this.filters.get(&name).cloned();
            differ(&format!("filter {name}"), setting(self), setting(other));
        }
        differ("checklist", Some(self.checklist.to_string()), Some(other.checklist.to_string()));
        let layer = |this: &Comparability, name: &str| {
            this.layers.iter().find(|layer| layer.name == name).map(ComparedLayer::described)
        };
        let ours = self.layers.iter().map(|layer| &layer.name);
        let theirs = other.layers.iter().map(|layer| &layer.name);
        for name in ours.chain(theirs.filter(|name| layer(self, name).is_none())) {
            differ(&format!("layer {name}"), layer(self, name), layer(other, name));
        }
        found
    }
}

impl ComparedLayer {
    fn described(&self) -> String {
        format!("vintage {} ({})", self.vintage, short(&self.sha256))
    }
}

/// The beginning of a SHA-256, to be told from others by.
fn short(sha256: &str) -> String {
    format!("SHA-256 {}…", sha256.get(..12).unwrap_or(sha256))
}

/// `runs/latest.json`: which run is published, and which ones were. Written last when a run is published.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Publications {
    /// The run that the tables `<table>_latest` show; none before the first publication.
    pub current: Option<Current>,
    /// Every publication, in order.
    pub history: Vec<Publication>,
}

/// The run that is published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Current {
    /// The run.
    pub run_id: RunId,
    /// Its generation.
    pub generation: u32,
    /// Since when (RFC 3339, UTC).
    pub since: jiff::Timestamp,
}

/// A publication.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Publication {
    /// The run.
    pub run_id: RunId,
    /// Its generation.
    pub generation: u32,
    /// When (RFC 3339, UTC).
    pub published_at: jiff::Timestamp,
    /// What became of it.
    pub state: PublicationState,
    /// With which runs it can be compared.
    pub comparability: Comparability,
}

/// What became of a publication.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PublicationState {
    /// It stands: later runs are compared with it.
    Published,
    /// A later generation of the run took its place, and its files.
    Replaced,
    /// It was rolled back: nothing is compared with it.
    Withdrawn,
    /// The retention setting says to delete its files; they may be half gone.
    Deleting,
    /// Its files are deleted.
    Deleted,
}

impl Publications {
    /// The last publication of this generation of a run.
    pub fn of(&self, run_id: &RunId, generation: u32) -> Option<&Publication> {
        self.history.iter().rev().find(|one| one.run_id == *run_id && one.generation == generation)
    }

    /// Whether this generation of a run is published: it stands, as the latest or before it.
    pub fn has(&self, run_id: &RunId, generation: u32) -> bool {
        self.of(run_id, generation).is_some_and(|one| one.state == PublicationState::Published)
    }

    /// Whether this generation of a run is the latest.
    pub fn shows(&self, run_id: &RunId, generation: u32) -> bool {
        self.current.as_ref().is_some_and(|one| one.run_id == *run_id && one.generation == generation)
    }

    /// The publications that stand, the latest first, of runs other than this one.
    pub fn standing(&self, other_than: &RunId) -> impl Iterator<Item = &Publication> {
        let stands =
            move |one: &&Publication| one.state == PublicationState::Published && one.run_id != *other_than;
        self.history.iter().rev().filter(stands)
    }

    /// Those of them that a run like this one can be compared with.
    pub fn comparable<'a>(
        &'a self,
        other_than: &'a RunId,
        comparability: &'a Comparability,
    ) -> impl Iterator<Item = &'a Publication> {
        self.standing(other_than).filter(|one| comparability.differences(&one.comparability).is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn comparability() -> Comparability {
        let layer = |name: &str, vintage: &str| ComparedLayer {
            name: name.into(),
            vintage: vintage.into(),
            sha256: format!("{name}{vintage}0123456789"),
        };
        Comparability {
            source_kind: SourceKind::Dwca,
            predicate_sha256: None,
            filters: [(FilterName::Country, "countrycode US".to_owned())].into(),
            checklist: Checklist::backbone(),
            layers: vec![layer("county", "2017"), layer("aiannh", "2021")],
            riis_sha256: Some("a".into()),
        }
    }

    /// A change, and words that tell it.
    type Case = (fn(&mut Comparability), &'static [&'static str]);

    #[test]
    fn what_differs_is_named() {
        let cases: [Case; 8] = [
            (|_| {}, &[]),
            (|other| other.riis_sha256 = None, &[]),
            (|other| other.source_kind = SourceKind::SimpleCsv, &["kind of source: dwca, not simple_csv"]),
            (|other| other.predicate_sha256 = Some("0123".into()), &["predicate", "none, not SHA-256 0123"]),
            (|other| drop(other.filters.remove(&FilterName::Country)), &["filter country: countrycode US"]),
            (|other| other.checklist = Checklist::unknown(), &["checklist"]),
            (
                |other| other.layers[0].vintage = "2021".into(),
                &["layer county: vintage 2017", "vintage 2021"],
            ),
            (|other| drop(other.layers.pop()), &["layer aiannh: vintage 2021", "not none"]),
        ];
        for (change, words) in cases {
            let mut other = comparability();
            change(&mut other);
            for (ours, theirs) in [(comparability(), other.clone()), (other, comparability())] {
                assert_eq!(ours.differences(&theirs).len(), words.len().min(1), "{words:?}");
            }
            let mut other = comparability();
            change(&mut other);
            let sentence = comparability().differences(&other).join("; ");
            assert!(words.iter().all(|word| sentence.contains(word)), "{sentence}: {words:?}");
        }
    }

    #[test]
    fn only_what_stands_is_compared_with() {
        let publication = |run: &str, state| Publication {
            run_id: run.parse().unwrap(),
            generation: 1,
            published_at: "2026-11-01T00:00:00Z".parse().unwrap(),
            state,
            comparability: comparability(),
        };
        let mut publications = Publications {
            current: None,
            history: vec![
                publication("a", PublicationState::Published),
                publication("b", PublicationState::Published),
                publication("c", PublicationState::Withdrawn),
                publication("d", PublicationState::Deleted),
            ],
        };
        let standing = |publications: &Publications, run: &str| {
            let run = run.parse().unwrap();
            let comparability = comparability();
            let found = publications.comparable(&run, &comparability);
            found.map(|one| one.run_id.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(standing(&publications, "e"), ["b", "a"]);
        assert_eq!(standing(&publications, "b"), ["a"]);
        publications.history[1].comparability.layers.clear();
        assert_eq!(standing(&publications, "e"), ["a"]);
    }
}
