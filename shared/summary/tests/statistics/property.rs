//! Whatever the rows and their order: the same matrix, and figures that equal those of their definitions.

use std::num::NonZeroU64;

use bisonflow_summary::statistics::matrix_market::{self, Entries};
use bisonflow_summary::statistics::{Axis, MatrixBuilder, SiteSpeciesMatrix, tables};
use proptest::prelude::{Strategy, any};
use proptest::{collection, proptest};

use crate::lists::{Row, batch, matrix, row, spec};

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let row = (0..12_usize, 0..25_usize, 1..4_i64, 0..10_u8).prop_map(|(site, species, occ, kind)| {
        let mut row = row(site, species, occ);
        match kind {
            0 => (row.2, row.3) = (None, None),
            1 => (row.0, row.1) = (None, None),
            _ => {}
        }
        row
    });
    collection::vec(row, 0..120)
}

/// Everything that is written of a matrix.
fn files(matrix: &SiteSpeciesMatrix) -> Vec<Vec<u8>> {
    let statistics = matrix.statistics();
    let mut files: Vec<Vec<u8>> = tables::tables(matrix, &statistics)
        .iter()
        .map(|table| table.to_parquet().unwrap().to_vec())
        .collect();
    for entries in [Entries::Counts, Entries::Presence] {
        files.extend(matrix_market::pieces(matrix, entries));
    }
    files
}

fn assert_near(found: Option<f64>, expected: f64) {
    let found = found.unwrap();
    assert!((found - expected).abs() <= 1e-12 * expected.abs().max(1.0), "{found}, expected {expected}");
}

/// Figures by their definitions, in the most obvious way.
fn check_definitions(matrix: &SiteSpeciesMatrix) {
    let (n, s) = (matrix.site_count(), matrix.species_count());
    let mut x = vec![vec![0_i64; s]; n];
    for (site, species, occ) in matrix.triples() {
        assert!(occ >= matrix.min_count().get());
        x[site][species] = 1;
    }
    let shared = |i: usize, j: usize| x.iter().map(|site| site[i] * site[j]).sum::<i64>();
    let diversity = matrix.statistics().diversity;
    let mut units = 0;
    let mut sum_of_squares = 0.0;
    let mut covariances = 0.0;
    let sigma = matrix.sigma(Axis::Species).unwrap();
    for i in 0..s {
        for j in 0..i {
            units += (shared(i, i) - shared(i, j)) * (shared(j, j) - shared(i, j));
        }
        let mean = shared(i, i) as f64 / n as f64;
        sum_of_squares += x.iter().map(|site| (site[i] as f64 - mean).powi(2)).sum::<f64>();
        covariances += sigma.row(i).iter().sum::<f64>();
        assert_near(Some(sigma.row(i)[i]), mean * (1.0 - mean));
    }
    if s > 1 {
        assert_eq!(diversity.c_score, Some(units as f64 / (s * (s - 1) / 2) as f64));
    }
    if n > 1 {
        assert_near(diversity.legendre_beta, sum_of_squares);
        assert_near(diversity.legendre_bd, sum_of_squares / (n - 1) as f64);
    }
    if let Some(ratio) = diversity.schluter_species_variance_ratio {
        let trace: f64 = (0..s).map(|i| sigma.row(i)[i]).sum();
        assert!((ratio - covariances / trace).abs() < 1e-9, "{ratio}, expected {}", covariances / trace);
    }
    let figures = [
        diversity.whittaker_beta,
        diversity.lande_beta,
        diversity.legendre_beta,
        diversity.legendre_bd,
        diversity.schluter_sites_variance_ratio,
        diversity.schluter_species_variance_ratio,
        diversity.c_score,
    ];
    assert!(figures.into_iter().flatten().all(f64::is_finite));
}

proptest! {
    #[test]
    fn the_order_of_the_rows_says_nothing(
        rows in rows(),
        places in collection::vec(any::<u32>(), 120),
        split in 1..40_usize,
        min_count in 1..5_u64,
    ) {
        let whole = matrix(&rows, min_count);
        let mut shuffled: Vec<(u32, Row)> = places.into_iter().zip(rows).collect();
        shuffled.sort_by_key(|(place, _)| *place);
        let shuffled: Vec<Row> = shuffled.into_iter().map(|(_, row)| row).collect();
        let mut builder = MatrixBuilder::new(spec(), NonZeroU64::new(min_count).unwrap());
        for rows in shuffled.chunks(split) {
            builder.add(&batch(rows)).unwrap();
        }
        let other = builder.finish();
        assert_eq!(whole, other);
        assert_eq!(files(&whole), files(&other));
    }

    /// Other keys are other places in the matrix: rows and columns change theirs, the figures do not.
    #[test]
    fn figures_stay_when_sites_and_species_change_places(rows in rows(), turn in 1..24_usize) {
        let turned: Vec<Row> = rows
            .iter()
            .map(|row| {
                let turn = |key: &Option<String>, count: usize| {
                    key.as_ref().map(|key| format!("{:05}", (key.parse::<usize>().unwrap() * 7 + turn) % count))
                };
                (turn(&row.0, 13), row.1.clone(), turn(&row.2, 29), row.3.clone(), row.4)
            })
            .collect();
        let (before, after) = (matrix(&rows, 1).statistics(), matrix(&turned, 1).statistics());
        assert_eq!(before.diversity, after.diversity);
        let sorted = |mut figures: Vec<(u64, u64)>| {
            figures.sort_unstable();
            figures
        };
        let sites = |sites: &[bisonflow_summary::statistics::SiteFigures]| {
            sorted(sites.iter().map(|site| (site.alpha, site.phi)).collect())
        };
        let species = |species: &[bisonflow_summary::statistics::SpeciesFigures]| {
            sorted(species.iter().map(|one| (one.omega, one.psi)).collect())
        };
        assert_eq!(sites(&before.sites), sites(&after.sites));
        assert_eq!(species(&before.species), species(&after.species));
    }

    #[test]
    fn figures_are_those_of_their_definitions(rows in rows(), min_count in 1..4_u64) {
        check_definitions(&matrix(&rows, min_count));
    }

    /// Many sites with few species, and the reverse: the pairs are taken from the other side.
    #[test]
    fn both_sides_give_the_same_pairs(
        cells in collection::vec((0..40_usize, 0..4_usize), 1..80),
        exchange in any::<bool>(),
    ) {
        let cell = |(a, b): (usize, usize)| if exchange { row(b, a, 1) } else { row(a, b, 1) };
        check_definitions(&matrix(&cells.into_iter().map(cell).collect::<Vec<_>>(), 1));
    }
}
