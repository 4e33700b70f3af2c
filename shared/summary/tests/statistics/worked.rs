//! Examples worked by hand, and those of the literature.

use arrow::util::display::{ArrayFormatter, FormatOptions};
use bisonflow_contract::{ErrorName, StepError};
use bisonflow_summary::statistics::matrix_market::{self, Entries};
use bisonflow_summary::statistics::{Axis, LeftOut, MAX_SIGMA_SIZE, SiteSpeciesMatrix, tables};
use bisonflow_summary::{SummaryError, SummaryTable};

use crate::lists::{Row, batch, matrix, row, rows_of, spec};

fn c_score(sites: &[&str]) -> Option<f64> {
    matrix(&rows_of(sites), 1).statistics().diversity.c_score
}

/// A table as lines, its header first, cells joined by ` | `, null as `∅`.
fn lines(table: &SummaryTable<'_>) -> Vec<String> {
    let batch = table.batch(0..table.rows()).unwrap();
    let options = FormatOptions::default().with_null("∅");
    let columns: Vec<ArrayFormatter<'_>> =
        batch.columns().iter().map(|column| ArrayFormatter::try_new(column, &options).unwrap()).collect();
    let names: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
    let row =
        |row| columns.iter().map(|column| column.value(row).to_string()).collect::<Vec<_>>().join(" | ");
    std::iter::once(names.join(" | ")).chain((0..batch.num_rows()).map(row)).collect()
}

fn mtx(matrix: &SiteSpeciesMatrix, entries: Entries) -> String {
    String::from_utf8(matrix_market::pieces(matrix, entries).collect::<Vec<_>>().concat()).unwrap()
}

#[test]
fn checkerboard_units_of_stone_and_roberts() {
    for (sites, expected) in [
        (&["10", "01"][..], 1.0),                   // one checkerboard
        (&["10", "10", "01", "01"], 4.0),           // 2 × 2 units
        (&["10", "10", "01"], 2.0),                 // 2 × 1
        (&["11", "11"], 0.0),                       // always together
        (&["11", "10"], 0.0),                       // nested: no checkerboard
        (&["11", "10", "01"], 1.0),                 // (2 − 1)(2 − 1)
        (&["100", "010", "001"], 1.0),              // 1 for each of 3 pairs
        (&["101", "010", "101", "010"], 8.0 / 3.0), // 4, 0 and 4 over 3 pairs
    ] {
        assert_eq!(c_score(sites), Some(expected), "{sites:?}");
    }
    assert_eq!(c_score(&["1", "1"]), None, "one species has no pair");
}

/// Darwin's finches: 13 species (lines) on 17 islands, as in Chen, Diaconis, Holmes & Liu (2005), table 1.
const FINCHES: [&str; 13] = [
    "00111111110111111", // Geospiza magnirostris
    "11111111110101100", // Geospiza fortis
    "11111111111101100", // Geospiza fuliginosa
    "00111001010110111", // Geospiza difficilis
    "11101111110101100", // Geospiza scandens
    "00000000001010000", // Geospiza conirostris
    "00111111100101100", // Camarhynchus psittacula
    "00000000000100000", // Camarhynchus pauper
    "00111111110100100", // Camarhynchus parvulus
    "00111111110101100", // Platyspiza crassirostris
    "00111011010000000", // Cactospiza pallida
    "00110000000000000", // Cactospiza heliobates
    "11111111111111111", // Certhidea olivacea
];

#[test]
fn darwins_finches_share_as_many_islands_as_published() {
    let islands: Vec<String> =
        (0..17).map(|island| FINCHES.iter().map(|line| &line[island..=island]).collect()).collect();
    let islands: Vec<&str> = islands.iter().map(String::as_str).collect();
    let matrix = matrix(&rows_of(&islands), 1);
    let statistics = matrix.statistics();
    let omega: Vec<u64> = statistics.species.iter().map(|one| one.omega).collect();
    assert_eq!(omega, [14, 13, 14, 10, 12, 2, 10, 1, 10, 11, 6, 2, 17]);
    let alpha: Vec<u64> = statistics.sites.iter().map(|site| site.alpha).collect();
    assert_eq!(alpha, [4, 4, 11, 10, 10, 8, 9, 10, 8, 9, 3, 10, 4, 7, 9, 3, 3]);
    // S̄², the mean square of the islands that two species share, is published as 53.1 (Roberts & Stone 1990):
    // s_ij = N σ_ij + ω_i ω_j / N.
    let sigma = matrix.sigma(Axis::Species).unwrap();
    let mut squares = 0.0;
    for (i, &one) in omega.iter().enumerate() {
        for (j, &other) in omega.iter().enumerate().filter(|(j, _)| *j != i) {
            squares += (17.0 * sigma.row(i)[j] + (one * other) as f64 / 17.0).powi(2);
        }
    }
    assert!((squares / (13.0 * 12.0) - 53.115).abs() < 0.001, "{squares}");
    assert_eq!(statistics.diversity.c_score, Some(333.0 / 78.0));
}

/// Statuses apart, unsorted, below the minimum, without a species, outside.
fn mixed() -> Vec<Row> {
    let list = vec![
        row(2, 7, 3),
        row(1, 7, 1),
        row(2, 7, 2), // another status of the same
        row(1, 9, 4),
        row(3, 8, 1), // below 2
        (None, None, Some("0007".into()), Some("Aus 7".into()), 10),
        (Some("00001".into()), Some("County 1".into()), None, None, 6),
        (Some("00004".into()), Some("County 4".into()), None, None, 5), // a site without species
        row(1, 7, 1),
    ];
    list
}

#[test]
fn presence_is_counted_first_and_what_is_dropped_is_said() {
    let matrix = matrix(&mixed(), 2);
    assert_eq!((matrix.site_count(), matrix.species_count(), matrix.presence_count()), (2, 2, 3));
    assert_eq!(matrix.triples().collect::<Vec<_>>(), [(0, 0, 2), (0, 1, 4), (1, 0, 5)]);
    assert_eq!((matrix.site(1), matrix.species(1)), ("00002", "0009"), "labels stay with their rows");
    let left_out =
        LeftOut { sites: 2, species: 1, occ_below_min_count: 1, occ_without_species: 11, occ_outside: 10 };
    assert_eq!(matrix.left_out(), &left_out);
    let all: i64 = mixed().iter().map(|row| row.4).sum();
    assert_eq!(matrix.occurrences() + 1 + 11 + 10, all as u64);
}

#[test]
fn six_tables_and_two_texts() {
    let matrix = matrix(&mixed(), 2);
    let statistics = matrix.statistics();
    let tables = tables::tables(&matrix, &statistics);
    let names: Vec<&str> = tables.iter().map(|table| table.name.as_str()).collect();
    assert_eq!(names, tables::table_names(&spec()));
    let laid_out: Vec<Vec<String>> = tables.iter().map(lines).collect();
    assert_eq!(
        laid_out[0],
        [
            "county_geoid | state_county | count | total",
            "00001 | County 1 | 2 | 6",
            "00002 | County 2 | 1 | 5"
        ]
    );
    assert_eq!(
        laid_out[1],
        ["specieskey | species | count | total", "0007 | Aus 7 | 2 | 7", "0009 | Aus 9 | 1 | 4"]
    );
    assert_eq!(
        laid_out[2],
        [
            "county_geoid | state_county | alpha | alpha_proportional | phi | phi_average_proportional | beta",
            "00001 | County 1 | 2 | 1.0 | 3 | 0.75 | 1.0",
            "00002 | County 2 | 1 | 0.5 | 2 | 1.0 | 2.0",
        ]
    );
    assert_eq!(
        laid_out[3],
        [
            "specieskey | species | omega | omega_proportional | psi | psi_average_proportional",
            "0007 | Aus 7 | 2 | 1.0 | 3 | 0.75",
            "0009 | Aus 9 | 1 | 0.5 | 2 | 1.0",
        ]
    );
    assert_eq!(
        laid_out[4],
        [
            "site_count | species_count | presence_count | min_count | sites_dropped | species_dropped | \
             occ_count | occ_below_min_count | occ_without_species | occ_outside | gamma | whittaker_beta | \
             lande_beta | legendre_beta | legendre_bd | schluter_sites_variance_ratio | \
             schluter_species_variance_ratio | c_score",
            "2 | 2 | 3 | 2 | 2 | 1 | 11 | 1 | 11 | 10 | 2 | 1.3333333333333333 | 0.5 | 0.5 | 0.5 | 1.0 | 1.0 | 0.0",
        ]
    );
    assert_eq!(
        laid_out[5],
        ["county_geoid | specieskey | occ_count", "00001 | 0007 | 2", "00001 | 0009 | 4", "00002 | 0007 | 5"]
    );
    assert_eq!(
        mtx(&matrix, Entries::Counts),
        "%%MatrixMarket matrix coordinate integer general\n\
         % rows: county_geoid, columns: specieskey, min_count: 2\n2 2 3\n1 1 2\n1 2 4\n2 1 5\n"
    );
    assert_eq!(
        mtx(&matrix, Entries::Presence),
        "%%MatrixMarket matrix coordinate pattern general\n\
         % rows: county_geoid, columns: specieskey, min_count: 2\n2 2 3\n1 1\n1 2\n2 1\n"
    );
    assert_eq!(
        lines(&tables::row_labels(&matrix)),
        ["row | county_geoid | state_county", "1 | 00001 | County 1", "2 | 00002 | County 2"]
    );
    assert_eq!(
        lines(&tables::column_labels(&matrix)),
        ["column | specieskey | species", "1 | 0007 | Aus 7", "2 | 0009 | Aus 9"]
    );
    let sigma = matrix.sigma(Axis::Species).unwrap();
    assert_eq!(
        lines(&tables::sigma_table(&matrix, Axis::Species, &sigma)),
        [
            "specieskey_1 | specieskey_2 | sigma",
            "0007 | 0007 | 0.0",
            "0007 | 0009 | 0.0",
            "0009 | 0007 | 0.0",
            "0009 | 0009 | 0.25"
        ]
    );
}

#[test]
fn nothing_gives_empty_tables_and_nulls() {
    for (rows, min_count) in [(vec![], 1), (mixed(), 1_000)] {
        let matrix = matrix(&rows, min_count);
        let statistics = matrix.statistics();
        let tables = tables::tables(&matrix, &statistics);
        let rows: Vec<usize> = tables.iter().map(SummaryTable::rows).collect();
        assert_eq!(rows, [0, 0, 0, 0, 1, 0]);
        assert!(lines(&tables[4])[1].ends_with("| 0 | ∅ | ∅ | ∅ | ∅ | ∅ | ∅ | ∅"), "{:?}", lines(&tables[4]));
        assert!(mtx(&matrix, Entries::Presence).ends_with("\n0 0 0\n"));
        assert_eq!(matrix.sigma(Axis::Sites).unwrap().size(), 0);
        for table in &tables {
            assert!(!table.to_parquet().unwrap().is_empty());
            assert_eq!(table.csv().count(), 1, "a header");
        }
    }
}

#[test]
fn a_covariance_matrix_that_is_too_large_is_refused() {
    let rows: Vec<Row> = (0..=MAX_SIGMA_SIZE).map(|species| row(1, species, 1)).collect();
    let matrix = matrix(&rows, 1);
    assert!(matrix.sigma(Axis::Sites).is_ok());
    let error = matrix.sigma(Axis::Species).unwrap_err();
    assert!(error.to_string().contains("5001 species is refused"), "{error}");
    assert_eq!(StepError::from(error).name(), ErrorName::BadReferenceData);
}

#[test]
fn rows_that_are_no_species_list_are_refused() {
    let list = batch(&[row(1, 1, 1)]);
    let error = |list| -> SummaryError {
        let mut builder =
            bisonflow_summary::statistics::MatrixBuilder::new(spec(), std::num::NonZeroU64::MIN);
        builder.add(list).unwrap_err()
    };
    let without = list.project(&[0, 1, 2, 3]).unwrap();
    assert!(error(&without).to_string().contains("county\": no column occ_count"));
    assert!(error(&batch(&[row(1, 1, 0)])).to_string().contains("row 0"));
}
