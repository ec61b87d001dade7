//! Plausible request messages of every call, built from the descriptors of the
//! contract.

use bytes::Bytes;
use pim_authz::pb;
use prost::Message as _;
use prost_reflect::{
    Cardinality, DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor,
    MethodDescriptor, Value,
};

/// Every call of the contract except those that stop all writes; calls that
/// delete what others need come last.
pub(crate) fn methods() -> Vec<MethodDescriptor> {
    let pool = DescriptorPool::decode(pb::DESCRIPTORS).unwrap();
    let ours = pool
        .services()
        .filter(|service| service.package_name() == "pim.authz.v1");
    let methods = ours.flat_map(|service| service.methods().collect::<Vec<_>>());
    let mut methods: Vec<MethodDescriptor> = methods
        .filter(|method| !["BeginMaintenance", "EndMaintenance"].contains(&method.name()))
        .collect();
    methods.sort_by_key(|method| method.name() == "DeleteTenant");
    methods
}

/// Builds messages in which one text is hostile and all others are plausible.
struct Builder<'a> {
    /// The number of the hostile text, and its value; `None` if there is no
    /// hostile text.
    hostile: Option<(usize, &'a str)>,
    /// The number of texts built so far.
    texts: usize,
}

impl Builder<'_> {
    fn message(&mut self, of: &MessageDescriptor, depth: usize) -> DynamicMessage {
        let mut message = DynamicMessage::new(of.clone());
        for field in of.fields() {
            if depth > 3 || field.is_map() {
                continue;
            }
            let first = self.texts;
            let value = self.value(&field, depth);
            let has_hostile = self
                .hostile
                .is_some_and(|(number, _)| (first..self.texts).contains(&number));
            let is_taken = field.containing_oneof().is_some_and(|of| {
                let mut alternatives = of.fields();
                alternatives.any(|other| message.has_field(&other))
            });
            if is_taken && !has_hostile {
                continue;
            }
            if field.cardinality() == Cardinality::Repeated {
                message.set_field(&field, Value::List(vec![value]));
            } else {
                message.set_field(&field, value);
            }
        }
        message
    }

    fn value(&mut self, field: &FieldDescriptor, depth: usize) -> Value {
        match field.kind() {
            Kind::String => Value::String(self.text(field.name())),
            Kind::Bytes => Value::Bytes(self.text(field.name()).into_bytes().into()),
            Kind::Message(of) => Value::Message(self.message(&of, depth + 1)),
            Kind::Enum(_) => Value::EnumNumber(1),
            Kind::Bool => Value::Bool(false),
            Kind::Uint64 | Kind::Fixed64 => Value::U64(0),
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Value::I64(0),
            Kind::Uint32 | Kind::Fixed32 => Value::U32(1),
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Value::I32(1),
            Kind::Float => Value::F32(0.0),
            Kind::Double => Value::F64(0.0),
        }
    }

    fn text(&mut self, field: &str) -> String {
        let number = self.texts;
        self.texts += 1;
        if let Some((hostile, text)) = self.hostile
            && hostile == number
        {
            return text.to_owned();
        }
        let likely = match field {
            "tenant" => "acme",
            "actor" => "user:admin",
            "type" | "item_type" => "category",
            "resource_type" => "product",
            "action" => "view",
            "page_token" | "resume_token" | "idempotency_key" | "parent" | "product_key" => "",
            "file" => "categories.csv",
            "content" => "code\nmaster\n",
            "code" | "codes" | "id" | "ids" => "master",
            "permissions" | "scopes" => "product.list",
            _ => "julia",
        };
        likely.to_owned()
    }
}

/// The request messages of a call, and the number of texts in them. `hostile`
/// replaces the text of that number.
pub(crate) fn messages(
    method: &MethodDescriptor,
    hostile: Option<(usize, &str)>,
) -> (Vec<Bytes>, usize) {
    let mut builder = Builder { hostile, texts: 0 };
    let message = builder.message(&method.input(), 0);
    let sent = Bytes::from(message.encode_to_vec());
    if !message.has_field_by_name("piece") {
        return (vec![sent], builder.texts);
    }
    // An import piece must be preceded by a header.
    let mut plain = Builder {
        hostile: None,
        texts: 0,
    };
    let header = plain.message(&method.input(), 0).encode_to_vec();
    (vec![header.into(), sent], builder.texts)
}
