use super::{Audience, Code, Label, PermissionSet};

/// A role: permissions that users or connections hold together (rules 1.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// Code, as it was first written.
    pub code: Code,
    /// Display name.
    pub label: Label,
    /// Kind of subject that may hold the role (rules 2.5).
    pub audience: Audience,
    /// Permissions as granted, without those they imply (rules 2.3). A stored
    /// permission that this program does not know is absent.
    pub permissions: PermissionSet,
}

/// A role to create, or to change: fields that are `None` keep the stored value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RolePatch {
    /// Code of the role.
    pub code: Code,
    /// New display name.
    pub label: Option<Label>,
    /// New audience; by default that of users (rules 2.5).
    pub audience: Option<Audience>,
    /// New permissions; by default none.
    pub permissions: Option<RequestedPermissions>,
}

/// The permissions requested for a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestedPermissions {
    /// `*`: every permission that the role may hold in the tenant's edition
    /// (rules 2.4, 2.5).
    EveryAllowed,
    /// These permissions.
    Only(PermissionSet),
}
