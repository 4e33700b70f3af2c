//! Which column of the source is which column of the schema.

use std::collections::{HashMap, HashSet};

use super::ReadOptions;
use super::meta_xml::Description;
use crate::schema::{self, columns, nearest, position, simple_name};
use crate::{OccurrenceError, Place};

/// Without these there is no occurrence to place.
pub(super) const REQUIRED: [&str; 3] = ["gbifid", "decimallatitude", "decimallongitude"];
const EXPECTED: &str = "a tab-separated header line that names gbifID, decimalLatitude and decimalLongitude, as GBIF's downloads have";
const ADVICE: &str = "give a GBIF download in the form Darwin Core archive, simple CSV or simple Parquet";

/// Where a column's values come from.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum From {
    /// The field of this index.
    Field(usize),
    /// The same in every row.
    Constant(String),
    /// The source lacks it.
    Nowhere,
}

impl From {
    /// The text that stands in every row, if it is one.
    pub(super) fn constant(&self) -> Option<&str> {
        match self {
            From::Constant(text) => Some(text),
            From::Field(_) | From::Nowhere => None,
        }
    }

    /// The index of the field, if it is one.
    pub(super) fn field(&self) -> Option<usize> {
        match self {
            From::Field(index) => Some(*index),
            From::Constant(_) | From::Nowhere => None,
        }
    }
}

/// The columns of a text source, mapped to those of the schema.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Layout {
    /// Fields in a full row.
    pub(super) width: usize,
    /// For every column of the schema, then the extra ones.
    pub(super) columns: Vec<From>,
    /// Places of the columns that are wanted, extra ones included.
    pub(super) chosen: Vec<usize>,
    /// `hasGeospatialIssues`.
    pub(super) geospatial: From,
    /// Names of the extra columns, in order.
    pub(super) extra: Vec<String>,
    /// Names of the columns that are wanted and that the source lacks.
    pub(super) absent: Vec<&'static str>,
}

impl Layout {
    /// The layout of a source with this header line (absent when it has none) and description.
    ///
    /// The description counts, as the standard says, unless it contradicts a header line that is complete by
    /// itself: the line was written together with the rows, descriptions have been seen with errors.
    pub(super) fn new(
        header: Option<&str>,
        description: Option<&Description>,
        ReadOptions { columns: asked, extra_columns: extra, .. }: &ReadOptions,
        place: &Place,
    ) -> Result<Layout, OccurrenceError> {
        let from_header: Vec<(usize, String)> = header
            .map(|line| {
                line.split('\t').map(|cell| simple_name(cell.trim_matches('"'))).enumerate().collect()
            })
            .unwrap_or_default();
        let described = description.map(|description| description.columns.clone()).unwrap_or_default();
        let fields = if is_complete(&described)
            && !(is_complete(&from_header) && contradict(&described, &from_header))
        {
            described
        } else {
            from_header.clone()
        };
        if let Some(missing) = missing(&fields) {
            return Err(not_a_download(header, missing, place));
        }
        let described_width = fields.iter().map(|(index, _)| index.saturating_add(1)).max().unwrap_or(0);
        let width = if header.is_some() { from_header.len() } else { described_width };
        let mut by_name: HashMap<&str, From> = HashMap::new();
        for (index, name) in &fields {
            by_name.entry(name).or_insert(From::Field(*index));
        }
        for (name, value) in description.into_iter().flat_map(|description| &description.constants) {
            by_name.entry(name).or_insert_with(|| From::Constant(value.clone()));
        }
        let constants = description.into_iter().flat_map(|description| &description.constants);
        let names = fields.iter().map(|(_, name)| name).chain(constants.map(|(name, _)| name));
        let extra = extra_columns(extra, &names.map(String::as_str).collect::<Vec<_>>())?;
        let matters = |name: &str| position(name).is_some() || extra.iter().any(|other| other == name);
        if let Some((name, [first, second])) = doubled(&fields, matters) {
            return Err(OccurrenceError::unsupported(
                place.line(1),
                format!("{name:?} as the name of columns {} and {}", first + 1, second + 1),
                "one column of each name that is kept",
                "rename or remove one of them: which of the two is meant, nobody can tell",
            ));
        }
        let from = |name: &str| by_name.get(name).cloned().unwrap_or(From::Nowhere);
        let all = columns().iter().map(|column| column.name).chain(extra.iter().map(String::as_str));
        let mut chosen = schema::chosen(asked.as_deref())?;
        chosen.extend(columns().len()..columns().len() + extra.len());
        let geospatial = from("hasgeospatialissues");
        let wanted = chosen.iter().filter_map(|&place| columns().get(place)).map(|column| column.name);
        let absent = wanted.filter(|name| from(name) == From::Nowhere).collect();
        Ok(Layout { width, columns: all.map(from).collect(), chosen, geospatial, extra, absent })
    }
}

fn missing(fields: &[(usize, String)]) -> Option<&'static str> {
    REQUIRED.into_iter().find(|&required| !fields.iter().any(|(_, name)| name == required))
}

fn is_complete(fields: &[(usize, String)]) -> bool {
    missing(fields).is_none()
}

/// A name, of those that matter, that two columns have, and their indexes.
fn doubled(fields: &[(usize, String)], matters: impl Fn(&str) -> bool) -> Option<(&str, [usize; 2])> {
    let mut indexes: HashMap<&str, usize> = HashMap::new();
    fields.iter().filter(|(_, name)| matters(name)).find_map(|(index, name)| {
        let first = *indexes.entry(name).or_insert(*index);
        (first != *index).then_some((name.as_str(), [first, *index]))
    })
}

/// Whether both name the same term, but at different columns.
fn contradict(described: &[(usize, String)], header: &[(usize, String)]) -> bool {
    let places: HashSet<(usize, &str)> = header.iter().map(|(index, name)| (*index, name.as_str())).collect();
    let names: HashSet<&str> = header.iter().map(|(_, name)| name.as_str()).collect();
    described.iter().any(|(index, name)| {
        position(name).is_some() && names.contains(name.as_str()) && !places.contains(&(*index, name))
    })
}

fn not_a_download(header: Option<&str>, missing: &str, place: &Place) -> OccurrenceError {
    let found = match header {
        None => format!("a description without {missing}"),
        Some(line) if line.contains(',') && !line.contains('\t') => {
            format!("a text separated by commas, beginning {}", beginning(line))
        }
        Some(line) => format!("a header line without {missing}: {}", beginning(line)),
    };
    OccurrenceError::unsupported(place.line(1), found, EXPECTED, ADVICE)
}

/// The error of a source that is something else altogether.
pub(super) fn unsupported(place: Place, found: impl Into<String>) -> OccurrenceError {
    OccurrenceError::unsupported(place, found, EXPECTED, ADVICE)
}

fn beginning(line: &str) -> String {
    let mut text: String = line.chars().take(80).collect();
    if text.len() < line.len() {
        text.push('…');
    }
    format!("{text:?}")
}

/// The extra columns asked for: `all`, or names of columns of the source; those of the schema are there
/// anyway.
pub(super) fn extra_columns(asked: &[String], names: &[&str]) -> Result<Vec<String>, OccurrenceError> {
    let asked: Vec<String> = asked.iter().map(|name| simple_name(name)).collect();
    let wanted: Vec<&str> = match asked.as_slice() {
        [all] if all == "all" => names.to_vec(),
        names => names.iter().map(String::as_str).collect(),
    };
    let mut extra: Vec<String> = Vec::new();
    for name in wanted {
        if name.is_empty() || position(name).is_some() || extra.iter().any(|other| other == name) {
            continue;
        }
        if !names.contains(&name) {
            return Err(OccurrenceError::Option {
                field: "options.columns",
                found: format!("{name:?}, which the source does not have"),
                expected: format!(
                    "[\"all\"], or columns of the source, such as {}",
                    nearest(name, names.iter().copied())
                ),
            });
        }
        extra.push(name.to_owned());
    }
    Ok(extra)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "gbifID\tdecimalLatitude\tdecimalLongitude\tcounty\thasGeospatialIssues";

    fn layout(
        header: Option<&str>,
        description: Option<&Description>,
        extra: &[&str],
    ) -> Result<Layout, String> {
        let extra_columns = extra.iter().map(|&name| name.to_owned()).collect();
        let options = ReadOptions { extra_columns, ..ReadOptions::default() };
        Layout::new(header, description, &options, &Place::file("f")).map_err(|error| error.to_string())
    }

    #[test]
    fn a_name_of_two_columns_is_refused_where_it_matters() {
        let header = format!("{HEADER}\tyear\tnote\tyear\tnote");
        let error = layout(Some(&header), None, &[]).unwrap_err();
        assert!(error.contains("\"year\" as the name of columns 6 and 8"), "{error}");
        let header = format!("{HEADER}\tnote\tnote");
        layout(Some(&header), None, &[]).unwrap();
        assert!(layout(Some(&header), None, &["note"]).unwrap_err().contains("columns 6 and 7"));
        assert!(layout(Some(&header), None, &["all"]).unwrap_err().contains("columns 6 and 7"));
        // A description names the identifier's column twice.
        let twice =
            described(&[(0, "gbifid"), (0, "gbifid"), (1, "decimallatitude"), (2, "decimallongitude")]);
        layout(Some(HEADER), Some(&twice), &[]).unwrap();
    }

    fn described(columns: &[(usize, &str)]) -> Description {
        let columns = columns.iter().map(|&(index, name)| (index, name.to_owned())).collect();
        Description { columns, header_lines: 1, ..Description::default() }
    }

    fn at(layout: &Layout, name: &str) -> From {
        layout.columns[position(name).unwrap()].clone()
    }

    #[test]
    fn by_header_name() {
        let layout = layout(Some(HEADER), None, &[]).unwrap();
        assert_eq!(layout.width, 5);
        assert_eq!(at(&layout, "decimallongitude"), From::Field(2));
        assert_eq!(at(&layout, "year"), From::Nowhere);
        assert_eq!(layout.geospatial, From::Field(4));
    }

    #[test]
    fn the_description_counts_unless_it_contradicts_a_complete_header() {
        let mut fits =
            described(&[(0, "gbifid"), (1, "decimallatitude"), (2, "decimallongitude"), (3, "year")]);
        fits.constants.push(("license".into(), "CC0_1_0".into()));
        let layout_of = |description| layout(Some(HEADER), Some(description), &[]).unwrap();
        let layout_1 = layout_of(&fits);
        assert_eq!(at(&layout_1, "year"), From::Field(3));
        assert_eq!(at(&layout_1, "license"), From::Constant("CC0_1_0".into()));
        let swapped = described(&[(0, "gbifid"), (2, "decimallatitude"), (1, "decimallongitude")]);
        assert_eq!(at(&layout_of(&swapped), "decimallatitude"), From::Field(1));
        let incomplete = described(&[(0, "gbifid")]);
        assert_eq!(at(&layout_of(&incomplete), "decimallatitude"), From::Field(1));
        let unnamed = layout(Some("a\tb\tc"), Some(&swapped), &[]).unwrap();
        assert_eq!(at(&unnamed, "decimallatitude"), From::Field(2));
        assert_eq!(layout(None, Some(&swapped), &[]).unwrap().width, 3);
    }

    #[test]
    fn errors_say_what_was_found() {
        for (header, said) in [
            ("gbifID\tspecies", "without decimallatitude"),
            ("a,b,c", "separated by commas"),
            ("id\tdecimalLatitude\tdecimalLongitude", "without gbifid"),
            ("", "without gbifid"),
        ] {
            let error = layout(Some(header), None, &[]).unwrap_err();
            assert!(error.contains(said) && error.contains("line 1"), "{error}");
        }
    }

    #[test]
    fn columns_are_chosen_by_name_in_the_order_of_the_schema() {
        let chosen = |names: &[&str]| {
            schema::chosen(Some(&names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>()))
        };
        assert_eq!(chosen(&["species", "gbifID", "species"]).unwrap(), [0, 9]);
        assert_eq!(schema::chosen(None).unwrap().len(), columns().len());
        let error = chosen(&["specie"]).unwrap_err().to_string();
        assert!(
            error.starts_with("columns: found \"specie\"") && error.contains("such as species"),
            "{error}"
        );
    }

    #[test]
    fn extra_columns_are_taken_by_name_or_all() {
        assert_eq!(layout(Some(HEADER), None, &["County", "county", "year"]).unwrap().extra, ["county"]);
        assert_eq!(layout(Some(HEADER), None, &["all"]).unwrap().extra, ["county", "hasgeospatialissues"]);
        let error = layout(Some(HEADER), None, &["country"]).unwrap_err();
        assert!(
            error.starts_with("options.columns: found \"country\"") && error.contains("such as county"),
            "{error}"
        );
    }
}
