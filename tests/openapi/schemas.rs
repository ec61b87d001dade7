//! Schemas of messages and enums, as protobuf defines their JSON.

use prost_reflect::{EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor, OneofDescriptor};
use serde_json::{Map, Value, json};

use crate::contract::Contract;

/// The schemas of the messages and enums that the document refers to, by full name.
#[derive(Debug)]
pub(crate) struct Schemas<'a> {
    /// Where comments are read.
    contract: &'a Contract,
    /// Those added until now.
    named: Map<String, Value>,
}

impl<'a> Schemas<'a> {
    /// Begins without any.
    pub(crate) fn new(contract: &'a Contract) -> Self {
        Self {
            contract,
            named: Map::new(),
        }
    }

    /// Returns all schemas that were added.
    pub(crate) fn into_named(self) -> Map<String, Value> {
        self.named
    }

    /// Adds the schema of a message with those that it refers to, and returns the
    /// reference to it.
    pub(crate) fn message(&mut self, message: &MessageDescriptor) -> Value {
        let name = message.full_name();
        if !self.named.contains_key(name) {
            // A message that contains itself finds this entry.
            self.named.insert(name.to_owned(), Value::Null);
            let schema = self.object(message);
            self.named.insert(name.to_owned(), schema);
        }
        reference(name)
    }

    /// Returns the schema of a message that is an object of its fields.
    fn object(&mut self, message: &MessageDescriptor) -> Value {
        let comment = self
            .contract
            .comment(&message.parent_file(), message.path());
        let properties: Map<String, Value> = message
            .fields()
            .map(|field| (field.json_name().to_owned(), self.property(&field)))
            .collect();
        let choices = message.oneofs().filter(|oneof| !oneof.is_synthetic());
        let choices: String = choices.map(|oneof| only_one_of(&oneof)).collect();
        json!({
            "type": "object",
            "description": format!("{comment}{choices}"),
            "properties": properties,
            "additionalProperties": false,
        })
    }

    /// Returns the schema of a field.
    fn property(&mut self, field: &FieldDescriptor) -> Value {
        assert!(
            !field.is_map(),
            "{}: maps are not described",
            field.full_name()
        );
        let comment = self.contract.comment(&field.parent_file(), field.path());
        let value = self.value(&field.kind());
        let mut schema = if field.is_list() {
            json!({ "type": "array", "items": value })
        } else {
            value
        };
        schema["description"] = comment.into();
        schema
    }

    /// Returns the schema of one value.
    fn value(&mut self, kind: &Kind) -> Value {
        match kind {
            Kind::Message(message) => well_known(message).unwrap_or_else(|| self.message(message)),
            Kind::Enum(descriptor) => self.enumeration(descriptor),
            Kind::Bool => json!({ "type": "boolean" }),
            Kind::String => json!({ "type": "string" }),
            Kind::Bytes => json!({ "type": "string", "contentEncoding": "base64" }),
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => {
                json!({ "type": "integer", "format": "int32" })
            }
            Kind::Uint32 | Kind::Fixed32 => {
                json!({ "type": "integer", "format": "uint32", "minimum": 0 })
            }
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => {
                json!({ "type": ["string", "integer"], "format": "int64" })
            }
            Kind::Uint64 | Kind::Fixed64 => {
                json!({ "type": ["string", "integer"], "format": "uint64", "minimum": 0 })
            }
            Kind::Float | Kind::Double => panic!("{kind:?}: fractions are not described"),
        }
    }

    /// Adds the schema of an enum, and returns the reference to it.
    fn enumeration(&mut self, descriptor: &EnumDescriptor) -> Value {
        let file = descriptor.parent_file();
        let comment = self.contract.comment(&file, descriptor.path());
        let values = descriptor.values().map(|value| {
            let comment = self.contract.comment(&file, value.path());
            format!("\n- `{}`: {comment}", value.name())
        });
        let values: String = values.collect();
        let description = format!("{comment}\n{values}");
        let names: Vec<Value> = descriptor
            .values()
            .map(|value| value.name().into())
            .collect();
        let schema = json!({ "type": "string", "enum": names, "description": description });
        self.named.insert(descriptor.full_name().to_owned(), schema);
        reference(descriptor.full_name())
    }
}

/// Returns the reference to a named schema.
pub(crate) fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// Returns the sentence that says which fields exclude each other.
fn only_one_of(oneof: &OneofDescriptor) -> String {
    let fields = oneof.fields();
    let fields: Vec<String> = fields
        .map(|field| format!("`{}`", field.json_name()))
        .collect();
    format!("\n\nOnly one of {}.", fields.join(", "))
}

/// Returns the schema of a message whose JSON is its own; `None`: it is an object of
/// its fields.
fn well_known(message: &MessageDescriptor) -> Option<Value> {
    let schema = match message.full_name() {
        "google.protobuf.Timestamp" => json!({ "type": "string", "format": "date-time" }),
        "google.protobuf.Duration" => {
            json!({ "type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?s$" })
        }
        "google.protobuf.Any" => json!({
            "type": "object",
            "required": ["@type"],
            "properties": { "@type": { "type": "string" } },
        }),
        name if name.starts_with("google.protobuf.") => panic!("`{name}` is not described"),
        _ => return None,
    };
    Some(schema)
}
