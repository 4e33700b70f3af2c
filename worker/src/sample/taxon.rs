//! What records are of: a few real introduced species and many that do not exist.

/// A species, with a genus, a subspecies and a synonym to be named after it.
pub(super) struct Taxon {
    /// Kingdom, phylum, class, order, family.
    pub(super) lineage: [&'static str; 5],
    pub(super) species: String,
    pub(super) author: &'static str,
    pub(super) species_key: u32,
    /// Whether it is a real species, under its real key of the GBIF Backbone.
    is_real: bool,
}

impl Taxon {
    pub(super) fn genus(&self) -> &str {
        self.species.split(' ').next().unwrap_or(&self.species)
    }

    // Keys beyond those of the Backbone, ten apart: a species, and what is named after it.
    fn synthetic_key(&self, offset: u32) -> u32 {
        let species = if self.is_real {
            FIRST_KEY - 10_000_000 + self.species_key % 1_000_000 * 10
        } else {
            self.species_key
        };
        species + offset
    }

    pub(super) fn subspecies_key(&self) -> u32 {
        self.synthetic_key(1)
    }

    pub(super) fn synonym_key(&self) -> u32 {
        self.synthetic_key(2)
    }

    pub(super) fn genus_key(&self) -> u32 {
        self.synthetic_key(3)
    }
}

/// All of them, those with most records first.
pub(super) struct Taxa(Vec<Taxon>);

const SPECIES: usize = 300;
const FIRST_KEY: u32 = 900_000_000;
/// The author of every name that does not exist.
const SYNTHETIC_AUTHOR: &str = "Synthetic data";
/// Every so many species a real one.
const REAL_EVERY: usize = 20;

const PLANT: [&str; 3] = ["Plantae", "Tracheophyta", "Magnoliopsida"];
const BIRD: [&str; 3] = ["Animalia", "Chordata", "Aves"];
const MAMMAL: [&str; 3] = ["Animalia", "Chordata", "Mammalia"];

/// Real species: class and above, order, family, name, author, Backbone key, and where the register lists it as
/// what.
type RealSpecies = ([&'static str; 3], [&'static str; 4], u32, &'static [(&'static str, &'static str)]);
const REAL: [RealSpecies; 12] = [
    (
        PLANT,
        ["Poales", "Poaceae", "Bromus tectorum", "L."],
        2_703_746,
        &[("AK", "Invasive"), ("HI", "Invasive"), ("L48", "Invasive")],
    ),
    (
        BIRD,
        ["Passeriformes", "Sturnidae", "Sturnus vulgaris", "Linnaeus, 1758"],
        9_809_229,
        &[("AK", "Invasive"), ("L48", "Invasive")],
    ),
    (
        PLANT,
        ["Asterales", "Asteraceae", "Cirsium arvense", "(L.) Scop."],
        3_113_414,
        &[("AK", "Invasive"), ("L48", "Invasive")],
    ),
    (
        BIRD,
        ["Passeriformes", "Passeridae", "Passer domesticus", "(Linnaeus, 1758)"],
        5_231_190,
        &[("AK", "Introduced"), ("HI", "Introduced"), ("L48", "Introduced")],
    ),
    (
        PLANT,
        ["Myrtales", "Lythraceae", "Lythrum salicaria", "L."],
        3_188_736,
        &[("AK", "Invasive"), ("L48", "Invasive")],
    ),
    (
        BIRD,
        ["Columbiformes", "Columbidae", "Columba livia", "J. F. Gmelin, 1789"],
        2_495_414,
        &[("AK", "Introduced"), ("HI", "Introduced"), ("L48", "Introduced")],
    ),
    (
        PLANT,
        ["Brassicales", "Brassicaceae", "Alliaria petiolata", "(M. Bieb.) Cavara & Grande"],
        5_376_075,
        &[("AK", "Invasive"), ("L48", "Invasive")],
    ),
    (
        MAMMAL,
        ["Rodentia", "Muridae", "Rattus rattus", "(Linnaeus, 1758)"],
        2_439_270,
        &[("AK", "Invasive"), ("HI", "Invasive"), ("L48", "Invasive")],
    ),
    (
        PLANT,
        ["Dipsacales", "Caprifoliaceae", "Lonicera japonica", "Thunb."],
        5_334_240,
        &[("HI", "Invasive"), ("L48", "Invasive")],
    ),
    (
        MAMMAL,
        ["Carnivora", "Felidae", "Felis catus", "Linnaeus, 1758"],
        2_435_035,
        &[("AK", "Invasive"), ("HI", "Invasive"), ("L48", "Introduced")],
    ),
    (
        PLANT,
        ["Fabales", "Fabaceae", "Pueraria montana", "(Lour.) Merr."],
        2_977_636,
        &[("HI", "Invasive"), ("L48", "Invasive")],
    ),
    (
        MAMMAL,
        ["Artiodactyla", "Suidae", "Sus scrofa", "Linnaeus, 1758"],
        7_705_930,
        &[("AK", "Invasive"), ("HI", "Invasive"), ("L48", "Introduced")],
    ),
];

const SYNTHETIC_LINEAGES: [[&str; 5]; 5] = [
    ["Plantae", "Tracheophyta", "Magnoliopsida", "Synthetales", "Synthetaceae"],
    ["Plantae", "Tracheophyta", "Liliopsida", "Fictales", "Fictaceae"],
    ["Animalia", "Arthropoda", "Insecta", "Synthoptera", "Synthetidae"],
    ["Animalia", "Chordata", "Aves", "Fictiformes", "Fictidae"],
    ["Fungi", "Basidiomycota", "Agaricomycetes", "Sampulales", "Sampulaceae"],
];
const GENUS_ENDS: [&str; 12] =
    ["ora", "aria", "ella", "ium", "us", "opsis", "anthus", "odon", "ornis", "ia", "ina", "atis"];
const EPITHETS: [&str; 25] = [
    "alba",
    "arvensis",
    "borealis",
    "campestris",
    "communis",
    "elegans",
    "fallax",
    "grandis",
    "humilis",
    "incerta",
    "lacustris",
    "major",
    "minor",
    "montana",
    "nitida",
    "obscura",
    "occidentalis",
    "orientalis",
    "palustris",
    "pratensis",
    "rubra",
    "silvestris",
    "tenuis",
    "variabilis",
    "viridis",
];

impl Taxa {
    pub(super) fn new() -> Taxa {
        let mut real = REAL.iter();
        let taxa = (0..SPECIES).map(|index| {
            let real = (index % REAL_EVERY == REAL_EVERY / 2).then(|| real.next()).flatten();
            if let Some(&([kingdom, phylum, class], [order, family, species, author], key, _)) = real {
                let lineage = [kingdom, phylum, class, order, family];
                return Taxon { lineage, species: species.into(), author, species_key: key, is_real: true };
            }
            let genus = GENUS_ENDS[index / EPITHETS.len()];
            Taxon {
                lineage: SYNTHETIC_LINEAGES[index % SYNTHETIC_LINEAGES.len()],
                species: format!("Synthet{genus} {}", EPITHETS[index % EPITHETS.len()]),
                author: SYNTHETIC_AUTHOR,
                species_key: FIRST_KEY + 10 * index as u32,
                is_real: false,
            }
        });
        Taxa(taxa.collect())
    }

    pub(super) fn all(&self) -> &[Taxon] {
        &self.0
    }

    /// The register that lists the real species where the real one does, and some that do not exist: in the
    /// form of US-RIIS version 1, byte order mark included.
    pub(super) fn register(&self) -> String {
        let mut rows = vec![HEADER.join(",")];
        for &(above, [order, family, species, author], key, places) in &REAL {
            for &(locality, status) in places {
                let lineage = [above[0], above[1], above[2], order, family];
                rows.push(row(rows.len(), locality, species, author, status, &lineage, &key.to_string()));
            }
        }
        for (index, taxon) in self.0.iter().enumerate().filter(|(_, taxon)| !taxon.is_real) {
            // Some under a synonym's key, as the real register has them, and a few without any.
            let key = match index % 30 {
                3 | 17 => taxon.species_key.to_string(),
                8 | 18 | 28 => taxon.synonym_key().to_string(),
                23 => String::new(),
                _ => continue,
            };
            let status = if index % 3 == 0 { "Invasive" } else { "Introduced" };
            for locality in ["AK", "HI", "L48"] {
                rows.push(row(
                    rows.len(),
                    locality,
                    &taxon.species,
                    SYNTHETIC_AUTHOR,
                    status,
                    &taxon.lineage,
                    &key,
                ));
            }
        }
        format!("\u{feff}{}\n", rows.join("\n"))
    }
}

const HEADER: [&str; 26] = [
    "locality",
    "scientificName",
    "scientificNameAuthorship",
    "vernacularName",
    "taxonRank",
    "Introduced or Invasive",
    "Biocontrol",
    "associatedTaxa",
    "Approximate Introduction Date",
    "IntroDateNumber",
    "Other Names",
    "kingdom",
    "phylum",
    "class",
    "order",
    "family",
    "taxonomicStatus",
    "ITIS TSN",
    "GBIF taxonKey",
    "Authority",
    "associatedReferences",
    "Acquisition Date",
    "modified",
    "Update Remarks",
    "occurrenceRemarks",
    "occurrenceID",
];

fn row(
    number: usize,
    locality: &str,
    species: &str,
    author: &str,
    status: &str,
    lineage: &[&str; 5],
    key: &str,
) -> String {
    let remark = "SYNTHETIC sample register: do not use";
    // An author may hold a comma.
    format!(
        "{locality},{species},\"{author}\",,Species,{status},,,,,,{},Accepted,,{key},Synthetic data,,,,,{remark},\
         SYNTHETIC-{locality}-{number:04}",
        lineage.join(",")
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_taxa_share_a_name_or_a_key() {
        let taxa = Taxa::new();
        let names: BTreeSet<&str> = taxa.all().iter().map(|taxon| taxon.species.as_str()).collect();
        assert_eq!(names.len(), SPECIES);
        let keys: BTreeSet<u32> = taxa
            .all()
            .iter()
            .flat_map(|taxon| {
                [taxon.species_key, taxon.subspecies_key(), taxon.synonym_key(), taxon.genus_key()]
            })
            .collect();
        assert_eq!(keys.len(), SPECIES * 4);
        assert_eq!(taxa.all().iter().filter(|taxon| taxon.is_real).count(), REAL.len());
    }
}
