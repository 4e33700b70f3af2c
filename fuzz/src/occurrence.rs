//! Downloads.

use std::io::{Cursor, Write};

use bisonflow_occurrence::{ReadOptions, ReadSummary, open};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

const HEADER: &[u8] =
    b"gbifID\tdecimalLatitude\tdecimalLongitude\tyear\tlastInterpreted\trecordedBy\tissue\thasGeospatialIssues\ttaxonKey\n";

/// Rows under a header: all are read or rejected; one thread gives the same as two with dictionaries.
pub fn text_rows(bytes: &[u8]) {
    let text = [HEADER, bytes].concat();
    let read = |threads| read(text.clone(), threads).expect("a text with a header is a download");
    assert_eq!(read(1), read(2));
}

/// A whole download of any form.
pub fn zip_download(bytes: &[u8]) {
    read(bytes.to_vec(), 1);
}

/// The description of a Darwin Core archive that is sound but for it.
pub fn meta_xml(bytes: &[u8]) {
    let rows = [HEADER, b"1\t2\t3\t2020\t\tA;B\t\tfalse\t5\n2\n"].concat();
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in [("meta.xml", bytes), ("occurrence.txt", &rows)] {
        zip.start_file(name, SimpleFileOptions::default()).expect("memory takes any entry");
        zip.write_all(content).expect("memory takes any content");
    }
    read(zip.finish().expect("memory takes any archive").into_inner(), 1);
}

/// Reads to the end, if it is a download, and checks that no row is lost.
fn read(bytes: Vec<u8>, threads: usize) -> Option<ReadSummary> {
    let length = bytes.len() as u64;
    let options = ReadOptions { batch_records: 7, threads, coded: threads > 1, ..ReadOptions::default() };
    let mut download = open(Cursor::new(bytes), "fuzz", length, options).ok()?;
    let mut landed = 0;
    while let Some(batch) = download.next_batch().ok()? {
        landed += batch.num_rows() as u64;
    }
    let summary = download.finish().expect("the end was reached");
    let records = summary.records;
    assert_eq!(records.landed, landed);
    assert_eq!(records.read, records.landed + records.rejected);
    Some(summary)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_of_text_rows() {
        let seeds: [&[u8]; 8] = [
            b"",
            b"\n",
            b"\r",
            b"\n\n\r\n",
            b"1\t2\t3\t2020\t2021-01-02T03:04:05Z\tA;B\tZERO_COORDINATE\tfalse\t5\r\n2\n",
            b"1\tNaN\t1e400\tx\ty\t;\t\"\"\"\ttrue\t\"5\"",
            b"\t\t\t\t\t\t\t\t\t\t\t\t\n\xff\xfe\n\"open\n",
            &[b'\t'; 5000],
        ];
        seeds.into_iter().for_each(text_rows);
    }

    #[test]
    fn seeds_of_zip_download() {
        let seeds: [&[u8]; 6] = [b"", b"PK\x03\x04", b"PK\x05\x06", b"PAR1", b"PAR1PAR1", b"\xef\xbb\xbf"];
        seeds.into_iter().for_each(zip_download);
    }

    #[test]
    fn seeds_of_meta_xml() {
        let seeds: [&[u8]; 4] = [
            b"",
            b" <?xml version='1.0'?><archive/>",
            b"<archive><core encoding='UTF-8' fieldsTerminatedBy='\\t' ignoreHeaderLines='1'><files><location>occurrence.txt</location></files><id index='0'/><field index='18446744073709551615' term='gbifID'/><field default='x' term='year'/></core></archive>",
            b"<archive><core ignoreHeaderLines='4000000000' fieldsTerminatedBy='\t'><field index='3' term='decimalLatitude'/></core>",
        ];
        seeds.into_iter().for_each(meta_xml);
    }
}
