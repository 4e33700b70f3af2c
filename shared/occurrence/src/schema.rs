//! The columns of `occurrences`: GBIF's snapshot columns and three that only Darwin Core archives have.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

use crate::OccurrenceError;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ColumnKind {
    /// Text.
    String,
    /// A 32-bit integer.
    Int,
    /// A 64-bit float.
    Double,
    /// Milliseconds since 1970, UTC.
    Timestamp,
    /// A list of texts.
    StringList,
}

impl ColumnKind {
    /// The type's name in Glue and Athena.
    pub fn glue_type(self) -> &'static str {
        match self {
            ColumnKind::String => "string",
            ColumnKind::Int => "int",
            ColumnKind::Double => "double",
            ColumnKind::Timestamp => "timestamp",
            ColumnKind::StringList => "array<string>",
        }
    }

    /// The type in Arrow; in Parquet a list has three levels, the inner one called `element`.
    pub fn arrow_type(self) -> DataType {
        match self {
            ColumnKind::String => DataType::Utf8,
            ColumnKind::Int => DataType::Int32,
            ColumnKind::Double => DataType::Float64,
            ColumnKind::Timestamp => DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())),
            ColumnKind::StringList => DataType::List(list_element()),
        }
    }
}

/// The inner field of every list.
pub(crate) fn list_element() -> Arc<Field> {
    Arc::new(Field::new("element", DataType::Utf8, true))
}

/// A column of `occurrences`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name, lower case.
    pub name: &'static str,
    /// What it holds.
    pub kind: ColumnKind,
    /// One line for the catalogue, at most 255 bytes.
    pub comment: &'static str,
}

const fn column(name: &'static str, kind: ColumnKind, comment: &'static str) -> Column {
    Column { name, kind, comment }
}

const COLUMNS: [Column; 53] = {
    use ColumnKind::{Double, Int, String, StringList, Timestamp};
    [
        column("gbifid", String, "GBIF's key of the record"),
        column("datasetkey", String, "GBIF's UUID of the dataset that the record belongs to"),
        column("occurrenceid", String, "The publisher's identifier of the occurrence"),
        column("kingdom", String, "Kingdom of the accepted taxon"),
        column("phylum", String, "Phylum of the accepted taxon"),
        column("class", String, "Class of the accepted taxon"),
        column("order", String, "Order of the accepted taxon"),
        column("family", String, "Family of the accepted taxon"),
        column("genus", String, "Genus of the accepted taxon"),
        column("species", String, "Name of the accepted species"),
        column("infraspecificepithet", String, "Lowest epithet below species"),
        column("taxonrank", String, "Rank of the taxon, such as SPECIES"),
        column("scientificname", String, "Name of the taxon in the checklist, with its author"),
        column("verbatimscientificname", String, "Name as the publisher wrote it"),
        column("verbatimscientificnameauthorship", String, "Author of the name as the publisher wrote it"),
        column("countrycode", String, "ISO 3166-1 code of the country or area; territories have their own"),
        column("locality", String, "Place, described by the publisher"),
        column("stateprovince", String, "State or province, as the publisher wrote it"),
        column("occurrencestatus", String, "PRESENT or ABSENT"),
        column("individualcount", Int, "How many individuals were there"),
        column("publishingorgkey", String, "GBIF's UUID of the publisher"),
        column("decimallatitude", Double, "Latitude in degrees, WGS84"),
        column("decimallongitude", Double, "Longitude in degrees, WGS84"),
        column(
            "coordinateuncertaintyinmeters",
            Double,
            "Radius around the coordinates that holds the place, m",
        ),
        column("coordinateprecision", Double, "Precision of the coordinates, degrees"),
        column("elevation", Double, "Elevation above sea level, m"),
        column("elevationaccuracy", Double, "Accuracy of the elevation, m"),
        column("depth", Double, "Depth below the surface, m"),
        column("depthaccuracy", Double, "Accuracy of the depth, m"),
        column("eventdate", String, "ISO 8601 date, time or interval of the event"),
        column("day", Int, "Day of the event, 1 to 31"),
        column("month", Int, "Month of the event, 1 to 12"),
        column("year", Int, "Year of the event"),
        column("taxonkey", String, "Key of the taxon in the run's checklist; may be a synonym's"),
        column("specieskey", String, "Key of the accepted species in the run's checklist"),
        column("basisofrecord", String, "Kind of evidence, such as HUMAN_OBSERVATION"),
        column("institutioncode", String, "Code of the institution that holds the record"),
        column("collectioncode", String, "Code of the collection"),
        column("catalognumber", String, "Number in the collection's catalogue"),
        column("recordnumber", String, "Number that the recorder gave it"),
        column("identifiedby", StringList, "Who identified it"),
        column("dateidentified", Timestamp, "When it was identified, UTC"),
        column("license", String, "Licence of the record, such as CC_BY_4_0"),
        column("rightsholder", String, "Who holds the rights"),
        column("recordedby", StringList, "Who recorded it"),
        column("typestatus", StringList, "Nomenclatural types that it is"),
        column("establishmentmeans", String, "How it came to the place, as the publisher says"),
        column("lastinterpreted", Timestamp, "When GBIF last interpreted the record, UTC"),
        column("mediatype", StringList, "Kinds of media that it has"),
        column("issue", StringList, "GBIF's issues and flags of the record"),
        column("acceptedtaxonkey", String, "Key of the accepted taxon; Darwin Core archives only"),
        column("acceptedscientificname", String, "Name of the accepted taxon; Darwin Core archives only"),
        column("taxonomicstatus", String, "ACCEPTED, SYNONYM, …; Darwin Core archives only"),
    ]
};

/// The columns of the core set: enough to annotate, to count and to find a record again.
pub const CORE_COLUMNS: [&str; 18] = [
    "gbifid",
    "datasetkey",
    "kingdom",
    "family",
    "species",
    "taxonrank",
    "scientificname",
    "countrycode",
    "stateprovince",
    "occurrencestatus",
    "decimallatitude",
    "decimallongitude",
    "coordinateuncertaintyinmeters",
    "eventdate",
    "year",
    "taxonkey",
    "specieskey",
    "basisofrecord",
];

/// The columns of `occurrences`, in order: GBIF's 50 snapshot columns, then acceptedtaxonkey,
/// acceptedscientificname and taxonomicstatus.
pub fn columns() -> &'static [Column] {
    const { &COLUMNS }
}

/// The schema of every batch: [`columns`], then `extra` as strings under their lower-case names.
///
/// ```
/// let schema = bisonflow_occurrence::schema::schema(&["County".to_string()]);
/// assert_eq!(schema.field(0).name(), "gbifid");
/// assert_eq!(schema.field(53).name(), "county");
/// ```
pub fn schema(extra: &[String]) -> SchemaRef {
    schema_of(&(0..COLUMNS.len()).collect::<Vec<_>>(), extra)
}

/// The schema of some of the columns, by their places in [`columns`], then of `extra` ones. Places beyond the
/// columns stand for extra ones and count no more.
pub(crate) fn schema_of(chosen: &[usize], extra: &[String]) -> SchemaRef {
    let fixed = chosen.iter().filter_map(|&place| columns().get(place));
    let fixed = fixed.map(|column| Field::new(column.name, column.kind.arrow_type(), true));
    let extra = extra.iter().map(|name| Field::new(name.to_lowercase(), DataType::Utf8, true));
    Arc::new(Schema::new(fixed.chain(extra).collect::<Vec<_>>()))
}

/// The schema of the columns that are named, in upper or lower case, in the order of [`columns`].
///
/// ```
/// let schema = bisonflow_occurrence::schema::named(&["year".to_string(), "gbifID".to_string()])?;
/// assert_eq!((schema.field(0).name().as_str(), schema.fields().len()), ("gbifid", 2));
/// # Ok::<(), bisonflow_occurrence::OccurrenceError>(())
/// ```
///
/// # Errors
/// [`OccurrenceError::Option`] for a name that is no column, with the nearest ones.
pub fn named(names: &[String]) -> Result<SchemaRef, OccurrenceError> {
    Ok(schema_of(&chosen(Some(names))?, &[]))
}

/// Places of the columns that were asked for, in order: all, or those named.
pub(crate) fn chosen(asked: Option<&[String]>) -> Result<Vec<usize>, OccurrenceError> {
    let Some(asked) = asked else { return Ok((0..columns().len()).collect()) };
    let place = |name: &String| {
        let wanted = simple_name(name);
        position(&wanted).ok_or_else(|| OccurrenceError::Option {
            field: "columns",
            found: format!("{name:?}, which is no column of the table"),
            expected: format!(
                "columns of the table, such as {}",
                nearest(&wanted, columns().iter().map(|column| column.name))
            ),
        })
    };
    let mut places = asked.iter().map(place).collect::<Result<Vec<usize>, _>>()?;
    places.sort_unstable();
    places.dedup();
    Ok(places)
}

/// The lower-case simple name of a term: what follows the last `/`, `#` or `:`.
pub(crate) fn simple_name(term: &str) -> String {
    let term = term.trim();
    term.rsplit(['/', '#', ':']).next().unwrap_or(term).to_lowercase()
}

/// The three names that differ least, by Levenshtein's distance.
pub(crate) fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> String {
    let names = names.filter(|name| !name.is_empty());
    let mut by_distance: Vec<(usize, &str)> =
        names.map(|other| (strsim::levenshtein(name, other), other)).collect();
    by_distance.sort_unstable();
    by_distance.dedup();
    let nearest: Vec<&str> = by_distance.iter().take(3).map(|&(_, name)| name).collect();
    nearest.join(", ")
}

/// Those of `names` that are none of [`columns`], in their order.
pub fn beyond(names: &[String]) -> Vec<String> {
    names.iter().filter(|name| position(name).is_none()).cloned().collect()
}

/// The place of a column in [`columns`].
pub(crate) fn position(name: &str) -> Option<usize> {
    columns().iter().position(|column| column.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn simple_names() {
        for (term, name) in [
            ("http://rs.gbif.org/terms/1.0/gbifID", "gbifid"),
            ("dwc:countryCode", "countrycode"),
            ("http://example.org/terms#year", "year"),
            (" eventDate ", "eventdate"),
        ] {
            assert_eq!(simple_name(term), name);
        }
    }

    const SIMPLE_CSV: &str = "gbifID datasetKey occurrenceID kingdom phylum class order family genus species infraspecificEpithet taxonRank scientificName verbatimScientificName verbatimScientificNameAuthorship countryCode locality stateProvince occurrenceStatus individualCount publishingOrgKey decimalLatitude decimalLongitude coordinateUncertaintyInMeters coordinatePrecision elevation elevationAccuracy depth depthAccuracy eventDate day month year taxonKey speciesKey basisOfRecord institutionCode collectionCode catalogNumber recordNumber identifiedBy dateIdentified license rightsHolder recordedBy typeStatus establishmentMeans lastInterpreted mediaType issue acceptedTaxonKey acceptedScientificName taxonomicStatus";

    #[test]
    fn the_columns_are_those_of_gbif_in_their_order() {
        let expected: Vec<String> = SIMPLE_CSV.split(' ').map(str::to_lowercase).collect();
        let found: Vec<&str> = columns().iter().map(|column| column.name).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn every_column_has_a_comment_that_glue_takes() {
        for column in columns() {
            assert!((1..=255).contains(&column.comment.len()), "{}", column.name);
            assert!(!column.comment.contains('\n'), "{}", column.name);
        }
    }

    #[test]
    fn keys_and_the_event_date_are_strings() {
        for column in columns() {
            if column.name.ends_with("key") || column.name == "eventdate" || column.name == "gbifid" {
                assert_eq!(column.kind, ColumnKind::String, "{}", column.name);
            }
        }
    }
}
