//! The shapes of real answers, the judgement over all that can be combined, and the files that come of it.

use bisonflow_contract::Checklist;

use super::{
    Accepted, Answer, Api, Finding, MatchType, NameQuery, Reply, Rules, Sheet, Usage, decide, parse,
    parse_usage,
};
use crate::{Register, RiisError};

/// Version 2 about a subspecies that the Backbone accepts.
const DOG_V2: &str = r#"{"usage":{"key":"6164210","name":"Canis lupus familiaris Linnaeus, 1758",
 "canonicalName":"Canis lupus familiaris","authorship":"Linnaeus, 1758","rank":"SUBSPECIES","code":"ZOOLOGICAL",
 "status":"ACCEPTED","genericName":"Canis","specificEpithet":"lupus","infraspecificEpithet":"familiaris","type":"SCIENTIFIC"},
 "classification":[{"key":"1","name":"Animalia","rank":"KINGDOM"},{"key":"44","name":"Chordata","rank":"PHYLUM"},
 {"key":"359","name":"Mammalia","rank":"CLASS"},{"key":"5219142","name":"Canis","rank":"GENUS"},
 {"key":"5219173","name":"Canis lupus","rank":"SPECIES"},{"key":"6164210","name":"Canis lupus familiaris","rank":"SUBSPECIES"}],
 "diagnostics":{"matchType":"EXACT","confidence":99,"timeTaken":3,"timings":{"sciNameMatch":3}},
 "additionalStatus":[],"synonym":false}"#;

/// Version 2 about a subspecies that the Catalogue of Life sinks into its species.
const REED_V2: &str = r#"{"usage":{"key":"9XYTB","name":"Phragmites australis subsp. australis","rank":"SUBSPECIES",
 "status":"SYNONYM"},"acceptedUsage":{"key":"4GL9T","name":"Phragmites australis (Cav.) Steud.","rank":"SPECIES","status":"ACCEPTED"},
 "classification":[{"key":"CS5HF","name":"Eukaryota","rank":"DOMAIN"},{"key":"P","name":"Plantae","rank":"KINGDOM"},
 {"key":"TP","name":"Tracheophyta","rank":"PHYLUM"},{"key":"4GL9T","name":"Phragmites australis","rank":"SPECIES"}],
 "diagnostics":{"matchType":"EXACT","confidence":98,"issues":[]},"synonym":true}"#;

/// Version 2 about a bacterium: the register's kingdom is a domain of the Catalogue of Life.
const BACTERIUM_V2: &str = r#"{"usage":{"key":"4R7KW","name":"Renibacterium salmoninarum Sanders & Fryer, 1980",
 "rank":"SPECIES","status":"ACCEPTED"},"acceptedUsage":null,"classification":[{"key":"CRRY6","name":"Bacteria","rank":"DOMAIN"},
 {"key":"CTJFC","name":"Bacillati","rank":"KINGDOM"},{"key":"F9N","name":"Micrococcaceae","rank":"FAMILY"}],
 "diagnostics":{"matchType":"EXACT","confidence":97},"synonym":false}"#;

const NONE_V2: &str = r#"{"usage":null,"classification":[],"diagnostics":{"matchType":"NONE","confidence":100,
 "note":"Multiple equal matches for Achnella caduca"},"synonym":false}"#;

/// Version 1 about an accepted name and about a synonym.
const YARROW_V1: &str = r#"{"usageKey":3120284,"scientificName":"Achillea filipendulina Lam.",
 "canonicalName":"Achillea filipendulina","rank":"SPECIES","status":"ACCEPTED","confidence":99,"matchType":"EXACT",
 "kingdom":"Plantae","phylum":"Tracheophyta","order":"Asterales","family":"Asteraceae","genus":"Achillea",
 "species":"Achillea filipendulina","kingdomKey":6,"phylumKey":7707728,"classKey":220,"genusKey":3120060,
 "speciesKey":3120284,"synonym":false,"class":"Magnoliopsida"}"#;
const VETCH_V1: &str = r#"{"usageKey":2965182,"acceptedUsageKey":8286099,"scientificName":"Securigera varia (L.) Lassen",
 "canonicalName":"Securigera varia","rank":"SPECIES","status":"SYNONYM","confidence":98,"matchType":"EXACT",
 "kingdom":"Plantae","genus":"Coronilla","species":"Coronilla varia","kingdomKey":6,"speciesKey":8286099,"synonym":true}"#;
const VETCH_USAGE_V1: &str = r#"{"key":8286099,"nubKey":8286099,"nameKey":2886111,"taxonID":"gbif:8286099",
 "kingdom":"Plantae","scientificName":"Coronilla varia L.","canonicalName":"Coronilla varia","authorship":"L.",
 "nameType":"SCIENTIFIC","rank":"SPECIES","origin":"SOURCE","taxonomicStatus":"ACCEPTED","synonym":false}"#;
const NONE_V1: &str = r#"{"confidence":100,"note":"No match because of too little confidence","matchType":"NONE","synonym":false}"#;

fn asked(name: &str, rank: &str, kingdom: &str) -> NameQuery {
    NameQuery::new(name, "", rank, kingdom).unwrap()
}

fn judged(api: Api, query: &NameQuery, body: &str) -> (Finding, Option<String>) {
    let answer = parse(api, body.as_bytes()).unwrap();
    let decision = decide(query, &answer, &Rules::default());
    (decision.finding, decision.taken.map(|usage| usage.key.clone()))
}

#[test]
fn real_answers_are_read_and_judged() {
    let key = |key: &str| Some(key.to_owned());
    let dog = asked("Canis lupus familiaris", "Subspecies", "Animalia");
    let reed = asked("Phragmites australis ssp. australis", "Subspecies", "Plantae");
    let bacterium = asked("Renibacterium salmoninarum", "Species", "Bacteria");
    let yarrow = asked("Achillea filipendulina", "Species", "Plantae");
    let vetch = asked("Securigera varia", "Species", "Plantae");
    for (api, query, body, expected) in [
        (Api::V2, &dog, DOG_V2, (Finding::Accepted, key("6164210"))),
        (Api::V2, &reed, REED_V2, (Finding::BroaderSynonym, key("9XYTB"))),
        (Api::V2, &bacterium, BACTERIUM_V2, (Finding::Accepted, key("4R7KW"))),
        (Api::V2, &yarrow, NONE_V2, (Finding::NoMatch, None)),
        (Api::V2, &yarrow, BACTERIUM_V2, (Finding::KingdomDiffers, None)),
        (Api::V2, &asked("Canis lupus", "Species", "Animalia"), DOG_V2, (Finding::RankDiffers, None)),
        (Api::V1, &yarrow, YARROW_V1, (Finding::Accepted, key("3120284"))),
        (Api::V1, &yarrow, NONE_V1, (Finding::NoMatch, None)),
        (Api::V1, &vetch, VETCH_V1, (Finding::SynonymUnplaced, key("2965182"))),
    ] {
        assert_eq!(judged(api, query, body), expected, "{} {body}", query.name());
    }
    // Version 1 names the accepted usage by its key alone; with the usage itself the synonym is followed.
    let mut answer = parse(Api::V1, VETCH_V1.as_bytes()).unwrap();
    assert_eq!(answer.accepted, Some(Accepted::Key("8286099".into())));
    answer.accepted = Some(Accepted::Usage(parse_usage(VETCH_USAGE_V1.as_bytes()).unwrap()));
    let decision = decide(&vetch, &answer, &Rules::default());
    assert_eq!(
        (decision.finding, decision.taken.unwrap().key.as_str()),
        (Finding::SynonymFollowed, "8286099")
    );
    assert_eq!(decision.taken.unwrap().name, "Coronilla varia L.");
}

#[test]
fn anything_else_is_nonsense() {
    for (api, body) in [
        (Api::V2, ""),
        (Api::V2, "<html><body>502 Bad Gateway</body></html>"),
        (Api::V2, "null"),
        (Api::V2, "[]"),
        (Api::V2, "{}"),
        (Api::V2, r#"{"diagnostics":{}}"#),
        (Api::V2, YARROW_V1),
        (Api::V1, DOG_V2),
        (Api::V1, r#"{"message":"Unable to support API v1 for this checklist. Please use v2 instead."}"#),
        (Api::V1, &YARROW_V1[..YARROW_V1.len() / 2]),
        (Api::V2, r#"{"diagnostics":{"matchType":"EXACT"}}"#),
        (Api::V2, r#"{"usage":{"key":"0","name":"A","rank":"SPECIES"},"diagnostics":{"matchType":"EXACT"}}"#),
        (
            Api::V2,
            r#"{"usage":{"key":"a b","name":"A","rank":"SPECIES"},"diagnostics":{"matchType":"EXACT"}}"#,
        ),
        (Api::V2, r#"{"usage":{"key":"5","rank":"SPECIES"},"diagnostics":{"matchType":"EXACT"}}"#),
        (Api::V1, r#"{"usageKey":-5,"scientificName":"A","rank":"SPECIES","matchType":"EXACT"}"#),
    ] {
        let nonsense = parse(api, body.as_bytes()).unwrap_err().to_string();
        assert!(nonsense.ends_with("expected the JSON of a species match"), "{nonsense}");
    }
    assert!(parse_usage(b"{}").is_err() && parse_usage(NONE_V1.as_bytes()).is_err());
    assert!(parse(Api::V2, &[b'x'; 100_000]).unwrap_err().to_string().len() < 400);
}

/// All answers that can be told apart, judged by a second statement of the rules.
#[test]
fn the_judgement_holds_for_every_combination() {
    let usage = |key: &str, rank: &str, status: Option<&str>| Usage {
        key: key.into(),
        name: format!("Name of {key}"),
        rank: rank.into(),
        status: status.map(str::to_owned),
    };
    let match_types = ["EXACT", "VARIANT", "FUZZY", "HIGHERRANK", "AMBIGUOUS", "NONE", "CANONICAL", "exact"];
    let ranks = ["GENUS", "SPECIES", "SUBSPECIES", "VARIETY", "FORM", "UNRANKED"];
    let statuses = [
        None,
        Some("ACCEPTED"),
        Some("DOUBTFUL"),
        Some("PROVISIONALLY_ACCEPTED"),
        Some("SYNONYM"),
        Some("HOMOTYPIC_SYNONYM"),
        Some("HETEROTYPIC_SYNONYM"),
        Some("PROPARTE_SYNONYM"),
        Some("AMBIGUOUS_SYNONYM"),
        Some("MISAPPLIED"),
        Some("BARE_NAME"),
    ];
    let mut accepted = vec![None, Some(Accepted::Key("ACC".into()))];
    accepted.extend(ranks.map(|rank| Some(Accepted::Usage(usage("ACC", rank, Some("ACCEPTED"))))));
    let query = asked("Aus bus cus", "Subspecies", "Animalia");
    let mut followed = 0;
    for match_type in match_types {
        for confidence in [None, Some(-10), Some(95), Some(96), Some(100)] {
            for kingdom in [None, Some("Plantae"), Some("animalia")] {
                for rank in ranks {
                    for status in statuses {
                        for accepted in &accepted {
                            for synonym in [false, true] {
                                let answer = Answer {
                                    match_type: MatchType::from(match_type.to_owned()),
                                    confidence,
                                    usage: Some(usage("OWN", rank, status)),
                                    accepted: accepted.clone(),
                                    synonym,
                                    kingdoms: kingdom.map(str::to_owned).into_iter().collect(),
                                    note: None,
                                };
                                let decision = decide(&query, &answer, &Rules::default());
                                let key = decision.taken.map(|usage| usage.key.as_str());
                                let is_the_name = (match_type == "EXACT"
                                    || match_type == "VARIANT" && confidence > Some(95))
                                    && kingdom == Some("animalia")
                                    && rank == "SUBSPECIES";
                                let not_higher = matches!(accepted, Some(Accepted::Usage(accepted))
                                    if ["SUBSPECIES", "VARIETY", "FORM"].contains(&&*accepted.rank));
                                let plain = match status {
                                    Some(word) => ["SYNONYM", "HOMOTYPIC_SYNONYM", "HETEROTYPIC_SYNONYM"]
                                        .contains(&word),
                                    None => synonym || accepted.is_some(),
                                };
                                let expected = match (is_the_name, plain && not_higher) {
                                    (false, _) => None,
                                    (true, true) => Some("ACC"),
                                    (true, false) => Some("OWN"),
                                };
                                assert_eq!(key, expected, "{answer:?} {decision:?}");
                                assert_eq!(decision.finding == Finding::SynonymFollowed, key == Some("ACC"));
                                let is_plainly_accepted = !synonym
                                    && accepted.is_none()
                                    && status
                                        .is_none_or(|word| word.ends_with("ACCEPTED") || word == "DOUBTFUL");
                                assert_eq!(
                                    decision.finding == Finding::Accepted,
                                    is_the_name && is_plainly_accepted,
                                    "{answer:?} {decision:?}"
                                );
                                followed += usize::from(key == Some("ACC"));
                            }
                        }
                    }
                }
            }
        }
    }
    assert!(followed > 0);
}

#[test]
fn each_refusal_has_its_word() {
    let base = parse(Api::V2, DOG_V2.as_bytes()).unwrap();
    let query = asked("Canis lupus familiaris", "Subspecies", "Animalia");
    let of = |match_type: &str, confidence| {
        let answer = Answer {
            match_type: MatchType::from(match_type.to_owned()),
            confidence: Some(confidence),
            ..base.clone()
        };
        decide(&query, &answer, &Rules::default()).finding.as_str()
    };
    for (match_type, confidence, expected) in [
        ("EXACT", 1, "accepted"),
        ("VARIANT", 99, "accepted"),
        ("VARIANT", 95, "low_confidence"),
        ("FUZZY", 100, "fuzzy"),
        ("HIGHERRANK", 100, "higher_rank"),
        ("AMBIGUOUS", 100, "ambiguous"),
        ("NONE", 100, "no_match"),
        ("CANONICAL", 100, "other_match"),
    ] {
        assert_eq!(of(match_type, confidence), expected, "{match_type}");
    }
    let mut words: Vec<&str> = Finding::ALL.iter().map(|finding| finding.as_str()).collect();
    words.sort_unstable();
    words.dedup();
    assert_eq!(words.len(), Finding::ALL.len());
}

const V2_REGISTER: &str = "\u{feff}locality,scientificName,scientificNameAuthorship,taxonRank,degreeOfEstablishment,\
    kingdom,GBIF_taxonKey,occurrenceID\n";

fn answered(body: &str) -> Reply {
    Reply::Answer(Box::new(parse(Api::V2, body.as_bytes()).unwrap()))
}

#[test]
fn a_register_is_resolved_row_by_row_and_keeps_every_cell() {
    let text = format!(
        "{V2_REGISTER}AK,Canis lupus familiaris,\"Linnaeus, 1758\",Subspecies,invasive (category D2),Animalia,6164210,a1\n\
         L48,Phragmites australis ssp. australis,,Subspecies,established (category C3),Plantae,7226752,p1\n\
         HI,Canis lupus familiaris,\"Linnaeus, 1758\",Subspecies,established (category C3),Animalia,6164210,a2\n\
         L48, ,,Species,invasive (category D2),Plantae,,p2\n\
         L48,Spartina foliosa X alterniflora,,Hybrid,invasive (category D2),Plantae,,p3\n\
         L48,X Achnella caduca,,Species,invasive (category D2),Plantae,,p4\n\
         L48,\"Odd, \"\"name\"\"\",,Species,invasive (category D2),Plantae,1,p5\n"
    );
    let sheet = Sheet::read("riis.csv", text.as_bytes()).unwrap();
    let names: Vec<&str> = sheet.queries().iter().map(NameQuery::name).collect();
    assert_eq!(
        names,
        [
            "Canis lupus familiaris",
            "Phragmites australis ssp. australis",
            "× Achnella caduca",
            "Odd, \"name\""
        ]
    );
    let replies = [
        answered(DOG_V2),
        answered(REED_V2),
        answered(NONE_V2),
        Reply::Nothing { found: "500 six times".into(), refused: false },
    ];
    let col = Checklist::from("col".to_owned());
    let resolved = sheet.write(&replies, &col, &Rules::default()).unwrap();
    let annotated = String::from_utf8(resolved.annotated.clone()).unwrap();
    let expected = "\u{feff}locality,scientificName,scientificNameAuthorship,taxonRank,degreeOfEstablishment,kingdom,\
GBIF_taxonKey,occurrenceID,gbif_res_taxonkey,gbif_res_scientificName,gbif_res_matchType,gbif_res_confidence,gbif_res_finding,checklist
AK,Canis lupus familiaris,\"Linnaeus, 1758\",Subspecies,invasive (category D2),Animalia,6164210,a1,6164210,\"Canis lupus familiaris Linnaeus, 1758\",EXACT,99,accepted,col
L48,Phragmites australis ssp. australis,,Subspecies,established (category C3),Plantae,7226752,p1,9XYTB,Phragmites australis subsp. australis,EXACT,98,broader_synonym,col
HI,Canis lupus familiaris,\"Linnaeus, 1758\",Subspecies,established (category C3),Animalia,6164210,a2,6164210,\"Canis lupus familiaris Linnaeus, 1758\",EXACT,99,accepted,col
L48, ,,Species,invasive (category D2),Plantae,,p2,,,,,blank_name,col
L48,Spartina foliosa X alterniflora,,Hybrid,invasive (category D2),Plantae,,p3,,,,,no_rank,col
L48,X Achnella caduca,,Species,invasive (category D2),Plantae,,p4,,,NONE,100,no_match,col
L48,\"Odd, \"\"name\"\"\",,Species,invasive (category D2),Plantae,1,p5,,,,,no_answer,col
";
    assert_eq!(annotated, expected);
    let unresolved = String::from_utf8(resolved.unresolved).unwrap();
    let lines: Vec<&str> = unresolved.lines().collect();
    assert_eq!(lines.len(), 6, "{unresolved}");
    assert!(lines[1].starts_with(
        "p1,L48,Phragmites australis ssp. australis,,Subspecies,Plantae,broader_synonym,9XYTB,EXACT,98,9XYTB,"
    ));
    assert!(lines[1].contains(",4GL9T,Phragmites australis (Cav.) Steud.,"));
    assert!(lines[5].ends_with(",no_answer,,,,,,,,,,500 six times"), "{}", lines[5]);
    assert_eq!(resolved.rows_with_key, 3);
    assert_eq!(resolved.findings[&Finding::Accepted], 2);

    // The species stays free: neither the native reed nor the wolf is flagged.
    let register = Register::read("annotated.csv", &resolved.annotated).unwrap();
    assert_eq!(register.checklist().as_str(), "col");
    let listed = |state, key| register.assess(Some(state), None, Some(key), None).occurrence_id;
    assert_eq!((listed("KS", "9XYTB"), listed("KS", "4GL9T")), (Some("p1"), None));
    assert_eq!((listed("AK", "6164210"), listed("AK", "5219173")), (Some("a1"), None));

    // Resolving what is resolved replaces what was added, against whichever checklist.
    let again = Sheet::read("annotated.csv", &resolved.annotated).unwrap();
    let other = "2d59e5db-57ad-41ff-97d6-11f5fb264527";
    let again = again.write(&replies, &Checklist::from(other.to_owned()), &Rules::default()).unwrap();
    assert_eq!(
        String::from_utf8(again.annotated).unwrap(),
        expected.replace(",col\n", &format!(",{other}\n"))
    );
}

#[test]
fn rows_that_meet_under_one_key_and_differ_are_listed() {
    let text = format!(
        "{V2_REGISTER}AK,Canis lupus familiaris,,Subspecies,invasive (category D2),Animalia,6164210,a1\n\
         AK,Canis familiaris domesticus,,Subspecies,established (category C3),Animalia,,a2\n"
    );
    let sheet = Sheet::read("riis.csv", text.as_bytes()).unwrap();
    let replies = [answered(DOG_V2), answered(DOG_V2)];
    let resolved = sheet.write(&replies, &Checklist::backbone(), &Rules::default()).unwrap();
    assert_eq!(resolved.status_conflicts, 1);
    let unresolved = String::from_utf8(resolved.unresolved).unwrap();
    assert_eq!(unresolved.matches(",status_conflict,6164210,").count(), 2, "{unresolved}");
    assert!(unresolved.contains("the first holds: a1 says invasive, a2 says established"), "{unresolved}");
}

#[test]
fn a_register_that_cannot_be_used_is_a_named_error() {
    let row = |row: &str| format!("{V2_REGISTER}{row}\n").into_bytes();
    for (text, expected) in [
        (Vec::new(), "riis.csv: no row"),
        (V2_REGISTER.into(), "riis.csv: no row"),
        (row("AK,A b,,Species,native,Animalia,1,a1"), "line 2: status \"native\""),
        (row("PR,A b,,Species,invasive,Animalia,1,a1"), "line 2: locality \"PR\""),
        (row("AK,A b,,Species,invasive,Animalia,1,"), "line 2: occurrenceID is blank"),
        (row("AK,A b,,Species,invasive,Animalia,1"), "line: 2"),
        (b"locality,Introduced or Invasive,GBIF taxonKey,occurrenceID,taxonRank,kingdom\nAK,Invasive,1,a,Species,Plantae\n".into(), "no name column; expected scientificName"),
        (b"locality,Introduced or Invasive,GBIF taxonKey,occurrenceID,scientificName,kingdom\nAK,Invasive,1,a,A b,Plantae\n".into(), "no rank column; expected taxonRank"),
    ] {
        let Err(error) = Sheet::read("riis.csv", &text) else { panic!("{expected}") };
        assert!(error.to_string().contains(expected), "{error}\n  lacks {expected}");
        assert!(!matches!(error, RiisError::MixedChecklists { .. }));
    }
}
