//! Texts as numbers, so that memory grows with the distinct ones.

use bisonflow_occurrence::parquet_file::{NO_TEXT, Texts};
use rustc_hash::FxHashMap;

/// No text: null. Sorts behind every text.
pub(crate) const NONE: u32 = NO_TEXT;

/// Gives every distinct text a number; a text that it knows costs a look-up and no allocation.
#[derive(Default)]
pub(crate) struct Interner {
    ids: FxHashMap<Box<str>, u32>,
}

impl Interner {
    pub(crate) fn id(&mut self, text: &str) -> u32 {
        if let Some(&id) = self.ids.get(text) {
            return id;
        }
        let id = next_id(self.ids.len());
        self.ids.insert(text.into(), id);
        id
    }

    pub(crate) fn optional(&mut self, text: Option<&str>) -> u32 {
        text.map_or(NONE, |text| self.id(text))
    }

    /// The texts in the order of their bytes.
    pub(crate) fn sorted(&self) -> Sorted<'_> {
        let mut by_text: Vec<(&str, u32)> = self.ids.iter().map(|(text, &id)| (&**text, id)).collect();
        by_text.sort_unstable();
        let mut ranks = vec![NONE; by_text.len()];
        for (rank, &(_, id)) in by_text.iter().enumerate() {
            ranks[id as usize] = next_id(rank);
        }
        Sorted { texts: by_text.into_iter().map(|(text, _)| text).collect(), ranks }
    }
}

/// Interned texts in the order of their bytes: comparing ranks compares texts.
pub(crate) struct Sorted<'a> {
    texts: Vec<&'a str>,
    ranks: Vec<u32>,
}

impl<'a> Sorted<'a> {
    /// The rank of an id; [`NONE`] stays what it is, and so sorts last.
    pub(crate) fn rank(&self, id: u32) -> u32 {
        if id == NONE { NONE } else { self.ranks[id as usize] }
    }

    /// The texts with their ranks as codes.
    pub(crate) fn texts(&self) -> Texts {
        let mut texts = Texts::default();
        for text in &self.texts {
            texts.code(text);
        }
        texts
    }

    /// The text of a rank.
    pub(crate) fn text(&self, rank: u32) -> Option<&'a str> {
        if rank == NONE { None } else { Some(self.texts[rank as usize]) }
    }
}

/// The number of the next of `len` distinct things.
pub(crate) fn next_id(len: usize) -> u32 {
    u32::try_from(len).ok().filter(|&id| id != NONE).expect("fewer distinct values than u32 can number")
}
