//! The year of a record, and the day on which it begins.

use jiff::civil::{Date as Day, date};

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

/// The earliest day on which a record can have been made: the start of `eventDate`, an ISO 8601 date or interval, if its
/// year lies in 1600…run year; else the first day of the `year` column, if that does. Days are compared as numbers;
/// a record without one comes after all others.
///
/// A date that names no day is its earliest one: `2007` is 2007-01-01, `2007-11` is 2007-11-01.
///
/// ```
/// use bisonflow_summary::EventStart;
/// let start = |date| EventStart::of(Some(date), None, 2026);
/// assert!(start("2007-11/2008-03") < start("2007-11-02T10:00:00"));
/// assert_eq!(start("2007-11").days(), Some(13_818)); // since 1970-01-01
/// assert!(start("spring") == EventStart::UNDATED && start("2007") < EventStart::UNDATED);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventStart(u32); // yyyymmdd

impl EventStart {
    /// Of a record that says no day.
    pub const UNDATED: EventStart = EventStart(u32::MAX - 1);

    /// The start of a record.
    #[inline]
    pub fn of(event_date: Option<&str>, year: Option<i32>, run_year: i16) -> EventStart {
        let believed = |day: &Day| (FIRST_YEAR..=i32::from(run_year)).contains(&i32::from(day.year()));
        let day = event_date.and_then(start_day).filter(believed);
        let day = day.or_else(|| day_of_year(year?).filter(believed));
        day.map_or(EventStart::UNDATED, EventStart::on)
    }

    /// The day that is so many days after 1970-01-01; none is undated, as is a day of no record.
    pub fn of_days(days: Option<i32>) -> EventStart {
        let day = days.and_then(|days| EPOCH.checked_add(jiff::Span::new().try_days(days).ok()?).ok());
        day.filter(|day| i32::from(day.year()) >= FIRST_YEAR).map_or(EventStart::UNDATED, EventStart::on)
    }

    /// The days since 1970-01-01.
    pub fn days(self) -> Option<i32> {
        if self == EventStart::UNDATED {
            return None;
        }
        let EventStart(day) = self;
        let day = date((day / 10_000) as i16, (day / 100 % 100) as i8, (day % 100) as i8);
        i32::try_from(day.duration_since(EPOCH).as_hours() / 24).ok()
    }

    /// Its year.
    pub fn year(self) -> Option<i32> {
        let EventStart(day) = self;
        (self != EventStart::UNDATED).then_some((day / 10_000) as i32)
    }

    fn on(day: Day) -> EventStart {
        EventStart(day.year().unsigned_abs() as u32 * 10_000 + day.month() as u32 * 100 + day.day() as u32)
    }
}

const EPOCH: Day = date(1970, 1, 1);

fn day_of_year(year: i32) -> Option<Day> {
    Day::new(i16::try_from(year).ok()?, 1, 1).ok()
}

/// The first day of a date or of the start of an interval.
fn start_day(text: &str) -> Option<Day> {
    // Nearly all dates: yyyy-mm-dd, and perhaps a time or an end.
    if let [y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1, rest @ ..] = text.as_bytes()
        && matches!(rest.first(), None | Some(b'T' | b' ' | b'/'))
        && [y0, y1, y2, y3, m0, m1, d0, d1].iter().all(|byte| byte.is_ascii_digit())
    {
        let two = |tens: &u8, ones: &u8| 10 * (tens - b'0') as i8 + (ones - b'0') as i8;
        let year = 100 * i16::from(two(y0, y1)) + i16::from(two(y2, y3));
        return Day::new(year, two(m0, m1), two(d0, d1)).ok();
    }
    let start = text.trim().split('/').next().unwrap_or_default();
    let mut fields = split_time(start).0.split('-');
    let Date { parts, .. } = Date::parse(start)?;
    let year = i16::try_from(digits(fields.next()?, 4)?).ok()?;
    match (fields.next(), parts) {
        (None, _) => Day::new(year, 1, 1).ok(),
        (Some(day), 3) if day.len() == 3 => {
            date(year, 1, 1).with().day_of_year(digits(day, 3)? as i16).build().ok()
        }
        (Some(month), 2) => Day::new(year, month_of(month)? as i8, 1).ok(),
        (Some(month), _) => Day::new(year, month_of(month)? as i8, day_of(fields.next()?)? as i8).ok(),
    }
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
    fn starts_of_events() {
        for (text, start) in [
            ("2000", Some(20000101)),
            ("2000-05", Some(20000501)),
            ("2007-11-13", Some(20071113)),
            (" 2007-11-13 ", Some(20071113)),
            ("2007-317", Some(20071113)),
            ("2008-366", Some(20081231)),
            ("2007-366", None),
            ("2007-11-13T10:00:00Z", Some(20071113)),
            ("2007-11-13 10:00", Some(20071113)),
            ("2007-11-13/2007-11-15", Some(20071113)),
            ("2007-11-13T23:00/2007-11-14T01:00", Some(20071113)),
            ("2007-11-13/15", Some(20071113)),
            ("2001/2002", Some(20010101)),
            ("2001-12/2002-03", Some(20011201)),
            ("2007-11-13/", Some(20071113)),
            ("2007-11-13/..", Some(20071113)),
            ("2008-02-29", Some(20080229)),
            ("2007-02-29", None),
            ("2007-13", None),
            ("2007-13-01", None),
            ("2007-00-10", None),
            ("2007-11-13x", None),
            ("1599-12-31", None),
            ("2027-01-01", None),
            ("/2007", None),
            ("../2007", None),
            ("20071113", None),
            ("spring 2007", None),
            ("２００７-11-13", None),
            ("", None),
        ] {
            let expected = start.map_or(EventStart::UNDATED, EventStart);
            assert_eq!(EventStart::of(Some(text), None, 2026), expected, "{text:?}");
            let else_year = start.unwrap_or(19990101);
            assert_eq!(EventStart::of(Some(text), Some(1999), 2026), EventStart(else_year), "{text:?}");
        }
        assert_eq!(EventStart::of(None, Some(1599), 2026), EventStart::UNDATED);
        assert_eq!(EventStart::of(None, None, 2026), EventStart::UNDATED);
        assert_eq!(EventStart::of_days(None), EventStart::UNDATED);
        assert_eq!(EventStart::of_days(Some(i32::MAX)), EventStart::UNDATED);
        for days in [-135_140, -1, 0, 59, 20_000] {
            assert_eq!(EventStart::of_days(Some(days)).days(), Some(days));
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
