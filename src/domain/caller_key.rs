use std::{
    fmt,
    hash::{BuildHasher as _, Hash, Hasher, RandomState},
    str::FromStr,
};

use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use siphasher::sip128::{Hash128, SipHasher24};
use subtle::ConstantTimeEq as _;

/// A key of a caller: `pimauthz_ID_SECRET`.
///
/// `ID` is 16 letters and digits, by which the key is looked up. `SECRET` is 256
/// random bits as 44 letters and digits, followed by 6 more that are a checksum
/// of everything before them: a secret scanner recognizes a key by its prefix and
/// validates it by the checksum. The key is shown once and never logged.
#[derive(Clone, Debug)]
pub struct CallerKey {
    id: KeyId,
    text: SecretString,
}

/// Identifies a key; not secret.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId {
    /// ASCII letters and digits.
    letters: [u8; KeyId::LENGTH],
}

/// SHA-256 hash of the secret of a key, including the checksum. The secret has
/// 256 random bits, so a slow hash would add nothing.
#[derive(Clone, Copy, Eq)]
pub struct KeyHash {
    bytes: [u8; 32],
}

/// A key as presented in a request.
#[derive(Clone, Copy)]
pub struct PresentedKey<'a> {
    /// Id in the presented key; the secret is not verified yet.
    pub id: KeyId,
    secret: &'a [u8],
}

/// Error of parsing a [`CallerKey`]. It never contains the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCallerKey {
    /// The text does not have the form of a key.
    #[error(
        "is no key of a caller; one is `pimauthz_`, an id of 16 letters and digits, `_`, and 50 letters and digits: make one by `pim-authz caller new-key`"
    )]
    Form,
    /// The checksum does not match the rest of the key.
    #[error("is no whole key of a caller: its last six letters are not the checksum of the rest")]
    Checksum,
}

const PREFIX: &str = "pimauthz_";

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Number of base-62 digits that encode 128 bits.
const HALF_LENGTH: usize = 22;

/// Number of digits of the checksum.
const CHECKSUM_LENGTH: usize = 6;

/// Number of characters after the id and `_`: the secret and the checksum.
const SECRET_LENGTH: usize = 2 * HALF_LENGTH + CHECKSUM_LENGTH;

impl CallerKey {
    /// Number of random bytes that a key is generated from.
    pub const RANDOM_BYTES: usize = 48;

    /// Generates a key from random bytes.
    #[must_use]
    pub fn of(random: [u8; Self::RANDOM_BYTES]) -> Self {
        let mut numbers = random.chunks_exact(16).map(|sixteen| {
            let bytes = sixteen.iter().map(|byte| u128::from(*byte));
            bytes.fold(0, |number, byte| number << 8 | byte)
        });
        let mut next = || numbers.next().unwrap_or_default();
        let id = digits::<{ KeyId::LENGTH }>(next());
        let (first, second) = (digits::<HALF_LENGTH>(next()), digits::<HALF_LENGTH>(next()));
        let mut text = String::with_capacity(PREFIX.len() + KeyId::LENGTH + 1 + SECRET_LENGTH);
        text.push_str(PREFIX);
        text.extend(id.map(char::from));
        text.push('_');
        text.extend(first.map(char::from));
        text.extend(second.map(char::from));
        text.extend(checksum(text.as_bytes()).map(char::from));
        Self {
            id: KeyId { letters: id },
            text: text.into(),
        }
    }

    /// Returns the id of the key.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// Returns the hash of the secret, which is what is stored.
    #[must_use]
    pub fn hash(&self) -> KeyHash {
        let secret = self.text.expose_secret().as_bytes();
        KeyHash::of(
            secret
                .get(secret.len() - SECRET_LENGTH..)
                .unwrap_or_default(),
        )
    }

    /// Returns the whole key, to be shown once.
    #[must_use]
    pub fn text(&self) -> &SecretString {
        &self.text
    }
}

impl FromStr for CallerKey {
    type Err = InvalidCallerKey;

    fn from_str(text: &str) -> Result<Self, InvalidCallerKey> {
        let bytes = text.as_bytes();
        let id = PresentedKey::parse(bytes)
            .filter(|key| key.secret.iter().all(u8::is_ascii_alphanumeric))
            .map(|key| key.id)
            .ok_or(InvalidCallerKey::Form)?;
        let (rest, check) = bytes
            .split_at_checked(bytes.len() - CHECKSUM_LENGTH)
            .ok_or(InvalidCallerKey::Form)?;
        if checksum(rest) != check {
            return Err(InvalidCallerKey::Checksum);
        }
        Ok(Self {
            id,
            text: text.into(),
        })
    }
}

impl KeyId {
    const LENGTH: usize = 16;

    /// Returns the id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.letters).unwrap_or_default()
    }

    fn parse(letters: &[u8]) -> Option<Self> {
        let letters = <[u8; Self::LENGTH]>::try_from(letters).ok()?;
        // Without an early exit the compiler compares all letters at once.
        let is_id = letters
            .iter()
            .fold(true, |all, letter| all & letter.is_ascii_alphanumeric());
        is_id.then_some(Self { letters })
    }
}

impl FromStr for KeyId {
    type Err = InvalidCallerKey;

    fn from_str(text: &str) -> Result<Self, InvalidCallerKey> {
        Self::parse(text.as_bytes()).ok_or(InvalidCallerKey::Form)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{self}`")
    }
}

impl KeyHash {
    fn of(secret: &[u8]) -> Self {
        Self {
            bytes: Sha256::digest(secret).into(),
        }
    }

    /// Wraps a stored hash; `None` if it is not 32 bytes long.
    #[must_use]
    pub fn stored(bytes: &[u8]) -> Option<Self> {
        Some(Self {
            bytes: bytes.try_into().ok()?,
        })
    }

    /// Returns the bytes that are stored.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the hash as hexadecimal digits, as in the audit log.
    #[must_use]
    pub fn hex(&self) -> String {
        const DIGITS: [char; 16] = [
            '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f',
        ];
        let halves = self.bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        let digits = halves.filter_map(|half| DIGITS.get(usize::from(half)));
        digits.collect()
    }
}

impl PartialEq for KeyHash {
    /// Compares in constant time.
    fn eq(&self, other: &Self) -> bool {
        self.bytes.ct_eq(&other.bytes).into()
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyHash")
    }
}

impl<'a> PresentedKey<'a> {
    /// Parses the text after `Bearer `; `None` if it does not have the form of a
    /// key. The checksum is not verified: a wrong one makes a different hash.
    #[must_use]
    pub fn parse(text: &'a [u8]) -> Option<Self> {
        let rest = text.strip_prefix(PREFIX.as_bytes())?;
        let (id, rest) = rest.split_at_checked(KeyId::LENGTH)?;
        let secret = rest.strip_prefix(b"_")?;
        let id = KeyId::parse(id)?;
        (secret.len() == SECRET_LENGTH).then_some(Self { id, secret })
    }

    /// Returns the tag of its secret.
    pub(super) fn tag(&self, tagger: &SecretTagger) -> SecretTag {
        tagger.tag(self.secret)
    }

    /// True if `hash` is the hash of its secret.
    #[must_use]
    pub fn matches(&self, hash: &KeyHash) -> bool {
        KeyHash::of(self.secret) == *hash
    }
}

impl fmt::Debug for PresentedKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PresentedKey {}", self.id)
    }
}

/// A keyed hash of a secret (SipHash-2-4, 128 bits), by which a process
/// recognizes a secret that it has already verified. It is useless outside the
/// process, which alone has the key.
///
/// Tags are compared in constant time.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SecretTag(Hash128);

impl Hash for SecretTag {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0.h1);
    }
}

impl fmt::Debug for SecretTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretTag")
    }
}

/// Computes tags with a random key of its own.
pub struct SecretTagger(SipHasher24);

impl SecretTagger {
    /// Returns the tag of a secret.
    #[must_use]
    pub fn tag(&self, secret: &[u8]) -> SecretTag {
        SecretTag(self.0.hash(secret))
    }
}

impl Default for SecretTagger {
    fn default() -> Self {
        // The standard library seeds its hashers from the system's random
        // numbers.
        let [first, second] = [RandomState::new(), RandomState::new()];
        Self(SipHasher24::new_with_keys(
            first.hash_one(1_u8),
            second.hash_one(2_u8),
        ))
    }
}

impl fmt::Debug for SecretTagger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretTagger")
    }
}

/// Returns the last `N` digits of a number in base 62.
fn digits<const N: usize>(mut number: u128) -> [u8; N] {
    let mut digits = [b'0'; N];
    for digit in digits.iter_mut().rev() {
        let place = usize::try_from(number % 62).unwrap_or_default();
        *digit = DIGITS.get(place).copied().unwrap_or_default();
        number /= 62;
    }
    digits
}

/// Returns the CRC-32 of a text, as base-62 digits.
fn checksum(text: &[u8]) -> [u8; CHECKSUM_LENGTH] {
    digits(u128::from(crc32fast::hash(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> CallerKey {
        let mut random = [0; CallerKey::RANDOM_BYTES];
        for (place, byte) in (0..).zip(&mut random) {
            *byte = place * 5 + 1;
        }
        CallerKey::of(random)
    }

    #[test]
    fn key_has_the_form_that_scanners_recognize() {
        let text = key().text().expose_secret().to_owned();
        assert_eq!(text.len(), 76);
        assert!(text.starts_with("pimauthz_"), "{text}");
        let read: CallerKey = text.parse().unwrap();
        assert_eq!(read.id(), key().id());
        assert_eq!(read.hash(), key().hash());
        assert!(!format!("{:?} {:?}", key(), read.hash()).contains(&text[26..]));
    }

    #[test]
    fn different_random_bytes_make_different_keys() {
        let ones = CallerKey::of([1; CallerKey::RANDOM_BYTES]);
        let twos = CallerKey::of([2; CallerKey::RANDOM_BYTES]);
        assert_ne!(ones.id(), twos.id());
        assert_ne!(ones.hash(), twos.hash());
    }

    #[test]
    fn presented_key_matches_only_its_own_hash() {
        let text = key().text().expose_secret().to_owned();
        let presented = PresentedKey::parse(text.as_bytes()).unwrap();
        assert!(presented.matches(&key().hash()));
        for place in 26..text.len() {
            let mut other = text.clone().into_bytes();
            other[place] = if other[place] == b'x' { b'y' } else { b'x' };
            let presented = PresentedKey::parse(&other).unwrap();
            assert!(!presented.matches(&key().hash()), "{place}");
        }
    }

    #[test]
    fn invalid_key_is_rejected_without_repeating_it() {
        let text = key().text().expose_secret().to_owned();
        let swapped = format!("{}{}{}", &text[..74], &text[75..], &text[74..75]);
        let cases = [
            (String::new(), InvalidCallerKey::Form),
            ("secret".to_owned(), InvalidCallerKey::Form),
            (text[1..].to_owned(), InvalidCallerKey::Form),
            (text[..75].to_owned(), InvalidCallerKey::Form),
            (format!("{text}\n"), InvalidCallerKey::Form),
            (text.replacen('_', "-", 2), InvalidCallerKey::Form),
            (format!("{}é", &text[..74]), InvalidCallerKey::Form),
            (swapped, InvalidCallerKey::Checksum),
        ];
        for (bad, refused) in cases {
            assert_eq!(bad.parse::<CallerKey>().err(), Some(refused), "{bad}");
        }
    }
}
