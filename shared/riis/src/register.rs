//! The register in memory: one look-up per key of a record.

use bisonflow_contract::Checklist;
use rustc_hash::FxHashMap;

use crate::assessment::Assessment;
use crate::error::RiisError;
use crate::outcome::{MatchedKey, Outcome, Reason};
use crate::region::{RiisRegion, Standing};
use crate::table::Table;

/// The US Register of Introduced and Invasive Species, by key and region.
#[derive(Debug)]
pub struct Register {
    checklist: Checklist,
    is_resolved: bool,
    rows: [usize; RiisRegion::ALL.len()],
    rows_without_key: usize,
    /// The row that speaks for a key in each region.
    listings: FxHashMap<Box<str>, [Option<Listing>; RiisRegion::ALL.len()]>,
    conflicts: Vec<SharedKey>,
    duplicates: Vec<SharedKey>,
}

/// A row of the register.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// The row's id.
    pub occurrence_id: Box<str>,
    /// The name of its taxon, without authors; none where the register gives none.
    pub scientific_name: Option<Box<str>>,
    /// The row's status.
    pub assessment: Assessment,
    /// Where the row begins in the file; the header is line 1.
    pub line: u64,
}

/// Several rows for one key and region. The first of `rows` holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedKey {
    /// The key.
    pub key: Box<str>,
    /// The region.
    pub region: RiisRegion,
    /// The rows, gravest first, then by id.
    pub rows: Vec<Listing>,
}

impl Register {
    /// Reads the master list, version 1 or 2, as published or resolved, by the names of its columns.
    /// `name` is what error messages call it.
    ///
    /// A row is listed under its resolved key (`gbif_res_taxonkey`) in a resolved file, else under the
    /// register's own (`GBIF taxonKey`). Blank and `0` are no key.
    ///
    /// # Errors
    /// A [`RiisError`] that names the line: the register is all right or it is not used.
    pub fn read(name: &str, bytes: &[u8]) -> Result<Register, RiisError> {
        let table = Table::open(name, bytes)?;
        let is_resolved = table.is_resolved();
        let mut checklist: Option<Checklist> = None;
        let mut rows = [0; RiisRegion::ALL.len()];
        let mut rows_without_key = 0;
        let mut claims: FxHashMap<Box<str>, [Vec<Listing>; RiisRegion::ALL.len()]> = FxHashMap::default();
        table.for_each(|row| {
            rows[row.region as usize] += 1;
            if let Some(found) = row.checklist {
                let first = checklist.get_or_insert_with(|| found.clone());
                if *first != found {
                    return Err(RiisError::MixedChecklists {
                        register: name.into(),
                        line: row.line,
                        first: first.to_string(),
                        found: found.to_string(),
                    });
                }
            }
            let Some(key) = row.key else {
                rows_without_key += 1;
                return Ok(());
            };
            let listing = Listing {
                occurrence_id: row.occurrence_id.into(),
                scientific_name: row.scientific_name.map(Box::from),
                assessment: row.assessment,
                line: row.line,
            };
            claims.entry(key.into()).or_default()[row.region as usize].push(listing);
            Ok(())
        })?;
        if rows.iter().sum::<usize>() == 0 {
            return Err(RiisError::Empty { register: name.into() });
        }
        let checklist = checklist.filter(|_| is_resolved).unwrap_or_else(Checklist::backbone);
        let mut register = Register {
            checklist,
            is_resolved,
            rows,
            rows_without_key,
            listings: FxHashMap::default(),
            conflicts: Vec::new(),
            duplicates: Vec::new(),
        };
        for (key, claims) in claims {
            register.settle(key, claims);
        }
        for shared in [&mut register.conflicts, &mut register.duplicates] {
            shared.sort_by(|a, b| (&a.key, a.region as usize).cmp(&(&b.key, b.region as usize)));
        }
        Ok(register)
    }

    /// Decides which row speaks for `key` in each region.
    fn settle(&mut self, key: Box<str>, claims: [Vec<Listing>; RiisRegion::ALL.len()]) {
        let mut settled = [const { None }; RiisRegion::ALL.len()];
        for (region, mut rows) in RiisRegion::ALL.into_iter().zip(claims) {
            rows.sort_by(|a, b| {
                let severity = b.assessment.severity().cmp(&a.assessment.severity());
                severity.then_with(|| a.occurrence_id.cmp(&b.occurrence_id)).then(a.line.cmp(&b.line))
            });
            settled[region as usize] = rows.first().cloned();
            if rows.len() > 1 {
                let differ = rows.iter().any(|row| row.assessment != rows[0].assessment);
                let reported = if differ { &mut self.conflicts } else { &mut self.duplicates };
                reported.push(SharedKey { key: key.clone(), region, rows });
            }
        }
        self.listings.insert(key, settled);
    }

    /// What the register says about a record in this state (postal code; `None`: in no state) with these keys.
    ///
    /// The keys are tried in this order, and the first that the register lists for the state's region holds.
    /// Empty and `0` are no key. Nothing is allocated.
    pub fn assess(
        &self,
        state: Option<&str>,
        accepted: Option<&str>,
        taxon: Option<&str>,
        species: Option<&str>,
    ) -> Outcome<'_> {
        self.assess_at(Standing::of_state(state), accepted, taxon, species)
    }

    /// The same for a record whose standing is known.
    pub fn assess_at(
        &self,
        standing: Standing,
        accepted: Option<&str>,
        taxon: Option<&str>,
        species: Option<&str>,
    ) -> Outcome<'_> {
        let region = match standing {
            Standing::Outside => {
                return Outcome::unmatched(None, Assessment::NotAssessed, Reason::OutsideLayer);
            }
            Standing::Territory => {
                return Outcome::unmatched(None, Assessment::NotAssessed, Reason::Territory);
            }
            Standing::In(region) => region,
        };
        let mut has_key = false;
        for (kind, candidate) in MatchedKey::ALL.into_iter().zip([accepted, taxon, species]) {
            let Some(candidate) = key(candidate) else { continue };
            has_key = true;
            if let Some(listing) = self.listing(candidate, region) {
                return Outcome {
                    region: Some(region),
                    assessment: listing.assessment,
                    reason: Some(Reason::Matched),
                    matched_key: Some(kind),
                    occurrence_id: Some(&listing.occurrence_id),
                };
            }
        }
        if has_key {
            Outcome::unmatched(Some(region), Assessment::NotListed, Reason::NotListed)
        } else {
            Outcome::unmatched(Some(region), Assessment::NotAssessed, Reason::NoKey)
        }
    }

    /// The row that speaks for this key in this region.
    pub fn listing(&self, key: &str, region: RiisRegion) -> Option<&Listing> {
        self.listings.get(key)?[region as usize].as_ref()
    }

    /// The checklist that the keys belong to: the Backbone, unless a resolved register says another in its
    /// column `checklist`.
    pub fn checklist(&self) -> &Checklist {
        &self.checklist
    }

    /// Whether its keys were found by looking up its names, and are not those of the register as published.
    pub fn is_resolved(&self) -> bool {
        self.is_resolved
    }

    /// How many rows it has.
    pub fn rows(&self) -> usize {
        self.rows.iter().sum()
    }

    /// How many rows it has for a region.
    pub fn rows_of(&self, region: RiisRegion) -> usize {
        self.rows[region as usize]
    }

    /// How many rows have no key: they can never match.
    pub fn rows_without_key(&self) -> usize {
        self.rows_without_key
    }

    /// The distinct keys of the register, in no order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.listings.keys().map(AsRef::as_ref)
    }

    /// Keys with several rows for one region that do not say the same, by key and region.
    pub fn conflicts(&self) -> &[SharedKey] {
        &self.conflicts
    }

    /// Keys with several rows for one region that all say the same, by key and region.
    pub fn duplicates(&self) -> &[SharedKey] {
        &self.duplicates
    }
}

/// A key, unless it is one of the spellings of "none".
pub(crate) fn key(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !matches!(*text, "" | "0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const V1: &str = "locality,scientificName,Introduced or Invasive,GBIF taxonKey,occurrenceID\n";

    fn v1(rows: &str) -> Register {
        Register::read("riis.csv", format!("{V1}{rows}").as_bytes()).unwrap()
    }

    fn sentence(text: &[u8]) -> String {
        Register::read("riis.csv", text).unwrap_err().to_string()
    }

    #[test]
    fn the_first_key_that_the_region_lists_holds() {
        let register =
            v1("L48,a,Invasive,1,id1\nL48,b,introduced,2,id2\nL48,c,Introduced,3,id3\nHI,c,Invasive,3,id4\n");
        let listed = |a, b, c: &'static str| (a, Reason::Matched, Some(b), Some(c));
        use Assessment::{Introduced, Invasive, NotAssessed, NotListed};
        use MatchedKey::{Accepted, Species, Taxon};
        for (state, keys, expected) in [
            (Some("KS"), [Some("1"), Some("2"), Some("3")], listed(Invasive, Accepted, "id1")),
            (Some("KS"), [None, Some("2"), Some("3")], listed(Introduced, Taxon, "id2")),
            (Some("DC"), [Some("9"), Some("8"), Some("3")], listed(Introduced, Species, "id3")),
            (Some("HI"), [Some("1"), Some("2"), Some("3")], listed(Invasive, Species, "id4")),
            (Some("AK"), [Some("1"), Some("2"), Some("3")], (NotListed, Reason::NotListed, None, None)),
            (Some("KS"), [Some("0"), Some(""), None], (NotAssessed, Reason::NoKey, None, None)),
            (Some("PR"), [Some("1"), None, None], (NotAssessed, Reason::Territory, None, None)),
            (Some("PR"), [None, None, None], (NotAssessed, Reason::Territory, None, None)),
            (None, [Some("1"), None, None], (NotAssessed, Reason::OutsideLayer, None, None)),
            (Some(""), [Some("1"), None, None], (NotAssessed, Reason::OutsideLayer, None, None)),
        ] {
            let outcome = register.assess(state, keys[0], keys[1], keys[2]);
            let found =
                (outcome.assessment, outcome.reason.unwrap(), outcome.matched_key, outcome.occurrence_id);
            assert_eq!(found, expected, "{state:?} {keys:?}");
            assert_eq!(outcome.region, state.and_then(RiisRegion::from_state), "{state:?}");
        }
    }

    #[test]
    fn the_gravest_row_holds_then_the_lowest_id_by_bytes() {
        let register = v1("L48,a,Introduced,1,id1\nL48,a,Invasive,1,id9\nL48,a,Invasive,1,id10\n\
                           L48,b,Introduced,2,idb\nL48,b,Introduced,2,ida\nHI,b,Invasive,2,idh\n");
        assert_eq!(register.assess(Some("KS"), Some("1"), None, None).occurrence_id, Some("id10"));
        assert_eq!(register.assess(Some("KS"), Some("2"), None, None).occurrence_id, Some("ida"));
        let [conflict] = register.conflicts() else { panic!("{:?}", register.conflicts()) };
        assert_eq!((&*conflict.key, conflict.region, conflict.rows.len()), ("1", RiisRegion::L48, 3));
        let [duplicate] = register.duplicates() else { panic!("{:?}", register.duplicates()) };
        let lines: Vec<u64> = duplicate.rows.iter().map(|row| row.line).collect();
        assert_eq!((&*duplicate.key, lines), ("2", vec![6, 5]));
    }

    #[test]
    fn introduced_and_established_are_equally_grave_but_differ() {
        let header = "locality,degreeOfEstablishment,GBIF_taxonKey,occurrenceID\n";
        let text = format!(
            "{header}L48,established (category C3),1,b\nL48,Introduced,1,a\n\
             AK,widespread invasive (category E),1,z\nAK,invasive (category D2),1,c\n"
        );
        let register = Register::read("v2.csv", text.as_bytes()).unwrap();
        assert_eq!(register.assess(Some("KS"), Some("1"), None, None).assessment, Assessment::Introduced);
        let alaska = register.assess(Some("AK"), Some("1"), None, None);
        assert_eq!(alaska.assessment, Assessment::WidespreadInvasive);
        assert_eq!(register.conflicts().len(), 2);
    }

    #[test]
    fn a_resolved_register_is_listed_under_its_resolved_keys_only() {
        let text = "\u{feff}locality,Introduced or Invasive,GBIF taxonKey,occurrenceID,gbif_res_taxonkey,checklist\n\
                    L48,Invasive,1,id1,5WZLF,7ddf754f-d193-4cc9-b351-99906754a03b\nL48,Invasive,2,id2,,\n";
        let register = Register::read("riis_annotated_2026_11_01.csv", text.as_bytes()).unwrap();
        let asked = |key| register.assess(Some("KS"), Some(key), None, None).assessment;
        assert_eq!(asked("5WZLF"), Assessment::Invasive);
        assert_eq!((asked("1"), asked("2")), (Assessment::NotListed, Assessment::NotListed));
        assert_eq!(register.checklist().as_str(), "col");
        assert_eq!((register.rows(), register.rows_without_key()), (2, 1));
        assert!(v1("L48,a,Invasive,1,id1\n").checklist().is_backbone());
        // Rows without a key say the checklist as well.
        let bare = text.replace("5WZLF", "").replace(",2,id2,,", ",2,id2,,col");
        assert_eq!(Register::read("riis.csv", bare.as_bytes()).unwrap().checklist().as_str(), "col");
    }

    #[test]
    fn an_error_says_where_what_was_found_and_what_is_allowed() {
        let row = |row: &str| format!("{V1}L48,a,Invasive,1,id1\n{row}\n").into_bytes();
        for (text, expected) in [
            (Vec::new(), "riis.csv: no row"),
            (V1.into(), "riis.csv: no row"),
            ("\u{feff}\n".into(), "riis.csv: no row"),
            (row("L48,a,native,1,id2"), "line 3: status \"native\" in column \"Introduced or Invasive\"; expected introduced,"),
            (row("L48,a,,1,id2"), "line 3: status \"\""),
            (row("PR,a,Invasive,1,id2"), "line 3: locality \"PR\"; expected AK, HI or L48"),
            (row("L48,a,Invasive,1, "), "line 3: occurrenceID is blank"),
            (row("L48,a,Invasive,1"), "line: 3"),
            ([row("L48,").as_slice(), b"\xff"].concat(), "line 4: not UTF-8"),
            (b"locality,Introduced or Invasive,occurrenceID\n".into(), "no key column; expected gbif_res_taxonkey or GBIF_taxonKey, found locality,"),
            (b"Introduced or Invasive,GBIF taxonKey,occurrenceID\n".into(), "no locality column"),
            (b"locality,GBIF taxonKey,occurrenceID\n".into(), "no assessment column"),
            (b"locality,GBIF taxonKey,Introduced or Invasive\n".into(), "no id column"),
            (b"locality,Introduced or Invasive,gbif_res_taxonkey,occurrenceID,checklist\nHI,Invasive,1,a,col\nHI,Invasive,2,b,backbone\n".into(), "line 3: checklist backbone, but col before"),
        ] {
            let found = sentence(&text);
            assert!(found.contains(expected), "{found}\n  lacks {expected}");
        }
    }

    #[test]
    fn lines_are_counted_by_their_breaks_whatever_these_are() {
        let rows = "AK,Introduced,7,a\nL48,Invasive,8,b\nMars,Invasive,9,c\n";
        let text = format!("locality,Introduced or Invasive,GBIF taxonKey,occurrenceID\n{rows}");
        for text in [text.clone(), text.replace('\n', "\r\n"), text.replace("8,b\n", "8,b\n\n")] {
            let line = 4 + u64::from(text.contains("\n\n"));
            let found = sentence(text.as_bytes());
            assert!(found.contains(&format!("line {line}: locality \"Mars\"")), "{found}");
        }
    }

    #[test]
    fn a_key_that_the_backbone_cannot_have_is_no_key() {
        for key in ["3120284.0", "abc", "6MB3T", "1,234"] {
            let row = format!("L48,Introduced,\"{key}\",a\n");
            let text = format!("locality,Introduced or Invasive,GBIF taxonKey,occurrenceID\n{row}");
            let found = sentence(text.as_bytes());
            assert!(found.contains(&format!("line 2: key {key:?}; expected the digits")), "{found}");
        }
    }

    #[test]
    fn an_error_is_bad_reference_data() {
        let error = Register::read("riis.csv", b"").unwrap_err();
        assert_eq!(bisonflow_contract::StepError::from(error).name().as_str(), "BadReferenceData");
    }
}
