//! All names of a register through the service.

use bisonflow_contract::StepError;
use bisonflow_riis::resolve::{Answer, NameQuery, Reply};
use futures::StreamExt;
use jiff::Timestamp;

use super::cache::AnswerCache;
use super::service::SpeciesMatch;

/// So many names without an answer before the first answer of all end the work: it is not the names.
const UNANSWERED_AT_FIRST: usize = 3;

/// How far the work is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Names that were known before.
    pub known: usize,
    /// Names that the service has answered.
    pub answered: usize,
    /// Names that it answered nothing of use to.
    pub unanswered: usize,
}

/// Asks the service about the names that `cache` does not know, and answers the replies in their order. Every
/// answer is kept the moment it is there: dropped at any time (at a deadline), the work goes on from there.
///
/// A name that gets nothing of use is asked about once more at the end, after another name has shown that the
/// service answers: only then it is left unanswered.
///
/// # Errors
/// As [`SpeciesMatch::ask`] and [`AnswerCache::keep`]. If more than one name in a hundred, or the first ones of
/// all, get nothing of use: [`StepError::InvalidInput`] if the service refuses them, else
/// [`StepError::SourceUnavailable`].
pub async fn resolve_names(
    service: &SpeciesMatch,
    cache: &mut AnswerCache,
    queries: &[NameQuery],
    on_progress: impl FnMut(Progress),
) -> Result<Vec<Reply>, StepError> {
    let urls: Vec<String> = queries.iter().map(|query| service.url(query).into()).collect();
    let replies: Vec<Option<Reply>> = urls
        .iter()
        .map(|url| cache.answer(url).map(|answer| Reply::Answer(Box::new(answer.clone()))))
        .collect();
    let unknown: Vec<usize> = (0..queries.len()).filter(|&index| replies[index].is_none()).collect();
    let known = queries.len() - unknown.len();
    let progress = Progress { known, ..Progress::default() };
    let mut work = Work { service, cache, queries, urls, replies, progress, on_progress };
    (work.on_progress)(progress);
    work.ask(unknown).await?;

    let is_open = |reply: &Option<Reply>| matches!(reply, Some(Reply::Nothing { refused: false, .. }));
    let open: Vec<usize> = (0..queries.len()).filter(|&index| is_open(&work.replies[index])).collect();
    if !open.is_empty() {
        work.check_that_it_answers().await?;
        work.progress.unanswered -= open.len();
        work.ask(open).await?;
    }
    let replies = work.replies.into_iter();
    Ok(replies.map(|reply| reply.expect("the stream ends when every name has its reply")).collect())
}

struct Work<'a, F> {
    service: &'a SpeciesMatch,
    cache: &'a mut AnswerCache,
    queries: &'a [NameQuery],
    urls: Vec<String>,
    replies: Vec<Option<Reply>>,
    progress: Progress,
    on_progress: F,
}

impl<F: FnMut(Progress)> Work<'_, F> {
    async fn ask(&mut self, names: Vec<usize>) -> Result<(), StepError> {
        let (service, queries) = (self.service, self.queries);
        let asked = futures::stream::iter(names)
            .map(async |index| (index, service.ask(&queries[index]).await))
            .buffer_unordered(service.settings().concurrency);
        let mut asked = std::pin::pin!(asked);
        while let Some((index, reply)) = asked.next().await {
            let reply = reply?;
            match &reply {
                Reply::Answer(answer) => {
                    self.cache.keep(self.urls[index].clone(), Answer::clone(answer), Timestamp::now())?;
                    self.progress.answered += 1;
                }
                Reply::Nothing { found, refused } => {
                    tracing::warn!(name = queries[index].name(), "no answer of use: {found}");
                    self.progress.unanswered += 1;
                    let Progress { known, answered, unanswered } = self.progress;
                    let none_yet = known + answered == 0 && unanswered >= UNANSWERED_AT_FIRST;
                    if none_yet || unanswered * 100 > queries.len() {
                        return Err(self.unanswered(index, found, *refused));
                    }
                }
            }
            self.replies[index] = Some(reply);
            (self.on_progress)(self.progress);
        }
        Ok(())
    }

    /// Asks again about a name that has its answer.
    async fn check_that_it_answers(&self) -> Result<(), StepError> {
        let Some(index) = self.replies.iter().position(|reply| matches!(reply, Some(Reply::Answer(_))))
        else {
            return Ok(()); // the first round ends before that
        };
        match self.service.ask(&self.queries[index]).await? {
            Reply::Answer(_) => Ok(()),
            Reply::Nothing { found, refused } => Err(self.unanswered(index, &found, refused)),
        }
    }

    fn unanswered(&self, index: usize, found: &str, refused: bool) -> StepError {
        let sentence = format!(
            "{}: {found}; {} of {} names got nothing of use: check the server, its version and the checklist ({}), \
             and run the same again; what was answered is kept",
            self.urls[index],
            self.progress.unanswered,
            self.queries.len(),
            self.service.settings().checklist
        );
        if refused { StepError::InvalidInput(sentence) } else { StepError::SourceUnavailable(sentence) }
    }
}
