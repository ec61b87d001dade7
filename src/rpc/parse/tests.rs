use super::*;

fn parse_check(change: impl FnOnce(&mut pb::CheckRequest)) -> Result<Question, InvalidField> {
    let mut request = pb::CheckRequest {
        subject: Some(pb::Subject {
            r#type: "user".into(),
            id: "julia".into(),
        }),
        action: "view".into(),
        resource: Some(pb::Resource {
            r#type: "product".into(),
            id: "hat".into(),
            ..Default::default()
        }),
        ..Default::default()
    };
    change(&mut request);
    question(
        request.subject,
        &request.action,
        request.resource,
        request.context,
    )
}

fn resource_of(request: &mut pb::CheckRequest) -> &mut pb::Resource {
    request.resource.as_mut().unwrap()
}

fn context_of(request: &mut pb::CheckRequest) -> &mut pb::Context {
    request.context.get_or_insert_default()
}

#[test]
fn invalid_fields_are_reported_by_path() {
    type Change = fn(&mut pb::CheckRequest);
    let cases: [(&str, Change); 19] = [
        ("subject", |r| r.subject = None),
        ("subject.type", |r| {
            r.subject.as_mut().unwrap().r#type = "robot".into();
        }),
        ("subject.type", |r| {
            r.subject.as_mut().unwrap().r#type = "User".into();
        }),
        ("subject.id", |r| r.subject.as_mut().unwrap().id.clear()),
        ("subject.id", |r| {
            r.subject.as_mut().unwrap().id = "x".repeat(256);
        }),
        ("action", |r| r.action.clear()),
        ("action", |r| r.action = "fly".into()),
        ("action", |r| r.action = "launch".repeat(100_000)),
        ("action", |r| {
            resource_of(r).r#type = "import_profile".into();
        }),
        ("action", |r| r.resource = None),
        ("resource.type", |r| resource_of(r).r#type.clear()),
        ("resource.type", |r| resource_of(r).r#type = "hat".into()),
        ("resource.id", |r| resource_of(r).id.clear()),
        ("resource.id", |r| resource_of(r).id = "a\nb".into()),
        ("resource.parent", |r| {
            resource_of(r).parent = Some("\u{0}".into());
        }),
        ("resource.categories.codes[1]", |r| {
            let codes = vec!["audio".into(), String::new()];
            resource_of(r).categories = Some(pb::CategoryList { codes });
        }),
        ("resource.categories.codes", |r| {
            let codes = vec!["audio".into(); 10_001];
            resource_of(r).categories = Some(pb::CategoryList { codes });
        }),
        ("context.locale", |r| {
            context_of(r).locale = "x".repeat(256);
        }),
        ("context.attribute", |r| {
            resource_of(r).r#type = "category".into();
            context_of(r).attribute = "name".into();
        }),
    ];
    for (path, change) in cases {
        let invalid = parse_check(change).unwrap_err();
        assert_eq!(invalid.path, path, "{invalid}");
        assert!(invalid.message.len() < 600, "{invalid}");
    }
}

#[test]
fn rule_7_1_present_and_empty_is_not_absent() {
    let described = parse_check(|request| {
        let resource = resource_of(request);
        resource.id.clear();
        resource.categories = Some(pb::CategoryList::default());
        resource.parent = Some(String::new());
    });
    let question = described.unwrap();
    let resource = question.resource().unwrap();
    assert_eq!(resource.id, None);
    assert_eq!(
        resource.description,
        Description {
            categories: Some([].into()),
            parent: Some(Parent::Absent)
        }
    );
}

#[test]
fn empty_tenant_means_the_default_tenant() {
    let default: Code = "default".parse().unwrap();
    assert_eq!(tenant("", &default).unwrap(), default);
    assert_eq!(tenant("acme", &default).unwrap().as_str(), "acme");
    assert_eq!(tenant("\t", &default).unwrap_err().path, "tenant");
}
