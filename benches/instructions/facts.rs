//! A tenant in memory: one user in some user groups, categories and products.

use std::sync::Arc;

use hashbrown::HashMap;
use pim_authz::domain::{
    Action, Code, Context, Description, Edition, Facts, GroupFacts, GroupId, ItemFacts, ItemId,
    ItemKind, Level, LevelAction, ProductFacts, ProductKind, ProductRef, Question, Resource,
    ResourceType, Revision, ScopeSet, SubjectFacts, SubjectKind, SubjectRef, Vocabulary,
};

/// Number of categories, and of those that a group may view.
pub(crate) const CATEGORIES: usize = 500;
const OF_A_GROUP: usize = 100;

/// Questions and the facts that decide them; they live as long as the process, so that
/// their end is not measured.
pub(crate) type World = &'static (Vec<Question>, Facts);

pub(crate) fn code(text: &str, number: usize) -> Code {
    format!("{text}_{number}").parse().unwrap()
}

fn id(number: usize) -> i32 {
    i32::try_from(number).unwrap()
}

/// Returns the categories that a group may view.
pub(crate) fn viewed(group: usize) -> impl Iterator<Item = usize> {
    (0..OF_A_GROUP).map(move |number| (group * 37 + number * 5) % CATEGORIES)
}

/// Returns the categories of a product.
pub(crate) fn assigned(product: usize) -> impl Iterator<Item = usize> {
    (0..3).map(move |number| (product * 11 + number * 7) % CATEGORIES)
}

fn product(number: usize) -> ProductRef {
    ProductRef {
        kind: ProductKind::Product,
        code: code("product", number),
    }
}

/// Returns questions about the `view` of one user in `groups` groups on `products`
/// products, many of which it may view.
pub(crate) fn world(groups: usize, products: usize) -> World {
    let user = SubjectRef {
        kind: SubjectKind::User,
        code: code("user", 1),
    };
    let questions = (0..products).map(|number| {
        let resource = Resource {
            kind: ResourceType::Product,
            id: Some(product(number).code),
            description: Description::default(),
        };
        let action = Action::Level(LevelAction::View);
        Question::new(user.clone(), action, Some(resource), Context::default()).unwrap()
    });
    let questions = questions.collect();
    let facts = Facts {
        revision: Revision(1),
        vocabulary: Arc::new(vocabulary()),
        groups: (0..groups)
            .map(|number| (GroupId(id(number)), Arc::new(group_facts(number))))
            .collect(),
        products: (0..products)
            .map(|number| (product(number), Arc::new(product_facts(number))))
            .collect(),
        roles: HashMap::new(),
        subjects: HashMap::from_iter([(user.clone(), Arc::new(user_facts(&user, groups)))]),
    };
    Box::leak(Box::new((questions, facts)))
}

fn vocabulary() -> Vocabulary {
    let category = |number| ItemFacts {
        kind: ItemKind::Category,
        code: code("category", number),
        parent: None,
    };
    Vocabulary {
        edition: Edition::Enterprise,
        items: HashMap::new(),
        item_facts: (0..CATEGORIES)
            .map(|number| (ItemId(id(number)), category(number)))
            .collect(),
        first_channel: None,
        first_locale: None,
        attributes: HashMap::new(),
        grid_views: HashMap::new(),
        groups: Vec::new(),
    }
}

fn user_facts(user: &SubjectRef, groups: usize) -> SubjectFacts {
    SubjectFacts {
        code: user.code.clone(),
        enabled: true,
        groups: (0..groups).map(|number| GroupId(id(number))).collect(),
        roles: Vec::new(),
        scopes: ScopeSet::default(),
    }
}

fn group_facts(number: usize) -> GroupFacts {
    GroupFacts {
        code: code("group", number),
        private: false,
        rights: viewed(number)
            .map(|category| (ItemId(id(category)), Level::View))
            .collect(),
        highest_channel: Level::Hidden,
        highest_locale: Level::Hidden,
    }
}

fn product_facts(number: usize) -> ProductFacts {
    ProductFacts {
        code: code("product", number),
        parent: None,
        categories: assigned(number)
            .map(|category| ItemId(id(category)))
            .collect(),
    }
}
