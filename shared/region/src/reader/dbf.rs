//! The attributes of a shapefile (dBASE III), as the texts that they are in the file: a number keeps its zeros.

use std::io::Read;

use super::Origin;
use crate::error::RegionError;

/// Windows-1252 where it differs from Latin-1: bytes 0x80…0x9F. The five unused bytes stay controls.
const WINDOWS_1252: [char; 32] = [
    '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}', '\u{90}',
    '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
];

/// What the header says of the table, in bytes, before it describes the columns.
const TABLE_LEN: usize = 32;

#[derive(Debug)]
pub(super) struct Dbf {
    /// The names of all columns.
    pub(super) known: Vec<String>,
    /// The names of those that were wanted.
    pub(super) attributes: Vec<String>,
    /// One per shape, in order; none for a deleted row.
    pub(super) rows: Vec<Option<Vec<Option<String>>>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    Utf8,
    Windows1252,
}

struct Column {
    name: String,
    start: usize,
    end: usize,
}

/// Reads the columns called as one of `wanted`; `cpg` is the file that names the encoding. Without it texts are UTF-8
/// if all of them are, else Windows-1252, which holds Latin-1.
pub(super) fn read(
    origin: Origin<'_>,
    mut dbf: impl Read,
    cpg: Option<&str>,
    wanted: &[&str],
) -> Result<Dbf, RegionError> {
    let mut take = |len: usize, bytes: &mut Vec<u8>| {
        bytes.clear();
        dbf.by_ref()
            .take(len as u64)
            .read_to_end(bytes)
            .map_err(|error| origin.unreadable(format!("the .dbf: {error}")))?;
        if bytes.len() == len { Ok(()) } else { Err(origin.unreadable("the .dbf is truncated")) }
    };
    let mut header = Vec::new();
    take(TABLE_LEN, &mut header)?;
    let count = u32::from_le_bytes([header[4], header[5], header[6], header[7]]);
    let header_len = usize::from(u16::from_le_bytes([header[8], header[9]]));
    let row_len = usize::from(u16::from_le_bytes([header[10], header[11]]));
    take(header_len.saturating_sub(TABLE_LEN), &mut header)?;
    let mut columns = columns(&header);
    let widest = columns.last().map_or(1, |column| column.end);
    if widest > row_len {
        return Err(origin.unreadable(format!("the .dbf has fields of {widest} bytes in rows of {row_len}")));
    }
    let known = columns.iter().map(|column| column.name.clone()).collect();
    columns.retain(|column| wanted.contains(&column.name.as_str()));

    // The bytes that are wanted first: without a .cpg all of them must be seen to know the encoding.
    let mut cells: Vec<Option<Vec<Box<[u8]>>>> = Vec::new();
    let mut row = Vec::new();
    for _ in 0..count {
        take(row_len, &mut row)?;
        let cell = |column: &Column| trimmed(&row[column.start..column.end]).into();
        cells.push((row[0] != b'*').then(|| columns.iter().map(cell).collect()));
    }
    let encoding = match cpg {
        Some(cpg) => encoding(origin, cpg)?,
        None if cells.iter().flatten().flatten().all(|cell| utf8(cell).is_some()) => Encoding::Utf8,
        None => Encoding::Windows1252,
    };
    let texts = |(number, cells): (usize, Option<Vec<Box<[u8]>>>)| {
        let value = |(column, cell): (&Column, Box<[u8]>)| {
            text(&cell, encoding).map_err(|found| {
                origin.feature(number, &format!("UTF-8 in {}, as the .cpg says", column.name), found)
            })
        };
        cells.map(|cells| columns.iter().zip(cells).map(value).collect()).transpose()
    };
    let rows = cells.into_iter().enumerate().map(texts).collect::<Result<_, _>>()?;
    Ok(Dbf { known, attributes: columns.into_iter().map(|column| column.name).collect(), rows })
}

/// Columns are described in 32 bytes each, up to a carriage return.
fn columns(header: &[u8]) -> Vec<Column> {
    let mut start = 1; // a row begins with its mark of deletion
    let descriptors = header.chunks_exact(32).take_while(|bytes| bytes[0] != b'\r');
    let column = |bytes: &[u8]| {
        let name = bytes[..11].split(|&byte| byte == 0).next().unwrap_or_default();
        let end = start + bytes[16] as usize;
        let column = Column { name: String::from_utf8_lossy(name).trim().to_owned(), start, end };
        start = end;
        column
    };
    descriptors.map(column).collect()
}

fn encoding(origin: Origin<'_>, name: &str) -> Result<Encoding, RegionError> {
    let letters: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    match letters.to_ascii_uppercase().as_str() {
        "UTF8" | "65001" | "ASCII" | "USASCII" => Ok(Encoding::Utf8),
        "ISO88591" | "88591" | "LATIN1" | "1252" | "CP1252" | "ANSI1252" | "WINDOWS1252" => {
            Ok(Encoding::Windows1252)
        }
        _ => {
            let found = name.trim();
            Err(origin.unreadable(format!("expected UTF-8, ISO-8859-1 or 1252 in the .cpg, found {found}")))
        }
    }
}

/// A cell without its padding: blanks, and whatever stands after a zero byte.
fn trimmed(cell: &[u8]) -> &[u8] {
    let end = cell.iter().position(|&byte| byte == 0).unwrap_or(cell.len());
    cell[..end].trim_ascii()
}

/// UTF-8, perhaps cut short: a writer that fills the width of the column may cut the last character in two.
fn utf8(cell: &[u8]) -> Option<&str> {
    match std::str::from_utf8(cell) {
        Ok(text) => Some(text),
        Err(error) if error.error_len().is_none() => std::str::from_utf8(&cell[..error.valid_up_to()]).ok(),
        Err(_) => None,
    }
}

/// The text of a cell; null if it is blank.
fn text(cell: &[u8], encoding: Encoding) -> Result<Option<String>, String> {
    let text = match encoding {
        Encoding::Utf8 => {
            utf8(cell).ok_or_else(|| format!("{:?}", String::from_utf8_lossy(cell)))?.trim().to_owned()
        }
        Encoding::Windows1252 => {
            cell.iter().map(|&byte| character(byte)).collect::<String>().trim().to_owned()
        }
    };
    Ok((!text.is_empty()).then_some(text))
}

fn character(byte: u8) -> char {
    match byte {
        0x80..=0x9f => WINDOWS_1252[usize::from(byte - 0x80)],
        _ => char::from(byte),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORIGIN: Origin<'static> = Origin { layer: "county", file: "county.zip" };

    /// A table with one column NAME of `width` bytes.
    fn table(width: u8, cells: &[&[u8]]) -> Vec<u8> {
        let mut dbf = vec![3, 126, 1, 1];
        dbf.extend((cells.len() as u32).to_le_bytes());
        dbf.extend(65u16.to_le_bytes());
        dbf.extend((u16::from(width) + 1).to_le_bytes());
        dbf.resize(32, 0);
        dbf.extend(b"NAME\0\0\0\0\0\0\0C\0\0\0\0");
        dbf.push(width);
        dbf.resize(64, 0);
        dbf.push(b'\r');
        for cell in cells {
            let mut row = cell.to_vec();
            row.resize(usize::from(width) + 1, b' ');
            dbf.extend(row);
        }
        dbf
    }

    #[test]
    fn texts_are_read_by_their_encoding() {
        let utf8 = " Mayag\u{fc}ez".as_bytes();
        let latin1 = b" Mayag\xfcez";
        type Case<'a> = (&'a [u8], Option<&'a str>, &'a str);
        let cases: [Case<'_>; 6] = [
            (utf8, Some("UTF-8\r\n"), "Mayagüez"),
            (utf8, None, "Mayagüez"),
            (latin1, Some("ISO-8859-1"), "Mayagüez"),
            (latin1, Some("ANSI 1252"), "Mayagüez"),
            (latin1, None, "Mayagüez"),
            (b" O\x92Brien", Some("1252"), "O’Brien"),
        ];
        for (cell, cpg, expected) in cases {
            let dbf = read(ORIGIN, table(12, &[cell]).as_slice(), cpg, &["NAME"]).unwrap();
            assert_eq!(dbf.rows[0].as_ref().unwrap()[0].as_deref(), Some(expected), "{cpg:?}");
        }
    }

    #[test]
    fn blanks_are_null_and_deleted_rows_keep_their_place() {
        let dbf =
            read(ORIGIN, table(4, &[b" 0012", b"*gone", b"     "]).as_slice(), None, &["NAME"]).unwrap();
        assert_eq!(dbf.attributes, ["NAME"]);
        assert_eq!(dbf.rows, [Some(vec![Some("0012".into())]), None, Some(vec![None])]);
    }

    #[test]
    fn what_is_not_a_table_is_named() {
        let full = table(4, &[b" 0012"]);
        for len in 0..full.len() {
            assert!(read(ORIGIN, &full[..len], None, &["NAME"]).is_err(), "{len} bytes");
        }
        let error = read(ORIGIN, full.as_slice(), Some("Big5"), &["NAME"]).unwrap_err();
        assert!(error.to_string().contains("found Big5"), "{error}");
        let error =
            read(ORIGIN, table(4, &[b" \xff\xff\xff\xff"]).as_slice(), Some("UTF-8"), &["NAME"]).unwrap_err();
        assert!(
            error.to_string().contains("layer county, county.zip, feature 1: expected UTF-8 in NAME"),
            "{error}"
        );
    }
}
