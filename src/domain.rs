//! Domain types: the vocabulary of the service.
//!
//! Plain values that every module uses; no I/O, no SQL, no wire format, no clock.
//! A *question* (subject, action, resource, context) is answered by a *decision*;
//! the *facts* are the stored data about everything that the question names, at
//! one *revision* of one tenant.

mod access_right;
mod action;
mod app;
mod attribute;
mod caller;
mod caller_directory;
mod caller_key;
mod catalogue;
mod category_tree;
mod code;
mod decision;
mod entity_kind;
mod explanation;
mod fact_key;
mod facts;
mod grid_view;
mod ids;
mod item;
mod label;
mod level;
mod listing;
mod permission;
mod product;
mod question;
mod resource;
mod role;
mod scope;
mod subject;
mod tenant;
mod user_group;

pub use self::{
    access_right::AccessRight,
    action::{Action, ActionRule, LevelAction, Strictness},
    app::{App, Chosen, Selection, SelectionAxis, SelectionPatch},
    attribute::{Attribute, AttributePatch},
    caller::{Caller, CallerRight, CallerRights, MissingRight, OidcIdentity, StoredKey},
    caller_directory::CallerDirectory,
    caller_key::{
        CallerKey, InvalidCallerKey, KeyHash, KeyId, PresentedKey, SecretTag, SecretTagger,
    },
    catalogue::{CATALOGUE, Catalogue, InvalidCatalogue},
    category_tree::{MAX_CATEGORY_LEVELS, inherit},
    code::{Code, InvalidCode},
    decision::{Decision, EditMode, Reason, ReasonCode, ReasonItem, UnknownName},
    entity_kind::EntityKind,
    explanation::{Explanation, Remedy, Step},
    fact_key::{FactKey, Section},
    facts::{
        FactSource, Facts, FactsNeeded, GrantedOn, GridViewFacts, GroupFacts, GroupsNeeded,
        ItemFacts, NumberedGroups, ProductFacts, RoleFacts, StoredModel, StoredProduct,
        SubjectFacts, Vocabulary,
    },
    grid_view::{GridView, GridViewPatch},
    ids::{AttributeId, CallerId, GridViewId, GroupId, ItemId, ProductId, RoleId, SubjectId},
    item::{
        Category, CategoryPatch, Channel, ChannelPatch, Item, ItemKind, ItemRef, PlainItem,
        ProfilePatch,
    },
    label::{InvalidLabel, Label},
    level::Level,
    listing::{
        AccessFilter, AllowedResource, FilterScope, ListFilter, ListingQuestion, OpenQuestion,
    },
    permission::{Audience, Permission, PermissionId, PermissionSet, PermissionUse},
    product::{MODELS_ABOVE, Product, ProductPatch},
    question::{Context, InvalidQuestion, Question},
    resource::{Description, Parent, ProductKind, ProductRef, Resource, ResourceType},
    role::{RequestedPermissions, Role, RolePatch},
    scope::{AppStep, Scope, ScopeId, ScopeKind, ScopeSet},
    subject::{Subject, SubjectKind, SubjectPatch, SubjectRef},
    tenant::{Edition, Revision},
    user_group::UserGroup,
};
