//! Subsets of the records, and what became of each.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Part;
use crate::input::FilterName;
use crate::{ErrorName, RunId};

/// `subsets.json`: how the landed records are split.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subsets {
    /// The run.
    pub run_id: RunId,
    /// The generation.
    pub generation: u32,
    /// All records.
    pub records: u64,
    /// The subsets; their place is their index.
    pub subsets: Vec<Subset>,
}

/// Some row groups of some parts; what one worker annotates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subset {
    /// Its records.
    pub records: u64,
    /// Its row groups.
    pub slices: Vec<Slice>,
}

/// Successive row groups of one part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slice {
    /// The part's key or URI, as in `landing.json`.
    pub uri: String,
    /// The first row group, from 0.
    pub first_row_group: usize,
    /// How many.
    pub row_groups: usize,
    /// Their records.
    pub records: u64,
}

/// Records inside and outside the regions of a layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LayerCount {
    /// In at least one region.
    pub inside: u64,
    /// In none.
    pub outside: u64,
}

/// Records by status in the register; their sum is the annotated records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RiisCounts {
    /// Introduced.
    pub introduced: u64,
    /// Established.
    pub established: u64,
    /// Invasive.
    pub invasive: u64,
    /// Widespread invasive.
    pub widespread_invasive: u64,
    /// No row for this taxon and region; that does not mean native.
    pub not_listed: u64,
    /// No region or no key.
    pub not_assessed: u64,
}

impl RiisCounts {
    /// All of them.
    pub fn total(&self) -> u64 {
        let RiisCounts { introduced, established, invasive, widespread_invasive, not_listed, not_assessed } =
            self;
        introduced + established + invasive + widespread_invasive + not_listed + not_assessed
    }

    /// Adds another count to this one.
    pub fn add(&mut self, other: &RiisCounts) {
        self.introduced += other.introduced;
        self.established += other.established;
        self.invasive += other.invasive;
        self.widespread_invasive += other.widespread_invasive;
        self.not_listed += other.not_listed;
        self.not_assessed += other.not_assessed;
    }
}

/// What became of a set of landed records.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tally {
    /// Records put in.
    pub records: u64,
    /// Records held back, by the first filter that they failed; every active filter is named.
    pub filtered: BTreeMap<FilterName, u64>,
    /// Records annotated.
    pub annotated: u64,
    /// By layer.
    pub layers: BTreeMap<String, LayerCount>,
    /// By status.
    pub riis: RiisCounts,
}

impl Tally {
    /// Adds another tally to this one.
    pub fn add(&mut self, other: &Tally) {
        self.records += other.records;
        self.annotated += other.annotated;
        for (&name, count) in &other.filtered {
            *self.filtered.entry(name).or_default() += count;
        }
        for (name, count) in &other.layers {
            let layer = self.layers.entry(name.clone()).or_default();
            layer.inside += count.inside;
            layer.outside += count.outside;
        }
        self.riis.add(&other.riis);
    }
}

/// The report of a finished subset, `partials/part-NNNNN.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubsetReport {
    /// The run.
    pub run_id: RunId,
    /// The generation.
    pub generation: u32,
    /// Which subset.
    pub subset: usize,
    /// What became of its records.
    pub tally: Tally,
    /// The annotated part.
    pub annotated_part: Part,
}

/// Why a subset failed, `partials/part-NNNNN.failed.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubsetFailure {
    /// The generation.
    pub generation: u32,
    /// Which subset.
    pub subset: usize,
    /// The stable name.
    pub error: ErrorName,
    /// The sentence.
    pub cause: String,
}
