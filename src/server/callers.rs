//! Who may call a server: what its settings come to at its address, and the first
//! caller of an installation.

use std::{fs, net::SocketAddr, path::PathBuf, sync::Arc};

use secrecy::{SecretSlice, SecretString};
use tokio::runtime::Handle;
use uuid::Uuid;

use crate::{
    admin::{Answered, CallerRequest, CreatedKey, EncodeWritten, WriteContext, WriteCoordinator},
    cache::{Cache, CacheSettings},
    domain::{CallerKey, Code},
    oidc::{OidcSettings, TokenVerifier},
    rpc::Credentials,
    store::Store,
    supervision::Supervisor,
};

use super::{ServerError, TlsFiles};

/// Who may call a server, as it is configured.
#[derive(Clone, Debug, Default)]
pub struct CallerSettings {
    /// Whether calls need credentials; `None`: where the address is not loopback.
    /// There they always do.
    pub credentials: Option<Credentials>,
    /// Whether keys may come over a network that nobody has encrypted.
    pub plaintext: Plaintext,
    /// Whether anyone may read the contract by server reflection; `None`: where no
    /// credentials are required.
    pub reflection: Option<Reflection>,
    /// A file with the key of the first caller.
    pub bootstrap_key_file: Option<PathBuf>,
    /// Whose OIDC tokens are accepted; `None`: none are.
    pub oidc: Option<OidcSettings>,
}

/// Whether keys may come over a network without TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Plaintext {
    /// Only on loopback.
    #[default]
    Refused,
    /// Something else encrypts, as the operator says.
    Accepted,
}

/// Whether the contract is served by server reflection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reflection {
    /// To anyone.
    Served,
    /// To nobody.
    Hidden,
}

/// Whether the server itself encrypts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encryption {
    /// It answers over TLS alone.
    Tls,
    /// It does not.
    Absent,
}

impl Encryption {
    /// Of a server with these files, if any.
    pub(super) fn by(files: Option<&TlsFiles>) -> Self {
        match files {
            Some(_) => Self::Tls,
            None => Self::Absent,
        }
    }
}

/// What the settings come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Access {
    pub(super) credentials: Credentials,
    pub(super) reflection: Reflection,
}

impl CallerSettings {
    /// What they come to on an address.
    ///
    /// # Errors
    ///
    /// [`ServerError::OpenToAll`], [`ServerError::KeysInClear`]: the server must
    /// not listen there so.
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
            Some(said) => said,
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

    /// What verifies OIDC tokens; `None`: none are accepted. Keys in a file are
    /// read.
    pub(super) async fn tokens(&self) -> Result<Option<Arc<TokenVerifier>>, ServerError> {
        let Some(settings) = &self.oidc else {
            return Ok(None);
        };
        let verifier = TokenVerifier::new(settings)?;
        verifier.read_file().await?;
        Ok(Some(Arc::new(verifier)))
    }

    /// The key in the file that is named, without white space around it.
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

/// Logs who may call, and what is wanting for that.
pub(super) async fn announce(access: Access, address: SocketAddr, cache: &Cache) {
    match access.credentials {
        Credentials::Optional => tracing::warn!(
            server.address = %address,
            "calls need no credentials: ANYONE who reaches {address} may ask and change \
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

/// Stores the first caller, if a file with its key was named and there is none.
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

/// Stores the first caller of an installation, through its owner's database, and
/// returns its key; `None`: there are callers already, and nothing changed.
///
/// It takes part in the protocol of the servers as one of them, for a moment: those
/// that run know the key when this has returned.
///
/// # Errors
///
/// [`ServerError`] when the database is away, has no schema, or refuses.
pub async fn bootstrap_caller(
    owner_url: &SecretString,
) -> Result<Option<SecretString>, ServerError> {
    /// Enough for one write.
    const CONNECTIONS: usize = 4;
    let store = Store::new(owner_url, CONNECTIONS)
        .map_err(ServerError::of_start)?
        .at_home();
    store
        .check_sessions()
        .await
        .map_err(ServerError::of_start)?;
    store.check_schema().await.map_err(ServerError::of_start)?;
    let settings = CacheSettings::default();
    let supervisor = Supervisor::default();
    let (cache, coherence) = Cache::start(store.clone(), settings, Handle::current(), &supervisor)
        .await
        .map_err(ServerError::Thread)?;
    let stored = async {
        let coordinator = WriteCoordinator::new(store, cache).map_err(ServerError::of_start)?;
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

/// Whether the first caller was stored with this key; else there was one.
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
    let encode: EncodeWritten = |_| Vec::new();
    let written = coordinator.change_callers(first, context, encode).await;
    match written.map_err(ServerError::Bootstrap)? {
        Answered::Now(written) => Ok(written.effect.created > 0),
        Answered::Before(_) => Ok(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_settings_come_to_depends_on_the_address() {
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
            // address, --credentials, --insecure: what comes of it without TLS
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
