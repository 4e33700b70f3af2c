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
