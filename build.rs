//! Compiles the contract in `proto/` without protoc.

use std::{env, error::Error, fs, path::PathBuf};

use prost::Message as _;
use prost_types::FileDescriptorSet;

const FILES: [&str; 22] = [
    "pim/authz/v1/access_grant.proto",
    "pim/authz/v1/access_rights_service.proto",
    "pim/authz/v1/app_service.proto",
    "pim/authz/v1/audit_service.proto",
    "pim/authz/v1/authorization_service.proto",
    "pim/authz/v1/caller.proto",
    "pim/authz/v1/caller_service.proto",
    "pim/authz/v1/catalog.proto",
    "pim/authz/v1/catalog_service.proto",
    "pim/authz/v1/change.proto",
    "pim/authz/v1/decision.proto",
    "pim/authz/v1/directory.proto",
    "pim/authz/v1/directory_service.proto",
    "pim/authz/v1/error_reason.proto",
    "pim/authz/v1/explanation.proto",
    "pim/authz/v1/import_service.proto",
    "pim/authz/v1/item.proto",
    "pim/authz/v1/listing.proto",
    "pim/authz/v1/operations_service.proto",
    "pim/authz/v1/question.proto",
    "pim/authz/v1/tenant_service.proto",
    "pim/authz/v1/write.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    let descriptors = protox::compile(FILES, ["proto"])?;
    let out_dir = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(
        out_dir.join("pim_authz_descriptors.bin"),
        descriptors.encode_to_vec(),
    )?;
    fs::write(
        out_dir.join("calls_of_one_message.rs"),
        format!("&{:?}", calls_of_one_message(&descriptors)),
    )?;
    // The command line finds the descriptor of a message by its name.
    let mut config = tonic_prost_build::Config::new();
    config.enable_type_names();
    tonic_prost_build::configure()
        .extern_path(".google.rpc.Status", "::tonic_types::Status")
        .compile_fds_with_config(descriptors, config)?;
    Ok(())
}

/// The paths of the calls that bring exactly one message, sorted.
fn calls_of_one_message(descriptors: &FileDescriptorSet) -> Vec<String> {
    let mut paths = Vec::new();
    for file in &descriptors.file {
        for service in &file.service {
            for method in &service.method {
                if !method.client_streaming() {
                    let (package, service) = (file.package(), service.name());
                    paths.push(format!("/{package}.{service}/{}", method.name()));
                }
            }
        }
    }
    paths.sort();
    paths
}
