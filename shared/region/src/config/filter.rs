//! Which features of a file belong to the layer.

/// The `where` of a layer: one attribute that must, or must not, have a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    attribute: String,
    equal: bool,
    value: String,
}

impl Filter {
    /// Reads `Attr = 'x'` or `Attr != 'x'`; a quote inside the value is written twice.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (left, right) = text.split_once('=')?;
        let (left, equal) = match left.strip_suffix('!') {
            Some(left) => (left, false),
            None => (left, true),
        };
        let attribute = left.trim();
        let value = right.trim().strip_prefix('\'')?.strip_suffix('\'')?;
        let is_name = |c: char| c.is_alphanumeric() || c == '_';
        if attribute.is_empty() || !attribute.chars().all(is_name) || value.replace("''", "").contains('\'') {
            return None;
        }
        Some(Filter { attribute: attribute.to_owned(), equal, value: value.replace("''", "'") })
    }

    /// The attribute it looks at.
    pub fn attribute(&self) -> &str {
        &self.attribute
    }

    /// Whether a feature with this value belongs to the layer. A null differs from every text.
    pub(crate) fn keeps(&self, value: Option<&str>) -> bool {
        (value == Some(self.value.as_str())) == self.equal
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_compares_one_attribute_with_one_text() {
        let cases = [
            ("Category != 'Proclamation'", Some("Proclamation"), false),
            ("Category != 'Proclamation'", Some("Fee"), true),
            ("Category != 'Proclamation'", None, true),
            ("Category='Fee'", Some("Fee"), true),
            ("Category='Fee'", None, false),
            ("Name = 'Coeur d''Alene'", Some("Coeur d'Alene"), true),
            ("Name = 'a=b'", Some("a=b"), true),
            ("Name = ''", Some(""), true),
        ];
        for (text, value, kept) in cases {
            assert_eq!(Filter::parse(text).unwrap().keeps(value), kept, "{text} {value:?}");
        }
        for text in
            ["", "A", "A = x", "= 'x'", "A = 'x", "A = 'x'y'", "A > 'x'", "A = 'x' AND B = 'y'", "A == 'x'"]
        {
            assert_eq!(Filter::parse(text), None, "{text}");
        }
    }
}
