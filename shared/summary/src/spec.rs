//! What a summary is.

use crate::datasets::DATASET_COUNTS;
use crate::riis_matches::RIIS_MATCHES;
use crate::{SummaryError, evidence};

/// A summary of the annotated records: an entry `[[summary]]` of layers.toml.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SummarySpec {
    /// Its name, `[a-z0-9_]`; its tables begin with it.
    pub name: String,
    /// Columns of the annotated records. The first is the key, the others are labels of it.
    pub by: Vec<String>,
}

/// Columns that the tables have beside those of `by` and of evidence.
const TAKEN: &[&str] = &[
    "occ_count",
    "record_count",
    "species_count",
    "taxon_count",
    "occ_without_species",
    "riis_assessment",
    "taxonkey",
    "scientificname",
    "specieskey",
    "species",
    "first_year",
    "last_year",
    "occ_undated",
    "count",
    "total",
    "alpha",
    "alpha_proportional",
    "phi",
    "phi_average_proportional",
    "beta",
    "row",
    "event_start",
    "recent",
    "run", // the partition key
];

impl SummarySpec {
    /// The names of its tables, in the order in which [`Merged::tables`](crate::Merged::tables) gives them.
    ///
    /// ```
    /// let spec = bisonflow_summary::SummarySpec { name: "state".into(), by: vec!["census_state".into()] };
    /// assert_eq!(spec.table_names()[0], "state_counts");
    /// ```
    pub fn table_names(&self) -> [String; 5] {
        ["counts", "x_riis_counts", "x_species_list", "x_taxon_list", "riis_summary"]
            .map(|suffix| format!("{}_{suffix}", self.name))
    }

    /// Whether it can be counted: a name that a table may have, at least one column, none twice, and none
    /// that the tables have already.
    ///
    /// # Errors
    /// [`SummaryError::Spec`], which names the column.
    pub fn check(&self) -> Result<(), SummaryError> {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if self.name.is_empty() || !self.name.bytes().all(allowed) {
            return Err(self.wrong("its name may have a-z, 0-9 and _ only".into()));
        }
        let taken = ["species", "dataset", DATASET_COUNTS, RIIS_MATCHES].contains(&self.name.as_str());
        if taken || self.name.starts_with("species_x_") {
            return Err(self.wrong("its tables would have the names of other tables: rename it".into()));
        }
        if self.by.is_empty() {
            return Err(self.wrong("`by` is empty: expected at least the key column".into()));
        }
        for (place, column) in self.by.iter().enumerate() {
            if self.by[..place].contains(column) {
                return Err(self.wrong(format!("`by` has {column} twice")));
            }
            let lower = column.to_ascii_lowercase();
            let is_taken = TAKEN.iter().chain(&evidence::COLUMNS).any(|taken| *taken == lower);
            if is_taken || is_riis_figure(&lower) || column.is_empty() {
                return Err(self.wrong(format!(
                    "`by` has {column:?}, a name that its tables use for something else: rename the field"
                )));
            }
        }
        Ok(())
    }

    /// The error of this summary.
    pub(crate) fn wrong(&self, why: String) -> SummaryError {
        SummaryError::Spec { summary: self.name.clone(), why }
    }
}

/// Whether `<name>_riis_summary` has a column of this name.
fn is_riis_figure(name: &str) -> bool {
    let name = name.strip_prefix("pct_").unwrap_or(name);
    let figure = name.strip_prefix("species_").or_else(|| name.strip_prefix("occ_"));
    figure.is_some_and(|f| matches!(f, "assessed" | "introduced" | "invasive" | "nonnative" | "not_listed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn specs_that_cannot_be_counted_are_refused() {
        for (name, by, ok) in [
            ("county", &["county_geoid", "state_county"][..], true),
            ("state", &["census_state"], true),
            ("", &["a"], false),
            ("../x", &["a"], false),
            ("species", &["a"], false),
            ("dataset", &["a"], false), // its table dataset_counts is that of all datasets
            ("species_x_county", &["a"], false),
            ("a", &[], false),
            ("a", &["k", "k"], false),
            ("a", &["k", ""], false),
            ("a", &["species"], false),
            ("a", &["Run"], false),
            ("a", &["k", "occ_invasive"], false),
        ] {
            let spec = SummarySpec { name: name.into(), by: by.iter().map(|&b| b.into()).collect() };
            assert_eq!(spec.check().is_ok(), ok, "{name:?} {by:?}");
        }
    }
}
