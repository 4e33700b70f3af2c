//! Text to typed values: what a cell may hold, and what it may not.

use std::borrow::Cow;

use jiff::civil::DateTime;
use jiff::tz::Offset;

/// An integer; spaces around it are tolerated.
#[inline]
pub(crate) fn int(text: &str) -> Option<i32> {
    let bytes = text.as_bytes();
    // Nine digits cannot overflow. Whatever else there is, the standard library decides.
    if (1..=9).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_digit) {
        return Some(bytes.iter().fold(0, |sum, digit| sum * 10 + i32::from(digit - b'0')));
    }
    text.trim_ascii().parse().ok()
}

/// A finite number in decimal or Java form (`963.0`, `2.778E-4`); `NaN`, infinity and what overflows to it
/// are none.
#[inline]
pub(crate) fn double(text: &str) -> Option<f64> {
    let text = text.trim_ascii();
    // Where both take a text they give the same number; what the quick one refuses the standard library decides.
    let value = fast_float2::parse(text).ok().or_else(|| text.parse().ok());
    value.filter(|value: &f64| value.is_finite())
}

/// `true` or `false`, in any case.
pub(crate) fn boolean(text: &str) -> Option<bool> {
    match text.trim_ascii() {
        text if text.eq_ignore_ascii_case("true") => Some(true),
        text if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// The items of a list: split at `;`, trimmed, without the empty ones.
pub(crate) fn items(text: &str) -> impl Iterator<Item = &str> {
    text.split(';').map(str::trim).filter(|item| !item.is_empty())
}

/// Milliseconds since 1970 of an ISO 8601 date or date and time. Without a zone it is UTC, without a time
/// midnight; digits beyond milliseconds are cut off.
pub(crate) fn timestamp_ms(text: &str) -> Option<i64> {
    let text = text.trim_ascii();
    let mut rest = Digits(text.as_bytes());
    let (year, month, day) = (rest.number(4)?, rest.after(b'-')?.number(2)?, rest.after(b'-')?.number(2)?);
    let (mut hour, mut minute, mut second, mut millisecond, mut offset_s) = (0, 0, 0, 0, 0);
    if !rest.0.is_empty() {
        if !matches!(rest.0[0], b'T' | b't' | b' ') {
            return None;
        }
        rest.0 = &rest.0[1..];
        (hour, minute) = (rest.number(2)?, rest.after(b':')?.number(2)?);
        if rest.after(b':').is_some() {
            second = rest.number(2)?;
            if rest.after(b'.').is_some() || rest.after(b',').is_some() {
                millisecond = rest.milliseconds()?;
            }
        }
        offset_s = rest.offset_s()?;
    }
    if !rest.0.is_empty() {
        return None;
    }
    let local = DateTime::new(
        year as i16,
        month as i8,
        day as i8,
        hour as i8,
        minute as i8,
        second as i8,
        millisecond * 1_000_000,
    );
    let offset = Offset::from_seconds(offset_s).ok()?;
    Some(offset.to_timestamp(local.ok()?).ok()?.as_millisecond())
}

struct Digits<'a>(&'a [u8]);

impl Digits<'_> {
    /// A number of exactly `width` digits.
    fn number(&mut self, width: usize) -> Option<i32> {
        let digits = self.0.get(..width)?;
        if !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        self.0 = &self.0[width..];
        Some(digits.iter().fold(0, |sum, digit| sum * 10 + i32::from(digit - b'0')))
    }

    fn after(&mut self, expected: u8) -> Option<&mut Self> {
        if self.0.first() != Some(&expected) {
            return None;
        }
        self.0 = &self.0[1..];
        Some(self)
    }

    fn milliseconds(&mut self) -> Option<i32> {
        let width = self.0.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if width == 0 {
            return None;
        }
        let digit = |place: usize| if place < width { i32::from(self.0[place] - b'0') } else { 0 };
        let milliseconds = digit(0) * 100 + digit(1) * 10 + digit(2);
        self.0 = &self.0[width..];
        Some(milliseconds)
    }

    /// `Z`, `±HH`, `±HHMM`, `±HH:MM` or nothing.
    fn offset_s(&mut self) -> Option<i32> {
        let sign = match self.0.first() {
            None => return Some(0),
            Some(b'Z' | b'z') => {
                self.0 = &self.0[1..];
                return Some(0);
            }
            Some(b'+') => 1,
            Some(b'-') => -1,
            Some(_) => return None,
        };
        self.0 = &self.0[1..];
        let hours = self.number(2)?;
        let minutes = match self.0 {
            [] => 0,
            [b':', ..] => self.after(b':')?.number(2)?,
            _ => self.number(2)?,
        };
        (minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
    }
}

/// The text of a cell that was quoted safely: it starts and ends with `"` and every `"` between is doubled.
/// Anything else is taken as it is, so a stray quote never changes more than its own cell.
pub(crate) fn unquote(cell: &str) -> Cow<'_, str> {
    let Some(inner) = cell.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return Cow::Borrowed(cell);
    };
    if !inner.contains('"') {
        return Cow::Borrowed(inner);
    }
    let mut quotes = inner.split('"');
    // Between the two quotes of a doubled one lies an empty piece: pieces alternate text, empty, text, …
    let mut text = quotes.next().unwrap_or_default().to_owned();
    loop {
        match (quotes.next(), quotes.next()) {
            (None, _) => return Cow::Owned(text),
            (Some(""), Some(piece)) => {
                text.push('"');
                text.push_str(piece);
            }
            _ => return Cow::Borrowed(cell),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, any, prop_assert_eq, proptest};

    use super::*;

    #[test]
    fn integers() {
        for (text, value) in [
            ("0", Some(0)),
            ("-7", Some(-7)),
            (" 12 ", Some(12)),
            ("1.0", None),
            ("2147483648", None),
            ("x", None),
        ] {
            assert_eq!(int(text), value, "{text}");
        }
    }

    #[test]
    fn doubles_take_javas_form_and_must_be_finite() {
        for (text, value) in [
            ("963.0", Some(963.0)),
            ("2.778E-4", Some(2.778e-4)),
            ("-0.5", Some(-0.5)),
            ("1e400", None),
            ("NaN", None),
            ("Infinity", None),
            ("abc", None),
            ("1,5", None),
        ] {
            assert_eq!(double(text), value, "{text}");
        }
    }

    /// What the standard library alone makes of it.
    fn plain_double(text: &str) -> Option<f64> {
        text.trim_ascii().parse().ok().filter(|value: &f64| value.is_finite())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn numbers_are_those_of_the_standard_library(
            text in "[ +-]?[0-9.]{0,22}([eE][+-]?[0-9]{0,3})?|[0-9+.eEinfaNINFty -]{0,9}",
            bits in any::<u64>(),
            integer in "[ +-]?[0-9]{0,12}",
        ) {
            for text in [text, format!("{}", f64::from_bits(bits)), format!("{:E}", f64::from_bits(bits))] {
                prop_assert_eq!(double(&text).map(f64::to_bits), plain_double(&text).map(f64::to_bits));
            }
            prop_assert_eq!(int(&integer), integer.trim_ascii().parse().ok());
        }
    }

    #[test]
    fn timestamps() {
        const DAY: i64 = 86_400_000;
        for (text, value) in [
            ("1970-01-02", Some(DAY)),
            ("1970-01-02T00:00", Some(DAY)),
            ("1970-01-02T00:00:01", Some(DAY + 1000)),
            ("1970-01-02 00:00:01", Some(DAY + 1000)),
            ("1970-01-02T00:00:01Z", Some(DAY + 1000)),
            ("1970-01-02T00:00:01.5Z", Some(DAY + 1500)),
            ("1970-01-02T00:00:01.123456789", Some(DAY + 1123)),
            ("1970-01-02T01:00:00+01:00", Some(DAY)),
            ("1970-01-02T01:00:00+0100", Some(DAY)),
            ("1970-01-01T23:30:00.000-00:30", Some(DAY)),
            ("1969-12-31T23:59:59.999Z", Some(-1)),
            ("1600-02-29", Some(-11_670_998_400_000)),
            ("2023-02-29", None),
            ("2023-01", None),
            ("2023-01-01T25:00:00", None),
            ("2023-01-01T10:00:00 and more", None),
            ("2023-01-01T10:00:00+99:00", None),
            ("2023-01-01/2023-01-02", None),
            ("", None),
        ] {
            assert_eq!(timestamp_ms(text), value, "{text}");
        }
    }

    #[test]
    fn lists() {
        let list = |text| items(text).collect::<Vec<_>>();
        assert_eq!(list("A;B"), ["A", "B"]);
        assert_eq!(list(" A ;; B;"), ["A", "B"]);
        assert!(list(" ; ").is_empty());
    }

    #[test]
    fn only_safe_quotes_are_taken_off() {
        for (cell, text) in [
            ("plain", "plain"),
            ("\"quoted\"", "quoted"),
            ("\"a \"\"word\"\" b\"", "a \"word\" b"),
            ("\"\"\"\"", "\""),
            ("\"\"", ""),
            ("\"", "\""),
            ("\"never closed", "\"never closed"),
            ("\"a\" and \"b\"", "\"a\" and \"b\""),
            ("\"even\"\"\"", "even\""),
            ("\"odd\"\"", "\"odd\"\""),
            ("5\" pipe", "5\" pipe"),
        ] {
            assert_eq!(unquote(cell), text, "{cell}");
        }
    }
}
