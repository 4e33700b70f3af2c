//! The published register, version 1, when the folder of real data lies beside the checkout.

use std::path::Path;

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
