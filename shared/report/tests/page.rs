//! The page of a small report.

#![allow(clippy::unwrap_used, reason = "a test ends where its set-up fails")]

use std::sync::Arc;

use bisonflow_contract::document::{Ledger, NewInRun};
use bisonflow_contract::drift::{DatasetDrift, Drift, DriftLimits, DriftRow, Measure, Verdict};
use bisonflow_report::{
    Diversity, FileLink, LayerNote, Map, MapShape, NewSpeciesRow, RegionRow, Register, Report, SpeciesRow,
    Summary, TopSpecies,
};

const LEDGER: &str = include_str!("../../../tests/golden/ledger.json");
const HOSTILE: &str = "</script><img src=x onerror='alert(1)'>\"";

fn shape(key: Option<&str>, label: &str, west: f64) -> MapShape {
    let ring = vec![[west, 38.0], [west + 1.0, 38.0], [west + 1.0, 39.0], [west, 39.0]];
    MapShape { key: key.map(str::to_owned), label: label.into(), rings: Arc::new(vec![ring]) }
}

fn region(key: Option<&str>, label: &str, occ_count: i64, share: Option<f64>) -> RegionRow {
    RegionRow {
        by: vec![key.map(str::to_owned), key.map(|_| label.to_owned())],
        occ_count,
        species_count: 12,
        species_assessed: 10,
        pct_species_nonnative: share,
        ..RegionRow::default()
    }
}

fn report() -> Report {
    let ledger: Ledger = serde_json::from_str(LEDGER).unwrap();
    Report {
        ledger,
        planned_on: "2026-11-23".into(),
        version: "0.1.0".into(),
        filters: vec![("country".into(), "countrycode US".into())],
        layers: vec![LayerNote {
            name: "county".into(),
            source: HOSTILE.into(),
            vintage: HOSTILE.into(),
            scale: "1:10M".into(),
            is_coarse: true,
            sha256: "ab".into(),
        }],
        register: Some(Register {
            uri: HOSTILE.into(),
            sha256: "cd".into(),
            rows: 15_264,
            rows_without_key: 1_781,
        }),
        drift: Drift {
            run_id: "gbif-2".parse().unwrap(),
            generation: 1,
            baseline: Some("gbif-1".parse().unwrap()),
            verdict: Verdict::Warned,
            limits: DriftLimits::default(),
            same_register: true,
            rows: vec![DriftRow {
                of: "county".into(),
                key: Some("20001".into()),
                label: Some(HOSTILE.into()),
                measure: Measure::Records,
                old: 1_234,
                new: 1_334,
                decides: true,
            }],
            left_out: 0,
            datasets: vec![DatasetDrift { datasetkey: Some(HOSTILE.into()), old: 7, new: 107 }],
        },
        notes: vec![HOSTILE.into()],
        summaries: vec![Summary {
            name: "county".into(),
            by: vec!["county_geoid".into(), "state_county".into()],
            layer: "county".into(),
            is_list: false,
            regions: vec![
                region(Some("20001"), "KS Allen County", 99, Some(12.5)),
                region(Some(HOSTILE), HOSTILE, 123_456, None),
                region(None, "", 7, None),
            ],
            new_in_run: NewInRun::Compared {
                with: "gbif-0".parse().unwrap(),
                pairs: 2,
                nonnative: 1,
                notable: 1,
                first: Vec::new(),
            },
            new_species: vec![NewSpeciesRow {
                region: "20001".into(),
                region_name: HOSTILE.into(),
                specieskey: "7".into(),
                species: Some(HOSTILE.into()),
                riis_assessment: "invasive".into(),
                gbifid: Some("1\" onclick=\"".into()),
                issue: Some(HOSTILE.into()),
                ..NewSpeciesRow::default()
            }],
            diversity: vec![Diversity { column: "c_score".into(), comment: HOSTILE.into(), value: None }],
            map: Map::Of {
                shapes: vec![
                    shape(Some("20001"), "KS Allen County", -96.0),
                    shape(Some(HOSTILE), HOSTILE, -98.0),
                    shape(Some("20003"), HOSTILE, -100.0),
                    shape(None, "of no key", -102.0),
                ],
                overlapping: false,
            },
        }],
        states: Some(0),
        backdrop: None,
        top_species: Some(TopSpecies {
            table: "county_x_species_list".into(),
            species: 1,
            rows: vec![SpeciesRow {
                specieskey: "5".into(),
                species: Some(HOSTILE.into()),
                ..SpeciesRow::default()
            }],
        }),
        licences: None,
        files: vec![FileLink { name: "ledger.json".into(), href: "ledger.json".into(), rows: None }],
    }
}

#[test]
fn the_same_report_is_the_same_page_without_anything_from_outside_as_markup() {
    let page = report().page();
    assert_eq!(page, report().page());
    assert!(!page.contains("<img") && !page.contains("onerror='"), "nothing of it is markup");
    assert_eq!(page.matches("</script>").count(), 1);
    assert!(page.contains("&lt;img src=x onerror=&#39;alert(1)&#39;&gt;"), "but it is shown");
    assert!(page.contains("1,781") && page.contains("Demonstration geometry"));
    assert!(page.contains("data-from=\"drift:rows.0.old\">1,234</data>") && page.contains("+8.1 %"));
}

#[test]
fn no_name_turns_what_stands_after_it() {
    let turning = "Poa \u{202e}annua\u{2066}";
    let mut report = report();
    report.summaries[0].new_species[0].species = Some(turning.into());
    report.top_species.as_mut().unwrap().rows[0].species = Some(turning.into());
    report.summaries[0].regions[0].by[1] = Some(turning.into());
    report.notes = vec![turning.into()];
    let page = report.page();
    assert!(!page.contains(['\u{202e}', '\u{2066}']));
    assert_eq!(page.matches("Poa \u{fffd}annua\u{fffd}").count(), 4);
}

#[test]
fn a_region_is_drawn_by_what_is_known_of_it() {
    let page = report().page();
    // Most records first: the other region is row 0.
    let path = |attributes: &str| page.contains(&format!("<path {attributes}"));
    assert!(path("class=\"c5\" data-c=\"51x\""), "many records, some species, not covered by the register");
    assert!(path("class=\"c1 h\" data-c=\"113\""), "hatched, as it has 99 records");
    assert!(path("class=\"cn\" data-c=\"nnn\""), "no records");
    assert_eq!(page.matches("data-c=\"").count(), 3, "what has no key is not drawn");
    assert!(page.contains("data-from=\"county_counts:outside.occ_count\">7</data> records lie in no region"));
}

#[test]
fn what_is_new_is_told_or_why_it_is_not_known() {
    let page = report().page();
    assert!(page.contains("Newly published for this region (not necessarily newly arrived)"));
    assert!(page.contains("Compared with run <span data-text>gbif-0</span>"));
    assert!(
        page.contains("<td>1&#34; onclick=") || page.contains("<td>1&quot; onclick="),
        "a gbifid that is none is no link"
    );
    assert!(page.contains("csv/county_x_new_in_run.csv"), "the second row is not on the page");
    let mut report = report();
    let because = "no other run is published".to_owned();
    report.summaries[0].new_in_run = NewInRun::NotCompared { because };
    report.summaries[0].new_species.clear();
    assert!(report.page().contains("Not compared, because no other run is published."));
}

#[test]
fn what_cannot_be_drawn_says_why() {
    let mut report = report();
    report.summaries[0].map = Map::NotDrawn("the file is too long".into());
    let page = report.page();
    assert!(
        page.contains("No map: <span data-text>the file is too long</span>.")
            && !page.contains("class=\"map\"")
    );
    report.summaries[0].map = Map::Of { shapes: vec![shape(None, "", 0.0)], overlapping: true };
    assert!(report.page().contains("has no region with a key to count by"));
    assert!(!report.page().contains("Not shown: no summary"));
    report.states = None;
    assert!(report.page().contains("Not shown: no summary"), "of the status by state");
    report.summaries.clear();
    assert!(report.page().contains("layers.toml has no summaries"));
}
