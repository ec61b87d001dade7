use std::time::Duration;

use super::*;
use crate::{
    cache::{clock::Clock, lease::Hold},
    domain::{
        Action, Context, Description, Edition, GroupFacts, GroupId, PermissionSet, Resource,
        ResourceType, ScopeSet, Section, SubjectKind,
    },
    store::{AsOf, ReadAsOf, TenantId},
};

const EPOCH: u64 = 1;

fn code(text: &str) -> Code {
    text.parse().unwrap()
}

fn user(name: &str) -> SubjectRef {
    SubjectRef {
        kind: SubjectKind::User,
        code: code(name),
    }
}

fn key(name: &str) -> FactKey {
    FactKey::Subject(code("acme"), user(name))
}

fn rights_key() -> FactKey {
    FactKey::Rights(code("acme"), GroupId(1))
}

fn role_key(role: i32) -> FactKey {
    FactKey::Role(code("acme"), RoleId(role))
}

fn vocabulary_key() -> FactKey {
    FactKey::Section(code("acme"), Section::Vocabulary)
}

/// Returns a question about a permission alone.
fn question(name: &str) -> Question {
    let action = Action::all().find(|action| matches!(action, Action::Permission(_)));
    Question::new(user(name), action.unwrap(), None, Context::default()).unwrap()
}

fn as_of(seq: u64) -> AsOf {
    AsOf {
        seq,
        epoch: EPOCH,
        pending: Vec::new(),
    }
}

/// Julia and Mary are in a user group, and Robert is known not to be stored.
fn core() -> Core {
    let core = Core::of_test();
    core.lease.extend(Hold {
        until: Clock::default().now().plus(Duration::from_hours(1)),
        epoch: EPOCH,
    });
    let vocabulary = Vocabulary {
        edition: Edition::Enterprise,
        items: HashMap::new(),
        item_facts: HashMap::new(),
        first_channel: None,
        first_locale: None,
        attributes: HashMap::new(),
        grid_views: HashMap::new(),
        groups: vec![GroupId(1)],
    };
    let read = ReadAsOf {
        as_of: as_of(4),
        tenant: Some((TenantId(1), Revision(1))),
        found: Some(vocabulary),
    };
    assert!(core.insert_vocabulary(&code("acme"), read));
    let group = GroupFacts {
        code: code("buyers"),
        private: false,
        rights: HashMap::new(),
        highest_channel: Level::Hidden,
        highest_locale: Level::Hidden,
    };
    assert!(core.insert_rights(&code("acme"), GroupId(1), &as_of(4), Some(group)));
    let editor = RoleFacts {
        code: code("editor"),
        permissions: PermissionSet::default(),
    };
    assert!(core.insert(role_key(1), &as_of(4), Fact::Role(Arc::new(editor))));
    for name in ["julia", "mary"] {
        let facts = SubjectFacts {
            code: code(name),
            enabled: true,
            groups: vec![GroupId(1)],
            roles: vec![RoleId(1)],
            scopes: ScopeSet::default(),
        };
        let subject = Some(CachedSubject::of(Arc::new(facts)));
        assert!(core.insert(key(name), &as_of(4), Fact::Subject(subject)));
    }
    assert!(core.insert(key("robert"), &as_of(4), Fact::Subject(None)));
    core
}

#[test]
fn rule_6_1_lent_facts_count_until_one_of_them_is_announced() {
    let cases = [
        (key("julia"), false),
        (key("mary"), false),
        (key("robert"), false),
        (rights_key(), false),
        (role_key(1), false),
        (vocabulary_key(), false),
        (FactKey::Everything, false),
        (key("peter"), true),
        (role_key(2), true),
        (FactKey::Nothing(code("acme")), true),
        (FactKey::Rights(code("acme"), GroupId(2)), true),
    ];
    for (announced, remain) in cases {
        let core = core();
        let asked = ["julia", "mary", "robert", "julia"].map(question);
        let lent = lend(&core, &code("acme"), asked.iter()).unwrap();
        for question in &asked {
            let facts = lent.of(question);
            let stored = facts.subject(question.subject());
            let expected = Some(&question.subject().code).filter(|code| code.as_str() != "robert");
            assert_eq!(stored.map(|facts| &facts.code), expected);
            assert_eq!(facts.role(RoleId(1)).is_some(), expected.is_some());
            assert_eq!(facts.groups().len(), usize::from(expected.is_some()));
        }
        assert_eq!(lent.confirm(&core, asked.iter()), Ok(()));
        core.watermarks.raise(&announced, 5);
        let confirmed = lent.confirm(&core, asked.iter());
        assert_eq!(confirmed.is_ok(), remain, "{announced}");
        let lent_again = lend(&core, &code("acme"), asked.iter()).is_some();
        assert_eq!(lent_again, remain, "{announced}");
    }
}

#[test]
fn facts_are_lent_only_for_questions_whose_facts_are_cached() {
    let core = core();
    let asked = ["julia", "peter"].map(question);
    assert!(lend(&core, &code("acme"), asked.iter()).is_none());
    assert!(lend(&core, &code("other"), asked.iter().take(1)).is_none());
    assert!(lend(&core, &code("acme"), asked.iter().take(0)).is_none());
    let lent = lend(&core, &code("acme"), asked.iter().take(1)).unwrap();
    assert_eq!(lent.confirm(&core, asked.iter().take(1)), Ok(()));
    // A decision on facts that were not lent does not count.
    let facts = lent.of(&asked[1]);
    assert!(facts.subject(asked[1].subject()).is_none());
    let confirmed = lent.confirm(&core, asked.iter());
    assert_eq!(confirmed, Err(Unconfirmed::Stale));
}

#[test]
fn facts_of_a_question_that_must_yield_are_not_lent() {
    let core = core();
    let categories = |count: usize| {
        let codes = (0..count).map(|number| code(&format!("category_{number}")));
        Resource {
            kind: ResourceType::Product,
            id: None,
            description: Description {
                categories: Some(codes.collect()),
                parent: None,
            },
        }
    };
    let view = Action::find("view").unwrap();
    for (count, is_lent) in [(LENT_AT_MOST, true), (LENT_AT_MOST + 1, false)] {
        let described = Some(categories(count));
        let question = Question::new(user("julia"), view, described, Context::default()).unwrap();
        let lent = lend(&core, &code("acme"), [&question].into_iter());
        assert_eq!(lent.is_some(), is_lent, "{count}");
    }
}
