//! Splitting landed records into subsets, between row groups.

use bisonflow_contract::document::{Slice, Subset};
use bisonflow_contract::input::MAX_SUBSETS;

use crate::OccurrenceError;

/// Splits the row groups of `parts` (URI, records of each row group) into subsets of at most
/// `subset_records`, in order.
///
/// A row group larger than that is a subset of its own; empty row groups are left out; no records at all
/// give one empty subset. Every other row group is in exactly one slice.
///
/// # Errors
/// [`OccurrenceError::Option`] when there would be more than [`MAX_SUBSETS`], with the smallest
/// `subset_records` that works.
///
/// ```
/// let parts = [("a.parquet".to_string(), vec![3, 3]), ("b.parquet".to_string(), vec![2])];
/// let subsets = bisonflow_occurrence::subsets::split(&parts, 5)?;
/// assert_eq!(subsets.iter().map(|subset| subset.records).collect::<Vec<_>>(), [3, 5]);
/// assert_eq!(subsets[1].slices[1].uri, "b.parquet");
/// # Ok::<(), bisonflow_occurrence::OccurrenceError>(())
/// ```
pub fn split(parts: &[(String, Vec<u64>)], subset_records: u64) -> Result<Vec<Subset>, OccurrenceError> {
    let count = count(parts, subset_records);
    if count > MAX_SUBSETS {
        return Err(OccurrenceError::Option {
            field: "options.subset_records",
            found: format!("{subset_records}, which makes {count} subsets"),
            expected: match smallest(parts) {
                Some(smallest) => format!("{smallest} or more, for at most {MAX_SUBSETS} subsets"),
                None => format!("at most {MAX_SUBSETS} subsets, which no value can make of these row groups"),
            },
        });
    }
    let mut subsets: Vec<Subset> = Vec::with_capacity(count.max(1));
    walk(parts, subset_records, |uri, row_group, records, opens| {
        if opens {
            subsets.push(Subset { records: 0, slices: Vec::new() });
        }
        let Some(subset) = subsets.last_mut() else { return };
        subset.records += records;
        match subset.slices.last_mut() {
            Some(slice) if slice.uri == uri && slice.first_row_group + slice.row_groups == row_group => {
                slice.row_groups += 1;
                slice.records += records;
            }
            _ => subset.slices.push(Slice {
                uri: uri.to_owned(),
                first_row_group: row_group,
                row_groups: 1,
                records,
            }),
        }
    });
    if subsets.is_empty() {
        subsets.push(Subset { records: 0, slices: Vec::new() });
    }
    Ok(subsets)
}

/// Visits every row group that is not empty: part, index, records, whether it opens a subset.
fn walk(parts: &[(String, Vec<u64>)], subset_records: u64, mut visit: impl FnMut(&str, usize, u64, bool)) {
    let mut filled = None;
    for (uri, row_groups) in parts {
        for (index, &records) in row_groups.iter().enumerate().filter(|&(_, &records)| records > 0) {
            let together = filled.and_then(|filled: u64| filled.checked_add(records));
            let fits = together.filter(|&records| records <= subset_records);
            filled = fits.or(Some(records));
            visit(uri, index, records, fits.is_none());
        }
    }
}

fn count(parts: &[(String, Vec<u64>)], subset_records: u64) -> usize {
    let mut subsets = 0;
    walk(parts, subset_records, |_, _, _, opens| subsets += usize::from(opens));
    subsets
}

/// The smallest number of records per subset that makes few enough of them. Filling greedily, more room
/// never makes more subsets, so halving finds it.
fn smallest(parts: &[(String, Vec<u64>)]) -> Option<u64> {
    let all = parts.iter().flat_map(|(_, row_groups)| row_groups);
    let (mut too_small, mut enough) = (0, all.fold(0u64, |sum, &records| sum.saturating_add(records)));
    if count(parts, enough) > MAX_SUBSETS {
        return None;
    }
    while enough - too_small > 1 {
        let middle = too_small + (enough - too_small) / 2;
        if count(parts, middle) > MAX_SUBSETS { too_small = middle } else { enough = middle }
    }
    Some(enough)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, any, prop_assert, prop_assert_eq, proptest};

    use super::*;

    fn parts(row_groups: &[&[u64]]) -> Vec<(String, Vec<u64>)> {
        row_groups.iter().enumerate().map(|(i, groups)| (format!("part-{i}"), groups.to_vec())).collect()
    }

    #[test]
    fn sizes() {
        for (row_groups, subset_records, sizes) in [
            (&[&[][..]][..], 10, &[0][..]),
            (&[&[0, 0]], 10, &[0]),
            (&[&[5, 5, 5]], 10, &[10, 5]),
            (&[&[5], &[5], &[5]], 10, &[10, 5]),
            (&[&[25, 5, 5]], 10, &[25, 10]),
            (&[&[5, 25, 5]], 10, &[5, 25, 5]),
            (&[&[1, 1, 1]], 1, &[1, 1, 1]),
            (&[&[6, 6]], 10, &[6, 6]),
        ] {
            let subsets = split(&parts(row_groups), subset_records).unwrap();
            let found: Vec<u64> = subsets.iter().map(|subset| subset.records).collect();
            assert_eq!(found, sizes, "{row_groups:?}");
        }
    }

    #[test]
    fn an_empty_row_group_ends_a_slice_but_not_a_subset() {
        let subsets = split(&parts(&[&[2, 0, 2]]), 10).unwrap();
        let slices: Vec<(usize, usize)> =
            subsets[0].slices.iter().map(|slice| (slice.first_row_group, slice.row_groups)).collect();
        assert_eq!(slices, [(0, 1), (2, 1)]);
    }

    #[test]
    fn too_many_subsets_name_the_option_and_the_smallest_value_that_works() {
        let parts = parts(&[&[3; 10_001]]);
        let error = split(&parts, 5).unwrap_err();
        assert_eq!(
            error.to_string(),
            "options.subset_records: found 5, which makes 10001 subsets; expected 6 or more, for at most 10000 subsets"
        );
        assert!(split(&parts, 6).is_ok());
        let step = bisonflow_contract::StepError::from(error);
        assert_eq!(step.name(), bisonflow_contract::ErrorName::InvalidInput);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn every_row_group_is_in_exactly_one_slice(
            row_groups in proptest::collection::vec(proptest::collection::vec(0u64..50, 0..12), 0..6),
            subset_records in 1u64..120,
            huge in any::<bool>(),
        ) {
            let mut parts: Vec<(String, Vec<u64>)> =
                row_groups.into_iter().enumerate().map(|(i, groups)| (format!("part-{i}"), groups)).collect();
            if huge && let Some((_, groups)) = parts.first_mut() {
                groups.push(u64::from(u32::MAX));
            }
            let subsets = split(&parts, subset_records).unwrap();
            let mut found = Vec::new();
            for subset in &subsets {
                let groups: usize = subset.slices.iter().map(|slice| slice.row_groups).sum();
                prop_assert!(subset.records <= subset_records || groups == 1);
                prop_assert_eq!(subset.records, subset.slices.iter().map(|slice| slice.records).sum::<u64>());
                for slice in &subset.slices {
                    for group in slice.first_row_group..slice.first_row_group + slice.row_groups {
                        found.push((slice.uri.clone(), group));
                    }
                }
            }
            let mut expected = Vec::new();
            for (uri, groups) in &parts {
                for (index, _) in groups.iter().enumerate().filter(|&(_, &records)| records > 0) {
                    expected.push((uri.clone(), index));
                }
            }
            prop_assert!(!subsets.is_empty());
            prop_assert_eq!(found, expected);
        }
    }
}
