//! Writes a message of protobuf as JSON, in one pass over its fields and without a tree of
//! values: the library's takes several times as long, and much more memory than the text
//! (BENCHMARKS.md, "Calls in JSON").
//!
//! Messages are those of this server's encoder, in which a field that is no list occurs at
//! most once.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use prost::encoding::{WireType, decode_key, decode_varint};
use prost_reflect::{DynamicMessage, SerializeOptions};
use serde::{
    Serialize, Serializer,
    ser::{Error, SerializeMap as _},
};
use smallvec::SmallVec;

use super::shapes::{Field, FieldKind, Shape, Shapes};

/// A message of a shape, in protobuf; it is written as an object.
#[derive(Clone, Copy, Debug)]
pub(super) struct MessageWriter<'a> {
    pub(super) shapes: &'static Shapes,
    pub(super) shape: &'static Shape,
    pub(super) protobuf: &'a [u8],
}

/// A value in protobuf.
#[derive(Clone, Copy, Debug)]
enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// The values of a message, each with the index of its field, in the order of fields.
type Values<'a> = SmallVec<[(usize, Value<'a>); 16]>;

/// Returns the options of the library for the messages that it writes: fields without
/// presence are always there.
pub(super) fn with_defaults() -> SerializeOptions {
    SerializeOptions::new().skip_default_fields(false)
}

impl<'a> MessageWriter<'a> {
    /// Finds the values; fails with what is wrong if it is not such a message.
    fn values(&self) -> Result<Values<'a>, String> {
        let mut values = Values::new();
        let mut rest = self.protobuf;
        while !rest.is_empty() {
            let (number, wire_type) = decode_key(&mut rest).map_err(|error| error.to_string())?;
            let value = Value::take(wire_type, &mut rest)?;
            let fields = &self.shape.in_order;
            let Ok(place) = fields.binary_search_by_key(&number, |field| field.number) else {
                continue;
            };
            let is_packed = fields.get(place).is_some_and(Field::is_list_of_numbers);
            match value {
                Value::Bytes(mut packed) if is_packed => {
                    while !packed.is_empty() {
                        let number = Value::take(WireType::Varint, &mut packed)?;
                        values.push((place, number));
                    }
                }
                Value::Bytes(_) | Value::Number(_) => values.push((place, value)),
            }
        }
        if !values.is_sorted_by_key(|(place, _)| *place) {
            values.sort_by_key(|(place, _)| *place);
        }
        Ok(values)
    }
}

impl<'a> Value<'a> {
    /// Takes a value from the front of a message.
    fn take(wire_type: WireType, rest: &mut &'a [u8]) -> Result<Self, String> {
        let mut number = || decode_varint(rest).map_err(|error| error.to_string());
        let length = match wire_type {
            WireType::Varint => return number().map(Self::Number),
            WireType::LengthDelimited => number()?,
            WireType::SixtyFourBit => 8,
            WireType::ThirtyTwoBit => 4,
            WireType::StartGroup | WireType::EndGroup => return Err("there is a group".into()),
        };
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let Some((value, others)) = rest.split_at_checked(length) else {
            return Err("a value is cut off".into());
        };
        *rest = others;
        Ok(Self::Bytes(value))
    }
}

impl Serialize for MessageWriter<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let values = self.values().map_err(S::Error::custom)?;
        let mut left = values.iter().peekable();
        let mut object = serializer.serialize_map(None)?;
        for (place, field) in self.shape.in_order.iter().enumerate() {
            let own = std::iter::from_fn(|| left.next_if(|(at, _)| *at == place));
            let one = |value| One {
                message: *self,
                field,
                value,
            };
            if field.is_list {
                let list: SmallVec<[One<'_>; 8]> = own.map(|(_, value)| one(*value)).collect();
                object.serialize_entry(&field.name, list.as_slice())?;
            } else if let Some((_, value)) = own.last() {
                object.serialize_entry(&field.name, &one(*value))?;
            } else if !field.has_presence {
                object.serialize_entry(&field.name, &one(field.kind.default_value()))?;
            }
        }
        object.end()
    }
}

/// One value of a field.
struct One<'a> {
    message: MessageWriter<'a>,
    field: &'static Field,
    value: Value<'a>,
}

impl Serialize for One<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.value {
            Value::Number(number) => write_number(number, &self.field.kind, serializer),
            Value::Bytes(bytes) => self.write_bytes(bytes, serializer),
        }
    }
}

fn write_number<S: Serializer>(
    number: u64,
    kind: &FieldKind,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    // Numbers of 32 bits with a sign are extended to 64.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the bits above are the sign's"
    )]
    let low = number as u32;
    match kind {
        FieldKind::Bool => serializer.serialize_bool(number != 0),
        FieldKind::Int32 => serializer.serialize_i32(low.cast_signed()),
        FieldKind::Uint32 => serializer.serialize_u32(low),
        FieldKind::Int64 => serializer.collect_str(&number.cast_signed()),
        FieldKind::Uint64 => serializer.collect_str(&number),
        FieldKind::Enum(values) => match values.get_value(low.cast_signed()) {
            Some(value) => serializer.serialize_str(value.name()),
            None => serializer.serialize_i32(low.cast_signed()),
        },
        FieldKind::String | FieldKind::Bytes | FieldKind::Message(_) | FieldKind::WellKnown(_) => {
            Err(S::Error::custom("a number is there"))
        }
    }
}

impl One<'_> {
    fn write_bytes<S: Serializer>(&self, bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        match &self.field.kind {
            FieldKind::String => {
                let text = str::from_utf8(bytes).map_err(S::Error::custom)?;
                serializer.serialize_str(text)
            }
            FieldKind::Bytes => serializer.serialize_str(&STANDARD.encode(bytes)),
            FieldKind::Message(place) => {
                let shapes = self.message.shapes;
                let shape = shapes.get(*place);
                let shape = shape.ok_or_else(|| S::Error::custom("a message has no shape"))?;
                let message = MessageWriter {
                    shapes,
                    shape,
                    protobuf: bytes,
                };
                message.serialize(serializer)
            }
            FieldKind::WellKnown(message) => {
                let message = DynamicMessage::decode(message.clone(), bytes);
                let message = message.map_err(S::Error::custom)?;
                message.serialize_with_options(serializer, &with_defaults())
            }
            FieldKind::Bool
            | FieldKind::Int32
            | FieldKind::Int64
            | FieldKind::Uint32
            | FieldKind::Uint64
            | FieldKind::Enum(_) => Err(S::Error::custom("no number is there")),
        }
    }
}

impl FieldKind {
    fn default_value(&self) -> Value<'static> {
        match self {
            Self::Bool
            | Self::Int32
            | Self::Int64
            | Self::Uint32
            | Self::Uint64
            | Self::Enum(_) => Value::Number(0),
            Self::String | Self::Bytes | Self::Message(_) | Self::WellKnown(_) => Value::Bytes(&[]),
        }
    }
}

impl Field {
    /// True if its values may be packed into one.
    fn is_list_of_numbers(&self) -> bool {
        self.is_list && matches!(self.kind.default_value(), Value::Number(_))
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};
    use prost_reflect::{
        Cardinality, FieldDescriptor, Kind, MessageDescriptor, ReflectMessage as _,
        Value as Reflected,
    };

    use crate::{
        http::{contract, json},
        pb,
    };

    use super::*;

    /// Takes the next number below `most` from a tape, which then ends with zeros.
    fn take(tape: &mut std::slice::Iter<'_, u8>, most: u8) -> u8 {
        tape.next().map_or(0, |byte| byte % most)
    }

    fn some_value(
        field: &FieldDescriptor,
        tape: &mut std::slice::Iter<'_, u8>,
        depth: u32,
    ) -> Reflected {
        let edge = usize::from(take(tape, 4));
        let text = ["", "julia", "Ünïcode \"quoted\"\n\u{1f600}", "a/b"];
        match field.kind() {
            Kind::Bool => Reflected::Bool(edge > 1),
            Kind::Int32 => Reflected::I32([0, 7, i32::MIN, i32::MAX][edge]),
            Kind::Int64 => Reflected::I64([0, -1, i64::MIN, i64::MAX][edge]),
            Kind::Uint32 => Reflected::U32([0, 7, 1 << 31, u32::MAX][edge]),
            Kind::Uint64 => Reflected::U64([0, 7, 1 << 63, u64::MAX][edge]),
            Kind::String => Reflected::String(text[edge].to_owned()),
            Kind::Bytes => Reflected::Bytes(text[edge].as_bytes().to_vec().into()),
            Kind::Enum(values) => {
                let value = values.values().nth(edge).map(|value| value.number());
                Reflected::EnumNumber(value.unwrap_or(12_345))
            }
            Kind::Message(message) => Reflected::Message(some_message(&message, tape, depth + 1)),
            kind @ (Kind::Double
            | Kind::Float
            | Kind::Sint32
            | Kind::Sint64
            | Kind::Fixed32
            | Kind::Fixed64
            | Kind::Sfixed32
            | Kind::Sfixed64) => panic!("{} is a {kind:?}", field.full_name()),
        }
    }

    fn some_message(
        message: &MessageDescriptor,
        tape: &mut std::slice::Iter<'_, u8>,
        depth: u32,
    ) -> DynamicMessage {
        let mut made = DynamicMessage::new(message.clone());
        // The library refuses some, such as times beyond the year 9999, or `Any` without a
        // type.
        let is_well_known = message.package_name() == "google.protobuf";
        let is_any = |field: &FieldDescriptor| {
            let kind = field.kind();
            kind.as_message().is_some_and(|kind| kind.name() == "Any")
        };
        let fields = message.fields().filter(|field| !is_any(field));
        for field in fields.filter(|_| !is_well_known && depth < 6) {
            let count = take(tape, 3);
            if field.cardinality() == Cardinality::Repeated {
                let values = (0..count).map(|_| some_value(&field, tape, depth));
                made.set_field(&field, Reflected::List(values.collect()));
            } else if count > 0 {
                made.set_field(&field, some_value(&field, tape, depth));
            }
        }
        made
    }

    proptest! {
        #[test]
        fn responses_are_written_as_the_library_writes_them(
            tape in vec(any::<u8>(), 0..400),
            call in 0..200_usize,
        ) {
            let call = pb::CALLS_OF_ONE_MESSAGE[call % pb::CALLS_OF_ONE_MESSAGE.len()];
            let rpc = contract::rpc(call).unwrap();
            let message = some_message(&rpc.response, &mut tape.iter(), 0);
            let written = json::response_to_json(rpc, &prost::Message::encode_to_vec(&message));
            let library = json::to_json(&message.descriptor(), &prost::Message::encode_to_vec(&message));
            let text = |json: Vec<u8>| String::from_utf8(json).unwrap();
            prop_assert_eq!(text(written.unwrap()), text(library.unwrap()), "{}", call);
        }
    }

    #[test]
    fn what_is_not_the_message_is_refused() {
        let check = contract::rpc("/pim.authz.v1.AuthorizationService/Check").unwrap();
        // A number as the reason, a text as the flag, a value that is cut off, a group.
        for protobuf in [
            &[0x20, 1][..],
            &[0x0a, 1, 7],
            &[0x22, 9, 1],
            &[0x0b],
            &[0xff],
        ] {
            let refused = json::response_to_json(check, protobuf);
            assert!(refused.is_err(), "{protobuf:?}");
        }
        // A field that this version does not know.
        let unknown = json::response_to_json(check, &[0xf8, 0x3f, 1]).unwrap();
        assert_eq!(unknown, json::response_to_json(check, &[]).unwrap());
    }
}
