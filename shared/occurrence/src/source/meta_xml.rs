//! The archive's description of its text files, `meta.xml`.

use roxmltree::{Document, Node};

use crate::schema::simple_name;

/// The columns of one file of an archive.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Description {
    /// Term by column, simple and lower case.
    pub(super) columns: Vec<(usize, String)>,
    /// Terms that have one value for all rows.
    pub(super) constants: Vec<(String, String)>,
    /// Lines before the first row.
    pub(super) header_lines: u64,
    /// `fieldsTerminatedBy`, unescaped.
    pub(super) separator: String,
    /// `encoding`.
    pub(super) encoding: String,
}

impl Description {
    /// What `meta.xml` says of the file at `location`: chosen by location, since several files may have the
    /// same row type. None when it does not parse or does not tell of this file: then the header line counts.
    pub(super) fn parse(text: &str, location: &str) -> Option<Description> {
        let document = Document::parse(text.trim_start_matches('\u{feff}').trim_start()).ok()?;
        let is_file = |node: &Node<'_, '_>| matches!(node.tag_name().name(), "core" | "extension");
        let file = document.root_element().children().filter(is_file).find(|file| {
            let mut locations = file.descendants().filter(|node| node.tag_name().name() == "location");
            locations
                .any(|node| node.text().is_some_and(|text| base_name(text.trim()) == base_name(location)))
        })?;
        let mut description = Description {
            header_lines: file.attribute("ignoreHeaderLines").and_then(|lines| lines.trim().parse().ok())?,
            separator: unescape(file.attribute("fieldsTerminatedBy").unwrap_or(",")),
            encoding: file.attribute("encoding").unwrap_or("UTF-8").to_owned(),
            ..Description::default()
        };
        for field in file.children().filter(|node| node.tag_name().name() == "field") {
            let term = simple_name(field.attribute("term")?);
            match (field.attribute("index"), field.attribute("default")) {
                (Some(index), _) => description.columns.push((index.trim().parse().ok()?, term)),
                (None, Some(value)) => description.constants.push((term, value.to_owned())),
                (None, None) => {}
            }
        }
        // GBIF's own archives may name the key as the id only.
        let id = file.children().find(|node| matches!(node.tag_name().name(), "id" | "coreid"));
        let id = id.and_then(|node| node.attribute("index")).and_then(|index| index.trim().parse().ok());
        if let Some(index) = id
            && !description.columns.iter().any(|(at, name)| *at == index || name == "gbifid")
        {
            description.columns.insert(0, (index, "gbifid".to_owned()));
        }
        Some(description)
    }
}

fn base_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn unescape(text: &str) -> String {
    text.replace("\\t", "\t").replace("\\n", "\n").replace("\\r", "\r")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta(core: &str) -> String {
        format!(
            r#"<?xml version="1.0"?><archive xmlns="http://rs.tdwg.org/dwc/text/">
            <extension fieldsTerminatedBy="\t" ignoreHeaderLines="1" rowType="http://rs.tdwg.org/dwc/terms/Occurrence">
              <files><location>verbatim.txt</location></files><coreid index="0"/></extension>
            <core encoding="UTF-8" fieldsTerminatedBy="\t" ignoreHeaderLines="1" rowType="http://rs.tdwg.org/dwc/terms/Occurrence">
              <files><location>occurrence.txt</location></files>{core}</core></archive>"#
        )
    }

    #[test]
    fn columns_constants_and_the_id() {
        let text = meta(
            r#"<id index="0"/><field index="2" term="http://rs.tdwg.org/dwc/terms/countryCode"/>
            <field index="1" term="http://purl.org/dc/terms/license"/>
            <field default="PRESENT" term="http://rs.tdwg.org/dwc/terms/occurrenceStatus"/>"#,
        );
        let expected = Description {
            columns: vec![(0, "gbifid".into()), (2, "countrycode".into()), (1, "license".into())],
            constants: vec![("occurrencestatus".into(), "PRESENT".into())],
            header_lines: 1,
            separator: "\t".into(),
            encoding: "UTF-8".into(),
        };
        assert_eq!(Description::parse(&format!("\n  {text}"), "occurrence.txt"), Some(expected));
    }

    #[test]
    fn what_cannot_be_read_says_nothing() {
        for text in
            ["", "<archive>", "<archive/>", &meta("<field index=\"x\" term=\"y\"/>"), &meta("<field/>")]
        {
            assert_eq!(Description::parse(text, "occurrence.txt"), None, "{text}");
        }
    }
}
