//! The descriptors of the contract, with its comments.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

use prost_reflect::{DescriptorPool, FileDescriptor, MethodDescriptor, ServiceDescriptor};
use protox::Compiler;

use crate::comments::unwrapped;

/// The folder of the contract's own files, below that of all.
const OWN_FILES: &str = "pim/authz/v1";

/// A file and the path of an element in it, as descriptors state them.
type Place = (String, Vec<i32>);

/// The compiled contract.
#[derive(Debug)]
pub(crate) struct Contract {
    /// All files, imported ones among them.
    pool: DescriptorPool,
    /// The comments above elements, as Markdown.
    comments: HashMap<Place, String>,
}

/// What a call by HTTP consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Messages {
    /// One request and one response.
    One,
    /// One request and a stream of responses.
    StreamedResponse,
}

impl Contract {
    /// Compiles the files in `proto/`.
    pub(crate) fn compile() -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("proto");
        let mut compiler = Compiler::new([&folder]).unwrap();
        compiler.include_source_info(true).include_imports(true);
        compiler.open_files(own_files(&folder)).unwrap();
        let pool = compiler.descriptor_pool();
        let comments = pool.files().flat_map(|file| comments_of(&file)).collect();
        Self { pool, comments }
    }

    /// Returns the services, in the order of their files.
    pub(crate) fn services(&self) -> Vec<ServiceDescriptor> {
        let mut services: Vec<ServiceDescriptor> = self.pool.services().collect();
        services.sort_by_key(|service| service.parent_file().name().to_owned());
        services
    }

    /// Returns the RPCs that HTTP can call. Those with a stream of requests need gRPC.
    pub(crate) fn calls(&self) -> Vec<(MethodDescriptor, Messages)> {
        let services = self.services();
        let methods = services.iter().flat_map(ServiceDescriptor::methods);
        methods
            .filter(|method| !method.is_client_streaming())
            .map(|method| {
                let messages = if method.is_server_streaming() {
                    Messages::StreamedResponse
                } else {
                    Messages::One
                };
                (method, messages)
            })
            .collect()
    }

    /// Returns the comment above an element, as Markdown.
    ///
    /// # Panics
    ///
    /// If there is none: each element of the contract has a comment.
    pub(crate) fn comment(&self, file: &FileDescriptor, path: &[i32]) -> &str {
        let place = (file.name().to_owned(), path.to_vec());
        let comment = self.comments.get(&place);
        comment.unwrap_or_else(|| panic!("{}: {path:?} has no comment", file.name()))
    }
}

/// Returns the path of an RPC in HTTP.
pub(crate) fn path(method: &MethodDescriptor) -> String {
    let service = method.parent_service();
    format!("/{}/{}", service.full_name(), method.name())
}

/// Returns the contract's own files, sorted.
fn own_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder.join(OWN_FILES)).unwrap();
    let mut files: Vec<PathBuf> = entries
        .map(|entry| Path::new(OWN_FILES).join(entry.unwrap().file_name()))
        .filter(|file| file.extension().is_some_and(|end| end == "proto"))
        .collect();
    files.sort();
    files
}

/// Returns the comments above the elements of a file.
fn comments_of(file: &FileDescriptor) -> Vec<(Place, String)> {
    let info = file.file_descriptor_proto().source_code_info.as_ref();
    let locations = info.into_iter().flat_map(|info| &info.location);
    locations
        .filter_map(|location| {
            let comment = unwrapped(location.leading_comments.as_deref()?);
            Some(((file.name().to_owned(), location.path.clone()), comment))
        })
        .collect()
}
