//! Which records are annotated: each record counts under the first filter it fails.

use std::collections::BTreeMap;

use arrow::array::{
    Array, AsArray, BooleanArray, DictionaryArray, Float64Array, ListArray, RecordBatch, StringArray,
};
use arrow::datatypes::Int32Type;
use bisonflow_contract::input::{FilterName, FilterSetting, Options};

use crate::issue::is_geospatial;

/// The ranks that say at least the species.
const RANKS: [&str; 6] =
    ["SPECIES", "SUBSPECIES", "VARIETY", "FORM", "INFRASPECIFIC_NAME", "INFRASUBSPECIFIC_NAME"];
const BASES_OF_RECORD: [&str; 4] = ["HUMAN_OBSERVATION", "OBSERVATION", "OCCURRENCE", "PRESERVED_SPECIMEN"];

/// The filters of a run, in the order in which they are applied.
///
/// ```
/// use bisonflow_contract::input::{FilterName, Options};
/// let filters = bisonflow_occurrence::Filters::new(&Options::default());
/// assert_eq!(filters.active()[0], FilterName::Country);
/// assert!(!filters.active().contains(&FilterName::MaxUncertaintyM));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Filters {
    rules: Vec<(FilterName, Rule)>,
}

#[derive(Clone, Debug, PartialEq)]
enum Rule {
    /// The column holds one of these, exactly as GBIF writes them.
    OneOf { column: &'static str, values: Vec<String>, blank_passes: bool },
    /// Both coordinates are there and in range.
    Coordinates,
    /// None of the issues is a geospatial one.
    NoGeospatialIssue,
    /// The uncertainty is at most this many metres, or unknown.
    MaxUncertaintyM(f64),
}

/// What the filters make of a batch.
#[derive(Clone, Debug, PartialEq)]
pub struct FilterOutcome {
    /// Which records pass all of them; never null.
    pub keep: BooleanArray,
    /// The others, by the first filter that they fail; every active filter is named, even with 0.
    pub filtered: BTreeMap<FilterName, u64>,
}

impl Filters {
    /// The filters that `options` ask for, defaults applied.
    pub fn new(options: &Options) -> Filters {
        let rule = |name| rule(name, options.filters.get(&name)).map(|rule| (name, rule));
        Filters { rules: FilterName::ALL.into_iter().filter_map(rule).collect() }
    }

    /// The filters that are on, in the order in which they are applied.
    pub fn active(&self) -> Vec<FilterName> {
        self.rules.iter().map(|&(name, _)| name).collect()
    }

    /// What each of the filters lets through, in words, in the order in which they are applied.
    pub fn described(&self) -> Vec<(FilterName, String)> {
        self.rules.iter().map(|(name, rule)| (*name, rule.described())).collect()
    }

    /// The columns that the filters read.
    pub fn columns(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.rules.iter().flat_map(|(_, rule)| rule.columns()).copied()
    }

    /// The filters that still have to look at records, where `all_pass` says of a column of texts whether all of its
    /// values pass; it is given the column's name and what passes, none being null.
    ///
    /// # Errors
    /// Those of `all_pass`.
    pub fn unsettled<E>(
        &self,
        mut all_pass: impl FnMut(&str, &dyn Fn(Option<&str>) -> bool) -> Result<bool, E>,
    ) -> Result<Filters, E> {
        let mut rules = Vec::new();
        for (name, rule) in &self.rules {
            let is_settled = match rule {
                Rule::OneOf { column, .. } => {
                    all_pass(column, &|text| rule.passes(text.unwrap_or_default()))?
                }
                Rule::NoGeospatialIssue => all_pass("issue", &|text| !text.is_some_and(is_geospatial))?,
                Rule::Coordinates | Rule::MaxUncertaintyM(_) => false,
            };
            if !is_settled {
                rules.push((*name, rule.clone()));
            }
        }
        Ok(Filters { rules })
    }

    /// Applies the filters to a batch with columns of [`crate::schema::schema`]. A column that is absent counts as
    /// null; texts may come with a dictionary, of which each entry is then looked at once.
    ///
    /// # Panics
    /// When a column that an active filter reads is of another type: what [`crate::open`] and
    /// [`crate::conform::Conform`] yield has the right ones.
    pub fn apply(&self, batch: &RecordBatch) -> FilterOutcome {
        let mut keep = vec![true; batch.num_rows()];
        let mut filtered = BTreeMap::new();
        for (name, rule) in &self.rules {
            let before = kept(&keep);
            rule.apply(batch, &mut keep);
            filtered.insert(*name, before - kept(&keep));
        }
        FilterOutcome { keep: BooleanArray::from(keep), filtered }
    }
}

fn kept(keep: &[bool]) -> u64 {
    keep.iter().map(|&keep| u64::from(keep)).sum()
}

impl Rule {
    fn described(&self) -> String {
        match self {
            Rule::OneOf { column, values, blank_passes } => {
                let or_blank = if *blank_passes { ", or blank" } else { "" };
                format!("{column} {}{or_blank}", values.join(", "))
            }
            Rule::Coordinates => "decimallatitude and decimallongitude, both present and in range".to_owned(),
            Rule::NoGeospatialIssue => "no geospatial issue".to_owned(),
            Rule::MaxUncertaintyM(limit) => {
                format!("coordinateuncertaintyinmeters at most {limit}, or unknown")
            }
        }
    }

    fn columns(&self) -> &[&'static str] {
        match self {
            Rule::OneOf { column, .. } => std::slice::from_ref(column),
            Rule::Coordinates => &["decimallatitude", "decimallongitude"],
            Rule::NoGeospatialIssue => &["issue"],
            Rule::MaxUncertaintyM(_) => &["coordinateuncertaintyinmeters"],
        }
    }

    /// Takes out of `keep` what does not pass.
    fn apply(&self, batch: &RecordBatch, keep: &mut [bool]) {
        match self {
            Rule::OneOf { column, .. } => match texts(batch, column) {
                Texts::Absent => {
                    let passes = self.passes("");
                    keep.iter_mut().for_each(|keep| *keep &= passes);
                }
                Texts::Plain(array) => {
                    let (mut last, mut passes) = ("", self.passes(""));
                    for (row, keep) in keep.iter_mut().enumerate() {
                        let text = if array.is_null(row) { "" } else { array.value(row) };
                        if text != last {
                            (last, passes) = (text, self.passes(text));
                        }
                        *keep &= passes;
                    }
                }
                Texts::Coded(array, entries) => {
                    let entries: Vec<bool> =
                        entries.iter().map(|entry| self.passes(entry.unwrap_or_default())).collect();
                    let null = self.passes("");
                    for (row, keep) in keep.iter_mut().enumerate() {
                        *keep &=
                            if array.is_null(row) { null } else { entries[array.keys().value(row) as usize] };
                    }
                }
            },
            Rule::Coordinates => {
                for (name, most) in [("decimallatitude", 90.0), ("decimallongitude", 180.0)] {
                    let Some(array) = column::<Float64Array>(batch, name) else {
                        keep.fill(false);
                        continue;
                    };
                    for (keep, value) in keep.iter_mut().zip(array.values()) {
                        *keep &= (-most..=most).contains(value);
                    }
                    if let Some(nulls) = array.nulls() {
                        keep.iter_mut().zip(nulls).for_each(|(keep, is_valid)| *keep &= is_valid);
                    }
                }
            }
            Rule::NoGeospatialIssue => {
                let Some(issues) = column::<ListArray>(batch, "issue") else { return };
                let items = issues.values().as_any().downcast_ref::<StringArray>();
                let items = items.expect("issue is a list of strings");
                let offsets = issues.value_offsets();
                for (row, keep) in keep.iter_mut().enumerate().filter(|(_, keep)| **keep) {
                    let mut places = offsets[row] as usize..offsets[row + 1] as usize;
                    *keep = issues.is_null(row)
                        || !places.any(|place| items.is_valid(place) && is_geospatial(items.value(place)));
                }
            }
            Rule::MaxUncertaintyM(limit) => {
                let Some(uncertainty) = column::<Float64Array>(batch, "coordinateuncertaintyinmeters") else {
                    return;
                };
                for (row, keep) in keep.iter_mut().enumerate() {
                    *keep &= uncertainty.is_null(row) || uncertainty.value(row) <= *limit;
                }
            }
        }
    }

    /// Whether a text passes; null is an empty one.
    fn passes(&self, text: &str) -> bool {
        match self {
            Rule::OneOf { values, blank_passes, .. } => {
                values.iter().any(|value| value == text) || (*blank_passes && text.trim().is_empty())
            }
            Rule::Coordinates | Rule::NoGeospatialIssue | Rule::MaxUncertaintyM(_) => true,
        }
    }
}

/// A column of texts.
enum Texts<'a> {
    Absent,
    Plain(&'a StringArray),
    Coded(&'a DictionaryArray<Int32Type>, &'a StringArray),
}

fn texts<'a>(batch: &'a RecordBatch, name: &str) -> Texts<'a> {
    let Some(array) = batch.column_by_name(name) else { return Texts::Absent };
    match array.as_dictionary_opt::<Int32Type>() {
        Some(coded) => Texts::Coded(coded, coded.values().as_string()),
        None => Texts::Plain(array.as_string()),
    }
}

fn rule(name: FilterName, setting: Option<&FilterSetting>) -> Option<Rule> {
    if let Some(FilterSetting::Off(_)) = setting {
        return None;
    }
    let one_of = |column, defaults: &[&str]| {
        let values = match setting {
            Some(FilterSetting::Values(values)) => values.clone(),
            _ => defaults.iter().map(|&value| value.to_owned()).collect(),
        };
        Some(Rule::OneOf { column, values, blank_passes: name == FilterName::Status })
    };
    match name {
        FilterName::Country => one_of("countrycode", &["US"]),
        FilterName::Status => one_of("occurrencestatus", &["PRESENT"]),
        FilterName::Coordinates => Some(Rule::Coordinates),
        FilterName::GeospatialIssue => Some(Rule::NoGeospatialIssue),
        FilterName::Rank => one_of("taxonrank", &RANKS),
        FilterName::BasisOfRecord => one_of("basisofrecord", &BASES_OF_RECORD),
        FilterName::MaxUncertaintyM => match setting {
            Some(FilterSetting::Limit(limit)) => Some(Rule::MaxUncertaintyM(*limit)),
            _ => None,
        },
    }
}

fn column<'a, A: 'static>(batch: &'a RecordBatch, name: &str) -> Option<&'a A> {
    let array = batch.column_by_name(name)?.as_any().downcast_ref();
    Some(array.unwrap_or_else(|| panic!("the column {name} of occurrences has the type of the schema")))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::{ReadOptions, open};

    const HEADER: &str = "gbifID\tcountryCode\toccurrenceStatus\tdecimalLatitude\tdecimalLongitude\tissue\ttaxonRank\tbasisOfRecord\tcoordinateUncertaintyInMeters\n";

    fn outcome(rows: &[&str], filters: serde_json::Value) -> FilterOutcome {
        let mut text = HEADER.to_owned();
        for (i, row) in rows.iter().enumerate() {
            text += &format!("{i}\t{}\n", row.replace('|', "\t"));
        }
        let bytes = text.len() as u64;
        let mut download = open(Cursor::new(text), "test", bytes, ReadOptions::default()).unwrap();
        let options: Options =
            serde_json::from_value(serde_json::json!({ "filters": filters })).expect("options");
        Filters::new(&options).apply(&download.next_batch().unwrap().unwrap())
    }

    #[test]
    fn filters_say_what_passes() {
        let filters = serde_json::json!({"country": ["US", "PR"], "rank": false, "max_uncertainty_m": 1000});
        let options = Options { filters: serde_json::from_value(filters).unwrap(), ..Options::default() };
        let described = Filters::new(&options).described();
        assert_eq!(described[0], (FilterName::Country, "countrycode US, PR".to_owned()));
        assert_eq!(described[1].1, "occurrencestatus PRESENT, or blank");
        assert!(described.iter().all(|(name, _)| *name != FilterName::Rank));
        assert_eq!(described.last().unwrap().1, "coordinateuncertaintyinmeters at most 1000, or unknown");
    }

    #[test]
    fn each_record_counts_under_the_first_filter_it_fails() {
        use FilterName::{
            BasisOfRecord, Coordinates, Country, GeospatialIssue, MaxUncertaintyM, Rank, Status,
        };
        for (row, failed) in [
            ("US|PRESENT|40|-100||SPECIES|HUMAN_OBSERVATION|", None),
            ("US||40|-100||SPECIES|OBSERVATION|", None),
            ("US| |90|180||VARIETY|OCCURRENCE|1000", None),
            ("US|PRESENT|-90|-180|COORDINATE_ROUNDED|FORM|PRESERVED_SPECIMEN|0", None),
            ("PR|PRESENT|18|-66||SPECIES|HUMAN_OBSERVATION|", Some(Country)),
            ("us|PRESENT|40|-100||SPECIES|HUMAN_OBSERVATION|", Some(Country)),
            ("|ABSENT|||ZERO_COORDINATE|GENUS|FOSSIL_SPECIMEN|", Some(Country)),
            ("US|ABSENT|||||", Some(Status)),
            ("US|PRESENT||-100||GENUS||", Some(Coordinates)),
            ("US|PRESENT|40|||SPECIES|OCCURRENCE|", Some(Coordinates)),
            ("US|PRESENT|90.1|0||SPECIES|OCCURRENCE|", Some(Coordinates)),
            ("US|PRESENT|0|-180.5||SPECIES|OCCURRENCE|", Some(Coordinates)),
            ("US|PRESENT|NaN|0||SPECIES|OCCURRENCE|", Some(Coordinates)),
            ("US|PRESENT|0|0|A;ZERO_COORDINATE|GENUS|OCCURRENCE|", Some(GeospatialIssue)),
            ("US|PRESENT|40|-100||GENUS|LIVING_SPECIMEN|", Some(Rank)),
            ("US|PRESENT|40|-100|||OCCURRENCE|", Some(Rank)),
            ("US|PRESENT|40|-100||SPECIES|LIVING_SPECIMEN|", Some(BasisOfRecord)),
            ("US|PRESENT|40|-100||SPECIES|OCCURRENCE|1000.5", Some(MaxUncertaintyM)),
        ] {
            let outcome = outcome(&[row], serde_json::json!({"max_uncertainty_m": 1000}));
            assert_eq!(outcome.keep.value(0), failed.is_none(), "{row}");
            let expected: BTreeMap<FilterName, u64> =
                FilterName::ALL.into_iter().map(|name| (name, u64::from(failed == Some(name)))).collect();
            assert_eq!(outcome.filtered, expected, "{row}");
        }
    }

    #[test]
    fn options_change_what_passes() {
        let rows = ["PR|PRESENT|18|-66||GENUS|LIVING_SPECIMEN|"];
        let filters = serde_json::json!({"country": ["US", "PR"], "rank": false, "basis_of_record": ["LIVING_SPECIMEN"]});
        let outcome = outcome(&rows, filters);
        assert_eq!(outcome.keep, BooleanArray::from(vec![true]));
        let names: Vec<FilterName> = outcome.filtered.into_keys().collect();
        use FilterName::{BasisOfRecord, Coordinates, Country, GeospatialIssue, Status};
        assert_eq!(names, [Country, Status, Coordinates, GeospatialIssue, BasisOfRecord]);
    }
}
