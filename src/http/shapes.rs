//! The fields of messages as JSON names them, looked up once from the descriptors.

use hashbrown::HashMap;
use prost_reflect::{
    Cardinality, EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor, OneofDescriptor,
};

/// The shapes of some messages, and of those in their fields.
#[derive(Debug, Default)]
pub(super) struct Shapes {
    shapes: Vec<Shape>,
    /// The index of each by the message's name.
    places: HashMap<String, usize>,
}

/// The fields of a message.
#[derive(Debug, Default)]
pub(super) struct Shape {
    /// Its fields by their names, in JSON and in the contract.
    pub(super) fields: HashMap<String, Field>,
    /// The names in JSON, for errors.
    pub(super) names: Vec<String>,
    /// Its fields in the order of their numbers.
    pub(super) in_order: Vec<Field>,
}

/// A field.
#[derive(Clone, Debug)]
pub(super) struct Field {
    /// Its name in JSON.
    pub(super) name: String,
    pub(super) number: u32,
    pub(super) kind: FieldKind,
    /// True if it has any number of values.
    pub(super) is_list: bool,
    /// True if an absent value is not the default.
    pub(super) has_presence: bool,
    /// What occurs at most once in a message: the field, or its alternatives together.
    pub(super) once: u32,
}

/// The type of a field's values.
#[derive(Clone, Debug)]
pub(super) enum FieldKind {
    Bool,
    /// 32 bits with a sign.
    Int32,
    /// 64 bits with a sign.
    Int64,
    /// 32 bits.
    Uint32,
    /// 64 bits.
    Uint64,
    String,
    Bytes,
    Enum(EnumDescriptor),
    /// A message of ours: the index of its shape.
    Message(usize),
    /// A message of protobuf itself, such as a duration, whose JSON is its own.
    WellKnown(MessageDescriptor),
}

impl Shapes {
    /// Returns the index of the shape of a message, which is added if it is not there.
    pub(super) fn add(&mut self, message: &MessageDescriptor) -> usize {
        if let Some(place) = self.places.get(message.full_name()) {
            return *place;
        }
        // Before its fields, which may be of the same message.
        let place = self.shapes.len();
        self.shapes.push(Shape::default());
        self.places.insert(message.full_name().to_owned(), place);
        let mut shape = Shape::default();
        for field in message.fields() {
            let Some(kind) = self.kind(&field) else {
                tracing::error!(field = field.full_name(), "no JSON is known for a field");
                continue;
            };
            let number = field.number();
            let alternatives = field.containing_oneof().filter(|of| !of.is_synthetic());
            let mut numbers = alternatives.iter().flat_map(OneofDescriptor::fields);
            let read = Field {
                name: field.json_name().to_owned(),
                number,
                kind,
                is_list: field.cardinality() == Cardinality::Repeated,
                has_presence: field.supports_presence(),
                once: numbers.next().map_or(number, |first| first.number()),
            };
            shape.names.push(field.json_name().to_owned());
            shape.fields.insert(field.name().to_owned(), read.clone());
            shape.in_order.push(read.clone());
            shape.fields.insert(field.json_name().to_owned(), read);
        }
        shape.in_order.sort_by_key(|field| field.number);
        if let Some(added) = self.shapes.get_mut(place) {
            *added = shape;
        }
        place
    }

    /// Returns the kind of a field; `None` for those that the contract has not.
    fn kind(&mut self, field: &FieldDescriptor) -> Option<FieldKind> {
        match field.kind() {
            Kind::Bool => Some(FieldKind::Bool),
            Kind::Int32 => Some(FieldKind::Int32),
            Kind::Int64 => Some(FieldKind::Int64),
            Kind::Uint32 => Some(FieldKind::Uint32),
            Kind::Uint64 => Some(FieldKind::Uint64),
            Kind::String => Some(FieldKind::String),
            Kind::Bytes => Some(FieldKind::Bytes),
            Kind::Enum(values) => Some(FieldKind::Enum(values)),
            Kind::Message(message) if message.package_name() == "google.protobuf" => {
                Some(FieldKind::WellKnown(message))
            }
            Kind::Message(message) if !field.is_map() => {
                Some(FieldKind::Message(self.add(&message)))
            }
            Kind::Message(_)
            | Kind::Double
            | Kind::Float
            | Kind::Sint32
            | Kind::Sint64
            | Kind::Fixed32
            | Kind::Fixed64
            | Kind::Sfixed32
            | Kind::Sfixed64 => None,
        }
    }

    /// Returns the shape at an index that [`Self::add`] returned.
    pub(super) fn get(&self, place: usize) -> Option<&Shape> {
        self.shapes.get(place)
    }
}
