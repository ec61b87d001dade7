//! The RPCs that HTTP can call, by their paths, with the descriptors of their messages:
//! those of the contract and of the health service.

use std::sync::LazyLock;

use hashbrown::HashMap;
use prost::Message as _;
use prost_reflect::{DescriptorError, DescriptorPool, MessageDescriptor, MethodDescriptor};
use prost_types::FileDescriptorSet;

use super::{json_reader::MessageReader, json_writer::MessageWriter, shapes::Shapes};
use crate::pb;

/// All descriptors, those of error details among them.
static DESCRIPTORS: LazyLock<DescriptorPool> = LazyLock::new(|| {
    let mut pool = DescriptorPool::new();
    let sets = [
        pb::DESCRIPTORS,
        tonic_health::pb::FILE_DESCRIPTOR_SET,
        tonic_types::pb::FILE_DESCRIPTOR_SET,
    ];
    for set in sets {
        if let Err(error) = add(&mut pool, set) {
            // The sets are compiled in; a test reads each.
            tracing::error!(%error, "descriptors do not parse, a bug of the service");
        }
    }
    pool
});

/// Adds the files of a set whose messages no other has brought already, under whatever
/// name of the file.
fn add(pool: &mut DescriptorPool, set: &[u8]) -> Result<(), DescriptorError> {
    let mut files = FileDescriptorSet::decode(set).unwrap_or_default().file;
    files.retain(|file| {
        let mut messages = file.message_type.iter();
        !messages.any(|message| {
            let name = format!("{}.{}", file.package(), message.name());
            pool.get_message_by_name(&name).is_some()
        })
    });
    pool.add_file_descriptor_protos(files)
}

static CONTRACT: LazyLock<Contract> = LazyLock::new(|| {
    let mut shapes = Shapes::default();
    let methods = DESCRIPTORS.services().flat_map(|service| {
        let methods: Vec<MethodDescriptor> = service.methods().collect();
        methods
    });
    let rpcs = methods
        .map(|method| {
            let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
            (path, Rpc::of(&method, &mut shapes))
        })
        .collect();
    Contract { rpcs, shapes }
});

/// The RPCs by their paths, and the shapes of their messages.
struct Contract {
    rpcs: HashMap<String, Rpc>,
    shapes: Shapes,
}

/// An RPC.
#[derive(Debug)]
pub(super) struct Rpc {
    /// The message of a request.
    #[cfg(test)]
    pub(super) request: MessageDescriptor,
    /// The index of its shape.
    request_shape: usize,
    /// The message of a response.
    #[cfg(test)]
    pub(super) response: MessageDescriptor,
    /// The index of its shape.
    response_shape: usize,
    /// Whether a call has one message, in each direction.
    pub(super) messages: Messages,
}

/// How many messages a call has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Messages {
    /// One request and one response.
    One,
    /// One request, and a stream of responses.
    StreamedResponse,
    /// A stream of requests.
    StreamedRequest,
}

impl Rpc {
    fn of(method: &MethodDescriptor, shapes: &mut Shapes) -> Self {
        let messages = if method.is_client_streaming() {
            Messages::StreamedRequest
        } else if method.is_server_streaming() {
            Messages::StreamedResponse
        } else {
            Messages::One
        };
        Self {
            #[cfg(test)]
            request: method.input(),
            request_shape: shapes.add(&method.input()),
            #[cfg(test)]
            response: method.output(),
            response_shape: shapes.add(&method.output()),
            messages,
        }
    }
}

/// Returns the RPC of a path, such as `/pim.authz.v1.AuthorizationService/Check`.
pub(super) fn rpc(path: &str) -> Option<&'static Rpc> {
    CONTRACT.rpcs.get(path)
}

impl Rpc {
    /// Returns the reader of a request; `None` never, as a test shows.
    pub(super) fn message_reader(&self) -> Option<MessageReader> {
        let shapes = &CONTRACT.shapes;
        let shape = shapes.get(self.request_shape)?;
        Some(MessageReader { shapes, shape })
    }

    /// Returns the writer of a response in protobuf; `None` never, as a test shows.
    pub(super) fn message_writer<'a>(&self, protobuf: &'a [u8]) -> Option<MessageWriter<'a>> {
        let shapes = &CONTRACT.shapes;
        let shape = shapes.get(self.response_shape)?;
        Some(MessageWriter {
            shapes,
            shape,
            protobuf,
        })
    }
}

/// Returns the descriptor of a message by its full name.
pub(super) fn message(name: &str) -> Option<MessageDescriptor> {
    DESCRIPTORS.get_message_by_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_call_of_the_contract_has_its_messages() {
        let check = rpc("/pim.authz.v1.AuthorizationService/Check").unwrap();
        assert_eq!(check.request.full_name(), "pim.authz.v1.CheckRequest");
        assert_eq!(check.response.full_name(), "pim.authz.v1.CheckResponse");
        for path in pb::CALLS_OF_ONE_MESSAGE {
            let rpc = rpc(path).unwrap();
            assert_ne!(rpc.messages, Messages::StreamedRequest, "{path}");
        }
        let streamed = |messages| {
            CONTRACT
                .rpcs
                .values()
                .filter(|rpc| rpc.messages == messages)
                .count()
        };
        assert_eq!(streamed(Messages::StreamedRequest), 2);
        assert!(streamed(Messages::StreamedResponse) > 1);
        assert!(rpc("/grpc.health.v1.Health/Check").is_some());
        assert!(message("google.rpc.BadRequest").is_some());
    }
}
