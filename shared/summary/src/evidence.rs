//! What a record has to show as evidence, which of two records is the better one, and many of them in little memory.

use bisonflow_occurrence::parquet_file::{NO_TEXT, Texts};

use crate::EventStart;

/// The columns of records that evidence is made of.
pub const COLUMNS: [&str; 9] = [
    "gbifid",
    "eventdate",
    "year",
    "decimallatitude",
    "decimallongitude",
    "coordinateuncertaintyinmeters",
    "datasetkey",
    "basisofrecord",
    "issue",
];

/// A record as evidence that a species was in a region.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Evidence<'a> {
    /// `gbifid`.
    pub gbifid: Option<&'a str>,
    /// `eventdate`, as it landed.
    pub eventdate: Option<&'a str>,
    /// `year`, as it landed.
    pub year: Option<i32>,
    /// `decimallatitude`, degrees.
    pub decimallatitude: Option<f64>,
    /// `decimallongitude`, degrees.
    pub decimallongitude: Option<f64>,
    /// `coordinateuncertaintyinmeters`.
    pub uncertainty_m: Option<f64>,
    /// `datasetkey`.
    pub datasetkey: Option<&'a str>,
    /// `basisofrecord`.
    pub basisofrecord: Option<&'a str>,
    /// `issue`, its elements joined with `;` in their order.
    pub issue: Option<&'a str>,
}

/// How good a record is as evidence; the least is the best: the earliest [`EventStart`], then the smallest
/// uncertainty, then the lowest gbifid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EvidenceOrder {
    /// The start.
    pub start: EventStart,
    /// As [`uncertainty_order`] gives it.
    pub uncertainty: u64,
    /// As [`gbifid_order`] gives it.
    pub gbifid: u64,
}

/// An uncertainty in metres as a number that sorts as it does; unknown comes last. What is not above 0 is unknown:
/// Darwin Core says of `coordinateUncertaintyInMeters` that zero is not a valid value.
#[inline]
pub fn uncertainty_order(uncertainty_m: Option<f64>) -> u64 {
    // The bits of numbers above 0 sort as the numbers (IEEE 754).
    uncertainty_m.filter(|metres| metres.is_finite() && *metres > 0.0).map_or(u64::MAX, f64::to_bits)
}

/// A gbifid as an integer; one that is none comes last.
#[inline]
pub fn gbifid_order(gbifid: Option<&str>) -> u64 {
    let is_number = |text: &&str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    gbifid.filter(is_number).and_then(|text| text.parse().ok()).unwrap_or(u64::MAX)
}

impl Evidence<'_> {
    /// How good it is.
    pub fn order(&self, run_year: i16) -> EvidenceOrder {
        self.order_from(EventStart::of(self.eventdate, self.year, run_year))
    }

    pub(crate) fn order_from(&self, start: EventStart) -> EvidenceOrder {
        EvidenceOrder {
            start,
            uncertainty: uncertainty_order(self.uncertainty_m),
            gbifid: gbifid_order(self.gbifid),
        }
    }

    /// Which of two records as good as each other comes first: so that it never depends on which was met first.
    pub fn precedes(&self, other: &Evidence<'_>) -> bool {
        self.parts() < other.parts()
    }

    fn parts(&self) -> ([Option<&str>; 5], [Option<u64>; 3], Option<i32>) {
        let numbers = [self.decimallatitude, self.decimallongitude, self.uncertainty_m];
        let texts = [self.gbifid, self.eventdate, self.datasetkey, self.basisofrecord, self.issue];
        (texts, numbers.map(|number| number.map(f64::to_bits)), self.year)
    }
}

/// The evidence of many pairs of region and species, each by its place. Memory grows with the pairs: 72 bytes for each,
/// and its gbifid and eventdate; of what is replaced by better evidence nothing stays.
#[derive(Default)]
pub struct EvidenceList {
    kept: Vec<Kept>,
    /// Of datasets, bases of record and issues: few, and repeated.
    texts: Texts,
}

#[derive(Clone)]
struct Kept {
    order: EvidenceOrder,
    year: Option<i32>,
    latitude: f64, // NaN is none, as landed numbers are finite
    longitude: f64,
    uncertainty_m: f64,
    codes: [u32; 3], // datasetkey, basisofrecord, issue
    /// gbifid, then eventdate; empty is none, as landed texts are not.
    own: Box<str>,
    gbifid_bytes: u32,
}

impl EvidenceList {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// How good the evidence at a place is.
    ///
    /// # Panics
    /// If there is no such place.
    pub fn order(&self, place: usize) -> EvidenceOrder {
        self.kept[place].order
    }

    /// The evidence at a place.
    ///
    /// # Panics
    /// If there is no such place.
    pub fn get(&self, place: usize) -> Evidence<'_> {
        let [gbifid, eventdate] = self.own(place);
        let [decimallatitude, decimallongitude, uncertainty_m] = self.numbers(place);
        let [datasetkey, basisofrecord, issue] = [0, 1, 2].map(|column| self.text(place, column));
        Evidence {
            gbifid,
            eventdate,
            year: self.year(place),
            decimallatitude,
            decimallongitude,
            uncertainty_m,
            datasetkey,
            basisofrecord,
            issue,
        }
    }

    /// gbifid and eventdate at a place.
    pub(crate) fn own(&self, place: usize) -> [Option<&str>; 2] {
        let kept = &self.kept[place];
        let (gbifid, eventdate) = kept.own.split_at(kept.gbifid_bytes as usize);
        [gbifid, eventdate].map(|text| Some(text).filter(|text| !text.is_empty()))
    }

    pub(crate) fn year(&self, place: usize) -> Option<i32> {
        self.kept[place].year
    }

    /// Latitude, longitude and uncertainty at a place.
    pub(crate) fn numbers(&self, place: usize) -> [Option<f64>; 3] {
        let Kept { latitude, longitude, uncertainty_m, .. } = self.kept[place];
        [latitude, longitude, uncertainty_m].map(|value| (!value.is_nan()).then_some(value))
    }

    /// datasetkey, basisofrecord or issue at a place, by its number among them.
    pub(crate) fn text(&self, place: usize, column: usize) -> Option<&str> {
        self.texts.optional(self.kept[place].codes[column])
    }

    /// The evidence of these places, in this order: what is read in the order in which it lies is read faster.
    pub(crate) fn in_order(&self, places: impl Iterator<Item = usize>) -> EvidenceList {
        let kept = places.map(|place| self.kept[place].clone()).collect();
        EvidenceList { kept, texts: self.texts.clone() }
    }

    /// Whether this would be better evidence than what is at a place.
    ///
    /// # Panics
    /// If there is no such place.
    pub fn is_better(&self, place: usize, order: EvidenceOrder, evidence: &Evidence<'_>) -> bool {
        let kept = self.order(place);
        order < kept || (order == kept && evidence.precedes(&self.get(place)))
    }

    /// Puts evidence at a place, in place of what is there; the place after the last is a new one.
    ///
    /// # Panics
    /// If there is no such place.
    pub fn put(&mut self, place: usize, order: EvidenceOrder, evidence: &Evidence<'_>) {
        let (gbifid, eventdate) = (evidence.gbifid.unwrap_or(""), evidence.eventdate.unwrap_or(""));
        let texts = [evidence.datasetkey, evidence.basisofrecord, evidence.issue];
        let kept = Kept {
            order,
            year: evidence.year,
            latitude: evidence.decimallatitude.unwrap_or(f64::NAN),
            longitude: evidence.decimallongitude.unwrap_or(f64::NAN),
            uncertainty_m: evidence.uncertainty_m.unwrap_or(f64::NAN),
            codes: texts.map(|text| text.map_or(NO_TEXT, |text| self.texts.code(text))),
            own: [gbifid, eventdate].concat().into(),
            gbifid_bytes: u32::try_from(gbifid.len()).expect("a cell of a record is shorter than 4 GiB"),
        };
        match self.kept.get_mut(place) {
            Some(at) => *at = kept,
            None => {
                assert_eq!(place, self.kept.len(), "a new place is the next one");
                self.kept.push(kept);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evidence(gbifid: &'static str, eventdate: &'static str, uncertainty_m: f64) -> Evidence<'static> {
        let some = |text: &'static str| (!text.is_empty()).then_some(text);
        Evidence {
            gbifid: some(gbifid),
            eventdate: some(eventdate),
            uncertainty_m: (uncertainty_m != 0.0).then_some(uncertainty_m),
            ..Evidence::default()
        }
    }

    #[test]
    fn the_best_is_the_earliest_then_the_surest_then_the_lowest_number() {
        // From the best to the worst.
        let all = [
            evidence("9", "1900", 0.0),
            evidence("8", "1900-01-02/1950", 0.0),
            evidence("90", "2001-05-01", 5.0),
            evidence("100", "2001-05-01T10:00", 5.0),
            evidence("7", "2001-05-01", 30.0),
            evidence("3", "2001-05-01", 0.0),
            evidence("4", "2001-05-01", -1.0), // unknown, as 3
            evidence("x1", "2001-05-01", 0.0), // no number
            evidence("1", "", 10.0),
            evidence("2", "soon", 20.0),
            evidence("1", "", 0.0),
        ];
        let orders: Vec<EvidenceOrder> = all.iter().map(|evidence| evidence.order(2026)).collect();
        assert!(orders.is_sorted() && orders.windows(2).all(|pair| pair[0] != pair[1]));
        assert_eq!(gbifid_order(Some("18446744073709551616")), u64::MAX);
        assert_eq!(gbifid_order(Some("+1")), u64::MAX);
    }

    #[test]
    fn a_list_gives_back_what_was_put() {
        let mut list = EvidenceList::default();
        let full = Evidence {
            gbifid: Some("17"),
            eventdate: Some("2001-05-01"),
            year: Some(2001),
            decimallatitude: Some(38.5),
            decimallongitude: Some(-95.25),
            uncertainty_m: Some(30.0),
            datasetkey: Some("d"),
            basisofrecord: Some("HUMAN_OBSERVATION"),
            issue: Some("A;B"),
        };
        for (place, evidence) in [full, Evidence::default(), evidence("", "2001", 0.0)].iter().enumerate() {
            list.put(place, evidence.order(2026), evidence);
            assert_eq!(list.get(place), *evidence);
        }
        let twin = Evidence { datasetkey: Some("c"), ..full };
        assert!(list.is_better(0, twin.order(2026), &twin), "of two of one number, whichever was met first");
        list.put(0, twin.order(2026), &twin);
        assert!(!list.is_better(0, full.order(2026), &full) && !list.is_better(0, twin.order(2026), &twin));
        assert_eq!((list.len(), list.get(0)), (3, twin));
    }
}
