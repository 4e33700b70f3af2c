//! layers.toml: what it may say, and what is said of one that may not.

use bisonflow_contract::{ErrorName, StepError};
use bisonflow_region::{LayersConfig, Overlap, Precedence, RegionError, SigmaOf};

const COUNTY: &str = r#"
[[layer]]
name = "county"
source = "us_county_2017_10m.zip"
vintage = "2017"
scale = "1:10M"
id = "GEOID"
fields = { census_state = "STUSPS", census_county = "NAMELSAD", state_county = "{STUSPS} {NAMELSAD}", county_geoid = "GEOID" }
"#;
const AIANNH: &str = r#"
[[layer]]
name = "aiannh"
source = "cb_2021_us_aiannh_500k.zip"
vintage = "2021"
scale = "1:500k"
id = "GEOID"
fields = { aiannh_name = "NAMELSAD", aiannh_geoid = "GEOID", aiannh_lsad = "LSAD" }
"#;
const SUMMARIES: &str = r#"
[[summary]]
name = "county"
by = ["county_geoid", "state_county"]
[[summary]]
name = "aiannh"
by = ["aiannh_geoid", "aiannh_name"]
"#;

fn full() -> String {
    format!("riis_region_from = \"census_state\"\n{COUNTY}{AIANNH}{SUMMARIES}")
}

#[test]
fn the_order_of_layers_and_fields_is_kept() {
    let config = LayersConfig::parse(&full(), &["gbifid"]).unwrap();
    let columns: Vec<String> = config.annotation_fields().into_iter().map(|field| field.name).collect();
    let expected = [
        "census_state",
        "census_county",
        "state_county",
        "county_geoid",
        "aiannh_name",
        "aiannh_geoid",
        "aiannh_lsad",
    ];
    assert_eq!(columns, expected);
    assert_eq!(config.annotation_fields()[4].layer, "aiannh");
    assert_eq!(config.layers.iter().map(|layer| layer.is_coarse()).collect::<Vec<_>>(), [true, false]);
    assert_eq!(config.layers[0].fields["state_county"].as_str(), "{STUSPS} {NAMELSAD}");
}

#[test]
fn one_occurrence_is_a_presence_unless_it_is_said_otherwise() {
    let config = LayersConfig::parse(&format!("{}min_count = 5\n", full()), &[]).unwrap();
    let min_counts: Vec<u64> = config.summaries.iter().map(|summary| summary.min_count.get()).collect();
    assert_eq!(min_counts, [1, 5]);
    let config = LayersConfig::parse(&format!("{}sigma = [\"species\"]\n", full()), &[]).unwrap();
    let sigma: Vec<&[SigmaOf]> = config.summaries.iter().map(|summary| &*summary.sigma).collect();
    assert_eq!(sigma, [&[][..], &[SigmaOf::Species]]);
}

#[test]
fn scales_and_overlaps_are_parsed() {
    for (scale, denominator) in [("1:10M", 10_000_000), ("1:500k", 500_000), ("1:24000", 24_000), ("1:1", 1)]
    {
        let config = LayersConfig::parse(&COUNTY.replace("1:10M", scale), &[]).unwrap();
        assert_eq!(config.layers[0].scale_denominator(), denominator);
    }
    let by = |attributes: &[&str], highest| {
        let precedence = |attribute: &&str| Precedence { attribute: (*attribute).to_owned(), highest };
        Overlap::One(attributes.iter().map(precedence).collect())
    };
    let cases = [
        ("", Overlap::One(vec![])),
        ("overlap = \"all\"", Overlap::All),
        ("overlap = { lowest = \"GAP_Sts\" }", by(&["GAP_Sts"], false)),
        ("overlap = { lowest = [\"GAP_Sts\", \"GIS_Acres\"] }", by(&["GAP_Sts", "GIS_Acres"], false)),
        ("overlap = { highest = \"GAP_Sts\" }", by(&["GAP_Sts"], true)),
    ];
    for (line, overlap) in cases {
        let config = LayersConfig::parse(&format!("{COUNTY}{line}\n"), &[]).unwrap();
        assert_eq!(config.annotation_fields()[0].is_list, overlap == Overlap::All);
        assert_eq!(config.layers[0].overlap, overlap);
    }
}

#[test]
fn what_is_wrong_is_named() {
    let county = |from: &str, to: &str| COUNTY.replace(from, to);
    let by = |columns: &str| format!("{COUNTY}[[summary]]\nname = \"s\"\nby = [{columns}]\n");
    let cases = [
        (county("scale = \"1:10M\"", "scale = \"big\""), "layer county, scale: expected a scale such as"),
        (county("1:10M", "1:0"), "found 1:0"),
        (county("1:10M", "1:99999999999999999M"), "layer county, scale"),
        (
            county("{STUSPS} {NAMELSAD}", "{STUSPS {NAMELSAD}"),
            "layer county, state_county: expected an attribute",
        ),
        (county("\"STUSPS\"", "\"\""), "layer county, census_state: expected an attribute"),
        (
            county("county_geoid", "County"),
            "layer county, fields: expected a name of a-z, 0-9 and _, found County",
        ),
        (
            county("name = \"county\"", "name = \"\""),
            "name: expected a name of a-z, 0-9 and _, found nothing",
        ),
        (
            county("census_county", "stateprovince"),
            "expected a name that no other column of the tables has, found stateprovince",
        ),
        (county("id = \"GEOID\"", "id = \"\""), "layer county, id: expected a text, found nothing"),
        (county("id = \"GEOID\"\n", ""), "missing field `id`"),
        (format!("{COUNTY}colour = \"red\"\n"), "unknown field `colour`"),
        (format!("{COUNTY}{COUNTY}"), "layer county, name: expected a name of its own, found county twice"),
        (
            format!("{COUNTY}{}", AIANNH.replace("aiannh_geoid", "county_geoid")),
            "column county_geoid is written by layer county and by layer aiannh",
        ),
        (format!("{COUNTY}overlap = \"most\"\n"), "layer county, overlap: expected \"all\", { lowest"),
        (
            format!("{COUNTY}overlap = {{ lowest = \"A\", highest = \"B\" }}\n"),
            "layer county, overlap: expected",
        ),
        (format!("{COUNTY}overlap = {{ lowest = [] }}\n"), "layer county, overlap: expected"),
        (format!("{COUNTY}overlap = {{ lowest = [\"A\", 3] }}\n"), "layer county, overlap: expected"),
        (format!("{COUNTY}where = \"A > 3\"\n"), "layer county, where: expected \"Attribute = 'value'\""),
        (by("\"county\""), "summary s, by: expected a column that a layer writes (census_state, "),
        (by(""), "summary s, by: expected a column"),
        (by("\"census_state\", \"census_state\""), "found census_state twice"),
        (by("\"census_state\"") + "min_count = 0\n", "expected a nonzero u64"),
        (by("\"census_state\"") + "sigma = [\"rows\"]\n", "unknown variant `rows`"),
        (
            format!("riis_region_from = \"state\"\n{COUNTY}"),
            "riis_region_from: expected a column that a layer writes",
        ),
        (
            format!("riis_region_from = \"census_state\"\n{COUNTY}overlap = \"all\"\n"),
            "found census_state, a list",
        ),
        ("[[layer]\n".to_owned(), "layers.toml: TOML parse error at line 1"),
    ];
    for (toml, expected) in cases {
        let error = LayersConfig::parse(&toml, &["gbifid", "stateprovince"]).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}\ndoes not say: {expected}");
        assert_eq!(StepError::from(error).name(), ErrorName::BadReferenceData);
    }
}

#[test]
fn selecting_layers_drops_what_hangs_on_the_others() {
    let config = LayersConfig::parse(&full(), &[]).unwrap();
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();

    let aiannh = config.select(&names(&["aiannh"])).unwrap();
    assert_eq!(aiannh.layers, config.layers[1..]);
    assert_eq!(aiannh.summaries, config.summaries[1..]);
    assert_eq!(aiannh.riis_region_from, None);

    assert_eq!(config.select(&names(&["aiannh", "county"])).unwrap(), config, "the order of layers.toml");
    assert_eq!(config.select(&[]).unwrap().annotation_fields(), []);

    let error = config.select(&names(&["county", "parks"])).unwrap_err();
    let unknown = RegionError::UnknownLayer { found: "parks".into(), known: "county, aiannh".into() };
    assert_eq!(error, unknown);
    assert_eq!(StepError::from(error).name(), ErrorName::InvalidInput);
}
