//! `bisonflow riis resolve`, the program itself, against a stand-in for GBIF's species match service.

#[cfg(test)]
mod support;

use std::time::{Duration, Instant};

use bisonflow_cloud::species_match::stand_in::{Behaviour, StandIn};
use bisonflow_riis::Register;

use support::{HEADER, catalogue_of_life, command, command_at, files, finish, register};

#[test]
fn a_killed_resolve_goes_on_where_it_was_and_subspecies_stay_apart() {
    let dir = tempfile::tempdir().unwrap();
    let register = register(dir.path(), 120);
    let out = dir.path().join("out");
    let server = StandIn::start(Duration::from_millis(20), |seen, _| catalogue_of_life(seen)).unwrap();
    let mut child = command(&register, &server, &out).spawn().unwrap();
    let started = Instant::now();
    while server.seen().len() < 40 {
        assert!(started.elapsed() < Duration::from_secs(60), "{}", finish(child).1);
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap(); // SIGKILL
    child.wait().unwrap();
    assert!(files(&out, ".csv").is_empty(), "{:?}", files(&out, ".csv"));
    let before = server.seen().len();

    let (output, said) = finish(command(&register, &server, &out).spawn().unwrap());
    assert!(output.status.success(), "{said}");
    // Asked twice is at most what was on its way when the kill came.
    let asked = server.seen().len();
    assert!((120..=124).contains(&asked), "{before} requests, then {}", asked - before);
    let known = format!("120 rows, 120 names, {} of them known before", 120 - (asked - before));
    assert!(said.contains(&known), "{said}");

    let names = files(&out, ".csv");
    assert_eq!(names.len(), 2, "{names:?}");
    assert!(names[0].starts_with("register_annotated_20") && names[1].starts_with("register_unresolved_20"));
    let annotated = std::fs::read(out.join(&names[0])).unwrap();
    let resolved = Register::read(&names[0], &annotated).unwrap();
    assert_eq!((resolved.checklist().as_str(), resolved.rows()), ("col", 120));
    let listed = |state: &str, key: &str| resolved.assess(Some(state), None, Some(key), None).occurrence_id;
    assert_eq!((listed("KS", "Pasa35"), listed("AK", "Clf22")), (Some("reed"), Some("dog")));
    assert_eq!((listed("KS", "WHOLE"), listed("AK", "WHOLE")), (None, None));
    let unresolved = std::fs::read_to_string(out.join(&names[1])).unwrap();
    assert_eq!(unresolved.matches(",broader_synonym,").count(), 2, "{unresolved}");

    // Once more: nothing is asked, and the bytes are the same.
    let (output, said) = finish(command(&register, &server, &out).spawn().unwrap());
    assert!(output.status.success(), "{said}");
    assert_eq!(server.seen().len(), asked);
    assert_eq!(std::fs::read(out.join(&names[0])).unwrap(), annotated);
}

#[test]
fn what_cannot_be_resolved_ends_with_its_exit_code_and_no_file() {
    let dir = tempfile::tempdir().unwrap();
    let good = register(dir.path(), 4);
    let bad = dir.path().join("bad.csv");
    std::fs::write(&bad, format!("{HEADER}L48,Aus bus,L.,Species,native,Plantae,1,row1\n")).unwrap();
    let nothing = StandIn::start(Duration::ZERO, |_, _| {
        Behaviour::Answer(r#"{"diagnostics":{"matchType":"NONE","confidence":100},"synonym":false}"#.into())
    })
    .unwrap();
    let throttles =
        StandIn::start(Duration::ZERO, |_, _| Behaviour::Status(429, vec!["Retry-After: 3600".into()]))
            .unwrap();
    let out = dir.path().join("out");
    for (register, server, extra, code, sentence) in [
        (&bad, &nothing, vec![], 65, "line 2: status \\\"native\\\" in column"),
        (
            &good,
            &nothing,
            vec![],
            65,
            "none of its 4 rows has a name that the checklist col has (no_match 4)",
        ),
        (
            &good,
            &throttles,
            vec![],
            75,
            "run the same again later, at a lower rate; what was answered is kept",
        ),
        (&good, &nothing, vec!["--api", "v1"], 64, "knows the Backbone only"),
        (&good, &nothing, vec!["--concurrency", "0"], 64, "expected more than 0"),
        (&dir.path().join("absent.csv"), &nothing, vec![], 64, "absent.csv: cannot be read"),
    ] {
        let (output, said) = finish(command(register, server, &out).args(extra).spawn().unwrap());
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(said.contains(sentence), "{said}\n  lacks {sentence}");
        assert!(!out.exists() || files(&out, ".csv").is_empty());
    }
}

#[test]
fn names_are_asked_for_side_by_side() {
    let dir = tempfile::tempdir().unwrap();
    let register = register(dir.path(), 200);
    let server = StandIn::start(Duration::from_millis(50), |seen, _| catalogue_of_life(seen)).unwrap();
    let out = dir.path().join("out");
    let mut command = command_at("100", &register, &server, &out);
    let (output, said) = finish(command.args(["--concurrency", "8"]).spawn().unwrap());
    assert!(output.status.success(), "{said}");
    assert_eq!(files(&out, ".csv").len(), 2, "{said}");
}
