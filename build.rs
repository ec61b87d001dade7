//! Compiles the contract in `proto/` without protoc.

use std::{env, error::Error, fs, path::PathBuf};

use prost::Message as _;

const FILES: [&str; 20] = [
    "pim/authz/v1/access_grant.proto",
    "pim/authz/v1/access_rights_service.proto",
    "pim/authz/v1/app_service.proto",
    "pim/authz/v1/audit_service.proto",
    "pim/authz/v1/authorization_service.proto",
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
    tonic_prost_build::configure()
        .extern_path(".google.rpc.Status", "::tonic_types::Status")
        .compile_fds(descriptors)?;
    Ok(())
}
