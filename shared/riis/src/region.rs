//! The three regions that the register speaks of.

/// A locality of the register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RiisRegion {
    /// Alaska.
    AK,
    /// Hawaii.
    HI,
    /// The conterminous 48 states and the District of Columbia.
    L48,
}

/// Postal codes of the conterminous states and the District of Columbia, sorted.
const CONTERMINOUS: [&str; 49] = [
    "AL", "AR", "AZ", "CA", "CO", "CT", "DC", "DE", "FL", "GA", "IA", "ID", "IL", "IN", "KS", "KY", "LA",
    "MA", "MD", "ME", "MI", "MN", "MO", "MS", "MT", "NC", "ND", "NE", "NH", "NJ", "NM", "NV", "NY", "OH",
    "OK", "OR", "PA", "RI", "SC", "SD", "TN", "TX", "UT", "VA", "VT", "WA", "WI", "WV", "WY",
];

impl RiisRegion {
    /// All of them.
    pub const ALL: [RiisRegion; 3] = [RiisRegion::AK, RiisRegion::HI, RiisRegion::L48];

    /// The region of a state, by its postal code (`STUSPS`). Territories and what is no postal code have none:
    /// the register says nothing about them.
    ///
    /// ```
    /// use bisonflow_riis::RiisRegion;
    /// assert_eq!(RiisRegion::from_state("DC"), Some(RiisRegion::L48));
    /// assert_eq!(RiisRegion::from_state("PR"), None);
    /// ```
    pub fn from_state(stusps: &str) -> Option<RiisRegion> {
        match stusps {
            "AK" => Some(RiisRegion::AK),
            "HI" => Some(RiisRegion::HI),
            other => CONTERMINOUS.binary_search(&other).is_ok().then_some(RiisRegion::L48),
        }
    }

    /// The value of column `riis_region`.
    pub fn as_str(self) -> &'static str {
        match self {
            RiisRegion::AK => "AK",
            RiisRegion::HI => "HI",
            RiisRegion::L48 => "L48",
        }
    }

    /// The region that a cell of column `locality` names.
    pub(crate) fn from_locality(cell: &str) -> Option<RiisRegion> {
        RiisRegion::ALL.into_iter().find(|region| region.as_str().eq_ignore_ascii_case(cell))
    }
}

/// How the register stands to a place: all that a record's state decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Standing {
    /// In no state.
    Outside,
    /// In a territory, of which the register does not speak.
    Territory,
    /// In one of its regions.
    In(RiisRegion),
}

impl Standing {
    /// All of them.
    pub const ALL: [Standing; 5] = [
        Standing::Outside,
        Standing::Territory,
        Standing::In(RiisRegion::AK),
        Standing::In(RiisRegion::HI),
        Standing::In(RiisRegion::L48),
    ];

    /// The standing of a state by its postal code; no state and an empty code are outside.
    pub fn of_state(state: Option<&str>) -> Standing {
        match state.filter(|state| !state.is_empty()) {
            None => Standing::Outside,
            Some(state) => RiisRegion::from_state(state).map_or(Standing::Territory, Standing::In),
        }
    }

    /// The region, if it is in one.
    pub fn region(self) -> Option<RiisRegion> {
        match self {
            Standing::In(region) => Some(region),
            Standing::Outside | Standing::Territory => None,
        }
    }
}

impl std::fmt::Display for RiisRegion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_56_states_and_what_is_none() {
        assert!(CONTERMINOUS.is_sorted(), "binary search needs it");
        for state in CONTERMINOUS {
            assert_eq!(RiisRegion::from_state(state), Some(RiisRegion::L48), "{state}");
        }
        assert_eq!(RiisRegion::from_state("AK"), Some(RiisRegion::AK));
        assert_eq!(RiisRegion::from_state("HI"), Some(RiisRegion::HI));
        for none in ["PR", "GU", "VI", "AS", "MP", "UM", "", "ks", "L48", "Kansas"] {
            assert_eq!(RiisRegion::from_state(none), None, "{none:?}");
        }
    }
}
