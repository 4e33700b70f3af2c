//! How many records came from which dataset, under which licence.

use bytes::Bytes;

use crate::groups::{Figures, Group, Groups};
use crate::{SummaryError, SummaryTable};

/// The name of the table, and of its partial counts.
pub const DATASET_COUNTS: &str = "dataset_counts";

/// The records of each dataset, publisher and licence: of one worker, or of all.
///
/// ```
/// use bisonflow_summary::datasets::DatasetCounts;
/// let mut worker = DatasetCounts::new();
/// let dataset = worker.id(Some("50c9509d"), Some("28eb1a3f"), Some("CC_BY_NC_4_0"));
/// worker.add(dataset, 2, 1, Some((1999, 1999)));
/// let mut all = DatasetCounts::new();
/// all.add_partial(worker.to_parquet()?)?;
/// assert_eq!(all.rows().derived_dataset(), "datasetkey,count\n50c9509d,1\n");
/// # Ok::<(), bisonflow_summary::SummaryError>(())
/// ```
pub struct DatasetCounts {
    groups: Groups<3>,
}

/// A dataset, publisher and licence of a [`DatasetCounts`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DatasetId(u32);

impl DatasetCounts {
    /// Nothing counted yet.
    #[expect(clippy::new_without_default, reason = "an accumulator begins explicitly")]
    pub fn new() -> Self {
        DatasetCounts { groups: Groups::new(DATASET_COUNTS, ["datasetkey", "publishingorgkey", "license"]) }
    }

    /// The number of a dataset, publisher and licence, to be kept by whoever meets them again; empty is null.
    pub fn id(
        &mut self,
        datasetkey: Option<&str>,
        publishingorgkey: Option<&str>,
        license: Option<&str>,
    ) -> DatasetId {
        let texts = [datasetkey, publishingorgkey, license];
        DatasetId(self.groups.id(texts.map(|text| text.filter(|text| !text.is_empty()))))
    }

    /// Counts records that were read; `annotated` of them went on, the first and last of these from `years`.
    pub fn add(&mut self, id: DatasetId, read: u64, annotated: u64, years: Option<(i16, i16)>) {
        self.groups.figures(id.0).add(&Figures::new(read, annotated, years));
    }

    /// The counts as a Parquet file: the same bytes for the same records in any order.
    ///
    /// # Errors
    /// [`SummaryError::Parquet`] if it cannot be written.
    pub fn to_parquet(&self) -> Result<Bytes, SummaryError> {
        self.groups.to_parquet()
    }

    /// Adds the counts of a worker.
    ///
    /// # Errors
    /// [`SummaryError::Partial`] if it is no such file.
    pub fn add_partial(&mut self, bytes: Bytes) -> Result<(), SummaryError> {
        self.groups.add_partial(bytes)
    }

    /// The rows of the table, sorted by the bytes of their texts, nulls last.
    pub fn rows(&self) -> DatasetRows {
        DatasetRows { rows: self.groups.sorted() }
    }
}

/// The rows of the table `dataset_counts`.
pub struct DatasetRows {
    rows: Vec<Group<3>>,
}

impl DatasetRows {
    /// How many records were read, and how many of them annotated.
    pub fn records(&self) -> (u64, u64) {
        let sum = |figure: fn(&Figures) -> i64| self.rows.iter().map(|row| figure(&row.1) as u64).sum();
        (sum(|figures| figures.read), sum(|figures| figures.annotated))
    }

    /// The table: a row per dataset, publisher and licence.
    pub fn table(&self) -> SummaryTable<'_> {
        let rows = &self.rows;
        let mut table = SummaryTable::new(DATASET_COUNTS.to_owned(), rows.len());
        for (place, (name, comment)) in [
            ("datasetkey", "Key of the dataset in GBIF; null: none"),
            ("publishingorgkey", "Key of its publisher in GBIF"),
            ("license", "Licence of the records"),
        ]
        .into_iter()
        .enumerate()
        {
            table.text(name, comment, move |row| rows[row].0[place].as_deref());
        }
        table.bigint("read", "Records that landed", |row| rows[row].1.read);
        table.bigint("annotated", "Records that passed the filters", |row| rows[row].1.annotated);
        let year = |figures: &Figures| figures.years();
        table.int("first_year", "First year of an annotated record", move |row| {
            year(&rows[row].1).map(|(first, _)| first.into())
        });
        table.int("last_year", "Last year of an annotated record", move |row| {
            year(&rows[row].1).map(|(_, last)| last.into())
        });
        table
    }

    /// `derived_dataset.csv`: the annotated records of each dataset that has any, as GBIF takes them for the
    /// citation of a derived dataset. Records without a datasetkey cannot be cited and are left out.
    pub fn derived_dataset(&self) -> String {
        let mut csv = String::from("datasetkey,count\n");
        for rows in self.rows.chunk_by(|one, other| one.0[0] == other.0[0]) {
            let count: i64 = rows.iter().map(|row| row.1.annotated).sum();
            if let (Some(key), true) = (&rows[0].0[0], count > 0) {
                csv.push_str(&format!("{key},{count}\n"));
            }
        }
        csv
    }
}
