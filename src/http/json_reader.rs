//! Reads the JSON of a message and writes it as protobuf, in one pass and without a tree of
//! values: the library's takes several times as long, and much more memory than the text
//! (BENCHMARKS.md, "Calls in JSON").

use std::fmt;

use base64::{
    Engine as _,
    alphabet::{STANDARD, URL_SAFE},
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use hashbrown::HashSet;
use prost::{
    Message as _,
    encoding::{WireType, encode_key, encode_varint},
};
use prost_reflect::{DynamicMessage, EnumDescriptor};
use serde::{
    Deserializer,
    de::{
        DeserializeSeed, Error, MapAccess, SeqAccess, Unexpected, Visitor,
        value::{MapAccessDeserializer, StrDeserializer},
    },
};

use super::shapes::{Field, FieldKind, Shape, Shapes};

/// Numbers of fields below this are noted in a word.
const FEW: u32 = 64;

/// Most bytes of the length before a message.
const LONGEST_LENGTH: usize = 10;

const ANY_PADDING: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);

/// Reads a message of a shape; its value is the message in protobuf.
#[derive(Clone, Copy, Debug)]
pub(super) struct MessageReader {
    pub(super) shapes: &'static Shapes,
    pub(super) shape: &'static Shape,
}

impl<'de> DeserializeSeed<'de> for MessageReader {
    type Value = Vec<u8>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Vec<u8>, D::Error> {
        let mut protobuf = Vec::with_capacity(256);
        let fields = Fields {
            reader: self,
            protobuf: &mut protobuf,
        };
        deserializer.deserialize_map(fields)?;
        Ok(protobuf)
    }
}

impl MessageReader {
    /// Returns the reader of a message in a field.
    fn of<E: Error>(self, place: usize) -> Result<Self, E> {
        let shape = self.shapes.get(place);
        let shape = shape.ok_or_else(|| E::custom("a message has no shape"))?;
        Ok(Self { shape, ..self })
    }
}

/// Appends the fields of a message.
struct Fields<'a> {
    reader: MessageReader,
    protobuf: &'a mut Vec<u8>,
}

impl<'de> Visitor<'de> for Fields<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut seen = Seen::default();
        while let Some(field) = map.next_key_seed(Name(self.reader.shape))? {
            if !seen.is_first(field.once) {
                let name = &field.name;
                let wrong = format_args!("`{name}`, or an alternative to it, is there twice");
                return Err(Error::custom(wrong));
            }
            map.next_value_seed(FieldValue {
                reader: self.reader,
                field,
                protobuf: &mut *self.protobuf,
            })?;
        }
        Ok(())
    }
}

/// The fields of a message that have been read.
#[derive(Default)]
struct Seen {
    few: u64,
    others: HashSet<u32>,
}

impl Seen {
    /// Notes a number; false if it has been noted before.
    fn is_first(&mut self, number: u32) -> bool {
        if number >= FEW {
            return self.others.insert(number);
        }
        let bit = 1_u64 << number;
        let is_first = self.few & bit == 0;
        self.few |= bit;
        is_first
    }
}

/// Reads the name of a field.
struct Name(&'static Shape);

impl<'de> DeserializeSeed<'de> for Name {
    type Value = &'static Field;

    fn deserialize<D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<&'static Field, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Name {
    type Value = &'static Field;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a field")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<&'static Field, E> {
        self.0.fields.get(name).ok_or_else(|| {
            let known = self.0.names.join(", ");
            E::custom(format_args!(
                "there is no field `{name}`; there are: {known}"
            ))
        })
    }
}

/// Appends the value of a field.
struct FieldValue<'a> {
    reader: MessageReader,
    field: &'static Field,
    protobuf: &'a mut Vec<u8>,
}

impl<'de> DeserializeSeed<'de> for FieldValue<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if self.field.is_list {
            deserializer.deserialize_any(List(self))
        } else {
            deserializer.deserialize_any(One {
                value: self,
                is_in_list: false,
            })
        }
    }
}

/// Reads a list of values; `null` is none.
struct List<'a>(FieldValue<'a>);

impl<'de> Visitor<'de> for List<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let Self(FieldValue {
            reader,
            field,
            protobuf,
        }) = self;
        loop {
            let value = FieldValue {
                reader,
                field,
                protobuf: &mut *protobuf,
            };
            let is_in_list = true;
            if list.next_element_seed(One { value, is_in_list })?.is_none() {
                return Ok(());
            }
        }
    }
}

/// Reads one value; `null` is none, but not in a list.
struct One<'a> {
    value: FieldValue<'a>,
    is_in_list: bool,
}

impl<'de> DeserializeSeed<'de> for One<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl One<'_> {
    fn put_varint(self, value: u64) {
        let FieldValue {
            field, protobuf, ..
        } = self.value;
        encode_key(field.number, WireType::Varint, protobuf);
        encode_varint(value, protobuf);
    }

    fn put_bytes(self, bytes: &[u8]) {
        let FieldValue {
            field, protobuf, ..
        } = self.value;
        encode_key(field.number, WireType::LengthDelimited, protobuf);
        encode_varint(length(bytes.len()), protobuf);
        protobuf.extend_from_slice(bytes);
    }

    /// Writes a whole number, if the field has such numbers.
    fn put_number<E: Error>(self, number: i128, unexpected: Unexpected<'_>) -> Result<(), E> {
        let bits = match &self.value.field.kind {
            // Negative ones are extended to 64 bits.
            FieldKind::Int32 | FieldKind::Enum(_) => {
                let number = i32::try_from(number).ok();
                number.map(|number| i64::from(number).cast_unsigned())
            }
            FieldKind::Int64 => i64::try_from(number).ok().map(i64::cast_unsigned),
            FieldKind::Uint32 => u32::try_from(number).ok().map(u64::from),
            FieldKind::Uint64 => u64::try_from(number).ok(),
            FieldKind::Bool
            | FieldKind::String
            | FieldKind::Bytes
            | FieldKind::Message(_)
            | FieldKind::WellKnown(_) => None,
        };
        match bits {
            Some(bits) => {
                self.put_varint(bits);
                Ok(())
            }
            None => Err(E::invalid_value(unexpected, &self)),
        }
    }

    /// Writes a message that follows the key and its length, which is known afterwards.
    fn put_message<T, E>(
        self,
        write: impl FnOnce(MessageReader, &mut Vec<u8>) -> Result<T, E>,
    ) -> Result<T, E> {
        let FieldValue {
            reader,
            field,
            protobuf,
        } = self.value;
        encode_key(field.number, WireType::LengthDelimited, protobuf);
        let begin = protobuf.len();
        // Most messages are short: their length takes one byte.
        protobuf.push(0);
        let written = write(reader, protobuf)?;
        let bytes = protobuf.len() - begin - 1;
        if let (Ok(bytes @ ..0x80), Some(place)) = (u8::try_from(bytes), protobuf.get_mut(begin)) {
            *place = bytes;
        } else {
            let mut prefix = Vec::with_capacity(LONGEST_LENGTH);
            encode_varint(length(bytes), &mut prefix);
            protobuf.splice(begin..=begin, prefix);
        }
        Ok(written)
    }
}

fn length(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

impl<'de> Visitor<'de> for One<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.value.field.kind {
            FieldKind::Bool => "true or false",
            FieldKind::Int32 => "a whole number of 32 bits",
            FieldKind::Int64 => "a whole number of 64 bits",
            FieldKind::Uint32 => "a whole number from 0 to 4294967295",
            FieldKind::Uint64 => "a whole number from 0 to 18446744073709551615",
            FieldKind::String => "a string",
            FieldKind::Bytes => "a string in base64",
            FieldKind::Enum(values) => return expecting_word(values, f),
            FieldKind::Message(_) => "an object",
            FieldKind::WellKnown(message) => return write!(f, "a {}", message.name()),
        })
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        if self.is_in_list {
            return Err(E::invalid_type(Unexpected::Unit, &self));
        }
        Ok(())
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        if matches!(self.value.field.kind, FieldKind::Bool) {
            self.put_varint(value.into());
            return Ok(());
        }
        Err(E::invalid_type(Unexpected::Bool(value), &self))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.put_number(value.into(), Unexpected::Unsigned(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.put_number(value.into(), Unexpected::Signed(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        // 1.0 and 1e3 are whole numbers too, as far as a float can name each.
        const EXACT: f64 = 9_007_199_254_740_992.0;
        if value.fract() == 0.0 && value.abs() <= EXACT {
            #[expect(clippy::cast_possible_truncation, reason = "it is whole and in range")]
            let whole = value as i64;
            return self.put_number(whole.into(), Unexpected::Float(value));
        }
        Err(E::invalid_value(Unexpected::Float(value), &self))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        let unexpected = Unexpected::Str(text);
        match &self.value.field.kind {
            FieldKind::String => {
                self.put_bytes(text.as_bytes());
                Ok(())
            }
            FieldKind::Int32 | FieldKind::Int64 | FieldKind::Uint32 | FieldKind::Uint64 => {
                match text.parse::<i128>() {
                    Ok(number) if !text.starts_with('+') => self.put_number(number, unexpected),
                    Ok(_) | Err(_) => Err(E::invalid_value(unexpected, &self)),
                }
            }
            FieldKind::Enum(values) => match values.get_value_by_name(text) {
                Some(value) => {
                    self.put_varint(i64::from(value.number()).cast_unsigned());
                    Ok(())
                }
                None => Err(E::invalid_value(unexpected, &self)),
            },
            FieldKind::Bytes => {
                let alphabet = if text.contains(['-', '_']) {
                    URL_SAFE
                } else {
                    STANDARD
                };
                match GeneralPurpose::new(&alphabet, ANY_PADDING).decode(text) {
                    Ok(bytes) => {
                        self.put_bytes(&bytes);
                        Ok(())
                    }
                    Err(_) => Err(E::invalid_value(unexpected, &self)),
                }
            }
            FieldKind::WellKnown(message) => {
                let read =
                    DynamicMessage::deserialize(message.clone(), StrDeserializer::new(text))?;
                self.put_bytes(&read.encode_to_vec());
                Ok(())
            }
            FieldKind::Bool | FieldKind::Message(_) => Err(E::invalid_type(unexpected, &self)),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        match &self.value.field.kind {
            FieldKind::Message(place) => {
                let place = *place;
                self.put_message(|reader, protobuf| {
                    let reader = reader.of(place)?;
                    Fields { reader, protobuf }.visit_map(map)
                })
            }
            FieldKind::WellKnown(message) => {
                let map = MapAccessDeserializer::new(map);
                let read = DynamicMessage::deserialize(message.clone(), map)?;
                self.put_bytes(&read.encode_to_vec());
                Ok(())
            }
            FieldKind::Bool
            | FieldKind::Int32
            | FieldKind::Int64
            | FieldKind::Uint32
            | FieldKind::Uint64
            | FieldKind::String
            | FieldKind::Bytes
            | FieldKind::Enum(_) => Err(Error::invalid_type(Unexpected::Map, &self)),
        }
    }
}

fn expecting_word(values: &EnumDescriptor, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let names: Vec<String> = values
        .values()
        .map(|value| value.name().to_owned())
        .collect();
    write!(f, "one of {}", names.join(", "))
}
