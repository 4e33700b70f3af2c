//! Counting records by zone and taxon: one place of a table for each record.

use bisonflow_summary::RecordCount;

/// Records whose places are looked at together, so that they are on the way from memory at the same time.
const AHEAD: usize = 64;
/// Of a free place.
const FREE: u64 = u64::MAX;
/// The year of a record that has none.
pub(crate) const NO_YEAR: i16 = i16::MIN;

/// How often each zone and taxon were met, and when. Memory grows with the different ones.
pub(crate) struct Groups {
    /// A power of two places, at most half of them taken.
    slots: Vec<Slot>,
    taken: usize,
    /// Groups of which there were more records than a slot can count.
    full: Vec<Slot>,
}

/// Records of a zone and a taxon, either all with a year or all without.
#[derive(Clone, Copy)]
struct Slot {
    group: u64,
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

const EMPTY: Slot = Slot { group: FREE, records: 0, first: i16::MAX, last: i16::MIN };

impl Groups {
    pub(crate) fn new() -> Self {
        Groups { slots: vec![EMPTY; 1 << 10], taken: 0, full: Vec::new() }
    }

    /// Counts records by their zones, below 2³⁰, their taxa and their years or [`NO_YEAR`].
    pub(crate) fn add(&mut self, zones: &[u32], taxa: &[u32], years: &[i16]) {
        let records = zones.chunks(AHEAD).zip(taxa.chunks(AHEAD)).zip(years.chunks(AHEAD));
        for ((zones, taxa), years) in records {
            while self.slots.len() < 2 * (self.taken + AHEAD) {
                self.grow();
            }
            let (mut groups, mut places, mut found) = ([FREE; AHEAD], [0; AHEAD], [FREE; AHEAD]);
            for (number, ((&zone, &taxon), &year)) in zones.iter().zip(taxa).zip(years).enumerate() {
                let group = u64::from(zone) << 33 | u64::from(taxon) << 1 | u64::from(year == NO_YEAR);
                groups[number] = group;
                places[number] = self.home(group);
            }
            // These loads do not wait for each other.
            for (found, &place) in found.iter_mut().zip(&places) {
                *found = self.slots[place].group;
            }
            for (number, &year) in years.iter().enumerate() {
                let group = groups[number];
                let place = if found[number] == group { places[number] } else { self.place(group) };
                let slot = &mut self.slots[place];
                if slot.records == u32::MAX {
                    self.full.push(*slot);
                    slot.records = 0;
                }
                slot.records += 1;
                slot.first = slot.first.min(year);
                slot.last = slot.last.max(year);
            }
        }
    }

    /// Where a group is looked for first.
    #[inline]
    fn home(&self, group: u64) -> usize {
        let bits = self.slots.len().trailing_zeros();
        // The upper bits of the product depend on all bits of the group (Knuth, Fibonacci hashing).
        (group.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (64 - bits)) as usize
    }

    /// The place of a group, which is taken if it is new.
    fn place(&mut self, group: u64) -> usize {
        let mut place = self.home(group);
        loop {
            let slot = &mut self.slots[place];
            if slot.group == group {
                return place;
            }
            if slot.group == FREE {
                slot.group = group;
                self.taken += 1;
                return place;
            }
            place = (place + 1) & (self.slots.len() - 1);
        }
    }

    fn grow(&mut self) {
        let twice = vec![EMPTY; 2 * self.slots.len()];
        let slots = std::mem::replace(&mut self.slots, twice);
        self.taken = 0;
        for slot in slots.into_iter().filter(|slot| slot.group != FREE) {
            let place = self.place(slot.group);
            self.slots[place] = slot;
        }
    }

    /// All groups, in no order; one with records both with and without a year comes twice.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Group> + '_ {
        let taken = self.slots.iter().filter(|slot| slot.group != FREE);
        taken.chain(&self.full).map(|slot| {
            let records = u64::from(slot.records);
            let is_undated = slot.group & 1 == 1;
            Group {
                zone: (slot.group >> 33) as u32,
                taxon: (slot.group >> 1) as u32,
                count: RecordCount {
                    records,
                    undated: if is_undated { records } else { 0 },
                    years: (!is_undated).then_some((slot.first, slot.last)),
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
        groups
            .slots
            .iter_mut()
            .filter(|slot| slot.group != FREE)
            .for_each(|slot| slot.records = u32::MAX - 1);
        groups.add(&[3, 3, 3], &[4, 4, 4], &[1999, 2001, 2002]);
        let records = u64::from(u32::MAX) + 2;
        assert_eq!(sums(&groups), BTreeMap::from([((3, 4), (records, 0, Some((1999, 2002))))]));
    }
}
