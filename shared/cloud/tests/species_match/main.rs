//! Asking a service that behaves and one that does not, in the shapes of real answers.

#[cfg(test)]
mod support;

use std::time::{Duration, Instant};

use bisonflow_cloud::species_match::stand_in::{Behaviour, StandIn};
use bisonflow_cloud::species_match::{AnswerCache, Progress, Settings};
use bisonflow_contract::{Checklist, StepError};
use bisonflow_riis::resolve::{Accepted, Api, NameQuery, Reply};
use jiff::Timestamp;

use support::{AGE, keys, known, names, open, resolve, settings};

#[tokio::test]
async fn every_name_is_asked_once_with_our_name_and_few_at_a_time() {
    let server = StandIn::start(Duration::from_millis(5), |seen, _| Behaviour::Answer(known(seen))).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let (replies, progress) = resolve(settings(&server), dir.path(), &names(40)).await.unwrap();
    let expected: Vec<String> = (0..40).map(|n| format!("KAus-bus{n}")).collect();
    assert_eq!(keys(&replies), expected);
    assert_eq!(progress, Progress { known: 0, answered: 40, unanswered: 0 });
    {
        let seen = server.seen();
        assert_eq!(seen.len(), 40);
        assert!(seen.iter().all(|seen| seen.user_agent.starts_with("bisonflow/")), "{:?}", seen[0]);
        assert!(
            seen.iter()
                .all(|seen| seen.url.path() == "/v2/species/match" && seen.parameter("strict") == "true")
        );
        assert!((1..=4).contains(&server.most_at_once()), "{}", server.most_at_once());
    }
    // What is known is not asked again.
    let (replies, progress) = resolve(settings(&server), dir.path(), &names(41)).await.unwrap();
    assert_eq!(keys(&replies)[40], "KAus-bus40");
    assert_eq!(progress, Progress { known: 40, answered: 1, unanswered: 0 });
    // Of another checklist nothing is known.
    let col = Settings { checklist: Checklist::from("col".to_owned()), ..settings(&server) };
    assert_eq!(resolve(col, dir.path(), &names(1)).await.unwrap().1.known, 0);
    assert_eq!(server.seen().len(), 42);
}

#[tokio::test]
async fn faults_that_pass_are_outwaited() {
    let server = StandIn::start(Duration::ZERO, |seen, before| {
        let name = seen.parameter("scientificName");
        match (name.bytes().map(usize::from).sum::<usize>() % 8, before) {
            (0, 0) => Behaviour::Status(429, vec!["Retry-After: 0".into()]),
            (1, 0..2) => Behaviour::Status(500, vec![]),
            (2, 0..2) => Behaviour::Answer("<html>Service maintenance</html>".into()),
            (3, 0..2) => Behaviour::Drop,
            (4, 0..2) => Behaviour::CutOff(known(seen)),
            (5, 0) => {
                std::thread::sleep(Duration::from_millis(400)); // longer than the timeout
                Behaviour::Answer(known(seen))
            }
            (6, 0) => Behaviour::Status(503, vec!["Retry-After: Wed, 21 Oct 2015 07:28:00 GMT".into()]),
            _ => Behaviour::Answer(known(seen)),
        }
    })
    .unwrap();
    let dir = tempfile::tempdir().unwrap();
    let (replies, progress) = resolve(settings(&server), dir.path(), &names(40)).await.unwrap();
    assert!(keys(&replies).iter().all(|key| key.starts_with("KAus-bus")), "{:?}", keys(&replies));
    assert_eq!(progress, Progress { known: 0, answered: 40, unanswered: 0 });
}

#[tokio::test]
async fn retry_after_holds_everyone_back() {
    let server = StandIn::start(Duration::ZERO, |seen, before| {
        match (seen.parameter("scientificName").as_str(), before) {
            ("Aus bus5", 0) => Behaviour::Status(429, vec!["Retry-After: 1".into()]),
            _ => Behaviour::Answer(known(seen)),
        }
    })
    .unwrap();
    let dir = tempfile::tempdir().unwrap();
    let started = Instant::now();
    resolve(settings(&server), dir.path(), &names(40)).await.unwrap();
    assert!(started.elapsed() >= Duration::from_secs(1));
    let seen = server.seen();
    let told = seen.iter().find(|seen| seen.parameter("scientificName") == "Aus bus5").unwrap().at;
    // Those that were on their way already may still arrive.
    let (on_their_way, second) = (Duration::from_millis(400), Duration::from_millis(950));
    let held = seen.iter().filter(|seen| seen.at > told + on_their_way && seen.at < told + second).count();
    assert_eq!(held, 0);
}

#[tokio::test]
async fn the_rate_holds() {
    let server = StandIn::start(Duration::ZERO, |seen, _| Behaviour::Answer(known(seen))).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let slow = Settings { requests_per_second: 50.0, concurrency: 16, ..settings(&server) };
    let started = Instant::now();
    resolve(slow, dir.path(), &names(26)).await.unwrap();
    assert!(started.elapsed() >= Duration::from_millis(500), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_service_that_has_had_enough_ends_the_work_by_name_and_what_it_said_is_kept() {
    for (headers, expected) in [
        (vec!["Retry-After: 3600".to_owned()], "the next try would be in 3600 s, our patience is"),
        (vec![], "run the same again later, at a lower rate; what was answered is kept"),
    ] {
        let throttle = headers.clone();
        let server = StandIn::start(Duration::ZERO, move |seen, _| {
            let number: usize = seen.parameter("scientificName")[7..].parse().unwrap();
            if number < 10 {
                Behaviour::Answer(known(seen))
            } else {
                Behaviour::Status(429, throttle.clone())
            }
        })
        .unwrap();
        let dir = tempfile::tempdir().unwrap();
        let impatient = Settings { patience: Duration::from_millis(200), ..settings(&server) };
        let at_once = impatient.concurrency;
        let error = resolve(impatient, dir.path(), &names(200)).await.unwrap_err();
        assert!(matches!(error, StepError::Throttled(_)), "{error:?}");
        assert!(error.to_string().contains(expected), "{error}");
        // What was on its way when the work ended may have come too late.
        let kept = open(dir.path()).len();
        assert!(kept <= 10 && kept + at_once > 10, "{kept}");
        assert!(server.seen().len() < 60, "{}", server.seen().len());
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_or_talks_nonsense_or_refuses_is_named() {
    let nonsense = StandIn::start(Duration::ZERO, |_, _| Behaviour::Answer("It works!".into())).unwrap();
    let broken = StandIn::start(Duration::ZERO, |_, _| Behaviour::Status(500, vec![])).unwrap();
    let absent = StandIn::start(Duration::ZERO, |_, _| Behaviour::Status(404, vec![])).unwrap();
    let forbids = StandIn::start(Duration::ZERO, |_, _| Behaviour::Status(403, vec![])).unwrap();
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let nobody = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let dir = tempfile::tempdir().unwrap();
    for (server, expected, what) in [
        (nonsense.url(), "SourceUnavailable", "that begins \"It works!\""),
        (broken.url(), "SourceUnavailable", "answered 500"),
        (absent.url(), "InvalidInput", "answered 404"),
        (forbids.url(), "InvalidInput", "answered 403 Forbidden; the service does not let us ask"),
        (&nobody, "SourceUnavailable", "onnection refused"),
    ] {
        for count in [2, 1000] {
            let settings = Settings { server: server.into(), ..settings(&broken) };
            let error = resolve(settings, dir.path(), &names(count)).await.unwrap_err();
            assert_eq!(error.name().as_str(), expected, "{error}");
            assert!(error.to_string().contains(what), "{error}");
        }
    }
    assert!(absent.seen().len() < 20, "refusals are not tried again");
    assert!(open(dir.path()).is_empty());
    // A service that stops answering in the middle.
    let dies = StandIn::start(Duration::ZERO, |seen, _| {
        let number: usize = seen.parameter("scientificName")[7..].parse().unwrap();
        if number < 400 { Behaviour::Answer(known(seen)) } else { Behaviour::Drop }
    })
    .unwrap();
    for patience in [Duration::from_millis(100), Duration::from_secs(5)] {
        let settings = Settings { patience, ..settings(&dies) };
        let error = resolve(settings, dir.path(), &names(1000)).await.unwrap_err();
        assert_eq!(error.name().as_str(), "SourceUnavailable", "{error}");
    }
    assert_eq!(open(dir.path()).len(), 400);
}

#[tokio::test]
async fn one_name_that_the_service_chokes_on_does_not_hold_up_the_others() {
    let server = StandIn::start(Duration::ZERO, |seen, _| match seen.parameter("scientificName").as_str() {
        "Aus bus3" => Behaviour::Answer(String::new()),
        "Aus bus199" => Behaviour::Status(400, vec![]),
        _ => Behaviour::Answer(known(seen)),
    })
    .unwrap();
    let dir = tempfile::tempdir().unwrap();
    let (replies, progress) = resolve(settings(&server), dir.path(), &names(200)).await.unwrap();
    assert_eq!(progress, Progress { known: 0, answered: 198, unanswered: 2 });
    assert!(matches!(&replies[3], Reply::Nothing { refused: false, .. }));
    assert!(matches!(&replies[199], Reply::Nothing { refused: true, found } if found.contains("400")));
    assert_eq!(open(dir.path()).len(), 198);
}

#[tokio::test]
async fn a_short_outage_leaves_nothing_unanswered() {
    // The last names fail in the first round; at the end the service is back.
    let server = StandIn::start(Duration::ZERO, |seen, before| {
        let number: usize = seen.parameter("scientificName")[7..].parse().unwrap();
        if number >= 995 && before < 6 { Behaviour::Drop } else { Behaviour::Answer(known(seen)) }
    })
    .unwrap();
    let dir = tempfile::tempdir().unwrap();
    let (_, progress) = resolve(settings(&server), dir.path(), &names(1000)).await.unwrap();
    assert_eq!(progress, Progress { known: 0, answered: 1000, unanswered: 0 });
}

#[tokio::test]
async fn version_1_is_asked_again_for_what_a_synonym_is_accepted_as() {
    let server = StandIn::start(Duration::ZERO, |seen, _| {
        Behaviour::Answer(match seen.url.path() {
            "/v1/species/8286099" => {
                r#"{"key":8286099,"scientificName":"Coronilla varia L.","rank":"SPECIES","taxonomicStatus":"ACCEPTED"}"#
                    .into()
            }
            "/v1/species/match" => {
                assert_eq!(seen.parameter("name"), "Securigera varia");
                r#"{"usageKey":2965182,"acceptedUsageKey":8286099,"scientificName":"Securigera varia (L.) Lassen",
                "rank":"SPECIES","status":"SYNONYM","confidence":98,"matchType":"EXACT","kingdom":"Plantae","synonym":true}"#
                    .into()
            }
            other => panic!("{other}"),
        })
    })
    .unwrap();
    let dir = tempfile::tempdir().unwrap();
    let query = NameQuery::new("Securigera varia", "(L.) Lassen", "Species", "Plantae").unwrap();
    for _ in 0..2 {
        let v1 = Settings { api: Api::V1, ..settings(&server) };
        let (replies, _) = resolve(v1, dir.path(), std::slice::from_ref(&query)).await.unwrap();
        let [Reply::Answer(answer)] = &replies[..] else { panic!("{replies:?}") };
        let Some(Accepted::Usage(accepted)) = &answer.accepted else { panic!("{answer:?}") };
        assert_eq!((accepted.key.as_str(), accepted.name.as_str()), ("8286099", "Coronilla varia L."));
    }
    assert_eq!(server.seen().len(), 2);
}

#[tokio::test]
async fn answers_outlive_any_cut_through_their_file() {
    let server = StandIn::start(Duration::ZERO, |seen, _| Behaviour::Answer(known(seen))).unwrap();
    let dir = tempfile::tempdir().unwrap();
    resolve(settings(&server), dir.path(), &names(3)).await.unwrap();
    let path = dir.path().join("answers");
    let whole = std::fs::read(&path).unwrap();
    let ends: Vec<usize> = (1..=whole.len()).filter(|&end| whole[end - 1] == b'\n').collect();
    for cut in (0..whole.len()).step_by(23).chain([ends[1] - 1, ends[1], ends[1] + 1, ends[2] - 1, ends[2]]) {
        std::fs::write(&path, &whole[..cut]).unwrap();
        let lines = ends.iter().filter(|&&end| end - 1 <= cut).count();
        assert_eq!(open(dir.path()).len(), lines, "cut at {cut}");
        // The next answer is on a line of its own.
        let (_, progress) = resolve(settings(&server), dir.path(), &names(3)).await.unwrap();
        assert_eq!(progress.known, lines);
        assert_eq!(open(dir.path()).len(), 3, "cut at {cut}");
    }
    // A byte that has changed makes its line unknown, never wrong.
    for at in (0..whole.len()).step_by(7) {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        std::fs::write(&path, &damaged).unwrap();
        let cache = open(dir.path());
        // The sum itself may be read in another case.
        assert!(cache.len() <= 2 && cache.damaged() >= 1 || damaged[at].is_ascii_hexdigit(), "byte {at}");
    }
}

#[test]
fn answers_grow_old_and_belong_to_one_process() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("answers");
    let now = Timestamp::now();
    let body = br#"{"diagnostics":{"matchType":"NONE","confidence":100}}"#;
    let answer = bisonflow_riis::resolve::parse(Api::V2, body).unwrap();
    let mut cache = AnswerCache::open(&path, AGE, now).unwrap();
    cache.keep("http://a/1".into(), answer.clone(), now).unwrap();
    cache.keep("http://a/2".into(), answer.clone(), now - AGE - Duration::from_secs(1)).unwrap();
    let Err(error) = AnswerCache::open(&path, AGE, now) else { panic!("opened twice") };
    assert!(error.to_string().contains("another process is at work"), "{error}");
    drop(cache);
    let cache = AnswerCache::open(&path, AGE, now).unwrap();
    assert_eq!((cache.answer("http://a/1"), cache.answer("http://a/2")), (Some(&answer), None));
    let Err(error) = AnswerCache::open(dir.path(), AGE, now) else { panic!("opened a folder") };
    assert!(matches!(error, StepError::InvalidInput(_)), "{error:?}");
}
