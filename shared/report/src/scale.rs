//! The classes of the maps: fixed, so that maps of different runs compare.

use crate::data::RegionRow;

/// With fewer records a region is hatched: its species and shares say more of the effort than of the place.
pub(crate) const FEW_RECORDS: i64 = 100;

/// What a map shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Measure {
    Records,
    Species,
    Nonnative,
}

impl Measure {
    pub(crate) const ALL: [Measure; 3] = [Measure::Records, Measure::Species, Measure::Nonnative];

    /// The name of the choice.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Measure::Records => "Records",
            Measure::Species => "Recorded species",
            Measure::Nonnative => "Share of introduced and invasive species",
        }
    }

    /// The classes, from the least.
    pub(crate) fn classes(self) -> [&'static str; 6] {
        match self {
            Measure::Records => {
                ["1–9", "10–99", "100–999", "1,000–9,999", "10,000–99,999", "100,000 and more"]
            }
            Measure::Species => ["1–9", "10–29", "30–99", "100–299", "300–999", "1,000 and more"],
            Measure::Nonnative => [
                "0 %",
                "above 0 to 5 %",
                "above 5 to 10 %",
                "above 10 to 20 %",
                "above 20 to 40 %",
                "above 40 %",
            ],
        }
    }

    /// What has no class, and is drawn as such.
    pub(crate) fn unclassed(self) -> &'static str {
        match self {
            Measure::Records => "no records",
            Measure::Species => "no records of species",
            Measure::Nonnative => "records, but not covered by the register",
        }
    }

    /// The class of a region, from 0; none where the measure has nothing to say.
    pub(crate) fn class(self, row: &RegionRow) -> Option<u8> {
        let above = |bounds: [i64; 5], value: i64| {
            (value > 0).then(|| bounds.iter().take_while(|bound| value >= **bound).count() as u8)
        };
        match self {
            Measure::Records => above([10, 100, 1_000, 10_000, 100_000], row.occ_count),
            Measure::Species => above([10, 30, 100, 300, 1_000], row.species_count),
            Measure::Nonnative => row.pct_species_nonnative.map(|share| {
                [0.0, 5.0, 10.0, 20.0, 40.0].iter().take_while(|bound| share > **bound).count() as u8
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_meet_without_gaps() {
        let of = |occ_count, species_count, pct_species_nonnative| {
            let row = RegionRow { occ_count, species_count, pct_species_nonnative, ..RegionRow::default() };
            Measure::ALL.map(|measure| measure.class(&row))
        };
        assert_eq!(of(0, 0, None), [None, None, None]);
        assert_eq!(of(9, 9, Some(0.0)), [Some(0), Some(0), Some(0)]);
        assert_eq!(of(10, 10, Some(0.01)), [Some(1), Some(1), Some(1)]);
        assert_eq!(of(99, 29, Some(5.0)), [Some(1), Some(1), Some(1)]);
        assert_eq!(of(99_999, 999, Some(40.0)), [Some(4), Some(4), Some(4)]);
        assert_eq!(of(100_000, 1_000, Some(100.0)), [Some(5), Some(5), Some(5)]);
    }
}
