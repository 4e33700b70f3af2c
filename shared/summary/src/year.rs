//! The year of a record.

/// The first year that is believed.
const FIRST_YEAR: i32 = 1600;

/// The year of a record: that of the `year` column if it lies in 1600…`run_year`, else that of `eventDate` if
/// its start and end share it and it lies there too; none means undated.
#[inline]
pub fn record_year(year: Option<i32>, event_date: Option<&str>, run_year: i16) -> Option<i16> {
    let believed = |year: i32| {
        (FIRST_YEAR..=i32::from(run_year)).contains(&year).then(|| i16::try_from(year).ok()).flatten()
    };
    year.and_then(believed).or_else(|| event_date.and_then(event_year).and_then(believed))
}

/// The year that the start and the end of an ISO 8601 date or interval share.
///
/// An end may leave out what it shares with the start (`2007-11-13/15`); an open interval has no end to share
/// a year with.
fn event_year(text: &str) -> Option<i32> {
    let Some((start, end)) = text.trim().split_once('/') else {
        return Date::parse(text.trim()).map(|date| date.year);
    };
    let start = Date::parse(start)?;
    match Date::parse(end) {
        Some(end) => (start.year == end.year).then_some(start.year),
        None => is_short_end(end, &start).then_some(start.year),
    }
}

/// A date with a year.
struct Date {
    year: i32,
    parts: usize, // 1 year, 2 and month, 3 and day
    time: bool,
}

impl Date {
    /// `YYYY`, `YYYY-MM`, `YYYY-MM-DD` or `YYYY-DDD`, and perhaps a time, which is not looked at.
    fn parse(text: &str) -> Option<Date> {
        let (date, time) = split_time(text);
        let mut fields = date.split('-');
        let year = digits(fields.next()?, 4)?;
        let parts = match (fields.next(), fields.next(), fields.next()) {
            (None, ..) => 1,
            (Some(day), None, _) if day.len() == 3 => {
                digits(day, 3).filter(|d| (1..=366).contains(d)).map(|_| 3)?
            }
            (Some(month), None, _) => month_of(month).map(|_| 2)?,
            (Some(month), Some(day), None) => month_of(month).and(day_of(day)).map(|_| 3)?,
            _ => return None,
        };
        (time.is_none() || parts == 3).then_some(Date { year, parts, time: time.is_some() })
    }
}

/// Whether `end` is a date that leaves out the year, and perhaps more, of a start like `start`.
fn is_short_end(end: &str, start: &Date) -> bool {
    if end.contains(':') && !end.contains(['T', ' ', '-']) {
        return start.time && end.starts_with(|c: char| c.is_ascii_digit()); // 2007-11-13T10:00/12:00
    }
    let (date, time) = split_time(end);
    if time.is_some() && start.parts != 3 {
        return false;
    }
    match (date.split_once('-'), start.parts) {
        (Some((month, day)), 3) => month_of(month).and(day_of(day)).is_some(),
        (None, 3) => day_of(date).is_some(),
        (None, 2) => month_of(date).is_some(),
        _ => false, // 2007/08 may be two years
    }
}

fn split_time(text: &str) -> (&str, Option<&str>) {
    match text.split_once(['T', ' ']) {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    }
}

fn digits(text: &str, len: usize) -> Option<i32> {
    (text.len() == len && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

fn month_of(text: &str) -> Option<i32> {
    digits(text, 2).filter(|month| (1..=12).contains(month))
}

fn day_of(text: &str) -> Option<i32> {
    digits(text, 2).filter(|day| (1..=31).contains(day))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn event_dates() {
        for (text, year) in [
            ("2000", Some(2000)),
            ("2000-05", Some(2000)),
            ("2007-11-13", Some(2007)),
            (" 2007-11-13 ", Some(2007)),
            ("2007-317", Some(2007)),
            ("2007-11-13T10:00:00Z", Some(2007)),
            ("2007-11-13 10:00", Some(2007)),
            ("2007-11-13T10:00:00-05:00", Some(2007)),
            ("2007-11-13/2007-11-15", Some(2007)),
            ("2007/2007-11", Some(2007)),
            ("2007-11-13/15", Some(2007)),
            ("2007-11-13/12-01", Some(2007)),
            ("2007-11/12", Some(2007)),
            ("2007-11-13T10:00/2007-11-13T11:00", Some(2007)),
            ("2007-11-13T10:00/12:00", Some(2007)),
            ("2007-11-13T10:00/14T09:00", Some(2007)),
            ("2001/2002", None),
            ("2007-12-31/2008-01-01", None),
            ("2007/08", None),
            ("2007-11/13-14", None),
            ("2007-11-13/", None),
            ("2007-11-13/..", None),
            ("/2007", None),
            ("2007/2007/2007", None),
            ("2007-2008", None),
            ("2007-13", None),
            ("2007-11-32", None),
            ("2007-11-13-1", None),
            ("2007-11-13/32", None),
            ("2007T10:00", None),
            ("20071113", None),
            ("07-11-13", None),
            ("-2007", None),
            ("２００７", None),
            ("spring 2007", None),
            ("", None),
        ] {
            assert_eq!(event_year(text), year, "{text:?}");
        }
    }

    #[test]
    fn the_year_column_comes_first_if_it_can_be_believed() {
        for (year, date, expected) in [
            (Some(1999), Some("2001-01-01"), Some(1999)),
            (Some(1600), None, Some(1600)),
            (Some(2026), None, Some(2026)),
            (Some(1599), Some("2001"), Some(2001)),
            (Some(2027), Some("2027"), None),
            (Some(i32::MAX), None, None),
            (None, Some("1599"), None),
            (None, Some("1600"), Some(1600)),
            (None, None, None),
        ] {
            assert_eq!(record_year(year, date, 2026), expected, "{year:?} {date:?}");
        }
    }
}
