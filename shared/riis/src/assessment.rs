//! What the register says about a taxon in a region.

/// The status of a record, as column `riis_assessment` carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Assessment {
    /// Not native, and there by people (version 1 of the register).
    Introduced,
    /// Not native, with a self-sustaining population (version 2: category C3).
    Established,
    /// Not native, spreading from where it was introduced (version 2: category D2).
    Invasive,
    /// Invasive at many sites of several habitats (version 2: category E).
    WidespreadInvasive,
    /// The register has no row for this taxon and region. That does not mean native.
    NotListed,
    /// The register was not or could not be asked.
    NotAssessed,
}

impl Assessment {
    /// All of them, in the order of the ledger.
    pub const ALL: [Assessment; 6] = [
        Assessment::Introduced,
        Assessment::Established,
        Assessment::Invasive,
        Assessment::WidespreadInvasive,
        Assessment::NotListed,
        Assessment::NotAssessed,
    ];

    /// The words that a register may use, for error messages.
    pub(crate) const WORDS: &str = "introduced, established, invasive, widespread invasive, each alone or \
                                    followed by its category in parentheses";

    /// The value of column `riis_assessment`.
    pub fn as_str(self) -> &'static str {
        match self {
            Assessment::Introduced => "introduced",
            Assessment::Established => "established",
            Assessment::Invasive => "invasive",
            Assessment::WidespreadInvasive => "widespread_invasive",
            Assessment::NotListed => "not_listed",
            Assessment::NotAssessed => "not_assessed",
        }
    }

    /// The assessment that column `riis_assessment` carries under this name.
    pub fn from_name(name: &str) -> Option<Assessment> {
        Assessment::ALL.into_iter().find(|assessment| assessment.as_str() == name)
    }

    /// How grave it is: widespread invasive 4, invasive 3, introduced and established 2, not listed 1,
    /// not assessed 0. Of several statuses the gravest holds.
    pub fn severity(self) -> u8 {
        match self {
            Assessment::WidespreadInvasive => 4,
            Assessment::Invasive => 3,
            Assessment::Introduced | Assessment::Established => 2,
            Assessment::NotListed => 1,
            Assessment::NotAssessed => 0,
        }
    }

    /// The status that a cell of the register names: `Introduced`, `invasive`,
    /// `widespread invasive (category E)`, in any case.
    pub(crate) fn from_register(cell: &str) -> Option<Assessment> {
        let word = cell.split_once('(').map_or(cell, |(word, _category)| word).trim();
        let is = |name: &str| word.eq_ignore_ascii_case(name);
        if is("introduced") {
            Some(Assessment::Introduced)
        } else if is("established") {
            Some(Assessment::Established)
        } else if is("invasive") {
            Some(Assessment::Invasive)
        } else if is("widespread invasive") || is("widespread_invasive") {
            Some(Assessment::WidespreadInvasive)
        } else {
            None
        }
    }
}

impl std::fmt::Display for Assessment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_both_versions_are_understood() {
        for (cell, expected) in [
            ("Introduced", Some(Assessment::Introduced)),
            ("introduced", Some(Assessment::Introduced)),
            ("Invasive", Some(Assessment::Invasive)),
            ("established (category C3)", Some(Assessment::Established)),
            ("invasive (category D2)", Some(Assessment::Invasive)),
            ("widespread invasive (category E)", Some(Assessment::WidespreadInvasive)),
            ("Widespread Invasive", Some(Assessment::WidespreadInvasive)),
            ("", None),
            ("native", None),
            ("not_listed", None),
        ] {
            assert_eq!(Assessment::from_register(cell), expected, "{cell:?}");
        }
    }

    #[test]
    fn names_lead_back() {
        for assessment in Assessment::ALL {
            assert_eq!(Assessment::from_name(assessment.as_str()), Some(assessment));
        }
        assert_eq!(Assessment::from_name("presumed_native"), None);
    }
}
