//! golden.json: what oracle.py, numpy and exact fractions computed from the formulas.

use bisonflow_summary::statistics::Axis;
use serde_json::Value;

use crate::lists::{matrix, rows_of};

/// Equal to 1e-12 of the expected value.
fn assert_close(found: impl IntoIterator<Item = f64>, expected: &Value, what: &str) {
    let found: Vec<f64> = found.into_iter().collect();
    let expected: Vec<f64> =
        expected.as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect();
    assert_eq!(found.len(), expected.len(), "{what}");
    for (found, expected) in found.iter().zip(&expected) {
        assert!((found - expected).abs() <= 1e-12 * expected.abs(), "{what}: {found}, expected {expected}");
    }
}

#[test]
fn statistics_equal_those_of_an_independent_computation() {
    let cases: Vec<Value> = serde_json::from_str(include_str!("golden.json")).unwrap();
    assert!(cases.len() > 20);
    for (place, case) in cases.iter().enumerate() {
        let lines: Vec<&str> =
            case["matrix"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
        let matrix = matrix(&rows_of(&lines), 1);
        let statistics = matrix.statistics();
        let what = |name: &str| format!("{name} of matrix {place}: {lines:?}");
        let sites = || statistics.sites.iter();
        for (name, found) in [
            ("alpha", sites().map(|site| site.alpha as f64).collect::<Vec<_>>()),
            ("alpha_proportional", sites().map(|site| site.alpha_proportional).collect()),
            ("phi", sites().map(|site| site.phi as f64).collect()),
            ("phi_average_proportional", sites().map(|site| site.phi_average_proportional).collect()),
            ("beta", sites().map(|site| site.beta).collect()),
        ] {
            assert_close(found, &case[name], &what(name));
        }
        let species = || statistics.species.iter();
        for (name, found) in [
            ("omega", species().map(|one| one.omega as f64).collect::<Vec<_>>()),
            ("omega_proportional", species().map(|one| one.omega_proportional).collect()),
            ("psi", species().map(|one| one.psi as f64).collect()),
            ("psi_average_proportional", species().map(|one| one.psi_average_proportional).collect()),
        ] {
            assert_close(found, &case[name], &what(name));
        }
        let whole = &statistics.diversity;
        for (name, found) in [
            ("gamma", Some(whole.gamma as f64)),
            ("whittaker_beta", whole.whittaker_beta),
            ("lande_beta", whole.lande_beta),
            ("legendre_beta", whole.legendre_beta),
            ("legendre_bd", whole.legendre_bd),
            ("schluter_sites_variance_ratio", whole.schluter_sites_variance_ratio),
            ("schluter_species_variance_ratio", whole.schluter_species_variance_ratio),
            ("c_score", whole.c_score),
        ] {
            let expected = &case["diversity"][name];
            assert_eq!(found.is_none(), expected.is_null(), "{}", what(name));
            assert_close(found, &expected.as_f64().into_iter().collect::<Vec<f64>>().into(), &what(name));
        }
        for (name, axis) in [("sigma_sites", Axis::Sites), ("sigma_species", Axis::Species)] {
            let Some(expected) = case[name].as_array() else { continue };
            let sigma = matrix.sigma(axis).unwrap();
            assert_eq!(sigma.size(), expected.len(), "{}", what(name));
            for (row, expected) in expected.iter().enumerate() {
                assert_close(sigma.row(row).iter().copied(), expected, &what(name));
            }
        }
    }
}
