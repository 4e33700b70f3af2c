//! What the service has answered, in a file: so that nobody is asked twice, and a killed run goes on.
//!
//! The file is a line per answer, only ever appended to: the CRC-32 of the rest of the line in eight hex digits,
//! a space, then JSON. A line that was cut off, by a kill in mid-write, or damaged otherwise does not fit its
//! sum: it is passed over, and its name is asked about again.

use std::collections::HashMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bisonflow_contract::StepError;
use bisonflow_riis::resolve::Answer;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The answers of the service, by request. One process at a time has the file.
pub struct AnswerCache {
    path: PathBuf,
    file: File,
    answers: HashMap<String, Answer>,
    damaged: usize,
}

/// A line of the file.
#[derive(Serialize, Deserialize)]
struct Line<U, A> {
    url: U,
    at: Timestamp,
    answer: A,
}

impl AnswerCache {
    /// Opens the file, or makes it. Answers older than `max_age` at `now` are not used: checklists change.
    ///
    /// # Errors
    /// [`StepError::InvalidInput`] if it cannot be opened, or another process has it.
    pub fn open(path: &Path, max_age: Duration, now: Timestamp) -> Result<AnswerCache, StepError> {
        let wrong = |why: String| StepError::invalid(path.display(), why);
        let io = |error: std::io::Error| wrong(format!("the answers cannot be kept there: {error}"));
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(path).map_err(io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(wrong(
                    "another process is at work with these answers: wait for it to end".into(),
                ));
            }
            Err(TryLockError::Error(error)) => return Err(io(error)),
        }
        let oldest = now.checked_sub(max_age).unwrap_or(Timestamp::MIN);
        let (mut answers, mut damaged) = (HashMap::new(), 0);
        let mut reader = BufReader::new(&file);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).map_err(io)? > 0 {
            match parse(&line) {
                Some(line) if line.at >= oldest => {
                    answers.insert(line.url, line.answer);
                }
                Some(_) => {}
                None => damaged += usize::from(line != b"\n"),
            }
            line.clear();
        }
        // What was cut off must not spoil the next line.
        if file.metadata().map_err(io)?.len() > 0 {
            let mut last = [0];
            file.seek(SeekFrom::End(-1)).map_err(io)?;
            file.read_exact(&mut last).map_err(io)?;
            if last != *b"\n" {
                file.write_all(b"\n").map_err(io)?;
            }
        }
        if damaged > 0 {
            tracing::warn!(path = %path.display(), damaged, "answers that cannot be read: asking again");
        }
        Ok(AnswerCache { path: path.to_owned(), file, answers, damaged })
    }

    /// The answer to a request, if it is known.
    pub fn answer(&self, url: &str) -> Option<&Answer> {
        self.answers.get(url)
    }

    /// How many answers are known.
    pub fn len(&self) -> usize {
        self.answers.len()
    }

    /// Whether none is known.
    pub fn is_empty(&self) -> bool {
        self.answers.is_empty()
    }

    /// How many lines could not be read.
    pub fn damaged(&self) -> usize {
        self.damaged
    }

    /// Keeps an answer. It is with the operating system when this returns: a kill does not lose it.
    ///
    /// # Errors
    /// [`StepError::InvalidInput`] if it cannot be written.
    pub fn keep(&mut self, url: String, answer: Answer, at: Timestamp) -> Result<(), StepError> {
        let line = Line { url: &url, at, answer: &answer };
        let json = serde_json::to_string(&line)
            .map_err(|error| StepError::Internal(format!("an answer as JSON: {error}")))?;
        // One write, so that no other line can get in between.
        let line = format!("{:08x} {json}\n", crc32fast::hash(json.as_bytes()));
        self.file.write_all(line.as_bytes()).map_err(|error| {
            StepError::invalid(self.path.display(), format!("the answers cannot be kept there: {error}"))
        })?;
        self.answers.insert(url, answer);
        Ok(())
    }
}

fn parse(line: &[u8]) -> Option<Line<String, Answer>> {
    let (sum, json) = line.strip_suffix(b"\n").unwrap_or(line).split_at_checked(9)?;
    let sum = std::str::from_utf8(sum).ok()?.strip_suffix(' ')?;
    let fits = u32::from_str_radix(sum, 16).ok()? == crc32fast::hash(json);
    fits.then(|| serde_json::from_slice(json).ok()).flatten()
}
