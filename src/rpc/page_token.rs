use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretSlice};
use sha2::Sha256;

use crate::{
    domain::{Code, ProductId, SubjectRef},
    listing::Place,
    store::{Store, StoreError, TenantId},
};

use super::failure::{Failure, InvalidField};

/// Number of bytes of the HMAC at the end of a token.
const SEAL_BYTES: usize = 32;

/// Version of the token format; tokens of another version are rejected.
const FORMAT: &[u8] = b"2: tenant, place";

/// Longest token that is decoded, in characters: a code of 255 bytes may become
/// longer when folded.
const LONGEST: usize = 4_096;

/// Seals and opens page tokens: positions in a list, authenticated together with
/// the request they belong to.
///
/// The key is stored in the database. A token of one server is therefore valid on
/// every other server of the same database, without expiry, and nowhere else.
#[derive(Clone, Debug)]
pub struct PageTokens {
    key: Arc<SecretSlice<u8>>,
}

/// What a token is bound to: the fields of a request that must not change between
/// pages.
#[derive(Clone, Debug)]
pub(super) struct Binding {
    bytes: Vec<u8>,
}

/// A position in a list of a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TokenPlace<P> {
    path: &'static str,
    tenant: TenantId,
    place: P,
}

impl<P> TokenPlace<P> {
    /// Returns the position if the list belongs to `tenant`. A tenant that was
    /// deleted and created again is another one, whose IDs stand for other
    /// entities.
    ///
    /// # Errors
    ///
    /// [`InvalidField`] at the token's path.
    pub(super) fn of(&self, tenant: TenantId) -> Result<&P, Failure> {
        if self.tenant == tenant {
            Ok(&self.place)
        } else {
            Err(not_of_this_request(self.path))
        }
    }

    /// Returns the position without checking the tenant.
    pub(super) fn unchecked(&self) -> &P {
        &self.place
    }
}

/// A position that can be encoded in a token.
pub(super) trait InToken: Sized {
    /// Encodes the position.
    fn write(&self) -> Vec<u8>;
    /// Decodes a position; `None`: the bytes are malformed.
    fn read(bytes: &[u8]) -> Option<Self>;
}

impl Binding {
    /// Starts a binding with the name of the call.
    pub(super) fn to(call: &str) -> Self {
        Self { bytes: Vec::new() }.with(call)
    }

    /// Appends a field, prefixed with its length, so that different requests
    /// never encode to the same bytes.
    pub(super) fn with(mut self, field: &str) -> Self {
        let length = u64::try_from(field.len()).unwrap_or(u64::MAX);
        self.bytes.extend(length.to_le_bytes());
        self.bytes.extend(field.as_bytes());
        self
    }

    /// Appends an optional field.
    pub(super) fn with_optional(self, field: Option<&str>) -> Self {
        match field {
            None => self.with("-"),
            Some(field) => self.with("+").with(field),
        }
    }

    /// Appends a list of codes, after its length.
    pub(super) fn with_codes(self, codes: &[Code]) -> Self {
        let counted = self.with(&codes.len().to_string());
        let codes = codes.iter();
        codes.fold(counted, |binding, code| binding.with(code.folded()))
    }
}

impl PageTokens {
    /// Reads the key from `store`, once for all calls.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database does not respond.
    pub async fn read(store: &Store) -> Result<Self, StoreError> {
        Ok(Self {
            key: Arc::new(store.page_token_key().await?),
        })
    }

    /// Creates tokens sealed by `key`.
    #[cfg(test)]
    pub(super) fn of_key(key: SecretSlice<u8>) -> Self {
        Self { key: Arc::new(key) }
    }

    /// Returns the token of a position in the list of `tenant` that `binding`
    /// names.
    pub(super) fn seal<P: InToken>(
        &self,
        tenant: TenantId,
        place: &P,
        binding: &Binding,
    ) -> Result<String, Failure> {
        let mut token = tenant.0.to_le_bytes().to_vec();
        token.extend(place.write());
        let seal = self.sealer(&token, binding)?.finalize().into_bytes();
        token.extend(seal);
        Ok(URL_SAFE_NO_PAD.encode(token))
    }

    /// Verifies and decodes a token; `None` if it is empty.
    ///
    /// # Errors
    ///
    /// [`InvalidField`] at `path` if it is truncated, forged, or of another
    /// request or database.
    pub(super) fn open<P: InToken>(
        &self,
        path: &'static str,
        token: &str,
        binding: &Binding,
    ) -> Result<Option<TokenPlace<P>>, Failure> {
        if token.is_empty() {
            return Ok(None);
        }
        let invalid = || not_of_this_request(path);
        let within_bounds = Some(token).filter(|token| token.len() <= LONGEST);
        let bytes = within_bounds.and_then(|token| URL_SAFE_NO_PAD.decode(token).ok());
        let bytes = bytes.ok_or_else(invalid)?;
        let place_bytes = bytes.len().checked_sub(SEAL_BYTES).ok_or_else(invalid)?;
        let (place, seal) = bytes.split_at_checked(place_bytes).ok_or_else(invalid)?;
        let sealer = self.sealer(place, binding)?;
        sealer.verify_slice(seal).map_err(|_| invalid())?;
        let (tenant, place) = place.split_first_chunk().ok_or_else(invalid)?;
        Ok(Some(TokenPlace {
            path,
            tenant: TenantId(i32::from_le_bytes(*tenant)),
            place: P::read(place).ok_or_else(invalid)?,
        }))
    }

    fn sealer(&self, place: &[u8], binding: &Binding) -> Result<Hmac<Sha256>, Failure> {
        let sealer = Hmac::<Sha256>::new_from_slice(self.key.expose_secret());
        let mut sealer = sealer.map_err(|_| {
            Failure::from(StoreError::corrupt("page_token_key", "the key is not one"))
        })?;
        let length = u64::try_from(place.len()).unwrap_or(u64::MAX);
        sealer.update(FORMAT);
        sealer.update(&length.to_le_bytes());
        sealer.update(place);
        sealer.update(&binding.bytes);
        Ok(sealer)
    }
}

fn not_of_this_request(path: &'static str) -> Failure {
    let message = "is not a token of this request; send the one that came with the page or batch before, with the same other fields";
    InvalidField::new(path, message).into()
}

/// The first byte of an encoded position states its kind.
const PRODUCT: u8 = 1;
const ENTITY: u8 = 2;
const SUBJECT: u8 = 3;

impl InToken for Place {
    fn write(&self) -> Vec<u8> {
        match self {
            Self::Product { id, everywhere } => {
                let mut bytes = vec![PRODUCT, u8::from(*everywhere)];
                bytes.extend(id.0.to_le_bytes());
                bytes
            }
            Self::Entity(key) => [&[ENTITY], key.as_bytes()].concat(),
        }
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [PRODUCT, everywhere, id @ ..] => Some(Self::Product {
                id: ProductId(i32::from_le_bytes(id.try_into().ok()?)),
                everywhere: *everywhere == 1,
            }),
            [ENTITY, key @ ..] => Some(Self::Entity(str::from_utf8(key).ok()?.to_owned())),
            _ => None,
        }
    }
}

impl InToken for SubjectRef {
    fn write(&self) -> Vec<u8> {
        let kind = <&str>::from(self.kind);
        [
            &[SUBJECT],
            kind.as_bytes(),
            b":",
            self.code.as_str().as_bytes(),
        ]
        .concat()
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let [SUBJECT, subject @ ..] = bytes else {
            return None;
        };
        let (kind, code) = str::from_utf8(subject).ok()?.split_once(':')?;
        Some(Self {
            kind: kind.parse().ok()?,
            code: code.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoded_positions_round_trip() {
        let places = [
            Place::Product {
                id: ProductId(i32::MAX),
                everywhere: true,
            },
            Place::Product {
                id: ProductId(7),
                everywhere: false,
            },
            Place::Entity("straße:\u{1F600}".to_owned()),
        ];
        for place in places {
            assert_eq!(Place::read(&place.write()), Some(place));
        }
        let subject = SubjectRef {
            kind: crate::domain::SubjectKind::Connection,
            code: "erp:1".parse().unwrap(),
        };
        assert_eq!(SubjectRef::read(&subject.write()), Some(subject));
    }

    #[test]
    fn malformed_positions_are_rejected() {
        let cases: [&[u8]; 6] = [
            &[],
            &[PRODUCT],
            &[PRODUCT, 0, 1],
            &[ENTITY, 0xff],
            &[9],
            &[SUBJECT],
        ];
        for bytes in cases {
            assert_eq!(Place::read(bytes), None, "{bytes:?}");
            assert!(SubjectRef::read(bytes).is_none(), "{bytes:?}");
        }
    }

    #[test]
    fn bindings_of_different_requests_differ() {
        let bindings = [
            Binding::to("a").with("b"),
            Binding::to("ab"),
            Binding::to("a").with("").with("b"),
            Binding::to("a").with_optional(None).with("b"),
            Binding::to("a").with_optional(Some("b")),
            Binding::to("a").with_optional(Some("")).with("b"),
        ];
        for (index, binding) in bindings.iter().enumerate() {
            let before = bindings.iter().take(index);
            assert!(
                before.clone().all(|other| other.bytes != binding.bytes),
                "{index}"
            );
        }
    }
}
