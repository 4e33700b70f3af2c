//! Texts from outside, such as names of species and regions, in what people read.

/// How long a text is in a message, in characters.
const MOST_CHARACTERS: usize = 120;

/// Whether a character turns the direction of what stands after it (Unicode Standard Annex 9, table 3).
///
/// ```
/// assert!(bisonflow_contract::text::turns('\u{202e}') && !bisonflow_contract::text::turns('é'));
/// ```
pub fn turns(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A text in which what a terminal or a mail program would obey is `\u{fffd}`.
///
/// ```
/// use bisonflow_contract::text::printable;
/// assert_eq!(printable("Poa\u{1b}[2J annua\u{202e}"), "Poa\u{fffd}[2J annua\u{fffd}");
/// ```
pub fn printable(text: &str) -> String {
    text.replace(|c: char| c.is_control() || turns(c), "\u{fffd}")
}

/// A text as a message carries it: [`printable`], and no longer than 120 characters, so that the state machine's payload
/// (256 KiB) and an e-mail hold it, whatever it is.
///
/// ```
/// use bisonflow_contract::text::brief;
/// assert_eq!(brief("Bromus tectorum"), "Bromus tectorum");
/// assert_eq!(brief(&"é".repeat(5_000)).chars().count(), 120);
/// ```
pub fn brief(text: &str) -> String {
    match text.char_indices().nth(MOST_CHARACTERS) {
        None => printable(text),
        Some(_) => {
            let kept: String = text.chars().take(MOST_CHARACTERS - 1).collect();
            printable(&kept) + "…"
        }
    }
}
