//! What the fields of a layer say.

use std::fmt;

use crate::layer::Layer;

/// What a field says for a set of regions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldValue<'a> {
    /// Nothing: outside, or the attribute is null.
    Null,
    /// A text.
    One(&'a str),
    /// With the overlap `all`: a text or null for each region, in the order of their ids.
    Many(Texts<'a>),
}

/// What a field says for each of several regions: an iterator over texts and nulls.
#[derive(Clone, Copy)]
pub struct Texts<'a> {
    layer: &'a Layer,
    field: usize,
    regions: &'a [u32],
}

impl<'a> Texts<'a> {
    pub(crate) fn new(layer: &'a Layer, field: usize, regions: &'a [u32]) -> Self {
        Texts { layer, field, regions }
    }
}

impl<'a> Iterator for Texts<'a> {
    type Item = Option<&'a str>;

    fn next(&mut self) -> Option<Option<&'a str>> {
        let (&region, rest) = self.regions.split_first()?;
        self.regions = rest;
        Some(self.layer.text(region, self.field + 1))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.regions.len(), Some(self.regions.len()))
    }
}

impl ExactSizeIterator for Texts<'_> {}

impl PartialEq for Texts<'_> {
    fn eq(&self, other: &Self) -> bool {
        Iterator::eq(*self, *other)
    }
}

impl Eq for Texts<'_> {}

impl fmt::Debug for Texts<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(*self).finish()
    }
}
