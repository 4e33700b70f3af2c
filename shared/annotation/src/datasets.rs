//! The records of each dataset, read and annotated.

use arrow::array::{BooleanArray, RecordBatch};
use bisonflow_contract::StepError;
use bisonflow_summary::datasets::DatasetCounts;

use crate::distinct::Distinct;

/// The columns that a dataset is counted by, the key first.
pub(crate) const COLUMNS: [&str; 3] = ["datasetkey", "publishingorgkey", "license"];

/// Counts records by [`COLUMNS`].
pub(crate) struct Datasets {
    datasets: Distinct<{ COLUMNS.len() }>,
    figures: Vec<Figures>,
}

#[derive(Clone, Copy)]
struct Figures {
    read: u64,
    annotated: u64,
    first: i16, // above `last` while there is no year
    last: i16,
}

impl Datasets {
    pub(crate) fn new() -> Datasets {
        Datasets { datasets: Distinct::new(COLUMNS), figures: Vec::new() }
    }

    /// Counts the records of a batch as read; answers the datasets of those to keep.
    pub(crate) fn read(&mut self, batch: &RecordBatch, keep: &BooleanArray) -> Result<Vec<u32>, StepError> {
        let mut datasets = Vec::with_capacity(batch.num_rows());
        self.datasets.number(batch, &mut datasets)?;
        let none = Figures { read: 0, annotated: 0, first: i16::MAX, last: i16::MIN };
        self.figures.resize(self.datasets.len(), none);
        for &dataset in &datasets {
            self.figures[dataset as usize].read += 1;
        }
        if keep.true_count() < datasets.len() {
            datasets = keep.values().set_indices().map(|row| datasets[row]).collect();
        }
        Ok(datasets)
    }

    /// Counts a record as annotated.
    pub(crate) fn annotated(&mut self, dataset: u32, year: Option<i16>) {
        let figures = &mut self.figures[dataset as usize];
        figures.annotated += 1;
        if let Some(year) = year {
            figures.first = figures.first.min(year);
            figures.last = figures.last.max(year);
        }
    }

    /// Adds everything that was counted to `counts`.
    pub(crate) fn finish(&self, counts: &mut DatasetCounts) {
        for (dataset, figures) in self.figures.iter().enumerate() {
            let text = |column| self.datasets.text(dataset as u32, column);
            let id = counts.id(text(0), text(1), text(2));
            let years = (figures.first <= figures.last).then_some((figures.first, figures.last));
            counts.add(id, figures.read, figures.annotated, years);
        }
    }
}
