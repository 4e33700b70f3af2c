//! The order of GBIF's ranks.

/// GBIF's ranks that a plant, animal, fungus or microbe of the register or its accepted name can have, highest
/// first, in the order of GBIF's enumeration. What is not among them (UNRANKED, OTHER) compares with nothing.
const HIGHEST_FIRST: [&str; 48] = [
    "DOMAIN",
    "REALM",
    "SUPERKINGDOM",
    "KINGDOM",
    "SUBKINGDOM",
    "INFRAKINGDOM",
    "SUPERPHYLUM",
    "PHYLUM",
    "SUBPHYLUM",
    "INFRAPHYLUM",
    "SUPERCLASS",
    "CLASS",
    "SUBCLASS",
    "INFRACLASS",
    "SUPERORDER",
    "ORDER",
    "SUBORDER",
    "INFRAORDER",
    "SUPERFAMILY",
    "FAMILY",
    "SUBFAMILY",
    "TRIBE",
    "SUBTRIBE",
    "GENUS",
    "SUBGENUS",
    "SECTION",
    "SUBSECTION",
    "SERIES",
    "SUBSERIES",
    "SPECIES_AGGREGATE",
    "SPECIES",
    "INFRASPECIFIC_NAME",
    "GREX",
    "SUBSPECIES",
    "CONVARIETY",
    "INFRASUBSPECIFIC_NAME",
    "PROLES",
    "RACE",
    "MORPH",
    "VARIETY",
    "SUBVARIETY",
    "FORM",
    "SUBFORM",
    "PATHOVAR",
    "BIOVAR",
    "FORMA_SPECIALIS",
    "CULTIVAR",
    "STRAIN",
];

fn depth(rank: &str) -> Option<usize> {
    HIGHEST_FIRST.iter().position(|name| name.eq_ignore_ascii_case(rank))
}

/// Whether `rank` is higher than `than`; `None` if either is no rank that can be compared.
pub(crate) fn is_higher(rank: &str, than: &str) -> Option<bool> {
    Some(depth(rank)? < depth(than)?)
}

/// Whether it is a kingdom or above.
pub(crate) fn is_kingdom_or_above(rank: &str) -> bool {
    depth(rank).is_some_and(|depth| depth <= 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_compare_as_in_the_enumeration() {
        for (rank, than, expected) in [
            ("SPECIES", "SUBSPECIES", Some(true)),
            ("SUBSPECIES", "VARIETY", Some(true)),
            ("VARIETY", "FORM", Some(true)),
            ("GENUS", "SPECIES", Some(true)),
            ("SPECIES", "SPECIES", Some(false)),
            ("SUBSPECIES", "SPECIES", Some(false)),
            ("UNRANKED", "SPECIES", None),
            ("SPECIES", "", None),
        ] {
            assert_eq!(is_higher(rank, than), expected, "{rank} {than}");
        }
        assert!(is_kingdom_or_above("KINGDOM") && is_kingdom_or_above("DOMAIN"));
        assert!(!is_kingdom_or_above("SUBKINGDOM") && !is_kingdom_or_above("UNRANKED"));
    }
}
