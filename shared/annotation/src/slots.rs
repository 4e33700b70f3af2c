//! A table of groups of records: numbers of two kinds in one, and what is known of each.

/// Records whose groups are looked at together, so that they are on the way from memory at the same time.
pub(crate) const AHEAD: usize = 64;
/// Of a free place; no group is called so.
pub(crate) const FREE: u64 = u64::MAX;

/// What is known of each group, by open addressing. Memory grows with the different groups.
pub(crate) struct Slots<V> {
    /// A power of two places, at most half of them taken.
    slots: Vec<Slot<V>>,
    taken: usize,
    /// What is known of a group that was not met before.
    new: V,
}

/// A place of the table.
#[derive(Clone, Copy)]
pub(crate) struct Slot<V> {
    pub(crate) group: u64,
    pub(crate) value: V,
}

impl<V: Copy> Slots<V> {
    /// No group yet; `new` is what is known of one that was not met before.
    pub(crate) fn new(new: V) -> Self {
        Slots { slots: vec![Slot { group: FREE, value: new }; 1 << 10], taken: 0, new }
    }

    /// Makes room for so many more groups: until they are there, places stay what they are.
    pub(crate) fn make_room(&mut self, more: usize) {
        while self.slots.len() < 2 * (self.taken + more) {
            self.grow();
        }
    }

    /// Where a group is looked for first.
    #[inline]
    pub(crate) fn home(&self, group: u64) -> usize {
        let bits = self.slots.len().trailing_zeros();
        // The upper bits of the product depend on all bits of the group (Knuth, Fibonacci hashing).
        (group.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (64 - bits)) as usize
    }

    #[inline]
    pub(crate) fn at(&self, place: usize) -> &Slot<V> {
        &self.slots[place]
    }

    #[inline]
    pub(crate) fn value(&mut self, place: usize) -> &mut V {
        &mut self.slots[place].value
    }

    /// The place of a group, which is taken if it is new.
    pub(crate) fn take(&mut self, group: u64) -> usize {
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
        let twice = vec![Slot { group: FREE, value: self.new }; 2 * self.slots.len()];
        let slots = std::mem::replace(&mut self.slots, twice);
        self.taken = 0;
        for slot in slots.into_iter().filter(|slot| slot.group != FREE) {
            let place = self.take(slot.group);
            self.slots[place] = slot;
        }
    }

    /// All groups, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Slot<V>> {
        self.slots.iter().filter(|slot| slot.group != FREE)
    }
}
