//! `drift.json`: what changed against the run published before, and what follows from it.

use serde::{Deserialize, Serialize};

use crate::RunId;
use crate::text::brief;

/// A region or status with fewer records than this in the run before decides nothing: it is only listed.
pub const FEW_RECORDS: u64 = 1_000;

/// From which change on a run is noted, and from which it is held, in per cent of the figure before.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DriftLimits {
    /// From here on the verdict is [`Verdict::Warned`].
    pub warn_percent: f64,
    /// From here on it is [`Verdict::Held`].
    pub hold_percent: f64,
}

impl Default for DriftLimits {
    fn default() -> Self {
        DriftLimits { warn_percent: 5.0, hold_percent: 20.0 }
    }
}

/// `drift.json`: a finished run beside the run that it is compared with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drift {
    /// The run.
    pub run_id: RunId,
    /// Its generation.
    pub generation: u32,
    /// The run that it is compared with; none if it is not compared.
    pub baseline: Option<RunId>,
    /// What follows.
    pub verdict: Verdict,
    /// From where on.
    pub limits: DriftLimits,
    /// Whether both runs used the same register, so that statuses are compared too.
    pub same_register: bool,
    /// What decides, and of the rest what changed by as much as is noted, the greatest change first.
    pub rows: Vec<DriftRow>,
    /// Rows that changed as much and are not listed, since there are too many.
    pub left_out: u64,
    /// The datasets whose records changed most; none while nothing that decides is worth noting.
    pub datasets: Vec<DatasetDrift>,
}

/// What follows from the comparison.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// There is nothing to compare with.
    NotCompared {
        /// Why, in one sentence without a full stop.
        because: String,
    },
    /// Nothing that decides changed by as much as is noted.
    Steady,
    /// Something that decides did, but nothing by as much as holds a run.
    Warned,
    /// Something that decides changed by so much that a person should look before the run is published.
    Held,
}

/// A figure of both runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DriftRow {
    /// Of what: `all`, `riis_assessment` (then `key` is a status), or a summary (then it is a region).
    pub of: String,
    /// Which status or region.
    pub key: Option<String>,
    /// The region's first label.
    pub label: Option<String>,
    /// What is counted.
    pub measure: Measure,
    /// The run before.
    pub old: u64,
    /// This run.
    pub new: u64,
    /// Whether it decides on the verdict.
    pub decides: bool,
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Annotated records.
    Records,
    /// Different species.
    Species,
}

/// The annotated records of a dataset in both runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatasetDrift {
    /// Its key in GBIF; null for records without one.
    pub datasetkey: Option<String>,
    /// The run before.
    pub old: u64,
    /// This run.
    pub new: u64,
}

impl DriftRow {
    /// The change that decides, in per cent: as [`DriftRow::percent`]; without end where there was nothing before and
    /// there is something now; none where both are 0.
    pub fn decisive_percent(&self) -> f64 {
        self.percent().unwrap_or(if self.new > 0 { f64::INFINITY } else { 0.0 })
    }

    /// |new − old| ÷ old, in per cent; none where there was nothing before.
    pub fn percent(&self) -> Option<f64> {
        (self.old > 0).then(|| self.new.abs_diff(self.old) as f64 * 100.0 / self.old as f64)
    }

    /// What it counts, in words: `species of state KS`.
    pub fn what(&self) -> String {
        let measure = match self.measure {
            Measure::Records => "records",
            Measure::Species => "species",
        };
        let name = self.label.as_ref().or(self.key.as_ref()).map(|name| brief(name));
        match (self.of.as_str(), name) {
            ("all", _) => format!("all {measure}"),
            (of, Some(name)) => format!("{measure} of {of} {name}"),
            (of, None) => format!("{measure} outside of {of}"),
        }
    }

    /// The change, signed and rounded: `-20.0 %`; `new` or `none` where there was nothing before.
    pub fn change(&self) -> String {
        let sign = if self.new < self.old { "-" } else { "+" };
        match self.percent() {
            Some(percent) => format!("{sign}{percent:.1} %"),
            None if self.new > 0 => "new".to_owned(),
            None => "none".to_owned(),
        }
    }
}

impl Drift {
    /// Whether a person should look before the run is published.
    pub fn is_held(&self) -> bool {
        self.verdict == Verdict::Held
    }

    /// All of it in a few sentences, for a message.
    ///
    /// ```
    /// use bisonflow_contract::drift::{Drift, DriftLimits, DriftRow, Measure, Verdict};
    /// let row = DriftRow {
    ///     of: "all".into(), key: None, label: None, measure: Measure::Records, old: 3000, new: 2400, decides: true,
    /// };
    /// let drift = Drift {
    ///     run_id: "gbif-2".parse()?, generation: 1, baseline: Some("gbif-1".parse()?), verdict: Verdict::Held,
    ///     limits: DriftLimits::default(), same_register: true, rows: vec![row], left_out: 0, datasets: vec![],
    /// };
    /// assert_eq!(drift.sentence(), "Held: compared with run gbif-1, all records 3000 → 2400 (-20.0 %).");
    /// # Ok::<(), bisonflow_contract::StepError>(())
    /// ```
    pub fn sentence(&self) -> String {
        let baseline = self.baseline.as_ref().map(RunId::as_str).unwrap_or_default();
        let word = match &self.verdict {
            Verdict::NotCompared { because } => return format!("Not compared, because {because}."),
            Verdict::Steady => {
                return format!(
                    "Steady: compared with run {baseline}, nothing that decides changed by {} % or more.{}",
                    self.limits.warn_percent,
                    self.register_note()
                );
            }
            Verdict::Warned => "Warned",
            Verdict::Held => "Held",
        };
        let rows = self.rows.iter().filter(|row| row.decides && self.is_noted(row)).take(MOST_TOLD);
        let rows = rows.map(|row| format!("{} {} → {} ({})", row.what(), row.old, row.new, row.change()));
        let is_empty = self.rows.iter().any(|row| row.of == "all" && row.new == 0);
        let empty = "no record of this run is annotated: ledger.json tells which filter took them".to_owned();
        let told: Vec<String> = is_empty.then_some(empty).into_iter().chain(rows).collect();
        let mut text = format!("{word}: compared with run {baseline}, {}.", told.join("; "));
        let datasets = self.datasets.iter().take(MOST_TOLD).map(|dataset| {
            let key = brief(dataset.datasetkey.as_deref().unwrap_or("none"));
            format!("{key} {} → {}", dataset.old, dataset.new)
        });
        let datasets: Vec<String> = datasets.collect();
        if !datasets.is_empty() {
            text += &format!(" Datasets that moved it: {}.", datasets.join("; "));
        }
        text + self.register_note()
    }

    /// What to add where statuses are left out.
    fn register_note(&self) -> &'static str {
        if self.same_register { "" } else { " Another register: statuses are not compared." }
    }

    /// Whether a row changed by as much as is noted.
    pub fn is_noted(&self, row: &DriftRow) -> bool {
        row.decisive_percent() >= self.limits.warn_percent
    }
}

/// How many figures a message tells.
const MOST_TOLD: usize = 5;
