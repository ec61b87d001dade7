//! JSON output: the messages of the contract by their descriptors, with the fields
//! under their names and in their order; enum values as words, times, durations and
//! bytes as the JSON of protobuf has them, unset fields as `null`. Of a `oneof` only the field that is set is printed.

use std::sync::LazyLock;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use prost::Name;
use prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, Kind, ReflectMessage as _, Value,
};
use serde::{
    Serialize, Serializer,
    ser::{Error as _, SerializeMap as _},
};

use super::{CliError, Refusal, words};
use crate::pb;

/// The contract's messages by name.
static CONTRACT: LazyLock<Option<DescriptorPool>> =
    LazyLock::new(|| DescriptorPool::decode(pb::DESCRIPTORS).ok());

/// A message of the contract, to be printed as JSON.
pub(super) struct Message<'a, M> {
    message: &'a M,
    unset: Unset,
}

/// What is printed of fields that are not set.
#[derive(Clone, Copy)]
enum Unset {
    /// Their default value, or `null`.
    Shown,
    /// Nothing.
    Omitted,
}

impl<'a, M: Name> Message<'a, M> {
    pub(super) fn of(message: &'a M) -> Self {
        let unset = Unset::Shown;
        Self { message, unset }
    }

    /// Omits the fields that are not set, or have their default value.
    pub(super) fn without_unset(message: &'a M) -> Self {
        let unset = Unset::Omitted;
        Self { message, unset }
    }

    /// Finds the message's descriptor in the contract; `None` if it has none.
    fn dynamic(&self) -> Option<DynamicMessage> {
        let contract = CONTRACT.as_ref()?;
        let descriptor = contract.get_message_by_name(&M::full_name())?;
        DynamicMessage::decode(descriptor, self.message.encode_to_vec().as_slice()).ok()
    }

    /// Returns the fields by name, each rendered as text without quotes.
    pub(super) fn texts(&self) -> Vec<(String, String)> {
        let Some(message) = self.dynamic() else {
            return Vec::new();
        };
        let descriptor = message.descriptor();
        let fields = descriptor.fields().map(|field| {
            let value = message.get_field(&field);
            let value = serde_json::to_value(FieldValue(&field, &value, self.unset));
            let value = value.unwrap_or_default();
            let text = value.as_str().map(str::to_owned);
            (
                field.name().to_owned(),
                text.unwrap_or_else(|| value.to_string()),
            )
        });
        fields.collect()
    }
}

impl<M: Name> Serialize for Message<'_, M> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let message = self
            .dynamic()
            .ok_or_else(|| S::Error::custom(M::full_name()))?;
        Fields(&message, self.unset).serialize(serializer)
    }
}

/// The fields of a message; a time or a duration as text.
struct Fields<'a>(&'a DynamicMessage, Unset);

impl Serialize for Fields<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(message, unset) = self;
        if let Some(text) = text(message) {
            return serializer.serialize_str(&text);
        }
        let mut map = serializer.serialize_map(None)?;
        for field in message.descriptor().fields() {
            let is_set = message.has_field(&field);
            let is_alternative = field
                .containing_oneof()
                .is_some_and(|oneof| !oneof.is_synthetic());
            if !is_set && (is_alternative || matches!(unset, Unset::Omitted)) {
                continue;
            }
            if field.supports_presence() && !is_set {
                map.serialize_entry(field.name(), &())?;
            } else {
                let value = message.get_field(&field);
                map.serialize_entry(field.name(), &FieldValue(&field, &value, *unset))?;
            }
        }
        map.end()
    }
}

/// Returns the text of a time (`2026-01-31T10:20:30Z`) or a duration (`4.5s`), as
/// the JSON of protobuf has them; `None` for any other message.
fn text(message: &DynamicMessage) -> Option<String> {
    match message.descriptor().full_name() {
        "google.protobuf.Timestamp" => {
            let time: prost_types::Timestamp = message.transcode_to().ok()?;
            Some(time.to_string())
        }
        "google.protobuf.Duration" => {
            let time: prost_types::Duration = message.transcode_to().ok()?;
            Some(time.to_string())
        }
        _ => None,
    }
}

/// A value of a field, or of one of its elements.
struct FieldValue<'a>(&'a FieldDescriptor, &'a Value, Unset);

impl Serialize for FieldValue<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(field, value, unset) = self;
        match value {
            Value::Bool(value) => serializer.serialize_bool(*value),
            Value::I32(value) => serializer.serialize_i32(*value),
            Value::I64(value) => serializer.serialize_i64(*value),
            Value::U32(value) => serializer.serialize_u32(*value),
            Value::U64(value) => serializer.serialize_u64(*value),
            Value::F32(value) => serializer.serialize_f32(*value),
            Value::F64(value) => serializer.serialize_f64(*value),
            Value::String(value) => serializer.serialize_str(value),
            Value::EnumNumber(number) => word(field, *number).serialize(serializer),
            Value::Message(message) => Fields(message, *unset).serialize(serializer),
            Value::List(values) => {
                serializer.collect_seq(values.iter().map(|value| FieldValue(field, value, *unset)))
            }
            Value::Bytes(bytes) => serializer.serialize_str(&STANDARD.encode(bytes)),
            Value::Map(_) => Err(S::Error::custom("the contract has no maps")),
        }
    }
}

/// Returns the word of an enum value; `None` if it is unspecified.
fn word(field: &FieldDescriptor, number: i32) -> Option<String> {
    let Kind::Enum(of) = field.kind() else {
        return None;
    };
    let value = of.get_value(number)?;
    let unspecified = of.default_value();
    let prefix = unspecified.name().strip_suffix("UNSPECIFIED")?;
    words::word(value.name(), prefix)
}

/// An error.
#[derive(Serialize)]
pub(super) struct Failed {
    error: Refusal,
}

impl Failed {
    pub(super) fn render(error: &CliError) -> Self {
        Self {
            error: refusal(error),
        }
    }
}

/// Converts an error to a refusal; errors of the client itself have no code.
fn refusal(error: &CliError) -> Refusal {
    match error {
        CliError::Refused(refusal) => refusal.clone(),
        // The code of the cause is more useful than an empty code.
        CliError::NotWhole { cause, .. } => Refusal {
            message: error.to_string(),
            ..refusal(cause)
        },
        CliError::Address(_)
        | CliError::Scheme(_)
        | CliError::PlainAddress(_)
        | CliError::TlsFile(_)
        | CliError::Tls(_)
        | CliError::Untrusted { .. }
        | CliError::Unreachable { .. }
        | CliError::NeedsResource(_)
        | CliError::Word { .. }
        | CliError::NotConfirmed { .. }
        | CliError::Line(_)
        | CliError::NoFiles(_)
        | CliError::NoToken(_)
        | CliError::File { .. }
        | CliError::NoSummary
        | CliError::NoEnd
        | CliError::Lost { .. }
        | CliError::Silent(_)
        | CliError::Output(_) => Refusal {
            code: "",
            reason: String::new(),
            message: error.to_string(),
            fields: Vec::new(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pb::remedy::Grant;

    #[test]
    fn explanation_keeps_names_and_order_of_the_contract() {
        let response = pb::ExplainResponse {
            decision: Some(pb::Decision {
                level: pb::Level::None.into(),
                ..Default::default()
            }),
            root: Some(pb::ExplainStep {
                rule: "2.2".to_owned(),
                axis: pb::ReasonCode::Permission.into(),
                permission: "product.list".to_owned(),
                ..Default::default()
            }),
            remedies: vec![pb::Remedy {
                grant: Some(Grant::Permission(pb::RolePermission {
                    role: "reader".to_owned(),
                    permission: "product.list".to_owned(),
                })),
            }],
            revision: 9,
            ..Default::default()
        };
        let text = serde_json::to_string_pretty(&Message::of(&response)).unwrap();
        insta::assert_snapshot!(text, @r#"
        {
          "decision": {
            "allowed": false,
            "edit_mode": null,
            "level": "none",
            "reason": null
          },
          "root": {
            "rule": "2.2",
            "axis": "permission",
            "item": null,
            "needed": null,
            "held": null,
            "groups": [],
            "roles": [],
            "permission": "product.list",
            "passed": false,
            "message": "",
            "steps": []
          },
          "remedies": [
            {
              "permission": {
                "role": "reader",
                "permission": "product.list"
              }
            }
          ],
          "no_remedy_reason": "",
          "revision": 9
        }
        "#);
    }

    #[test]
    fn enum_values_are_their_words_and_numbers_stay_numbers() {
        let response = pb::GetAccessFilterResponse {
            scope: pb::FilterScope::Everything.into(),
            any_category: vec!["shoes".to_owned()],
            locales: vec![pb::ItemLevel {
                id: "de_DE".to_owned(),
                level: pb::Level::ExecuteAndEdit.into(),
            }],
            revision: u64::MAX,
            ..Default::default()
        };
        let message = Message::of(&response);
        insta::assert_snapshot!(serde_json::to_string(&message).unwrap(), @r#"{"scope":"everything","any_category":["shoes"],"no_category":[],"include_uncategorized":false,"channels":[],"locales":[{"id":"de_DE","level":"execute_and_edit"}],"attribute_groups":[],"revision":18446744073709551615}"#);
    }

    #[test]
    fn unspecified_values_and_absent_messages_are_null() {
        let subject = pb::GroupMembership {
            subject: None,
            group: "red".to_owned(),
        };
        let message = Message::of(&subject);
        let text = serde_json::to_string(&message).unwrap();
        assert_eq!(text, r#"{"subject":null,"group":"red"}"#);
        let mode = pb::AllowedAction::default();
        let text = serde_json::to_string(&Message::of(&mode)).unwrap();
        assert_eq!(text, r#"{"action":"","edit_mode":null}"#);
    }

    #[test]
    fn times_and_bytes_are_texts() {
        let change = pb::Change {
            time: Some("2026-01-31T10:20:30.5Z".parse().unwrap()),
            item: Some(pb::Item {
                r#type: "locale".to_owned(),
                id: String::new(),
            }),
            hash: vec![251, 255],
            ..Default::default()
        };
        let text = serde_json::to_string(&Message::without_unset(&change)).unwrap();
        assert_eq!(
            text,
            r#"{"time":"2026-01-31T10:20:30.500Z","item":{"type":"locale"},"hash":"+/8="}"#
        );
    }

    #[test]
    fn texts_of_a_message_are_its_fields_by_name() {
        let status = pb::GetStatusResponse {
            lease_remaining: Some("4.5s".parse().unwrap()),
            durability: pb::Durability::SingleNode.into(),
            ..Default::default()
        };
        let texts = Message::of(&status).texts();
        let text = |name: &str| {
            texts
                .iter()
                .find(|(found, _)| found == name)
                .cloned()
                .unwrap()
                .1
        };
        let found = ["keeps_memory", "lease_remaining", "servers", "durability"].map(text);
        assert_eq!(found, ["false", "4.500s", "0", "single_node"]);
        assert_eq!(texts.len(), 30);
    }
}
