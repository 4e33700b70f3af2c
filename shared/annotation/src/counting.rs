//! Counting records by zone and taxon: one place of a table for each record.

use bisonflow_summary::RecordCount;

use crate::slots::{AHEAD, FREE, Slot, Slots};

/// The year of a record that has none.
pub(crate) const NO_YEAR: i16 = i16::MIN;

/// How often each zone and taxon were met, and when. Memory grows with the different ones.
pub(crate) struct Groups {
    slots: Slots<Met>,
    /// Groups of which there were more records than a slot can count.
    full: Vec<Slot<Met>>,
}

/// Records of a zone and a taxon, either all with a year or all without.
#[derive(Clone, Copy)]
struct Met {
    records: u32,
    first: i16,
    last: i16,
}

/// A group of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) zone: u32,
    pub(crate) taxon: u32,
    pub(crate) count: RecordCount,
}

const NOT_MET: Met = Met { records: 0, first: i16::MAX, last: i16::MIN };

impl Groups {
    pub(crate) fn new() -> Self {
        Groups { slots: Slots::new(NOT_MET), full: Vec::new() }
    }

    /// Counts records by their zones, below 2³⁰, their taxa and their years or [`NO_YEAR`].
    pub(crate) fn add(&mut self, zones: &[u32], taxa: &[u32], years: &[i16]) {
        let records = zones.chunks(AHEAD).zip(taxa.chunks(AHEAD)).zip(years.chunks(AHEAD));
        for ((zones, taxa), years) in records {
            self.slots.make_room(AHEAD);
            let (mut groups, mut places, mut found) = ([FREE; AHEAD], [0; AHEAD], [FREE; AHEAD]);
            for (number, ((&zone, &taxon), &year)) in zones.iter().zip(taxa).zip(years).enumerate() {
                let group = u64::from(zone) << 33 | u64::from(taxon) << 1 | u64::from(year == NO_YEAR);
                groups[number] = group;
                places[number] = self.slots.home(group);
            }
            // These loads do not wait for each other.
            for (found, &place) in found.iter_mut().zip(&places) {
                *found = self.slots.at(place).group;
            }
            for (number, &year) in years.iter().enumerate() {
                let group = groups[number];
                let place = if found[number] == group { places[number] } else { self.slots.take(group) };
                let met = self.slots.value(place);
                if met.records == u32::MAX {
                    self.full.push(Slot { group, value: *met });
                    met.records = 0;
                }
                met.records += 1;
                met.first = met.first.min(year);
                met.last = met.last.max(year);
            }
        }
    }

    /// All groups, in no order; one with records both with and without a year comes twice.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Group> + '_ {
        self.slots.iter().chain(&self.full).map(|slot| {
            let Met { records, first, last } = slot.value;
            let records = u64::from(records);
            let is_undated = slot.group & 1 == 1;
            Group {
                zone: (slot.group >> 33) as u32,
                taxon: (slot.group >> 1) as u32,
                count: RecordCount {
                    records,
                    undated: if is_undated { records } else { 0 },
                    years: (!is_undated).then_some((first, last)),
                },
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::proptest;
    use proptest::{collection::vec, prop_assert_eq};

    use super::*;

    type Sums = BTreeMap<(u32, u32), (u64, u64, Option<(i16, i16)>)>;

    fn sums(groups: &Groups) -> Sums {
        let mut sums = Sums::new();
        for Group { zone, taxon, count } in groups.iter() {
            let sum = sums.entry((zone, taxon)).or_default();
            sum.0 += count.records;
            sum.1 += count.undated;
            sum.2 = match (sum.2, count.years) {
                (Some(one), Some(other)) => Some((one.0.min(other.0), one.1.max(other.1))),
                (one, other) => one.or(other),
            };
        }
        sums
    }

    proptest! {
        #[test]
        fn every_record_is_counted_once(
            records in vec((0u32..40, 0u32..60, -1i16..30), 0..3000),
            spread in 0u32..26,
            cut in 0usize..3000,
        ) {
            let zones: Vec<u32> = records.iter().map(|record| record.0 << spread.min(24)).collect();
            let taxa: Vec<u32> = records.iter().map(|record| record.1 << spread).collect();
            let year = |year: i16| if year < 0 { NO_YEAR } else { 1990 + year };
            let years: Vec<i16> = records.iter().map(|record| year(record.2)).collect();
            let mut groups = Groups::new();
            let cut = cut.min(records.len());
            groups.add(&zones[..cut], &taxa[..cut], &years[..cut]);
            groups.add(&zones[cut..], &taxa[cut..], &years[cut..]);

            let mut expected = Sums::new();
            for ((&zone, &taxon), &year) in zones.iter().zip(&taxa).zip(&years) {
                let sum = expected.entry((zone, taxon)).or_default();
                sum.0 += 1;
                if year == NO_YEAR {
                    sum.1 += 1;
                } else {
                    let (first, last) = sum.2.unwrap_or((year, year));
                    sum.2 = Some((first.min(year), last.max(year)));
                }
            }
            prop_assert_eq!(sums(&groups), expected);
        }
    }

    #[test]
    fn more_records_than_a_slot_can_count_are_counted() {
        let mut groups = Groups::new();
        groups.add(&[3], &[4], &[2000]);
        let only = groups.slots.iter().next().unwrap().group;
        let place = groups.slots.take(only);
        groups.slots.value(place).records = u32::MAX - 1;
        groups.add(&[3, 3, 3], &[4, 4, 4], &[1999, 2001, 2002]);
        let records = u64::from(u32::MAX) + 2;
        assert_eq!(sums(&groups), BTreeMap::from([((3, 4), (records, 0, Some((1999, 2002))))]));
    }
}
