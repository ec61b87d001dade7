use crate::{
    domain::{Code, Context, ListFilter, ListingQuestion, OpenQuestion, SubjectKind},
    pb,
};

use super::{
    failure::{Failure, InvalidField, check_count},
    page_token::Binding,
    parse::{self, code, optional_code, word},
};

/// Number of entries in a page if the caller gives none.
const DEFAULT_PAGE: usize = 100;

/// Number of resources in a batch of a stream if the caller gives none.
const DEFAULT_BATCH: usize = 1_000;

/// Largest number of entries in a page or batch.
const LARGEST_PAGE: usize = 10_000;

/// Largest number of codes in a filter.
const MOST_IDS: usize = 100_000;

/// A request for the resources that a subject may access.
#[derive(Debug)]
pub(super) struct ResourceListing {
    pub(super) tenant: Code,
    pub(super) question: ListingQuestion,
    pub(super) filter: ListFilter,
    pub(super) binding: Binding,
}

/// A request for the subjects that may access a resource.
#[derive(Debug)]
pub(super) struct SubjectListing {
    pub(super) tenant: Code,
    pub(super) question: OpenQuestion,
    pub(super) kind: Option<SubjectKind>,
    pub(super) binding: Binding,
}

/// The fields that select what to list, common to three calls.
#[derive(Debug)]
pub(super) struct Listed {
    pub(super) tenant: String,
    pub(super) subject: Option<pb::Subject>,
    pub(super) action: String,
    pub(super) resource_type: String,
    pub(super) context: Option<pb::Context>,
}

/// Parses a request of `ListAllowed` or `StreamAllowed`; `call` is its name.
pub(super) fn resource_listing(
    call: &'static str,
    listed: Listed,
    filter: Option<pb::ListFilter>,
    default_tenant: &Code,
) -> Result<ResourceListing, Failure> {
    let (tenant, question) = every_question(listed, default_tenant)?;
    let filter = self::filter(filter.unwrap_or_default())?;
    filter.check(question.kind()).map_err(InvalidField::from)?;
    let binding = binding_of_question(call, &tenant, &question)
        .with_optional(filter.tree.as_ref().map(Code::folded))
        .with_optional(filter.category.as_ref().map(Code::folded))
        .with_codes(&filter.ids);
    Ok(ResourceListing {
        tenant,
        question,
        filter,
        binding,
    })
}

/// Parses the tenant, and the question to evaluate for each of its resources.
pub(super) fn every_question(
    listed: Listed,
    default_tenant: &Code,
) -> Result<(Code, ListingQuestion), InvalidField> {
    let Listed {
        tenant,
        subject,
        action,
        resource_type,
        context,
    } = listed;
    let tenant = parse::tenant(&tenant, default_tenant)?;
    let subject = parse::required_subject(subject)?;
    let action = parse::required_action(&action)?;
    let kind = word("resource_type", &resource_type)?;
    let context = parse::context(context)?;
    let question = ListingQuestion::new(subject, action, kind, context)?;
    Ok((tenant, question))
}

/// Parses a request of `GetAccessFilter`, which supports only products and
/// models.
pub(super) fn product_question(
    listed: Listed,
    default_tenant: &Code,
) -> Result<(Code, ListingQuestion), InvalidField> {
    let (tenant, question) = every_question(listed, default_tenant)?;
    let kind = question.kind();
    if kind.product_kind().is_none() {
        let message = format!("`{kind}` has no filter; allowed are: product, product_model");
        return Err(InvalidField::new("resource_type", message));
    }
    Ok((tenant, question))
}

/// Parses a request of `ListSubjects`.
pub(super) fn subject_listing(
    message: pb::ListSubjectsRequest,
    default_tenant: &Code,
) -> Result<SubjectListing, InvalidField> {
    let pb::ListSubjectsRequest {
        tenant,
        action,
        resource,
        context,
        subject_type,
        page_size: _,
        page_token: _,
        minimum_revision: _,
    } = message;
    let tenant = parse::tenant(&tenant, default_tenant)?;
    let action = parse::required_action(&action)?;
    let resource = resource.map(parse::resource).transpose()?;
    let context = parse::context(context)?;
    let kind = match subject_type.as_str() {
        "" => None,
        text => Some(word("subject_type", text)?),
    };
    let question = OpenQuestion::new(action, resource, context)?;
    let binding = Binding::to("ListSubjects").with(tenant.folded());
    let binding = binding_of_resource(binding.with(action.as_str()), &question);
    let binding = binding_of_context(binding, question.context());
    let binding = binding.with_optional(kind.map(Into::into));
    Ok(SubjectListing {
        tenant,
        question,
        kind,
        binding,
    })
}

/// Parses the number of entries in a page.
pub(super) fn page_size(size: i32) -> Result<usize, InvalidField> {
    size_at("page_size", size, DEFAULT_PAGE)
}

/// Parses the number of resources in a batch.
pub(super) fn batch_size(size: i32) -> Result<usize, InvalidField> {
    size_at("batch_size", size, DEFAULT_BATCH)
}

fn size_at(path: &str, size: i32, default: usize) -> Result<usize, InvalidField> {
    match usize::try_from(size) {
        Ok(0) => Ok(default),
        Ok(size) => Ok(size.min(LARGEST_PAGE)),
        Err(_) => {
            let message = format!("is {size}; allowed are 0, for {default}, to {LARGEST_PAGE}");
            Err(InvalidField::new(path, message))
        }
    }
}

fn filter(message: pb::ListFilter) -> Result<ListFilter, Failure> {
    let pb::ListFilter {
        tree,
        category,
        ids,
    } = message;
    check_count("filter.ids", ids.len(), MOST_IDS)?;
    let ids = ids.iter().enumerate();
    let ids = ids.map(|(index, id)| code(&format!("filter.ids[{index}]"), id));
    Ok(ListFilter {
        tree: optional_code("filter.tree", &tree)?,
        category: optional_code("filter.category", &category)?,
        ids: ids.collect::<Result<_, _>>()?,
    })
}

fn binding_of_question(call: &'static str, tenant: &Code, question: &ListingQuestion) -> Binding {
    let subject = question.subject();
    let binding = Binding::to(call)
        .with(tenant.folded())
        .with(subject.kind.into())
        .with(subject.code.folded())
        .with(question.action().as_str())
        .with(question.kind().into());
    binding_of_context(binding, question.context())
}

fn binding_of_context(binding: Binding, context: &Context) -> Binding {
    let Context {
        channel,
        locale,
        attribute,
        attribute_group,
    } = context;
    let fields = [channel, locale, attribute, attribute_group];
    fields.into_iter().fold(binding, |binding, code| {
        binding.with_optional(code.as_ref().map(Code::folded))
    })
}

fn binding_of_resource(binding: Binding, question: &OpenQuestion) -> Binding {
    use crate::domain::{Description, Parent, Resource};
    let Some(resource) = question.resource() else {
        return binding.with("");
    };
    let Resource {
        kind,
        id,
        description: Description { categories, parent },
    } = resource;
    let binding = binding
        .with((*kind).into())
        .with_optional(id.as_ref().map(Code::folded));
    let binding = match categories {
        None => binding.with("-"),
        Some(codes) => binding.with_codes(codes),
    };
    match parent {
        None => binding.with("-"),
        Some(Parent::Absent) => binding.with(""),
        Some(Parent::Code(code)) => binding.with("+").with(code.folded()),
    }
}
