//! The workflow step `ResolveRiis`: puts the names of the register to the checklist that the records' keys belong to.
//!
//! A register as published has keys of the Backbone, not all of them accepted ones. Here every name of it is looked up
//! in the checklist of the records that landed, and plan.json is made to pin the register with the keys found. Each
//! register is resolved once for each checklist; the result lies under `reference/resolved/` and serves all runs.

use std::path::Path;
use std::time::Duration;

use bisonflow_cloud::species_match::{AnswerCache, Progress, Settings, SpeciesMatch, resolve_names};
use bisonflow_cloud::store::Conditional;
use bisonflow_cloud::{RunStore, Store, reference};
use bisonflow_contract::document::Pin;
use bisonflow_contract::layout::resolved_riis;
use bisonflow_contract::resolve_riis::{Request, Response, State};
use bisonflow_contract::{Checklist, StepError};
use bisonflow_riis::Register;
use bisonflow_riis::resolve::{Rules, Sheet, file_names};
use jiff::Timestamp;
use tracing::info;

/// The environment variables that the function reads.
pub const ENV: &[&str] = &["BUCKET", "SPECIES_MATCH_SERVER"];
/// The IAM actions that it needs.
pub const ACTIONS: &[&str] = &["s3:GetObject", "s3:GetObjectVersion", "s3:ListBucket", "s3:PutObject"];
/// How long one invocation asks before it leaves the rest to the next: less than the function's timeout, by what
/// reading and writing take.
pub const WORK_TIME: Duration = Duration::from_secs(12 * 60);

/// The name of the kept answers, beside the resolved register.
const ANSWERS: &str = "answers";
/// Answers older than this are asked for again: checklists change.
const MAX_AGE: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// What the step works with.
pub struct ResolveRiis {
    /// The data bucket.
    pub store: Store,
    /// GBIF's species match service, such as `https://api.gbif.org`; without one, registers are used as they are.
    pub server: Option<String>,
    /// How long one invocation asks.
    pub work_time: Duration,
}

/// The server that a setting names; `none` is none.
pub fn server(setting: &str) -> Option<String> {
    (setting != "none").then(|| setting.to_owned())
}

impl ResolveRiis {
    /// Resolves the run's register, or a part of it; asked again, it goes on where it was. A run without a register,
    /// with a resolved one, or with records of an unknown checklist keeps what it has.
    ///
    /// # Errors
    /// [`StepError::RunTakenOver`] if another execution holds the run; [`StepError::BadReferenceData`] for a register
    /// that cannot be used, or of which no name is found; else as [`resolve_names`] and [`Store::get`].
    pub async fn handle(&self, request: Request, now: Timestamp) -> Result<Response, StepError> {
        let run = RunStore::new(&self.store, &request.run.run_id);
        let plan = run.check_owner(&request.run).await?;
        let done = Response { state: State::Done, turns: request.turns + 1, names: 0, answered: 0 };
        let (Some(server), Some(pin)) = (&self.server, &plan.reference.riis) else { return Ok(done) };
        let landing = run.landing().await?;
        let checklist = plan.checklist.as_ref().filter(|checklist| !checklist.is_unknown());
        let checklist = checklist.unwrap_or(&landing.checklist);
        if plan.reference.riis_resolved_from.is_some() || checklist.is_unknown() {
            return Ok(done);
        }
        let bytes = reference::read(&self.store, pin).await?;
        if Register::read(&pin.uri, &bytes)?.is_resolved() {
            return Ok(done);
        }
        let folder = resolved_riis(&pin.sha256, checklist);
        let (resolved, progress) = match self.find(&folder).await? {
            Some(found) => (Some(found), Progress::default()),
            None => self.resolve(server, &folder, pin, &bytes, checklist, now).await?,
        };
        let Progress { known, answered, unanswered } = progress;
        let response =
            Response { names: (known + answered + unanswered) as u64, answered: answered as u64, ..done };
        let Some(resolved) = resolved else { return Ok(Response { state: State::Running, ..response }) };
        info!(run_id = %plan.run_id, register = resolved.uri, %checklist, "resolved");
        run.update_plan(&request.run, |plan| {
            plan.reference.riis_resolved_from = plan.reference.riis.replace(resolved);
        })
        .await?;
        Ok(response)
    }

    /// The resolved register in a folder; the one resolved last if there are several.
    async fn find(&self, folder: &str) -> Result<Option<Pin>, StepError> {
        let found = self.store.list(folder).await?;
        let registers =
            found.iter().map(|meta| meta.location.as_ref()).filter(|key| key.contains("_annotated_"));
        match registers.max() {
            Some(key) => reference::pin_object(&self.store, key).await,
            None => Ok(None),
        }
    }

    /// Asks about what is not known yet, for so long as there is time; the resolved register if that was all.
    async fn resolve(
        &self,
        server: &str,
        folder: &str,
        pin: &Pin,
        bytes: &[u8],
        checklist: &Checklist,
        now: Timestamp,
    ) -> Result<(Option<Pin>, Progress), StepError> {
        let service =
            SpeciesMatch::new(Settings { server: server.to_owned(), ..Settings::gbif(checklist.clone()) })?;
        let sheet = Sheet::read(&pin.uri, bytes)?;
        let disk = |error: std::io::Error| StepError::Internal(format!("the function's disk: {error}"));
        let answers = tempfile::NamedTempFile::new().map_err(disk)?;
        let key = format!("{folder}{ANSWERS}");
        if let Some(before) = self.store.get(&key).await? {
            std::fs::write(answers.path(), &before).map_err(disk)?;
        }
        let mut cache = AnswerCache::open(answers.path(), MAX_AGE, now)?;
        let mut progress = Progress::default();
        let replies = tokio::time::timeout(
            self.work_time,
            resolve_names(&service, &mut cache, sheet.queries(), |now| progress = now),
        )
        .await;
        if progress.answered > 0 {
            self.keep_answers(&key, answers.path()).await?;
        }
        let Ok(replies) = replies else {
            info!(?progress, names = sheet.queries().len(), "out of time: to be gone on with");
            return Ok((None, progress));
        };
        let resolved = sheet.write(&replies?, checklist, &Rules::default())?;
        resolved.check(&pin.uri, checklist)?;
        let name = pin.uri.rsplit('/').next().unwrap_or_default();
        let [annotated, unresolved] = file_names(name, &now.strftime("%Y_%m_%d").to_string());
        self.store.put(&format!("{folder}{unresolved}"), resolved.unresolved).await?;
        // The register last; another execution may have been quicker.
        let written = self.store.put_if_absent(&format!("{folder}{annotated}"), resolved.annotated).await?;
        if written == Conditional::Conflict {
            info!(folder, "another execution has resolved the register meanwhile");
        }
        Ok((self.find(folder).await?, progress))
    }

    async fn keep_answers(&self, key: &str, file: &Path) -> Result<(), StepError> {
        let content = std::fs::read(file);
        let content =
            content.map_err(|error| StepError::Internal(format!("the function's disk: {error}")))?;
        self.store.put(key, content).await
    }
}
