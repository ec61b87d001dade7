use std::{convert::Infallible, str::FromStr};

use crate::pb;

/// A subject as written on the command line: `user:julia`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubjectName(pb::Subject);

/// A resource as written on the command line: `product:hat`, or `TYPE` or
/// `TYPE:` if it has no code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceName(pb::Item);

/// Category codes as written on the command line: `a,b`; empty: none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Categories(pub(super) Vec<String>);

/// The error for a text that names no subject or resource.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    /// A subject without a type.
    #[error("has no type; write `user:{0}`, `app:{0}` or `connection:{0}`")]
    SubjectWithoutType(String),
    /// A resource without a type.
    #[error("has no type; write `TYPE:CODE`, such as `product:hat`")]
    ResourceWithoutType,
}

impl FromStr for SubjectName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let (kind, id) = text
            .split_once(':')
            .filter(|(kind, _)| !kind.is_empty())
            .ok_or_else(|| {
                InvalidName::SubjectWithoutType(text.trim_start_matches(':').to_owned())
            })?;
        Ok(Self(pb::Subject {
            r#type: kind.to_owned(),
            id: id.to_owned(),
        }))
    }
}

impl FromStr for ResourceName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let (kind, id) = text.split_once(':').unwrap_or((text, ""));
        if kind.is_empty() {
            return Err(InvalidName::ResourceWithoutType);
        }
        Ok(Self(pb::Item {
            r#type: kind.to_owned(),
            id: id.to_owned(),
        }))
    }
}

impl FromStr for Categories {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        let codes = text.split(',').map(str::trim);
        Ok(Self(
            codes
                .filter(|code| !code.is_empty())
                .map(str::to_owned)
                .collect(),
        ))
    }
}

impl SubjectName {
    /// Converts the subject to its request message.
    #[must_use]
    pub fn render(&self) -> pb::Subject {
        self.0.clone()
    }
}

impl ResourceName {
    /// Converts the resource to its request message, without categories and parent.
    #[must_use]
    pub fn render(&self) -> pb::Resource {
        let pb::Item { r#type, id } = self.item();
        pb::Resource {
            r#type,
            id,
            categories: None,
            parent: None,
        }
    }

    /// Converts the resource to the item of a request.
    pub(super) fn item(&self) -> pb::Item {
        self.0.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_split_at_its_first_colon() {
        let cases = [
            ("user:julia", Some(("user", "julia"))),
            ("app:a:b", Some(("app", "a:b"))),
            ("user:", Some(("user", ""))), // rejected by the server
            ("julia", None),
            (":julia", None),
            ("", None),
        ];
        for (text, wanted) in cases {
            let found = text.parse::<SubjectName>().ok();
            let found = found.as_ref().map(|name| (&*name.0.r#type, &*name.0.id));
            assert_eq!(found, wanted, "{text}");
        }
    }

    #[test]
    fn a_resource_may_have_no_code() {
        let cases = [
            ("product:hat", Some(("product", "hat"))),
            ("product:", Some(("product", ""))),
            ("system_version", Some(("system_version", ""))),
            (":hat", None),
        ];
        for (text, wanted) in cases {
            let found = text.parse::<ResourceName>().ok();
            let found = found.as_ref().map(|name| (&*name.0.r#type, &*name.0.id));
            assert_eq!(found, wanted, "{text}");
        }
    }

    #[test]
    fn error_for_a_subject_without_type_shows_the_syntax() {
        let error = "julia".parse::<SubjectName>().unwrap_err();
        assert!(error.to_string().contains("`user:julia`"), "{error}");
    }

    #[test]
    fn categories_are_separated_by_commas() {
        let cases: [(&str, &[&str]); 4] = [
            ("", &[]),
            (" , ", &[]),
            ("a", &["a"]),
            ("a, b,", &["a", "b"]),
        ];
        for (text, codes) in cases {
            assert_eq!(text.parse::<Categories>().unwrap().0, codes, "{text:?}");
        }
    }
}
