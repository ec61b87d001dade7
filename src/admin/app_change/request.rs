use uuid::Uuid;

use crate::domain::{AppStep, Code, ScopeSet, SelectionPatch};

/// The scopes that a request names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestedScopes {
    /// Those in the permission catalogue.
    pub known: ScopeSet,
    /// Words that are not a scope of the catalogue.
    pub unknown: Vec<String>,
}

/// A requested change of an app.
#[derive(Clone, Debug)]
pub enum AppRequest {
    /// A step of connecting it, by a user who must hold `app.manage` (rules 5.1).
    Step {
        /// The user.
        actor: Code,
        /// The step.
        step: ConnectionStep,
    },
    /// Replaces its scopes by these; they can only shrink (rules 5.8).
    SetScopes {
        /// The app.
        app: Code,
        /// The scopes.
        scopes: RequestedScopes,
    },
    /// Disconnects it (rules 5.9).
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
        scopes: RequestedScopes,
    },
    Authorize {
        request: Uuid,
    },
    SetPermissions {
        request: Uuid,
        rights: Vec<SelectionPatch>,
    },
    Confirm {
        request: Uuid,
    },
    Cancel {
        request: Uuid,
    },
}

/// What the result of a change of an app has besides revision and effect.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AppDetails {
    /// The pending connection request, if there is one.
    pub request: Option<Uuid>,
    /// The remaining steps, in order.
    pub steps: Vec<AppStep>,
    /// The granted scopes, in the order of the catalogue.
    pub granted: Vec<&'static str>,
    /// The requested scopes that are unknown or not offered.
    pub ungranted: Vec<String>,
}
