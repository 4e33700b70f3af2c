//! `riis resolve`: the register's names against a checklist of GBIF.

use std::path::PathBuf;
use std::time::Duration;

use bisonflow_cloud::species_match::{AnswerCache, Settings, SpeciesMatch, resolve_names};
use bisonflow_contract::StepError;
use bisonflow_riis::resolve::{Finding, Resolved, Rules, Sheet, file_names};
use jiff::Timestamp;
use tokio::runtime::Handle;

use crate::progress::Progress;
use crate::whole_file::{self, unwritten};

/// What to resolve, and how.
pub struct ResolveRequest {
    /// The register, version 1 or 2, as published or resolved before.
    pub register: PathBuf,
    /// The folder for the results; made if absent.
    pub out: PathBuf,
    /// Where the service's answers are kept; beside the results if absent.
    pub answers: Option<PathBuf>,
    /// Answers older than this are asked for again.
    pub max_age: Duration,
    /// Whom to ask, and for which checklist.
    pub settings: Settings,
    /// How answers are judged.
    pub rules: Rules,
}

/// What resolving came to.
pub struct ResolveResult {
    /// Rows of the register.
    pub rows: usize,
    /// Names that were asked about, and how many of them were known before.
    pub names: usize,
    /// Of these, the names that were known before.
    pub known: usize,
    /// What was found.
    pub resolved: Resolved,
    /// The resolved register.
    pub annotated: PathBuf,
    /// The list of what needs a person's eye.
    pub unresolved: PathBuf,
}

/// Resolves a register and writes it, whole or not at all.
///
/// # Errors
/// [`StepError::BadReferenceData`] for a register that cannot be used, or of which no name is found;
/// [`StepError::InvalidInput`] for files that cannot be read, [`StepError::Internal`] for those that cannot be written; else as
/// [`bisonflow_cloud::species_match::resolve_names`].
pub fn resolve(request: &ResolveRequest, handle: &Handle) -> Result<ResolveResult, StepError> {
    let service = SpeciesMatch::new(request.settings.clone())?;
    let checklist = &request.settings.checklist;
    let path = &request.register;
    let bytes = std::fs::read(path)
        .map_err(|error| StepError::invalid(path.display(), format!("cannot be read: {error}")))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let sheet = Sheet::read(&name, &bytes)?;

    std::fs::create_dir_all(&request.out).map_err(|error| unwritten(&request.out, error))?;
    let answers = request.answers.clone().unwrap_or_else(|| request.out.join("species-match-answers"));
    let now = Timestamp::now();
    let mut cache = AnswerCache::open(&answers, request.max_age, now)?;
    let names = sheet.queries().len();
    let mut progress = Progress::of("resolving", "names", Some(names as u64));
    let (mut done, mut known) = (0, 0);
    let replies = handle.block_on(resolve_names(&service, &mut cache, sheet.queries(), |now| {
        known = now.known;
        let now_done = now.known + now.answered + now.unanswered;
        progress.add(now_done.saturating_sub(done) as u64);
        done = done.max(now_done);
    }))?;
    progress.finish();

    let resolved = sheet.write(&replies, checklist, &request.rules)?;
    resolved.check(&path.display().to_string(), checklist)?;
    let date = now.strftime("%Y_%m_%d").to_string();
    let [annotated, unresolved] = file_names(&name, &date).map(|name| request.out.join(name));
    // The register last: where it is, the list is too.
    whole_file::write(&unresolved, &resolved.unresolved)?;
    whole_file::write(&annotated, &resolved.annotated)?;
    Ok(ResolveResult { rows: sheet.rows(), names, known, resolved, annotated, unresolved })
}

impl ResolveResult {
    /// What it came to, for people.
    pub fn lines(&self) -> Vec<String> {
        let resolved = &self.resolved;
        let mut lines = vec![
            format!(
                "register    {} rows, {} names, {} of them known before",
                self.rows, self.names, self.known
            ),
            format!(
                "resolved    {} rows have a key, {} have none",
                resolved.rows_with_key,
                self.rows - resolved.rows_with_key
            ),
        ];
        for finding in Finding::ALL {
            if let Some(rows) = resolved.findings.get(&finding) {
                lines.push(format!("found       {finding} {rows}"));
            }
        }
        if resolved.status_conflicts > 0 {
            lines.push(format!(
                "conflicts   {} keys are shared by rows of another status: the gravest holds",
                resolved.status_conflicts
            ));
        }
        lines.push(format!("annotated   {}", self.annotated.display()));
        lines.push(format!("unresolved  {}", self.unresolved.display()));
        lines
    }
}
