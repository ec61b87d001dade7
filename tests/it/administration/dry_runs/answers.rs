//! The answers for every subject of a tenant: a naive count of the subjects and
//! products that a write affects.

use std::collections::{BTreeMap, BTreeSet};

use pim_authz::pb::{self, authorization_service_client::AuthorizationServiceClient};
use tonic::{Code, transport::Channel};

/// Every subject of the worlds, and those that a write may create.
const SUBJECTS: [(&str, &str); 13] = [
    ("user", "admin"),
    ("user", "julia"),
    ("user", "mary"),
    ("user", "peter"),
    ("user", "asleep"),
    ("user", "new"),
    ("connection", "erp"),
    ("connection", "feed"),
    ("connection", "new"),
    ("app", "shop"),
    ("app", "reader"),
    ("app", "bare"),
    ("app", "new"),
];

/// Every resource of the worlds, and those that a write may create, with the
/// actions that are checked on it: those that a level decides.
const RESOURCES: [(&str, &[&str], &[&str]); 15] = [
    (
        "category",
        &["master", "shoes", "hats", "print", "new"],
        &["view", "edit", "own"],
    ),
    (
        "enriched_category",
        &["master", "shoes", "hats", "print", "new"],
        &["view", "edit"],
    ),
    ("channel", &["web", "new"], &["view", "edit"]),
    ("locale", &["en_US", "new"], &["view", "edit"]),
    (
        "attribute_group",
        &["marketing", "tech", "new"],
        &["view", "edit"],
    ),
    (
        "attribute",
        &["name", "price", "sku", "new"],
        &["view", "edit"],
    ),
    ("asset_family", &["photos", "new"], &["view", "edit"]),
    ("reference_entity", &["brands", "new"], &["view", "edit"]),
    ("asset", &["photos", "new"], &["view", "edit"]),
    (
        "reference_entity_record",
        &["brands", "new"],
        &["view", "edit"],
    ),
    ("import_profile", &["in", "new"], &["import_profile.launch"]),
    (
        "export_profile",
        &["out", "new"],
        &["export_profile.launch"],
    ),
    ("grid_view", &["all", "plain", "new"], &["view"]),
    (
        "product",
        &["hat", "cap", "boot", "tie", "free", "deep", "new"],
        &PRODUCT_ACTIONS,
    ),
    ("product_model", &["boots", "new"], &MODEL_ACTIONS),
];

const PRODUCT_ACTIONS: [&str; 9] = [
    "view",
    "edit",
    "own",
    "export",
    "import",
    "change_categories",
    "review_proposals",
    "send_proposal",
    "publish",
];

const MODEL_ACTIONS: [&str; 4] = ["view", "edit", "review_proposals", "send_proposal"];

/// The permissions that roles and scopes of the worlds grant, and some others.
const PERMISSIONS: [&str; 17] = [
    "system_version.read",
    "system_information.view",
    "role.edit",
    "role.list",
    "system_configuration.access",
    "app.manage",
    "product.create",
    "product.list",
    "category.edit",
    "category.edit_attributes",
    "export_profile.launch",
    "import_profile.launch",
    "api.overall_access",
    "api.product.list",
    "api.product.edit",
    "api.product.remove",
    "api.category.list",
];

/// A question: type and code of the subject, the product or model that it is
/// about, if any, and the action and resource.
type QuestionKey = (&'static str, &'static str, Option<String>, String);

/// For each question, whether it is allowed, and the level held.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Answers(BTreeMap<QuestionKey, (bool, i32)>);

/// Every question that is checked for a subject, and whether it is about a
/// stored product.
fn questions() -> Vec<(pb::CheckItem, bool)> {
    let mut questions = Vec::new();
    for (kind, codes, actions) in RESOURCES {
        let is_product = ["product", "product_model"].contains(&kind);
        for (code, action) in codes
            .iter()
            .flat_map(|code| actions.iter().map(move |a| (code, a)))
        {
            let lies_in = ["asset", "reference_entity_record"].contains(&kind);
            let resource = pb::Resource {
                r#type: kind.into(),
                id: (*code).into(),
                parent: lies_in.then(|| (*code).into()),
                categories: None,
            };
            questions.push((item(action, Some(resource)), is_product));
        }
    }
    for (categories, action) in [vec![], vec!["shoes".to_owned()]]
        .iter()
        .flat_map(|categories| PRODUCT_ACTIONS.map(|action| (categories, action)))
    {
        let resource = pb::Resource {
            r#type: "product".into(),
            categories: Some(pb::CategoryList {
                codes: categories.clone(),
            }),
            ..Default::default()
        };
        questions.push((item(action, Some(resource)), false));
    }
    let permissions = PERMISSIONS.map(|action| (item(action, None), false));
    questions.extend(permissions);
    questions
}

fn item(action: &str, resource: Option<pb::Resource>) -> pb::CheckItem {
    let resource_key = resource.as_ref().map(|resource| {
        let pb::Resource {
            r#type,
            id,
            categories,
            ..
        } = resource;
        let codes = categories.as_ref().map(|list| list.codes.join(","));
        format!("{type} {id}{}", codes.unwrap_or_default())
    });
    pb::CheckItem {
        correlation_id: resource_key.unwrap_or_default(),
        action: action.into(),
        resource,
        ..Default::default()
    }
}

/// Checks every question for every subject; a tenant that does not exist has no
/// answers.
pub(super) async fn check_all(channel: &Channel, tenant: &str) -> Answers {
    let mut client = AuthorizationServiceClient::new(channel.clone());
    let questions = questions();
    let keyed_items: Vec<(QuestionKey, pb::CheckItem)> = SUBJECTS
        .iter()
        .flat_map(|subject| questions.iter().map(move |question| (subject, question)))
        .map(|((kind, code), (item, is_product))| {
            let product = is_product.then(|| item.correlation_id.clone());
            let what = format!("{} {}", item.action, item.correlation_id);
            let subject = pb::Subject {
                r#type: (*kind).into(),
                id: (*code).into(),
            };
            let item = pb::CheckItem {
                subject: Some(subject),
                ..item.clone()
            };
            ((*kind, *code, product, what), item)
        })
        .collect();
    let request = pb::BatchCheckRequest {
        tenant: tenant.into(),
        items: keyed_items.iter().map(|(_, item)| item.clone()).collect(),
        ..Default::default()
    };
    let results = match client.batch_check(request).await {
        Ok(answer) => answer.into_inner().results,
        Err(status) if status.code() == Code::NotFound => Vec::new(),
        Err(status) => panic!("{status:?}"),
    };
    let answers = keyed_items
        .into_iter()
        .zip(results)
        .map(|((key, item), result)| {
            let Some(pb::check_result::Outcome::Decision(decision)) = result.outcome else {
                panic!("{item:?}: {result:?}");
            };
            (key, (decision.allowed, decision.level))
        });
    Answers(answers.collect())
}

impl Answers {
    /// Number of subjects and of products with a different answer, and some of
    /// the questions concerned.
    pub(super) fn difference(&self, after: &Self) -> ((u64, u64), Vec<String>) {
        let nothing = |level: &i32| [0, pb::Level::None as i32].contains(level);
        let answer = |of: &Self, key| {
            let held: Option<&(bool, i32)> = of.0.get(key);
            held.copied()
                .filter(|(allowed, level)| *allowed || !nothing(level))
        };
        let keys: BTreeSet<&QuestionKey> = self.0.keys().chain(after.0.keys()).collect();
        let differ = keys
            .into_iter()
            .filter(|key| answer(self, *key) != answer(after, *key));
        let differ: Vec<&QuestionKey> = differ.collect();
        let subjects: BTreeSet<(&str, &str)> = differ
            .iter()
            .map(|(kind, code, ..)| (*kind, *code))
            .collect();
        let products: BTreeSet<&String> = differ
            .iter()
            .filter_map(|(_, _, product, _)| product.as_ref())
            .collect();
        let examples = differ.iter().take(12).map(|key| format!("{key:?}"));
        let counts = (subjects.len() as u64, products.len() as u64);
        (counts, examples.collect())
    }
}
