//! What is asked about a name.

use bisonflow_contract::Checklist;

use super::decision::Finding;

/// A version of GBIF's species match service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Api {
    /// `/v2/species/match`: of any checklist.
    #[default]
    V2,
    /// `/v1/species/match`: of the Backbone only; it names a synonym's accepted usage by its key alone.
    V1,
}

impl Api {
    /// The service's path below the server.
    pub fn path(self) -> &'static str {
        match self {
            Api::V2 => "v2/species/match",
            Api::V1 => "v1/species/match",
        }
    }
}

/// One name of the register, as the service is asked about it. Rows that speak of the same name share it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NameQuery {
    name: String,
    authorship: String,
    rank: &'static str,
    kingdom: String,
}

impl NameQuery {
    /// The question that a row's cells make. Spaces are folded, a hybrid's capital ` X ` becomes the `×` of the
    /// nomenclatural codes, and the kingdom `Virus` becomes the `Viruses` of GBIF.
    ///
    /// # Errors
    /// The [`Finding`] of a row that cannot be asked about: [`Finding::BlankName`], [`Finding::BlankKingdom`],
    /// or [`Finding::NoRank`] for a rank that no checklist has (`Hybrid`): without them no answer could be
    /// judged.
    pub fn new(name: &str, authorship: &str, rank: &str, kingdom: &str) -> Result<NameQuery, Finding> {
        let name: Vec<&str> =
            name.split_whitespace().map(|word| if word == "X" || word == "x" { "×" } else { word }).collect();
        if name.is_empty() {
            return Err(Finding::BlankName);
        }
        let rank = match rank.trim().to_ascii_lowercase().as_str() {
            "species" => "SPECIES",
            "subspecies" => "SUBSPECIES",
            "variety" => "VARIETY",
            "form" => "FORM",
            "genus" => "GENUS",
            _ => return Err(Finding::NoRank),
        };
        let kingdom = match kingdom.trim() {
            "" => return Err(Finding::BlankKingdom),
            virus if virus.eq_ignore_ascii_case("virus") => "Viruses",
            kingdom => kingdom,
        };
        Ok(NameQuery {
            name: name.join(" "),
            authorship: authorship.split_whitespace().collect::<Vec<_>>().join(" "),
            rank,
            kingdom: kingdom.to_owned(),
        })
    }

    /// The name, without its author.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The rank, in GBIF's word.
    pub fn rank(&self) -> &'static str {
        self.rank
    }

    /// The kingdom.
    pub fn kingdom(&self) -> &str {
        &self.kingdom
    }

    /// The parameters of the request, in the order in which they are sent. The checklist is always named: the
    /// service's default may change.
    pub fn parameters<'a>(&'a self, api: Api, checklist: &'a Checklist) -> Vec<(&'static str, &'a str)> {
        let names = match api {
            Api::V2 => ["scientificName", "scientificNameAuthorship", "taxonRank"],
            Api::V1 => ["name", "authorship", "rank"],
        };
        let mut parameters: Vec<(&str, &str)> =
            names.into_iter().zip([self.name.as_str(), &self.authorship, self.rank]).collect();
        parameters.push(("kingdom", &self.kingdom));
        parameters.push(("strict", "true"));
        if api == Api::V2 {
            parameters.push(("checklistKey", checklist.gbif_key()));
        }
        parameters.retain(|(_, value)| !value.is_empty());
        parameters
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_become_a_question_or_a_reason() {
        let name = |name| NameQuery::new(name, "", "Species", "Plantae").map(|query| query.name);
        assert_eq!(name("  Mentha  X piperita "), Ok("Mentha × piperita".into()));
        assert_eq!(name("X Achnella caduca"), Ok("× Achnella caduca".into()));
        assert_eq!(name("Xanthomonas citri"), Ok("Xanthomonas citri".into()));
        assert_eq!(name(" \u{a0} "), Err(Finding::BlankName));
        for (rank, kingdom, expected) in [
            ("Species", "Plantae", Ok(("SPECIES", "Plantae"))),
            (" subspecies", "Animalia ", Ok(("SUBSPECIES", "Animalia"))),
            ("Variety", "Virus", Ok(("VARIETY", "Viruses"))),
            ("FORM", "Fungi", Ok(("FORM", "Fungi"))),
            ("Hybrid", "Plantae", Err(Finding::NoRank)),
            ("", "Plantae", Err(Finding::NoRank)),
            ("Species", " ", Err(Finding::BlankKingdom)),
        ] {
            let found = NameQuery::new("A b", "", rank, kingdom);
            let found = found.as_ref().map(|query| (query.rank(), query.kingdom())).map_err(|error| *error);
            assert_eq!(found, expected, "{rank:?} {kingdom:?}");
        }
    }

    #[test]
    fn each_version_has_its_own_parameters() {
        let query =
            NameQuery::new("Canis lupus familiaris", "Linnaeus,  1758", "Subspecies", "Animalia").unwrap();
        assert_eq!(
            query.parameters(Api::V2, &Checklist::from("col".to_owned())),
            [
                ("scientificName", "Canis lupus familiaris"),
                ("scientificNameAuthorship", "Linnaeus, 1758"),
                ("taxonRank", "SUBSPECIES"),
                ("kingdom", "Animalia"),
                ("strict", "true"),
                ("checklistKey", "7ddf754f-d193-4cc9-b351-99906754a03b"),
            ]
        );
        let bare = NameQuery::new("Fowlpox virus", "", "Species", "Virus").unwrap();
        assert_eq!(
            bare.parameters(Api::V1, &Checklist::backbone()),
            [("name", "Fowlpox virus"), ("rank", "SPECIES"), ("kingdom", "Viruses"), ("strict", "true")]
        );
    }
}
