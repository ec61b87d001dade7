use uuid::Uuid;

use crate::{
    admin::outcome::Effect,
    domain::{AppStep, Code, Revision, ScopeSet},
};

use super::AppRightEntry;

/// The scopes that a request asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AskedScopes {
    /// Those of the catalogue.
    pub known: ScopeSet,
    /// Words that are no scope of the catalogue.
    pub unknown: Vec<String>,
}

/// What is asked of an app.
#[derive(Clone, Debug)]
pub enum AppRequest {
    /// A step of connecting it, by a user who must hold `app.manage`
    /// (rules 5.1).
    Step {
        /// The user.
        actor: Code,
        /// The step.
        step: ConnectionStep,
    },
    /// Its scopes are to be these; they can only shrink (rules 5.8).
    SetScopes {
        /// The app.
        app: Code,
        /// The scopes.
        scopes: AskedScopes,
    },
    /// It goes (rules 5.9).
    Disconnect {
        /// The app.
        app: Code,
    },
}

/// A step of connecting an app.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "each is the call of that name")]
pub enum ConnectionStep {
    Start {
        app: Code,
        scopes: AskedScopes,
    },
    Authorize {
        request: Uuid,
    },
    SetPermissions {
        request: Uuid,
        rights: Vec<AppRightEntry>,
    },
    Confirm {
        request: Uuid,
    },
    Cancel {
        request: Uuid,
    },
}

/// What is told of a change of an app.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AppWritten {
    /// The tenant's revision after it.
    pub revision: Revision,
    /// What changed, or would change.
    pub effect: Effect,
    /// The request that is under way, if one is.
    pub request: Option<Uuid>,
    /// What is left to do, in order.
    pub steps: Vec<AppStep>,
    /// The scopes granted, in the order of the catalogue.
    pub granted: Vec<&'static str>,
    /// The scopes asked for that are unknown or not offered.
    pub ungranted: Vec<String>,
}

/// Encodes what is told, to be kept for a retry.
pub type EncodeAppWritten = fn(&AppWritten) -> Vec<u8>;
