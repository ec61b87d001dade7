//! Searches: who may, on what, and what.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use prost::Message as _;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tonic::Status;

use super::{
    decoded, missing,
    object::Object,
    question::{Action, Context, Missing, Resource, Subject},
    written,
};
use crate::{pb, rpc::invalid_field};

/// Largest page size, and the default.
const MOST_RESULTS: u32 = 10_000;

/// Bytes of the digest that binds a token to its request.
const DIGEST_BYTES: usize = 16;

/// The requested page of results.
#[derive(Clone, Debug, Default, Deserialize)]
struct Page {
    token: Option<String>,
    limit: Option<u32>,
}

/// A search for subjects that may do an action on a resource, or for resources on which a
/// subject may do it.
#[derive(Debug, Deserialize)]
pub(super) struct Search {
    subject: Option<Object<Subject>>,
    action: Option<Object<Action>>,
    resource: Option<Object<Resource>>,
    context: Option<Object<Context>>,
    page: Option<Object<Page>>,
}

/// A search for actions that a subject may do on a resource.
#[derive(Debug, Deserialize)]
pub(super) struct ActionSearch {
    subject: Option<Object<Subject>>,
    resource: Option<Object<Resource>>,
    context: Option<Object<Context>>,
    page: Option<Object<Page>>,
}

/// What is known of a search when it is answered.
#[derive(Debug)]
pub(in crate::http) struct AskedSearch {
    found: Found,
    /// Whether the request has a page.
    has_page: bool,
}

/// What a search finds.
#[derive(Debug)]
enum Found {
    Subjects,
    /// Resources of this type.
    Resources(String),
    Actions(ActionPage),
}

/// A page of actions, which are few: the contract returns all.
#[derive(Debug)]
struct ActionPage {
    /// The last action of the page before.
    after: Option<String>,
    limit: usize,
    digest: [u8; DIGEST_BYTES],
}

/// The answer to a search.
#[derive(Serialize)]
struct Answer<R> {
    results: Vec<R>,
    #[serde(skip_serializing_if = "Option::is_none")]
    page: Option<AnswerPage>,
}

#[derive(Serialize)]
struct AnswerPage {
    /// Empty on the last page.
    next_token: String,
    count: usize,
}

#[derive(Serialize)]
struct Entity {
    r#type: String,
    id: String,
}

#[derive(Serialize)]
struct NamedAction {
    name: String,
}

impl Search {
    /// Returns the request that finds the subjects.
    pub(super) fn subjects(
        self,
        tenant: String,
    ) -> Result<(pb::ListSubjectsRequest, AskedSearch), Status> {
        let (page, has_page) = Page::of(self.page);
        let subject_type = required(self.subject, "subject")?.into_type();
        if subject_type.is_empty() {
            return Err(missing("subject.type"));
        }
        let resource = required(self.resource, "resource")?.named();
        let request = pb::ListSubjectsRequest {
            tenant,
            action: required(self.action, "action")?.into_name(),
            resource: Some(resource.map_err(Missing::status)?),
            context: self.context.map(|Object(context)| context.asked()),
            subject_type,
            page_size: page.size(),
            page_token: page.token.unwrap_or_default(),
            minimum_revision: 0,
        };
        let found = Found::Subjects;
        Ok((request, AskedSearch { found, has_page }))
    }

    /// Returns the request that finds the resources.
    pub(super) fn resources(
        self,
        tenant: String,
    ) -> Result<(pb::ListAllowedRequest, AskedSearch), Status> {
        let (page, has_page) = Page::of(self.page);
        let subject = required(self.subject, "subject")?.named();
        let resource_type = required(self.resource, "resource")?.into_type();
        let request = pb::ListAllowedRequest {
            tenant,
            subject: Some(subject.map_err(Missing::status)?),
            action: required(self.action, "action")?.into_name(),
            resource_type: resource_type.clone(),
            context: self.context.map(|Object(context)| context.asked()),
            filter: None,
            page_size: page.size(),
            page_token: page.token.unwrap_or_default(),
            minimum_revision: 0,
        };
        let found = Found::Resources(resource_type);
        Ok((request, AskedSearch { found, has_page }))
    }
}

impl ActionSearch {
    pub(super) fn request(
        self,
        tenant: String,
    ) -> Result<(pb::ListActionsRequest, AskedSearch), Status> {
        let (page, has_page) = Page::of(self.page);
        let subject = required(self.subject, "subject")?.named();
        let resource = required(self.resource, "resource")?.named();
        let request = pb::ListActionsRequest {
            tenant,
            subject: Some(subject.map_err(Missing::status)?),
            resource: Some(resource.map_err(Missing::status)?),
            context: self.context.map(|Object(context)| context.asked()),
            minimum_revision: 0,
        };
        let found = Found::Actions(ActionPage::of(&page, &request)?);
        Ok((request, AskedSearch { found, has_page }))
    }
}

fn required<T>(member: Option<Object<T>>, name: &'static str) -> Result<T, Status> {
    let Object(member) = member.ok_or_else(|| missing(name))?;
    Ok(member)
}

impl Page {
    /// Returns the requested page, and whether the request has one.
    fn of(page: Option<Object<Self>>) -> (Self, bool) {
        let has_page = page.is_some();
        let Object(page) = page.unwrap_or_default();
        (page, has_page)
    }

    /// Returns the limit; none, or zero, is the largest.
    fn limit(&self) -> u32 {
        match self.limit {
            None | Some(0) => MOST_RESULTS,
            Some(limit) => limit.min(MOST_RESULTS),
        }
    }

    fn size(&self) -> i32 {
        i32::try_from(self.limit()).unwrap_or(i32::MAX)
    }
}

impl ActionPage {
    /// # Errors
    ///
    /// `INVALID_ARGUMENT` if the token is not one of this request.
    fn of(page: &Page, request: &pb::ListActionsRequest) -> Result<Self, Status> {
        let digest = Sha256::digest(request.encode_to_vec());
        let digest = digest.first_chunk().copied().unwrap_or_default();
        let after = match page.token.as_deref() {
            None | Some("") => None,
            Some(token) => Some(after(token, digest).ok_or_else(|| {
                let message = "it is not the token of a page of this request";
                invalid_field("page.token", message)
            })?),
        };
        Ok(Self {
            after,
            limit: usize::try_from(page.limit()).unwrap_or(usize::MAX),
            digest,
        })
    }

    /// Returns the actions of the page in the order of their names, and the token of
    /// the next page.
    fn cut(&self, actions: Vec<pb::AllowedAction>) -> (Vec<NamedAction>, String) {
        let names = actions.into_iter().map(|allowed| allowed.action);
        let mut names: Vec<String> = names
            .filter(|name| self.after.as_ref().is_none_or(|after| name > after))
            .collect();
        names.sort_unstable();
        let is_cut = names.len() > self.limit;
        names.truncate(self.limit);
        let token = names.last().filter(|_| is_cut);
        let token = token
            .map(|last| URL_SAFE_NO_PAD.encode([self.digest.as_slice(), last.as_bytes()].concat()));
        let names = names.into_iter().map(|name| NamedAction { name });
        (names.collect(), token.unwrap_or_default())
    }
}

/// Returns the action after which the page of a token begins.
fn after(token: &str, digest: [u8; DIGEST_BYTES]) -> Option<String> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
    let (of, name) = bytes.split_first_chunk()?;
    (*of == digest).then(|| String::from_utf8(name.to_vec()).ok())?
}

impl AskedSearch {
    /// Returns the answer of a response.
    pub(super) fn answer(&self, response: &[u8]) -> Result<Vec<u8>, Status> {
        match &self.found {
            Found::Subjects => {
                let response: pb::ListSubjectsResponse = decoded(response)?;
                let subjects = response.subjects.into_iter().map(|subject| Entity {
                    r#type: subject.r#type,
                    id: subject.id,
                });
                Ok(self.written(subjects.collect(), response.next_page_token))
            }
            Found::Resources(r#type) => {
                let response: pb::ListAllowedResponse = decoded(response)?;
                let resources = response.resources.into_iter().map(|resource| Entity {
                    r#type: r#type.clone(),
                    id: resource.id,
                });
                Ok(self.written(resources.collect(), response.next_page_token))
            }
            Found::Actions(page) => {
                let response: pb::ListActionsResponse = decoded(response)?;
                let (actions, next_token) = page.cut(response.actions);
                Ok(self.written(actions, next_token))
            }
        }
    }

    /// Returns the answer that nothing was found.
    pub(super) fn nothing(&self) -> Vec<u8> {
        self.written::<Entity>(Vec::new(), String::new())
    }

    fn written<R: Serialize>(&self, results: Vec<R>, next_token: String) -> Vec<u8> {
        let is_cut = !next_token.is_empty();
        let page = (self.has_page || is_cut).then_some(AnswerPage {
            next_token,
            count: results.len(),
        });
        written(&Answer { results, page })
    }
}
