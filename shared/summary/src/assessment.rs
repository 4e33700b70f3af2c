//! The status of a record in the register.

/// What `riis_assessment` says. Ordered by the bytes of its text, as the tables are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Assessment {
    Established,
    Introduced,
    Invasive,
    NotAssessed,
    NotListed,
    WidespreadInvasive,
}

/// What the percentages distinguish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    Introduced,
    Invasive,
    NotListed,
    NotAssessed,
}

impl Assessment {
    pub(crate) const ALL: [Assessment; 6] = [
        Assessment::Established,
        Assessment::Introduced,
        Assessment::Invasive,
        Assessment::NotAssessed,
        Assessment::NotListed,
        Assessment::WidespreadInvasive,
    ];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Assessment::Established => "established",
            Assessment::Introduced => "introduced",
            Assessment::Invasive => "invasive",
            Assessment::NotAssessed => "not_assessed",
            Assessment::NotListed => "not_listed",
            Assessment::WidespreadInvasive => "widespread_invasive",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Assessment> {
        Self::ALL.into_iter().find(|assessment| assessment.as_str() == text)
    }

    /// The higher, the worse; `introduced` and `established` are alike.
    pub(crate) fn severity(self) -> u8 {
        match self {
            Assessment::NotAssessed => 0,
            Assessment::NotListed => 1,
            Assessment::Introduced | Assessment::Established => 2,
            Assessment::Invasive => 3,
            Assessment::WidespreadInvasive => 4,
        }
    }

    pub(crate) fn group(self) -> Group {
        match self {
            Assessment::Introduced | Assessment::Established => Group::Introduced,
            Assessment::Invasive | Assessment::WidespreadInvasive => Group::Invasive,
            Assessment::NotListed => Group::NotListed,
            Assessment::NotAssessed => Group::NotAssessed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_that_of_the_bytes() {
        assert!(Assessment::ALL.is_sorted());
        assert!(Assessment::ALL.map(Assessment::as_str).is_sorted());
        for assessment in Assessment::ALL {
            assert_eq!(Assessment::parse(assessment.as_str()), Some(assessment));
        }
        assert_eq!(Assessment::parse("presumed_native"), None);
    }
}
