//! GBIF's issues that make a record's coordinates doubtful.

/// The issues of which any one means `hasGeospatialIssues`; from GBIF's own rule.
pub const GEOSPATIAL_ISSUES: [&str; 7] = [
    "ZERO_COORDINATE",
    "COORDINATE_OUT_OF_RANGE",
    "COORDINATE_INVALID",
    "COUNTRY_COORDINATE_MISMATCH",
    "PRESUMED_SWAPPED_COORDINATE",
    "PRESUMED_NEGATED_LONGITUDE",
    "PRESUMED_NEGATED_LATITUDE",
];

/// Whether `issue` is one of [`GEOSPATIAL_ISSUES`].
///
/// ```
/// assert!(bisonflow_occurrence::issue::is_geospatial("ZERO_COORDINATE"));
/// assert!(!bisonflow_occurrence::issue::is_geospatial("COORDINATE_ROUNDED"));
/// ```
pub fn is_geospatial(issue: &str) -> bool {
    GEOSPATIAL_ISSUES.contains(&issue)
}
