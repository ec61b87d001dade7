//! Access to a server: the settings in effect on its address, and the first
//! caller of an installation.

use std::{fs, net::SocketAddr, path::PathBuf, sync::Arc};

use secrecy::{SecretSlice, SecretString};
use tokio::runtime::Handle;
use uuid::Uuid;

use crate::{
    admin::{Answered, CallerRequest, CreatedKey, WriteContext, WriteCoordinator},
    cache::{Cache, CacheSettings},
    domain::{CallerKey, Code},
    oidc::{OidcSettings, TokenVerifier},
    rpc::Credentials,
    store::Store,
    supervision::Supervisor,
};

use super::{ServerError, TlsFiles};

/// Who may call a server, as configured.
#[derive(Clone, Debug, Default)]
pub struct CallerSettings {
    /// Whether calls need credentials; `None`: only on addresses other than
    /// loopback, where they are always required.
    pub credentials: Option<Credentials>,
    /// Whether keys may be sent over an unencrypted network.
    pub plaintext: Plaintext,
    /// Whether anyone may read the contract by server reflection; `None`: if no
    /// credentials are required.
    pub reflection: Option<Reflection>,
    /// A file with the key of the first caller.
    pub bootstrap_key_file: Option<PathBuf>,
    /// The accepted issuer of OIDC tokens; `None`: tokens are not accepted.
    pub oidc: Option<OidcSettings>,
}

/// Whether keys may be sent over a network without TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Plaintext {
    /// Only on loopback.
    #[default]
    Refused,
    /// Yes: the operator states that something else encrypts.
    Accepted,
}

/// Whether the contract is served by server reflection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reflection {
    /// To anyone.
    Served,
    /// To no one.
    Hidden,
}

/// Whether the server itself encrypts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encryption {
    /// It accepts only TLS connections.
    Tls,
    /// It does not encrypt.
    Absent,
}

impl Encryption {
    /// Returns whether a server with these files encrypts.
    pub(super) fn by(files: Option<&TlsFiles>) -> Self {
        match files {
            Some(_) => Self::Tls,
            None => Self::Absent,
        }
    }
}

/// The access settings in effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Access {
    pub(super) credentials: Credentials,
    pub(super) reflection: Reflection,
}

impl CallerSettings {
    /// Resolves the settings for an address.
    ///
    /// # Errors
    ///
    /// [`ServerError::OpenToAll`], [`ServerError::KeysInClear`]: the settings are
    /// not allowed on this address.
    pub(super) fn on(
        &self,
        listen: SocketAddr,
        encryption: Encryption,
    ) -> Result<Access, ServerError> {
        let is_loopback = listen.ip().is_loopback();
        let credentials = match self.credentials {
            Some(Credentials::Optional) if !is_loopback => {
                return Err(ServerError::OpenToAll { listen });
            }
            Some(configured) => configured,
            None if is_loopback => Credentials::Optional,
            None => Credentials::Required,
        };
        let is_clear = encryption == Encryption::Absent && self.plaintext == Plaintext::Refused;
        if !is_loopback && is_clear {
            return Err(ServerError::KeysInClear { listen });
        }
        let reflection = self.reflection.unwrap_or(match credentials {
            Credentials::Required => Reflection::Hidden,
            Credentials::Optional => Reflection::Served,
        });
        Ok(Access {
            credentials,
            reflection,
        })
    }

    /// Creates the verifier of OIDC tokens, and reads keys that are in a file;
    /// `None`: tokens are not accepted.
    pub(super) async fn tokens(&self) -> Result<Option<Arc<TokenVerifier>>, ServerError> {
        let Some(settings) = &self.oidc else {
            return Ok(None);
        };
        let verifier = TokenVerifier::new(settings)?;
        verifier.read_file().await?;
        Ok(Some(Arc::new(verifier)))
    }

    /// Reads the key in the configured file, without surrounding white space.
    fn bootstrap_key(&self) -> Result<Option<CallerKey>, ServerError> {
        let Some(path) = &self.bootstrap_key_file else {
            return Ok(None);
        };
        let file = || path.display().to_string();
        let unreadable = |source| ServerError::BootstrapKeyUnreadable {
            file: file(),
            source,
        };
        let bytes: SecretSlice<u8> = fs::read(path).map_err(unreadable)?.into();
        let text = secrecy::ExposeSecret::expose_secret(&bytes);
        let text = str::from_utf8(text).unwrap_or_default().trim();
        let key = text.parse().map_err(|source| ServerError::BootstrapKey {
            file: file(),
            source,
        })?;
        Ok(Some(key))
    }
}

/// Logs who may call, and warns if there is no caller yet.
pub(super) async fn announce(access: Access, address: SocketAddr, cache: &Cache) {
    match access.credentials {
        Credentials::Optional => tracing::warn!(
            server.address = %address,
            "calls need no credentials: ANYONE who reaches {address} may read and change \
             everything; require them by `--credentials required`"
        ),
        Credentials::Required => match cache.callers().await {
            Ok(callers) if callers.is_empty() => tracing::warn!(
                "calls need credentials, and there is no caller yet: every call is refused until \
                 `pim-authz caller bootstrap` or `--bootstrap-key-file` has made the first one"
            ),
            Ok(_) => tracing::info!("calls need credentials"),
            Err(error) => tracing::warn!(
                %error,
                "calls need credentials; whether there is a caller is not known yet"
            ),
        },
    }
}

/// Stores the first caller, if a key file is configured and there are no callers.
pub(super) async fn bootstrap(
    settings: &CallerSettings,
    coordinator: &WriteCoordinator,
) -> Result<(), ServerError> {
    let Some(key) = settings.bootstrap_key()? else {
        return Ok(());
    };
    if store_first(&key, coordinator).await? {
        tracing::info!(
            caller.name = CallerRequest::BOOTSTRAP,
            caller.key = %key.id(),
            "stored the first caller, `{}`, with the key of --bootstrap-key-file: it may call \
             everything", CallerRequest::BOOTSTRAP
        );
    } else {
        tracing::info!("--bootstrap-key-file is ignored: there are callers already");
    }
    Ok(())
}

/// Stores the first caller of an installation, as the owner of the database, and
/// returns its key; `None`: there are callers already, and nothing changed.
///
/// It briefly takes part in the coherence protocol as a server: when it returns,
/// all running servers know the key.
///
/// # Errors
///
/// [`ServerError`] if the database is unavailable, has no schema, or rejects the
/// write.
pub async fn bootstrap_caller(
    owner_url: &SecretString,
) -> Result<Option<SecretString>, ServerError> {
    /// Enough for one write.
    const CONNECTIONS: usize = 4;
    let store = Store::new(owner_url, CONNECTIONS)?.on_current_runtime();
    store.check_sessions().await?;
    store.check_schema().await?;
    let settings = CacheSettings::default();
    let supervisor = Supervisor::default();
    let (cache, coherence) = Cache::start(store.clone(), settings, Handle::current(), &supervisor)
        .await
        .map_err(ServerError::Thread)?;
    let stored = async {
        let coordinator = WriteCoordinator::new(store, cache)?;
        let mut random = [0; CallerKey::RANDOM_BYTES];
        getrandom::fill(&mut random).map_err(|_| ServerError::NoRandomness)?;
        let key = CallerKey::of(random);
        let is_first = store_first(&key, &coordinator).await?;
        Ok(is_first.then(|| key.text().clone()))
    };
    let stored = stored.await;
    supervisor.release();
    coherence.leave().await;
    stored
}

/// Stores the first caller with this key; returns false if there are callers
/// already.
async fn store_first(key: &CallerKey, coordinator: &WriteCoordinator) -> Result<bool, ServerError> {
    let first = CallerRequest::Bootstrap(CreatedKey {
        id: key.id(),
        hash: key.hash(),
        valid_for: None,
    });
    let context = WriteContext {
        tenant: Code::of_installation(),
        actor: String::new(),
        caller: None,
        request_id: Uuid::now_v7().to_string(),
        idempotency_key: String::new(),
        request_hash: Vec::new(),
        dry_run: false,
        expected_revision: None,
    };
    let written = coordinator.change(first, context, |_| Vec::new()).await;
    match written.map_err(ServerError::Bootstrap)? {
        Answered::Fresh(written) => Ok(written.effect.created > 0),
        Answered::Replayed(_) => Ok(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn access_in_effect_depends_on_the_address() {
        use Credentials::{Optional, Required};
        let (loopback, network) = ("127.0.0.1:1", "192.0.2.1:1");
        let refused = Plaintext::Refused;
        let accepted = Plaintext::Accepted;
        let tls = CallerSettings::default().on(network.parse().unwrap(), Encryption::Tls);
        assert_eq!(tls.unwrap().credentials, Required);
        let open = CallerSettings {
            credentials: Some(Optional),
            ..CallerSettings::default()
        };
        let open = open.on(network.parse().unwrap(), Encryption::Tls);
        assert!(matches!(open, Err(ServerError::OpenToAll { .. })));
        let cases = [
            // address, --credentials, --insecure: credentials in effect without
            // TLS
            (loopback, None, refused, Some(Optional)),
            (loopback, Some(Required), refused, Some(Required)),
            (loopback, Some(Optional), accepted, Some(Optional)),
            ("[::1]:1", None, refused, Some(Optional)),
            (network, None, refused, None),
            (network, Some(Required), refused, None),
            (network, None, accepted, Some(Required)),
            (network, Some(Optional), accepted, None),
            ("0.0.0.0:1", None, accepted, Some(Required)),
        ];
        for (address, credentials, plaintext, expected) in cases {
            let settings = CallerSettings {
                credentials,
                plaintext,
                ..CallerSettings::default()
            };
            let access = settings
                .on(address.parse().unwrap(), Encryption::Absent)
                .ok();
            let found = access.map(|access| access.credentials);
            assert_eq!(found, expected, "{address} {credentials:?} {plaintext:?}");
            let hidden = access.map(|access| access.reflection == Reflection::Hidden);
            assert_eq!(hidden, expected.map(|found| found == Required), "{address}");
        }
    }
}
