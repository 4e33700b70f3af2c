//! The published register, version 1, when the folder of real data lies beside the checkout.

use std::path::Path;

use bisonflow_contract::Checklist;
use bisonflow_riis::resolve::{Api, Finding, Reply, Rules, Sheet, parse};
use bisonflow_riis::{Assessment, Register, RiisRegion};

#[test]
fn version_1_reads_as_counted_by_other_means() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/riis/US-RIIS_MasterList.csv");
    let Ok(bytes) = std::fs::read(&path) else {
        eprintln!("not run: the real data is not there");
        return;
    };
    let register = Register::read("US-RIIS_MasterList.csv", &bytes).unwrap();
    assert_eq!(register.rows(), 15_264);
    assert_eq!(RiisRegion::ALL.map(|region| register.rows_of(region)), [532, 6_075, 8_657]);
    assert_eq!(register.rows_without_key(), 1_781);
    assert!(register.checklist().is_backbone());
    assert!(register.conflicts().is_empty(), "{:?}", register.conflicts());
    let duplicates: Vec<(&str, RiisRegion)> =
        register.duplicates().iter().map(|shared| (&*shared.key, shared.region)).collect();
    assert_eq!(duplicates, [("2026925", RiisRegion::L48), ("9716265", RiisRegion::HI)]);
    assert!(register.keys().all(|key| key.bytes().all(|byte| byte.is_ascii_digit())));

    let yarrow = register.assess(Some("AK"), None, Some("3120284"), None);
    assert_eq!(yarrow.assessment, Assessment::Invasive);
    assert_eq!(yarrow.occurrence_id, Some("USRIIS-AK-Plantae5768"));
}

#[test]
fn version_1_is_asked_about_name_by_name_and_keeps_every_cell() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/riis/US-RIIS_MasterList.csv");
    let Ok(bytes) = std::fs::read(&path) else {
        eprintln!("not run: the real data is not there");
        return;
    };
    let sheet = Sheet::read("US-RIIS_MasterList.csv", &bytes).unwrap();
    assert_eq!((sheet.rows(), sheet.queries().len()), (15_264, 12_980));
    let yarrow = parse(
        Api::V2,
        br#"{"usage":{"key":"8QWYY","name":"Achillea filipendulina Lam.","rank":"SPECIES","status":"ACCEPTED"},
        "classification":[{"key":"P","name":"Plantae","rank":"KINGDOM"}],
        "diagnostics":{"matchType":"EXACT","confidence":99}}"#,
    );
    let mut replies = vec![Reply::Answer(Box::new(yarrow.unwrap()))];
    replies.resize(sheet.queries().len(), Reply::Nothing { found: "nothing".into(), refused: false });
    let col = Checklist::from("col".to_owned());
    let resolved = sheet.write(&replies, &col, &Rules::default()).unwrap();
    assert_eq!(sheet.queries()[0].name(), "Achillea filipendulina");
    assert_eq!(resolved.findings[&Finding::NoRank], 2);

    let (mut before, mut after) =
        (csv::Reader::from_reader(&bytes[..]), csv::Reader::from_reader(&resolved.annotated[..]));
    assert_eq!(after.headers().unwrap().len(), before.headers().unwrap().len() + 6);
    for (before, after) in before.records().zip(after.records()) {
        let (before, after) = (before.unwrap(), after.unwrap());
        assert!(before.iter().eq(after.iter().take(before.len())), "{before:?}");
    }
    let register = Register::read("annotated.csv", &resolved.annotated).unwrap();
    assert_eq!((register.rows(), register.checklist().as_str()), (15_264, "col"));
    let alaska = register.assess(Some("AK"), None, Some("8QWYY"), None);
    assert_eq!(alaska.occurrence_id, Some("USRIIS-AK-Plantae5768"));
}
