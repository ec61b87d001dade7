//! JSON output: the messages of the contract by their descriptors, with the fields
//! under their names and in their order; enum values as words, unset fields as
//! `null`. Of a `oneof` only the field that is set is printed.

use std::sync::LazyLock;

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
    name: &'static str,
    message: &'a M,
}

impl<'a, M: prost::Message> Message<'a, M> {
    /// `name` is the message's name in the contract; serialization fails if the
    /// contract has no such message.
    pub(super) fn of(name: &'static str, message: &'a M) -> Self {
        Self { name, message }
    }
}

impl<M: prost::Message> Serialize for Message<'_, M> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let name = format!("pim.authz.v1.{}", self.name);
        let contract = CONTRACT.as_ref();
        let descriptor = contract.and_then(|contract| contract.get_message_by_name(&name));
        let descriptor = descriptor.ok_or_else(|| S::Error::custom(name))?;
        let bytes = self.message.encode_to_vec();
        let message = DynamicMessage::decode(descriptor, bytes.as_slice());
        Fields(&message.map_err(S::Error::custom)?).serialize(serializer)
    }
}

/// The fields of a message.
struct Fields<'a>(&'a DynamicMessage);

impl Serialize for Fields<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for field in self.0.descriptor().fields() {
            let is_set = self.0.has_field(&field);
            if field
                .containing_oneof()
                .is_some_and(|oneof| !oneof.is_synthetic())
                && !is_set
            {
                continue;
            }
            if field.supports_presence() && !is_set {
                map.serialize_entry(field.name(), &())?;
            } else {
                let value = self.0.get_field(&field);
                map.serialize_entry(field.name(), &FieldValue(&field, &value))?;
            }
        }
        map.end()
    }
}

/// A value of a field, or of one of its elements.
struct FieldValue<'a>(&'a FieldDescriptor, &'a Value);

impl Serialize for FieldValue<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(field, value) = self;
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
            Value::Message(message) => Fields(message).serialize(serializer),
            Value::List(values) => {
                serializer.collect_seq(values.iter().map(|value| FieldValue(field, value)))
            }
            Value::Bytes(_) | Value::Map(_) => {
                Err(S::Error::custom("the contract has no bytes and no maps"))
            }
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
        let text =
            serde_json::to_string_pretty(&Message::of("ExplainResponse", &response)).unwrap();
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
        let message = Message::of("GetAccessFilterResponse", &response);
        insta::assert_snapshot!(serde_json::to_string(&message).unwrap(), @r#"{"scope":"everything","any_category":["shoes"],"no_category":[],"include_uncategorized":false,"channels":[],"locales":[{"id":"de_DE","level":"execute_and_edit"}],"attribute_groups":[],"revision":18446744073709551615}"#);
    }

    #[test]
    fn unspecified_values_and_absent_messages_are_null() {
        let subject = pb::GroupMembership {
            subject: None,
            group: "red".to_owned(),
        };
        let message = Message::of("GroupMembership", &subject);
        let text = serde_json::to_string(&message).unwrap();
        assert_eq!(text, r#"{"subject":null,"group":"red"}"#);
        let mode = pb::AllowedAction::default();
        let text = serde_json::to_string(&Message::of("AllowedAction", &mode)).unwrap();
        assert_eq!(text, r#"{"action":"","edit_mode":null}"#);
    }
}
