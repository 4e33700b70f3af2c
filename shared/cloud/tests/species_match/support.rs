//! Names to ask about, a service that knows them, and settings of a quick test.

use std::path::Path;
use std::time::Duration;

use bisonflow_cloud::species_match::stand_in::{Seen, StandIn};
use bisonflow_cloud::species_match::{AnswerCache, Progress, Settings, SpeciesMatch, resolve_names};
use bisonflow_contract::{Checklist, StepError};
use bisonflow_riis::resolve::{NameQuery, Reply};
use jiff::Timestamp;

pub(crate) const AGE: Duration = Duration::from_secs(3600);

/// A quick rate and little patience.
pub(crate) fn settings(server: &StandIn) -> Settings {
    Settings {
        server: server.url().into(),
        requests_per_second: 1000.0,
        pause: Duration::from_millis(2),
        patience: Duration::from_secs(5),
        timeout: Duration::from_millis(300),
        ..Settings::gbif(Checklist::backbone())
    }
}

pub(crate) fn names(count: usize) -> Vec<NameQuery> {
    (0..count).map(|n| NameQuery::new(&format!("Aus bus{n}"), "L.", "Species", "Plantae").unwrap()).collect()
}

/// What version 2 says about a name that it has.
pub(crate) fn known(seen: &Seen) -> String {
    let name = seen.parameter("scientificName");
    format!(
        r#"{{"usage":{{"key":"K{}","name":"{name} L.","rank":"SPECIES","status":"ACCEPTED"}},
        "classification":[{{"key":"6","name":"Plantae","rank":"KINGDOM"}}],
        "diagnostics":{{"matchType":"EXACT","confidence":99}},"synonym":false}}"#,
        name.replace(' ', "-")
    )
}

pub(crate) fn open(dir: &Path) -> AnswerCache {
    AnswerCache::open(&dir.join("answers"), AGE, Timestamp::now()).unwrap()
}

pub(crate) async fn resolve(
    settings: Settings,
    dir: &Path,
    names: &[NameQuery],
) -> Result<(Vec<Reply>, Progress), StepError> {
    let service = SpeciesMatch::new(settings)?;
    let mut progress = Progress::default();
    let replies = resolve_names(&service, &mut open(dir), names, |now| progress = now).await?;
    Ok((replies, progress))
}

pub(crate) fn keys(replies: &[Reply]) -> Vec<&str> {
    let key = |reply: &'_ Reply| match reply {
        Reply::Answer(answer) => answer.usage.as_ref().map_or("none", |usage| usage.key.as_str()).to_owned(),
        Reply::Nothing { .. } => "nothing".to_owned(),
    };
    replies.iter().map(|reply| &*key(reply).leak()).collect()
}
