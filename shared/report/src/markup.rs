//! HTML that is safe to put into the page as it is, and the figures on it.

use std::borrow::Borrow;
use std::fmt;
use std::fmt::Write;

use bisonflow_contract::text::turns;

/// HTML or SVG in which every text from outside is escaped already.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Markup(String);

impl Markup {
    /// Markup of our own making: `html` must hold nothing from outside that is not escaped.
    pub(crate) fn ours(html: String) -> Markup {
        Markup(html)
    }
}

impl fmt::Display for Markup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl askama::filters::HtmlSafe for Markup {}

/// A text as it may stand in HTML and SVG, between tags and in quoted attributes.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

/// A page without what HTML does not allow, and without what would turn the direction of what follows: each such
/// character is shown as `\u{fffd}`, wherever it came from.
pub(crate) fn readable(mut page: String) -> String {
    let is_unreadable = |c: char| (c.is_control() && !matches!(c, '\t' | '\n' | '\r')) || turns(c);
    if page.contains(is_unreadable) {
        page = page.replace(is_unreadable, "\u{fffd}");
    }
    page
}

/// A count with commas between thousands: `1,234,567`. Templates give a number or a reference to it.
pub(crate) fn count(count: impl Borrow<i64>) -> String {
    let count = *count.borrow();
    let digits = count.unsigned_abs().to_string();
    let mut text = String::from(if count < 0 { "-" } else { "" });
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A percentage with one decimal; none is a dash.
pub(crate) fn percentage(value: Option<f64>) -> String {
    value.map_or("–".to_owned(), |value| format!("{value:.1}"))
}

/// A statistic with six significant digits at most; none is a dash.
pub(crate) fn statistic(value: Option<f64>) -> String {
    let Some(value) = value else { return "–".to_owned() };
    if value == 0.0 {
        return "0".to_owned();
    }
    if value.fract() == 0.0 && value.abs() < 1e15 {
        return count(value as i64);
    }
    let magnitude = value.abs().log10().floor() as i32;
    let decimals = (5 - magnitude).clamp(0, 12) as usize;
    let text = format!("{value:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// A count on the page, with where it comes from: `<document or table>:<field>`, so that a test can trace it.
pub(crate) fn figure(value: impl Borrow<u64>, from: &str) -> Markup {
    let value = *value.borrow();
    let shown = count(i64::try_from(value).unwrap_or(i64::MAX));
    let mut html = String::new();
    write!(html, "<data value=\"{value}\" data-from=\"{}\">{shown}</data>", escape(from))
        .expect("writing to a text does not fail");
    Markup(html)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_outside_is_markup() {
        assert_eq!(
            escape("<img src=x onerror='alert(1)'> & \"q\""),
            "&lt;img src=x onerror=&#39;alert(1)&#39;&gt; &amp; &quot;q&quot;"
        );
        let readable = |text: &str| readable(text.to_owned());
        assert_eq!(readable("a\u{0}b\u{202e}c\u{9b}"), "a\u{fffd}b\u{fffd}c\u{fffd}");
        assert_eq!(readable("Mayagüez\t×\r\n"), "Mayagüez\t×\r\n");
    }

    #[test]
    fn numbers_are_for_people() {
        for (value, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (-1234567, "-1,234,567"), (12, "12")] {
            assert_eq!(count(value), text);
        }
        for (value, text) in [
            (None, "–"),
            (Some(0.0), "0"),
            (Some(1234.0), "1,234"),
            (Some(1.0 / 3.0), "0.333333"),
            (Some(12_345.678), "12345.7"),
            (Some(0.000_012_345_67), "0.0000123457"),
            (Some(1.5), "1.5"),
        ] {
            assert_eq!(statistic(value), text);
        }
        assert_eq!((percentage(Some(12.34)), percentage(None)), ("12.3".to_owned(), "–".to_owned()));
    }
}
