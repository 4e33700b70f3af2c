//! What the regions and species of a summary are called.

use rustc_hash::FxHashMap;

use crate::{SummarySpec, SummaryTable};

/// The labels of a region: of the columns of `by` after the key.
type PlaceLabels = Box<[Option<Box<str>>]>;

/// The labels of regions and the names of species, by their keys, as the tables of a summary have them. Memory grows
/// with the regions and the species.
#[derive(Debug, Default)]
pub struct Names {
    places: FxHashMap<Box<str>, PlaceLabels>,
    species: FxHashMap<Box<str>, Box<str>>,
}

impl Names {
    /// Adds the labels of a region: of the columns of `by` after the key.
    pub(crate) fn add_place<'t>(&mut self, key: &str, labels: impl Iterator<Item = Option<&'t str>>) {
        if !self.places.contains_key(key) {
            self.places.insert(key.into(), labels.map(|label| label.map(Box::from)).collect());
        }
    }

    /// Adds the name of a species.
    pub(crate) fn add_species(&mut self, key: &str, name: Option<&str>) {
        if let Some(name) = name.filter(|_| !self.species.contains_key(key)) {
            self.species.insert(key.into(), name.into());
        }
    }

    /// What a region and a species are called: the first label of the region that it has.
    pub(crate) fn of(&self, region: &str, species: &str) -> (Option<&str>, Option<&str>) {
        let label = self.places.get(region).and_then(|labels| labels.first()?.as_deref());
        (label, self.species.get(species).map(|name| &**name))
    }

    /// Appends the columns of `by`.
    pub(crate) fn place_columns<'a>(
        &'a self,
        table: &mut SummaryTable<'a>,
        spec: &SummarySpec,
        key_of: impl Fn(usize) -> &'a str + Copy + Send + Sync + 'a,
    ) {
        let key = &spec.by[0];
        table.text(key, "Key of the region", move |row| Some(key_of(row)));
        for (place, name) in spec.by[1..].iter().enumerate() {
            let comment = format!("Label of {key}: the most frequent in the run");
            table.text(name, &comment, move |row| self.places.get(key_of(row))?[place].as_deref());
        }
    }

    /// Appends specieskey and species.
    pub(crate) fn species_columns<'a>(
        &'a self,
        table: &mut SummaryTable<'a>,
        key_of: impl Fn(usize) -> &'a str + Copy + Send + Sync + 'a,
    ) {
        table.text("specieskey", "Key of the species in the run's checklist", move |row| Some(key_of(row)));
        let comment = "Name of the species: the most frequent in the run";
        table.text("species", comment, move |row| self.species.get(key_of(row)).map(|name| &**name));
    }
}
