//! Edges with the same ends become one, with all the features they belong to.

use super::states::{Mask, States};
use super::{Features, Run};
use crate::reader::Vertex;

/// Edges of a ring, one after the other, that belong to the same features.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chain {
    pub(super) ring: u32,
    pub(super) start: u32,
    /// How many edges.
    pub(super) count: u32,
    pub(super) mask: Mask,
}

/// An edge that was met first.
struct Known {
    ring: u32,
    edge: u32,
    /// None if it cancels out.
    mask: Option<Mask>,
}

/// Working memory, used again for every cell.
#[derive(Default)]
pub(super) struct Merger {
    /// Numbers of known edges plus 1, by a hash of their ends.
    slots: Vec<u32>,
    known: Vec<Known>,
    /// The feature of each further edge with the ends of a known one.
    further: Vec<(u32, u32)>,
    odd: Vec<u32>,
}

impl Merger {
    /// The edges of `runs`, each once. A feature that has an edge twice does not have it at all: to cross it
    /// changes its parity twice. So spikes and rings without area vanish, and a border between two features is one
    /// edge.
    pub(super) fn chains(
        &mut self,
        runs: &[Run],
        features: &Features<'_>,
        states: &mut States<'_>,
        chains: &mut Vec<Chain>,
    ) {
        let edges: usize = runs.iter().map(|run| run.count as usize).sum();
        let slots = (edges * 2).next_power_of_two();
        self.slots.clear();
        self.slots.resize(slots, 0);
        self.known.clear();
        self.further.clear();
        for run in runs {
            let ring = &features.rings[run.ring as usize];
            for edge in run.start..run.start + run.count {
                self.add(run.ring, edge, ring.feature, features);
            }
        }
        self.give_masks(features, states);
        let mut known = self.known.iter().peekable();
        for run in runs {
            let mut open: Option<Chain> = None;
            for edge in run.start..run.start + run.count {
                let own = known.next_if(|known| known.ring == run.ring && known.edge == edge);
                let mask = own.and_then(|own| own.mask);
                match (&mut open, mask) {
                    (Some(chain), Some(mask)) if chain.mask == mask => chain.count += 1,
                    (_, mask) => {
                        chains.extend(open.take());
                        open = mask.map(|mask| Chain { ring: run.ring, start: edge, count: 1, mask });
                    }
                }
            }
            chains.extend(open);
        }
    }

    fn add(&mut self, ring: u32, edge: u32, feature: u32, features: &Features<'_>) {
        let ends = sorted(features.edge(ring, edge));
        if ends[0] == ends[1] {
            return;
        }
        let mask = self.slots.len() - 1;
        let mut slot = hash(ends) & mask;
        loop {
            match self.slots[slot] {
                0 => {
                    self.known.push(Known { ring, edge, mask: Some(feature) });
                    self.slots[slot] = self.known.len() as u32;
                    return;
                }
                number => {
                    let known = &self.known[number as usize - 1];
                    if sorted(features.edge(known.ring, known.edge)) == ends {
                        self.further.push((number - 1, feature));
                        return;
                    }
                }
            }
            slot = (slot + 1) & mask;
        }
    }

    fn give_masks(&mut self, features: &Features<'_>, states: &mut States<'_>) {
        self.further.sort_unstable();
        for same in self.further.chunk_by(|left, right| left.0 == right.0) {
            let known = &mut self.known[same[0].0 as usize];
            self.odd.clear();
            self.odd.push(features.rings[known.ring as usize].feature);
            self.odd.extend(same.iter().map(|&(_, feature)| feature));
            self.odd.sort_unstable();
            let mut kept = 0;
            let mut next = 0;
            while next < self.odd.len() {
                let feature = self.odd[next];
                let times = self.odd[next..].iter().take_while(|&&other| other == feature).count();
                if times % 2 == 1 {
                    self.odd[kept] = feature;
                    kept += 1;
                }
                next += times;
            }
            known.mask = match &self.odd[..kept] {
                [] => None,
                [feature] => Some(*feature),
                several => Some(states.mask(several)),
            };
        }
    }
}

/// The ends in an order that does not depend on the direction.
fn sorted([p, q]: [Vertex; 2]) -> [Vertex; 2] {
    if (p[0], p[1]) <= (q[0], q[1]) { [p, q] } else { [q, p] }
}

fn hash(ends: [Vertex; 2]) -> usize {
    let words = ends.as_flattened().iter().map(|degrees| degrees.to_bits());
    let sum = words.fold(0u64, |sum, word| (sum.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    (sum ^ sum >> 32) as usize
}
