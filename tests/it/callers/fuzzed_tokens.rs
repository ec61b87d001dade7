//! Fuzz targets for OIDC tokens and the keys of their issuer (CONTRIBUTING.md,
//! "Fuzzing").

use std::{fs, panic::AssertUnwindSafe};

use pim_authz::oidc::TokenVerifier;
use tokio::runtime::Runtime;

use super::issuer::{KeyFile, SigningKey, key_set, now};
use crate::fuzzed_requests::changed;

/// A signing key, and a token signed with it.
fn signed() -> (SigningKey, String) {
    let key = SigningKey::curve("1");
    let token = key.token("service-account-shop");
    (key, token)
}

#[test]
fn fuzz_oidc_tokens() {
    let (key, token) = signed();
    let file = KeyFile::of(&[&key]);
    let verifier = TokenVerifier::new(&file.settings()).unwrap();
    let runtime = Runtime::new().unwrap();
    runtime.block_on(verifier.read_file()).unwrap();
    let now = i64::try_from(now()).unwrap() * 1_000_000;
    assert!(verifier.verify(token.as_bytes(), now).is_ok());
    let verify = AssertUnwindSafe(|bytes: &[u8]| {
        for presented in [bytes, &changed(bytes, token.clone().into_bytes())] {
            if let Ok(verified) = verifier.verify(presented, now) {
                assert_eq!(String::from_utf8_lossy(presented), token, "{verified:?}");
            }
        }
    });
    bolero::check!().for_each(|bytes: &[u8]| verify(bytes));
}

#[test]
fn fuzz_key_sets() {
    let (key, _) = signed();
    let file = KeyFile::of(&[&key]);
    let good = key_set(&[&key, &SigningKey::curve("2")]);
    let runtime = Runtime::new().unwrap();
    let read = AssertUnwindSafe(|bytes: &[u8]| {
        for content in [bytes, &changed(bytes, good.clone().into_bytes())] {
            fs::write(file.path(), content).unwrap();
            let verifier = TokenVerifier::new(&file.settings()).unwrap();
            // The file is either read or refused.
            let _either = runtime.block_on(verifier.read_file());
        }
    });
    bolero::check!().for_each(|bytes: &[u8]| read(bytes));
}
