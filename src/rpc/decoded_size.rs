//! What a message takes once it is decoded, found out before it is: an empty item of a
//! batch is two bytes on the way, and some hundred in memory.

use std::sync::LazyLock;

use hashbrown::HashMap;
use prost::{
    Message as _,
    encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field},
};
use prost_types::{
    DescriptorProto, FileDescriptorSet,
    field_descriptor_proto::{Label, Type},
};
use tonic::Status;

use super::budget::Weight;
use crate::pb;

/// Bytes of a message in a list, at most: those of the largest, `CheckItem`.
const MESSAGE_BYTES: usize = 320;

/// Bytes of a text or another value in a list, besides its own.
const VALUE_BYTES: usize = 24;

/// Messages within messages that are decoded.
const DEEPEST: usize = 100;

/// The messages of the contract by their numbers.
static CONTRACT: LazyLock<Contract> = LazyLock::new(|| {
    // These bytes were compiled in, so decoding does not fail.
    let files = FileDescriptorSet::decode(pb::DESCRIPTORS).unwrap_or_default();
    Contract::of(&files)
});

/// What can be in a list of a message, or below it.
#[derive(Debug, Default)]
struct Contract {
    /// By path of the RPC: the number of its request.
    requests: HashMap<String, usize>,
    messages: Vec<HashMap<u32, Field>>,
}

/// A field that takes memory of its own when it occurs.
#[derive(Clone, Copy, Debug)]
enum Field {
    /// A message, of this number; `is_list`: any number of times.
    Message { number: usize, is_list: bool },
    /// Any number of texts.
    Texts,
    /// Any number of numbers, which are packed.
    Numbers,
}

impl Contract {
    fn of(files: &FileDescriptorSet) -> Self {
        let named = files.file.iter().flat_map(|file| {
            let package = file.package();
            let messages = file.message_type.iter();
            messages.map(move |message| (format!(".{package}.{}", message.name()), message))
        });
        let named: Vec<(String, &DescriptorProto)> = named.collect();
        let numbers: HashMap<&str, usize> = named
            .iter()
            .map(|(name, _)| name.as_str())
            .zip(0..)
            .collect();
        let fields = |message: &DescriptorProto| {
            let fields = message.field.iter().filter_map(|field| {
                let is_list = field.label() == Label::Repeated;
                let of = if field.r#type() == Type::Message {
                    let number = *numbers.get(field.type_name())?;
                    Field::Message { number, is_list }
                } else if !is_list {
                    return None;
                } else if matches!(field.r#type(), Type::String | Type::Bytes) {
                    Field::Texts
                } else {
                    Field::Numbers
                };
                Some((u32::try_from(field.number()).ok()?, of))
            });
            fields.collect()
        };
        let messages = named.iter().map(|(_, message)| fields(message)).collect();
        let mut requests = HashMap::new();
        for file in &files.file {
            for service in &file.service {
                for method in &service.method {
                    let path = format!("/{}.{}/{}", file.package(), service.name(), method.name());
                    if let Some(number) = numbers.get(method.input_type()) {
                        requests.insert(path, *number);
                    }
                }
            }
        }
        Self { requests, messages }
    }

    /// Adds what the lists in a message take, as far as it can be decoded.
    fn add(&self, number: usize, mut message: &[u8], depth: usize, bytes: &mut usize, most: usize) {
        let Some(fields) = self.messages.get(number) else {
            return;
        };
        while !message.is_empty() && *bytes <= most {
            let Ok((tag, wire)) = decode_key(&mut message) else {
                return;
            };
            let Some(field) = fields
                .get(&tag)
                .filter(|_| wire == WireType::LengthDelimited)
            else {
                if fields.contains_key(&tag) {
                    *bytes += VALUE_BYTES;
                }
                if skip_field(wire, tag, &mut message, DecodeContext::default()).is_err() {
                    return;
                }
                continue;
            };
            let length = decode_varint(&mut message).ok();
            let length = length.and_then(|length| usize::try_from(length).ok());
            let Some((value, rest)) = length.and_then(|length| message.split_at_checked(length))
            else {
                return;
            };
            message = rest;
            match *field {
                Field::Message { number, is_list } => {
                    *bytes += if is_list { MESSAGE_BYTES } else { 0 };
                    if depth < DEEPEST {
                        self.add(number, value, depth + 1, bytes, most);
                    }
                }
                Field::Texts => *bytes += VALUE_BYTES,
                // Each may take one byte of the value.
                Field::Numbers => *bytes += value.len().saturating_mul(8),
            }
        }
    }
}

/// Accounts for what the lists of a request take once it is decoded, besides what has
/// arrived.
///
/// # Errors
///
/// `RESOURCE_EXHAUSTED` if all calls would exceed the budget, or those of the caller its
/// share.
pub(crate) fn weigh_lists(path: &str, message: &[u8], weight: &Weight) -> Result<(), Status> {
    weight.reserve(of_lists(path, message, weight.most()))
}

/// Returns what the lists of a request take once it is decoded, besides their texts, in
/// bytes; at least what is above `most` if it is more.
pub(super) fn of_lists(path: &str, message: &[u8], most: usize) -> usize {
    let mut bytes = 0;
    if let Some(number) = CONTRACT.requests.get(path) {
        CONTRACT.add(*number, message, 0, &mut bytes, most);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    const BATCH: &str = "/pim.authz.v1.AuthorizationService/BatchCheck";

    #[test]
    fn no_message_in_a_list_is_larger_than_is_assumed() {
        let sizes = [
            size_of::<pb::CheckItem>(),
            size_of::<pb::User>(),
            size_of::<pb::Role>(),
            size_of::<pb::Product>(),
            size_of::<pb::Category>(),
            size_of::<pb::AccessGrant>(),
            size_of::<pb::Caller>(),
            size_of::<pb::Attribute>(),
            size_of::<pb::Channel>(),
        ];
        assert!(sizes.iter().all(|size| *size <= MESSAGE_BYTES), "{sizes:?}");
    }

    #[test]
    fn empty_items_are_counted() {
        let batch = pb::BatchCheckRequest {
            items: vec![pb::CheckItem::default(); 1_000],
            ..Default::default()
        };
        let bytes = batch.encode_to_vec();
        assert_eq!(bytes.len(), 2_000);
        assert_eq!(of_lists(BATCH, &bytes, usize::MAX), 1_000 * MESSAGE_BYTES);
        // It ends once it is known to be too much.
        let found = of_lists(BATCH, &bytes, 10_000);
        assert!((10_001..11_000).contains(&found), "{found}");
    }

    #[test]
    fn texts_in_messages_are_counted() {
        let codes = vec![String::new(); 500];
        let resource = pb::Resource {
            categories: Some(pb::CategoryList { codes }),
            ..Default::default()
        };
        let check = pb::CheckRequest {
            resource: Some(resource),
            ..Default::default()
        };
        let path = "/pim.authz.v1.AuthorizationService/Check";
        let found = of_lists(path, &check.encode_to_vec(), usize::MAX);
        assert_eq!(found, 500 * VALUE_BYTES);
        // Their own bytes have been counted as they arrived.
        let delete = pb::DeleteProductsRequest {
            codes: vec!["x".repeat(255); 100],
            ..Default::default()
        };
        let path = "/pim.authz.v1.CatalogService/DeleteProducts";
        let found = of_lists(path, &delete.encode_to_vec(), usize::MAX);
        assert_eq!(found, 100 * VALUE_BYTES);
    }

    #[test]
    fn what_is_no_message_is_counted_as_far_as_it_goes() {
        let mut bytes = pb::BatchCheckRequest {
            items: vec![pb::CheckItem::default(); 3],
            ..Default::default()
        }
        .encode_to_vec();
        bytes.extend([0x32, 0xff]);
        assert_eq!(of_lists(BATCH, &bytes, usize::MAX), 3 * MESSAGE_BYTES);
        assert_eq!(of_lists("/other", &bytes, usize::MAX), 0);
    }
}
