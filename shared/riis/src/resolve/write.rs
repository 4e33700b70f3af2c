//! The resolved register and the list of what needs a person's eye.

use std::collections::BTreeMap;

use bisonflow_contract::Checklist;
use csv::StringRecord;

use super::answer::{Accepted, Answer};
use super::decision::{Decision, Finding, Rules, decide};
use super::sheet::{ADDED, Sheet};
use crate::error::RiisError;
use crate::register::Register;

/// What the service came to about a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Its answer.
    Answer(Box<Answer>),
    /// It answers other names, but nothing of use to this one.
    Nothing {
        /// What it answers instead.
        found: String,
        /// Whether it refuses the request: asking again is no use.
        refused: bool,
    },
}

/// A resolved register, as it is to be written.
pub struct Resolved {
    /// The register with the columns `gbif_res_…` and `checklist`, as CSV.
    pub annotated: Vec<u8>,
    /// The rows that need a person's eye, and why, as CSV.
    pub unresolved: Vec<u8>,
    /// Rows by what was found.
    pub findings: BTreeMap<Finding, usize>,
    /// Rows that are listed under some key.
    pub rows_with_key: usize,
    /// Keys that several rows of one locality share though they do not say the same: the gravest status holds.
    pub status_conflicts: usize,
}

impl Resolved {
    /// Whether any row has got a key: else register and checklist have nothing to do with each other. `name` is what
    /// the error calls the register.
    ///
    /// # Errors
    /// [`RiisError::NothingFound`].
    pub fn check(&self, name: &str, checklist: &Checklist) -> Result<(), RiisError> {
        if self.rows_with_key > 0 {
            return Ok(());
        }
        let found: Vec<String> =
            self.findings.iter().map(|(finding, rows)| format!("{finding} {rows}")).collect();
        Err(RiisError::NothingFound {
            register: name.into(),
            rows: self.findings.values().sum(),
            checklist: checklist.to_string(),
            found: found.join(", "),
        })
    }
}

/// The header of the list of unresolved rows.
const UNRESOLVED: [&str; 17] = [
    "occurrenceID",
    "locality",
    "scientificName",
    "scientificNameAuthorship",
    "taxonRank",
    "kingdom",
    "reason",
    "gbif_res_taxonkey",
    "matchType",
    "confidence",
    "found_key",
    "found_name",
    "found_rank",
    "found_status",
    "accepted_key",
    "accepted_name",
    "note",
];

/// The names of the two files of a register: `<base>_annotated_YYYY_MM_DD.csv` and
/// `<base>_unresolved_YYYY_MM_DD.csv`. `date` is `YYYY_MM_DD`; that of an earlier resolving is replaced.
///
/// ```
/// use bisonflow_riis::resolve::file_names;
/// let names = file_names("US-RIIS_MasterList_annotated_2026_11_01.csv", "2026_11_23");
/// assert_eq!(names, ["US-RIIS_MasterList_annotated_2026_11_23.csv", "US-RIIS_MasterList_unresolved_2026_11_23.csv"]);
/// ```
pub fn file_names(register: &str, date: &str) -> [String; 2] {
    let base = match register.rsplit_once('.') {
        Some((base, extension)) if extension.eq_ignore_ascii_case("csv") => base,
        _ => register,
    };
    let is_date =
        |text: &str| text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_');
    let base = match base.rsplit_once("_annotated_") {
        Some((before, after)) if is_date(after) => before,
        _ => base,
    };
    ["annotated", "unresolved"].map(|kind| format!("{base}_{kind}_{date}.csv"))
}

impl Sheet {
    /// Makes the resolved register of the replies to [`Sheet::queries`], in their order. Every original cell is
    /// as it was; the same replies make the same bytes.
    ///
    /// # Errors
    /// A [`RiisError`] if the result does not read as a register.
    ///
    /// # Panics
    /// If there are not as many replies as queries.
    pub fn write(
        &self,
        replies: &[Reply],
        checklist: &Checklist,
        rules: &Rules,
    ) -> Result<Resolved, RiisError> {
        assert_eq!(replies.len(), self.queries.len(), "one reply to each query");
        let judged: Vec<Judged<'_>> =
            self.asked.iter().map(|asked| self.judge(asked, replies, rules)).collect();
        let mut findings = BTreeMap::new();
        for row in &judged {
            *findings.entry(row.decision.finding).or_default() += 1;
        }
        let annotated = self.annotated(&judged, checklist);
        let register = Register::read("the resolved register", &annotated)?;
        let mut conflicts: BTreeMap<(&str, &str), String> = BTreeMap::new();
        for shared in register.conflicts() {
            for row in &shared.rows {
                let others: Vec<String> = shared
                    .rows
                    .iter()
                    .map(|other| format!("{} says {}", other.occurrence_id, other.assessment))
                    .collect();
                let note = format!("several rows share this key, the first holds: {}", others.join(", "));
                conflicts.insert((&row.occurrence_id, shared.region.as_str()), note);
            }
        }
        Ok(Resolved {
            unresolved: self.unresolved(&judged, &conflicts),
            annotated,
            findings,
            rows_with_key: judged.iter().filter(|row| row.decision.taken.is_some()).count(),
            status_conflicts: register.conflicts().len(),
        })
    }

    fn judge<'a>(&self, asked: &Result<usize, Finding>, replies: &'a [Reply], rules: &Rules) -> Judged<'a> {
        let none = |finding| Decision { finding, taken: None };
        match asked {
            Err(finding) => Judged { decision: none(*finding), reply: None },
            Ok(query) => {
                let reply = &replies[*query];
                let decision = match reply {
                    Reply::Answer(answer) => decide(&self.queries[*query], answer, rules),
                    Reply::Nothing { .. } => none(Finding::NoAnswer),
                };
                Judged { decision, reply: Some(reply) }
            }
        }
    }

    fn annotated(&self, judged: &[Judged<'_>], checklist: &Checklist) -> Vec<u8> {
        let mut out = Csv::new(self.has_byte_order_mark);
        out.write(self.header.iter().chain(ADDED));
        for (row, judged) in self.rows.iter().zip(judged) {
            let taken = judged.decision.taken;
            let added = [
                taken.map_or("", |usage| &usage.key),
                taken.map_or("", |usage| &usage.name),
                judged.match_type(),
                &judged.confidence(),
                judged.decision.finding.as_str(),
                checklist.as_str(),
            ];
            out.write(row.iter().chain(added));
        }
        out.bytes()
    }

    fn unresolved(&self, judged: &[Judged<'_>], conflicts: &BTreeMap<(&str, &str), String>) -> Vec<u8> {
        let mut out = Csv::new(self.has_byte_order_mark);
        out.write(UNRESOLVED);
        for (row, judged) in self.rows.iter().zip(judged) {
            let id = row[self.columns.occurrence_id].trim();
            let locality = row[self.columns.locality].trim().to_ascii_uppercase();
            if !judged.decision.finding.is_settled() {
                out.write(self.unresolved_row(row, judged, judged.decision.finding.as_str(), judged.note()));
            }
            if let Some(note) = conflicts.get(&(id, locality.as_str())) {
                out.write(self.unresolved_row(row, judged, "status_conflict", note));
            }
        }
        out.bytes()
    }

    fn unresolved_row<'a>(
        &'a self,
        row: &'a StringRecord,
        judged: &Judged<'a>,
        reason: &'a str,
        note: &'a str,
    ) -> Vec<String> {
        let columns = &self.columns;
        let answer = judged.answer();
        let found = answer.and_then(|answer| answer.usage.as_ref());
        let (accepted_key, accepted_name) = match answer.and_then(|answer| answer.accepted.as_ref()) {
            Some(Accepted::Usage(usage)) => (usage.key.as_str(), usage.name.as_str()),
            Some(Accepted::Key(key)) => (key.as_str(), ""),
            None => ("", ""),
        };
        [
            &row[columns.occurrence_id],
            &row[columns.locality],
            &row[columns.name],
            columns.authorship.map_or("", |column| &row[column]),
            &row[columns.rank],
            &row[columns.kingdom],
            reason,
            judged.decision.taken.map_or("", |usage| &usage.key),
            judged.match_type(),
            &judged.confidence(),
            found.map_or("", |usage| &usage.key),
            found.map_or("", |usage| &usage.name),
            found.map_or("", |usage| &usage.rank),
            found.and_then(|usage| usage.status.as_deref()).unwrap_or_default(),
            accepted_key,
            accepted_name,
            note,
        ]
        .map(str::to_owned)
        .into()
    }
}

/// A row's judgement, and what it rests on.
struct Judged<'a> {
    decision: Decision<'a>,
    reply: Option<&'a Reply>,
}

impl<'a> Judged<'a> {
    fn answer(&self) -> Option<&'a Answer> {
        match self.reply {
            Some(Reply::Answer(answer)) => Some(answer),
            Some(Reply::Nothing { .. }) | None => None,
        }
    }

    fn match_type(&self) -> &'a str {
        self.answer().map_or("", |answer| answer.match_type.as_str())
    }

    fn confidence(&self) -> String {
        self.answer().and_then(|answer| answer.confidence).map(|found| found.to_string()).unwrap_or_default()
    }

    fn note(&self) -> &'a str {
        match self.reply {
            Some(Reply::Answer(answer)) => answer.note.as_deref().unwrap_or_default(),
            Some(Reply::Nothing { found, .. }) => found,
            None => "",
        }
    }
}

/// CSV in memory: comma, quotes where needed, LF; with a byte order mark if the register has one.
struct Csv(csv::Writer<Vec<u8>>);

impl Csv {
    fn new(has_byte_order_mark: bool) -> Self {
        let start = if has_byte_order_mark { "\u{feff}".into() } else { Vec::new() };
        Csv(csv::Writer::from_writer(start))
    }

    fn write<T: AsRef<[u8]>>(&mut self, cells: impl IntoIterator<Item = T>) {
        self.0.write_record(cells).expect("memory takes every write, and all rows are as long as the header");
    }

    fn bytes(self) -> Vec<u8> {
        self.0.into_inner().expect("memory takes every write")
    }
}
