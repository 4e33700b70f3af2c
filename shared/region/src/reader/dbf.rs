//! The attributes of a shapefile (dBASE III), as the texts that they are in the file: a number keeps its zeros.

use super::Origin;
use crate::error::RegionError;

/// Windows-1252 where it differs from Latin-1: bytes 0x80…0x9F. The five unused bytes stay controls.
const WINDOWS_1252: [char; 32] = [
    '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}', '\u{90}',
    '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
];

#[derive(Debug)]
pub(super) struct Dbf {
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

/// Reads the .dbf; `cpg` is the file that names its encoding. Without it texts are UTF-8 if all of them are, else
/// Windows-1252, which holds Latin-1.
pub(super) fn read(origin: Origin<'_>, dbf: &[u8], cpg: Option<&[u8]>) -> Result<Dbf, RegionError> {
    let truncated = || origin.unreadable("the .dbf is truncated");
    let count = u32_at(dbf, 4).ok_or_else(truncated)? as usize;
    let header_len = u16_at(dbf, 8).ok_or_else(truncated)? as usize;
    let row_len = u16_at(dbf, 10).ok_or_else(truncated)? as usize;
    let header = dbf.get(..header_len).ok_or_else(truncated)?;
    let columns = columns(header);
    let widest = columns.last().map_or(1, |column| column.end);
    if widest > row_len {
        return Err(origin.unreadable(format!("the .dbf has fields of {widest} bytes in rows of {row_len}")));
    }
    let rows_len = row_len.checked_mul(count).ok_or_else(truncated)?;
    let rows = dbf.get(header_len..).and_then(|rows| rows.get(..rows_len)).ok_or_else(truncated)?;
    let encoding = match cpg {
        Some(cpg) => encoding(origin, cpg)?,
        None if std::str::from_utf8(rows).is_ok() => Encoding::Utf8,
        None => Encoding::Windows1252,
    };
    let row = |(number, bytes): (usize, &[u8])| {
        if bytes[0] == b'*' {
            return Ok(None);
        }
        let value = |column: &Column| {
            text(&bytes[column.start..column.end], encoding).map_err(|found| {
                origin.feature(number, &format!("UTF-8 in {}, as the .cpg says", column.name), found)
            })
        };
        columns.iter().map(value).collect::<Result<Vec<_>, _>>().map(Some)
    };
    let rows = rows.chunks_exact(row_len.max(1)).enumerate().map(row).collect::<Result<_, _>>()?;
    Ok(Dbf { attributes: columns.iter().map(|column| column.name.clone()).collect(), rows })
}

/// Columns are described in 32 bytes each, after 32 bytes about the table, up to a carriage return.
fn columns(header: &[u8]) -> Vec<Column> {
    let mut start = 1; // a row begins with its mark of deletion
    let descriptors =
        header.get(32..).unwrap_or_default().chunks_exact(32).take_while(|bytes| bytes[0] != b'\r');
    let column = |bytes: &[u8]| {
        let name = bytes[..11].split(|&byte| byte == 0).next().unwrap_or_default();
        let end = start + bytes[16] as usize;
        let column = Column { name: String::from_utf8_lossy(name).trim().to_owned(), start, end };
        start = end;
        column
    };
    descriptors.map(column).collect()
}

fn encoding(origin: Origin<'_>, cpg: &[u8]) -> Result<Encoding, RegionError> {
    let name = String::from_utf8_lossy(cpg);
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

/// The text of a cell without its padding; null if nothing is left.
fn text(cell: &[u8], encoding: Encoding) -> Result<Option<String>, String> {
    let end = cell.iter().position(|&byte| byte == 0).unwrap_or(cell.len());
    let cell = &cell[..end];
    let text = match encoding {
        Encoding::Utf8 => match std::str::from_utf8(cell) {
            Ok(text) => text.to_owned(),
            // A writer that fills the width of the column may cut the last character in two.
            Err(error) if error.error_len().is_none() => {
                String::from_utf8_lossy(&cell[..error.valid_up_to()]).into_owned()
            }
            Err(_) => return Err(format!("{:?}", String::from_utf8_lossy(cell).trim())),
        },
        Encoding::Windows1252 => cell.iter().map(|&byte| character(byte)).collect(),
    };
    let text = text.trim();
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

fn character(byte: u8) -> char {
    match byte {
        0x80..=0x9f => WINDOWS_1252[usize::from(byte - 0x80)],
        _ => char::from(byte),
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
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
        type Case<'a> = (&'a [u8], Option<&'a [u8]>, &'a str);
        let cases: [Case<'_>; 6] = [
            (utf8, Some(b"UTF-8\r\n"), "Mayagüez"),
            (utf8, None, "Mayagüez"),
            (latin1, Some(b"ISO-8859-1"), "Mayagüez"),
            (latin1, Some(b"ANSI 1252"), "Mayagüez"),
            (latin1, None, "Mayagüez"),
            (b" O\x92Brien", Some(b"1252"), "O’Brien"),
        ];
        for (cell, cpg, expected) in cases {
            let dbf = read(ORIGIN, &table(12, &[cell]), cpg).unwrap();
            assert_eq!(dbf.rows[0].as_ref().unwrap()[0].as_deref(), Some(expected), "{cpg:?}");
        }
    }

    #[test]
    fn blanks_are_null_and_deleted_rows_keep_their_place() {
        let dbf = read(ORIGIN, &table(4, &[b" 0012", b"*gone", b"     "]), None).unwrap();
        assert_eq!(dbf.attributes, ["NAME"]);
        assert_eq!(dbf.rows, [Some(vec![Some("0012".into())]), None, Some(vec![None])]);
    }

    #[test]
    fn what_is_not_a_table_is_named() {
        let full = table(4, &[b" 0012"]);
        for len in 0..full.len() {
            assert!(read(ORIGIN, &full[..len], None).is_err(), "{len} bytes");
        }
        let error = read(ORIGIN, &full, Some(b"Big5")).unwrap_err();
        assert!(error.to_string().contains("found Big5"), "{error}");
        let error = read(ORIGIN, &table(4, &[b" \xff\xff\xff\xff"]), Some(b"UTF-8")).unwrap_err();
        assert!(
            error.to_string().contains("layer county, county.zip, feature 1: expected UTF-8 in NAME"),
            "{error}"
        );
    }
}
