//! What a field of a layer says: an attribute, or a text made of attributes.

/// The value of a field: `NAMELSAD` is that attribute, `{STUSPS} {NAMELSAD}` a text with attributes in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    text: String,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(String),
    Attribute(String),
}

impl Template {
    /// Reads a template; `None` if a brace is alone or empty.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parts = Vec::new();
        if !text.contains(['{', '}']) {
            parts.push(Part::Attribute(text.to_owned()));
        } else {
            let mut rest = text;
            while let Some((literal, tail)) = rest.split_once('{') {
                let (attribute, tail) = tail.split_once('}')?;
                if attribute.is_empty() || attribute.contains('{') || literal.contains('}') {
                    return None;
                }
                parts.push(Part::Literal(literal.to_owned()));
                parts.push(Part::Attribute(attribute.to_owned()));
                rest = tail;
            }
            if rest.contains('}') {
                return None;
            }
            parts.push(Part::Literal(rest.to_owned()));
        }
        (!text.is_empty()).then(|| Template { text: text.to_owned(), parts })
    }

    /// The template as layers.toml has it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The attributes it needs.
    pub fn attributes(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Attribute(name) => Some(name.as_str()),
            Part::Literal(_) => None,
        })
    }

    /// The text for a feature; null if one of its attributes is null, as SQL has it.
    pub(crate) fn fill<'a>(&self, value_of: impl Fn(&str) -> Option<&'a str>) -> Option<String> {
        let mut filled = String::new();
        for part in &self.parts {
            match part {
                Part::Literal(text) => filled.push_str(text),
                Part::Attribute(name) => filled.push_str(value_of(name)?),
            }
        }
        Some(filled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_is_an_attribute_or_a_text_with_attributes() {
        let value_of = |name: &str| match name {
            "STUSPS" => Some("KS"),
            "NAMELSAD" => Some("Douglas County"),
            _ => None,
        };
        let cases = [
            ("NAMELSAD", Some("Douglas County")),
            ("{NAMELSAD}", Some("Douglas County")),
            ("{STUSPS} {NAMELSAD}", Some("KS Douglas County")),
            ("US-{STUSPS}!", Some("US-KS!")),
            ("{STUSPS}{STUSPS}", Some("KSKS")),
            ("{STUSPS} {MISSING}", None),
        ];
        for (text, filled) in cases {
            assert_eq!(Template::parse(text).unwrap().fill(value_of).as_deref(), filled, "{text}");
        }
        for text in ["", "{", "}", "{}", "{A", "A}", "{A}}", "{{A}}", "a}{A}"] {
            assert_eq!(Template::parse(text), None, "{text}");
        }
    }
}
