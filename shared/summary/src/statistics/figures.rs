//! The statistics of a presence–absence matrix X of N sites and S species.
//!
//! Sums are whole numbers; each figure is one quotient of two of them. Sources: Whittaker 1960; Lande 1996;
//! Legendre, Borcard & Peres-Neto 2005; Legendre & De Cáceres 2013 (BD); Schluter 1984; Stone & Roberts 1990;
//! Arita et al. 2008; Soberón & Cavner 2015.

use crate::statistics::cooccurrence::squared_norm;
use crate::statistics::matrix::{Lines, SiteSpeciesMatrix};

/// The statistics of a matrix: sites and species in its order.
#[derive(Clone, Debug, PartialEq)]
pub struct Statistics {
    /// Of each site.
    pub sites: Vec<SiteFigures>,
    /// Of each species.
    pub species: Vec<SpeciesFigures>,
    /// Of the whole.
    pub diversity: Diversity,
}

/// The statistics of a site i.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SiteFigures {
    /// α_i = Σ_j X_ij, its species.
    pub alpha: u64,
    /// α_i / S.
    pub alpha_proportional: f64,
    /// φ_i = Σ_j X_ij ω_j, the ranges of its species added up.
    pub phi: u64,
    /// φ_i / (N α_i), their mean share of the sites.
    pub phi_average_proportional: f64,
    /// S / α_i.
    pub beta: f64,
}

/// The statistics of a species j.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SpeciesFigures {
    /// ω_j = Σ_i X_ij, its sites.
    pub omega: u64,
    /// ω_j / N.
    pub omega_proportional: f64,
    /// ψ_j = Σ_i α_i X_ij, the species of its sites added up.
    pub psi: u64,
    /// ψ_j / (S ω_j), their mean share of the species.
    pub psi_average_proportional: f64,
}

/// The statistics of the whole; none is what is not defined for a matrix of this size or kind.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Diversity {
    /// γ = S.
    pub gamma: u64,
    /// S / Σ_j(ω_j/N); none without a presence.
    pub whittaker_beta: Option<f64>,
    /// S − Σ_j(ω_j/N); none without a presence.
    pub lande_beta: Option<f64>,
    /// Σω − Σω²/N, the sum of squares SS(Y); it grows with N. None without a presence.
    pub legendre_beta: Option<f64>,
    /// BD = SS(Y)/(N − 1); none below two sites.
    pub legendre_bd: Option<f64>,
    /// Σσ / trace σ over sites; none where no site varies.
    pub schluter_sites_variance_ratio: Option<f64>,
    /// Σσ / trace σ over species; none where no species varies.
    pub schluter_species_variance_ratio: Option<f64>,
    /// The mean over pairs of species of (ω_i − s_ij)(ω_j − s_ij), with s_ij shared sites; none below two species.
    pub c_score: Option<f64>,
}

impl SiteSpeciesMatrix {
    /// All statistics, exact up to one rounding each.
    ///
    /// Time grows with the lesser of Σω² and Σα², memory with sites and species.
    pub fn statistics(&self) -> Statistics {
        let (n, s) = (self.site_count() as u64, self.species_count() as u64);
        let alpha: Vec<u64> = (0..self.by_site.len()).map(|site| self.by_site.line_len(site)).collect();
        let omega: Vec<u64> = (0..self.by_species.len()).map(|one| self.by_species.line_len(one)).collect();
        let phi = sums(&self.by_site, &omega);
        let psi = sums(&self.by_species, &alpha);
        let diversity = diversity(n, s, &alpha, &omega, &psi, || squared_norm(self));
        let site = |(&alpha, phi): (&u64, u64)| SiteFigures {
            alpha,
            alpha_proportional: quotient(alpha, s),
            phi,
            phi_average_proportional: quotient(phi, n * alpha),
            beta: quotient(s, alpha),
        };
        let one = |(&omega, psi): (&u64, u64)| SpeciesFigures {
            omega,
            omega_proportional: quotient(omega, n),
            psi,
            psi_average_proportional: quotient(psi, s * omega),
        };
        Statistics {
            sites: alpha.iter().zip(phi).map(site).collect(),
            species: omega.iter().zip(psi).map(one).collect(),
            diversity,
        }
    }
}

/// The weights of the items of each line, added up.
fn sums(lines: &Lines, weights: &[u64]) -> Vec<u64> {
    lines.lines().map(|line| line.iter().map(|&item| weights[item as usize]).sum()).collect()
}

/// A quotient of whole numbers; every site and every species has a presence, so none of these is 0.
fn quotient(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}

/// A quotient of whole numbers, none for a denominator of 0.
fn ratio(numerator: i128, denominator: i128) -> Option<f64> {
    (denominator != 0).then(|| numerator as f64 / denominator as f64)
}

fn diversity(
    n: u64,
    s: u64,
    alpha: &[u64],
    omega: &[u64],
    psi: &[u64],
    squared_norm: impl Fn() -> u128,
) -> Diversity {
    let gamma = s;
    let (n, s) = (i128::from(n), i128::from(s));
    let squares = |values: &[u64]| values.iter().map(|&value| i128::from(value).pow(2)).sum::<i128>();
    let presences: i128 = omega.iter().map(|&omega| i128::from(omega)).sum();
    let (alpha_squares, omega_squares) = (squares(alpha), squares(omega));
    // N Σω − Σω², which is N² times the variances of the species added up, and its like of the sites.
    let species_variance = n * presences - omega_squares;
    let sites_variance = s * presences - alpha_squares;
    let c_score = || {
        let products = (presences.pow(2) - omega_squares) / 2; // Σ ω_i ω_j over the pairs
        let shared: i128 =
            omega.iter().zip(psi).map(|(&omega, &psi)| i128::from(omega) * i128::from(psi - omega)).sum();
        let norm = i128::try_from(squared_norm()).expect("the squares of fewer than 2^63 presences");
        let shared_squares = (norm - omega_squares) / 2; // Σ s_ij² over the pairs
        ratio(products - shared + shared_squares, s * (s - 1) / 2)
    };
    Diversity {
        gamma,
        whittaker_beta: ratio(s * n, presences),
        lande_beta: ratio(s * n - presences, n),
        legendre_beta: ratio(species_variance, n),
        legendre_bd: ratio(species_variance, n * (n - 1)),
        schluter_sites_variance_ratio: ratio(s * omega_squares - presences.pow(2), sites_variance),
        schluter_species_variance_ratio: ratio(n * alpha_squares - presences.pow(2), species_variance),
        c_score: if s < 2 { None } else { c_score() },
    }
}
