//! The matrix and its statistics as tables.

use crate::statistics::cooccurrence::{Axis, Covariance};
use crate::statistics::figures::Statistics;
use crate::statistics::matrix::SiteSpeciesMatrix;
use crate::{SummarySpec, SummaryTable};

/// What comes before and behind the name of a summary in the names of these tables, in the order of [`tables`].
const NAMES: [(&str, &str); 6] = [
    ("", "_x_species"),
    ("species_x_", ""),
    ("", "_site_statistics"),
    ("", "_species_statistics"),
    ("", "_diversity"),
    ("", "_matrix"),
];

/// The names of the tables of a summary, in the order in which [`tables`] gives them.
pub fn table_names(spec: &SummarySpec) -> [String; 6] {
    NAMES.map(|(before, behind)| format!("{before}{}{behind}", spec.name))
}

/// The summary whose `species_x_<name>` this table is; none for any other table.
pub fn summary_of(table: &str) -> Option<&str> {
    table.strip_prefix(NAMES[1].0)
}

/// The tables of a matrix, sorted by the bytes of their keys: `<name>_x_species` and `species_x_<name>` with the
/// presences (`count`) and occurrences (`total`) of each site and each species, `<name>_site_statistics`,
/// `<name>_species_statistics`, `<name>_diversity` with one row, and `<name>_matrix` with a row per presence.
pub fn tables<'a>(matrix: &'a SiteSpeciesMatrix, statistics: &'a Statistics) -> Vec<SummaryTable<'a>> {
    let [of_sites, of_species, sites, species, whole, triples] = table_names(&matrix.spec);
    vec![
        site_totals(of_sites, matrix),
        species_totals(of_species, matrix),
        site_statistics(sites, matrix, statistics),
        species_statistics(species, matrix, statistics),
        diversity(whole, matrix, statistics),
        presences(triples, matrix),
    ]
}

/// The covariances of [`SiteSpeciesMatrix::sigma`] as the table `<name>_sigma_sites` or `<name>_sigma_species`:
/// one row per ordered pair.
pub fn sigma_table<'a>(matrix: &'a SiteSpeciesMatrix, axis: Axis, sigma: &'a Covariance) -> SummaryTable<'a> {
    let (names, key) = match axis {
        Axis::Sites => (&matrix.sites, matrix.spec.by[0].as_str()),
        Axis::Species => (&matrix.species, "specieskey"),
    };
    let size = sigma.size();
    let name = format!("{}_sigma_{}", matrix.spec.name, axis.as_str());
    let mut table = SummaryTable::new(name, size * size);
    let text = move |place: usize| Some(&*names[place].key);
    table.text(&format!("{key}_1"), "Key of the first of the pair", move |row| text(row / size));
    table.text(&format!("{key}_2"), "Key of the second of the pair", move |row| text(row % size));
    table.double("sigma", "Covariance of the two", move |row| Some(sigma.row(row / size)[row % size]));
    table
}

/// Which site is which row of the matrix, from 1, as MatrixMarket counts: `<name>_matrix_rows`.
pub fn row_labels(matrix: &SiteSpeciesMatrix) -> SummaryTable<'_> {
    let mut table = SummaryTable::new(format!("{}_matrix_rows", matrix.spec.name), matrix.site_count());
    table.bigint("row", "Row of the matrix, from 1", |row| row as i64 + 1);
    site_columns(&mut table, matrix);
    table
}

/// Which species is which column of the matrix, from 1, as MatrixMarket counts: `<name>_matrix_columns`.
pub fn column_labels(matrix: &SiteSpeciesMatrix) -> SummaryTable<'_> {
    let name = format!("{}_matrix_columns", matrix.spec.name);
    let mut table = SummaryTable::new(name, matrix.species_count());
    table.bigint("column", "Column of the matrix, from 1", |row| row as i64 + 1);
    species_columns(&mut table, matrix);
    table
}

fn bigint(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn site_columns<'a>(table: &mut SummaryTable<'a>, matrix: &'a SiteSpeciesMatrix) {
    let by = &matrix.spec.by;
    table.text(&by[0], "Key of the region", |row| Some(matrix.site(row)));
    for (label, name) in by[1..].iter().enumerate() {
        let comment = format!("Label of {}: the most frequent in the run", by[0]);
        table.text(name, &comment, move |row| matrix.sites[row].labels[label].as_deref());
    }
}

fn species_columns<'a>(table: &mut SummaryTable<'a>, matrix: &'a SiteSpeciesMatrix) {
    let comment = "Key of the species in the run's checklist";
    table.text("specieskey", comment, |row| Some(matrix.species(row)));
    let comment = "Name of the species: the most frequent in the run";
    table.text("species", comment, |row| matrix.species[row].labels[0].as_deref());
}

fn site_totals(name: String, matrix: &SiteSpeciesMatrix) -> SummaryTable<'_> {
    let mut totals = vec![0; matrix.site_count()];
    for (site, _, occ) in matrix.triples() {
        totals[site] += occ;
    }
    let mut table = SummaryTable::new(name, matrix.site_count());
    site_columns(&mut table, matrix);
    let comment = "Species with at least min_count occurrences in the region";
    table.bigint("count", comment, |row| bigint(matrix.by_site.line_len(row)));
    let comment = "Occurrences of these species in the region";
    table.bigint("total", comment, move |row| bigint(totals[row]));
    table
}

fn species_totals(name: String, matrix: &SiteSpeciesMatrix) -> SummaryTable<'_> {
    let mut totals = vec![0; matrix.species_count()];
    for (_, species, occ) in matrix.triples() {
        totals[species] += occ;
    }
    let mut table = SummaryTable::new(name, matrix.species_count());
    species_columns(&mut table, matrix);
    let comment = "Regions with at least min_count occurrences of the species";
    table.bigint("count", comment, |row| bigint(matrix.by_species.line_len(row)));
    let comment = "Occurrences of the species in these regions";
    table.bigint("total", comment, move |row| bigint(totals[row]));
    table
}

fn site_statistics<'a>(
    name: String,
    matrix: &'a SiteSpeciesMatrix,
    statistics: &'a Statistics,
) -> SummaryTable<'a> {
    let sites = &statistics.sites;
    let mut table = SummaryTable::new(name, sites.len());
    site_columns(&mut table, matrix);
    table.bigint("alpha", "Species of the site", |row| bigint(sites[row].alpha));
    table.double("alpha_proportional", "alpha / S", |row| Some(sites[row].alpha_proportional));
    table.bigint("phi", "Sum of omega over the species of the site", |row| bigint(sites[row].phi));
    table.double("phi_average_proportional", "phi / (N alpha)", |row| {
        Some(sites[row].phi_average_proportional)
    });
    table.double("beta", "S / alpha", |row| Some(sites[row].beta));
    table
}

fn species_statistics<'a>(
    name: String,
    matrix: &'a SiteSpeciesMatrix,
    statistics: &'a Statistics,
) -> SummaryTable<'a> {
    let species = &statistics.species;
    let mut table = SummaryTable::new(name, species.len());
    species_columns(&mut table, matrix);
    table.bigint("omega", "Sites of the species", |row| bigint(species[row].omega));
    table.double("omega_proportional", "omega / N", |row| Some(species[row].omega_proportional));
    table.bigint("psi", "Sum of alpha over the sites of the species", |row| bigint(species[row].psi));
    table.double("psi_average_proportional", "psi / (S omega)", |row| {
        Some(species[row].psi_average_proportional)
    });
    table
}

fn diversity<'a>(
    name: String,
    matrix: &'a SiteSpeciesMatrix,
    statistics: &'a Statistics,
) -> SummaryTable<'a> {
    let (left_out, diversity) = (&matrix.left_out, &statistics.diversity);
    let counts = [
        ("site_count", "N: regions in which a species is present", matrix.site_count() as u64),
        ("species_count", "S: species that are present in a region", matrix.species_count() as u64),
        ("presence_count", "Pairs of a region and a species present in it", matrix.presence_count() as u64),
        ("min_count", "Occurrences that make a species present in a region", matrix.min_count.get()),
        ("sites_dropped", "Regions with occurrences in which no species is present", left_out.sites),
        ("species_dropped", "Species with occurrences in regions, but present in none", left_out.species),
        ("occ_count", "Occurrences that make the presences", matrix.occurrences()),
        (
            "occ_below_min_count",
            "Occurrences of species where they are too few",
            left_out.occ_below_min_count,
        ),
        ("occ_without_species", "Occurrences in regions without a specieskey", left_out.occ_without_species),
        ("occ_outside", "Occurrences outside the layer", left_out.occ_outside),
        ("gamma", "S", diversity.gamma),
    ];
    let figures = [
        ("whittaker_beta", "S / sum of omega/N", diversity.whittaker_beta),
        ("lande_beta", "S - sum of omega/N", diversity.lande_beta),
        ("legendre_beta", "SS(Y): sum of omega - omega^2/N; grows with N", diversity.legendre_beta),
        ("legendre_bd", "BD: legendre_beta / (N - 1); null for one site", diversity.legendre_bd),
        (
            "schluter_sites_variance_ratio",
            "Sum over trace of the covariances of sites; null where the trace is 0",
            diversity.schluter_sites_variance_ratio,
        ),
        (
            "schluter_species_variance_ratio",
            "Sum over trace of the covariances of species; null where the trace is 0",
            diversity.schluter_species_variance_ratio,
        ),
        ("c_score", "Mean checkerboard units of the pairs of species; null below two", diversity.c_score),
    ];
    let mut table = SummaryTable::new(name, 1);
    for (name, comment, count) in counts {
        table.bigint(name, comment, move |_| bigint(count));
    }
    for (name, comment, figure) in figures {
        table.double(name, comment, move |_| figure);
    }
    table
}

fn presences(name: String, matrix: &SiteSpeciesMatrix) -> SummaryTable<'_> {
    let mut table = SummaryTable::new(name, matrix.presence_count());
    let by_site = &matrix.by_site;
    table.text(&matrix.spec.by[0], "Key of the region", |row| Some(matrix.site(by_site.line_of(row))));
    let comment = "Key of the species in the run's checklist";
    table.text("specieskey", comment, |row| Some(matrix.species(by_site.item(row))));
    table.bigint("occ_count", "Occurrences, at least min_count", |row| bigint(matrix.counts[row]));
    table
}
