use super::*;

fn subject(kind: &str, id: &str) -> pb::Subject {
    pb::Subject {
        r#type: kind.into(),
        id: id.into(),
    }
}

fn resource(kind: &str, id: &str) -> pb::Resource {
    pb::Resource {
        r#type: kind.into(),
        id: id.into(),
        ..Default::default()
    }
}

fn parsed(message: pb::BatchCheckRequest) -> Result<Batch, Failure> {
    batch(message, &"default".parse().unwrap())
}

/// Returns a valid batch whose items inherit every field from it.
fn inherited(items: usize) -> pb::BatchCheckRequest {
    pb::BatchCheckRequest {
        subject: Some(subject("user", "julia")),
        action: "view".into(),
        resource: Some(resource("product", "hat")),
        items: vec![pb::CheckItem::default(); items],
        ..Default::default()
    }
}

#[test]
fn items_inherit_whole_fields_from_the_batch() {
    let mut message = inherited(2);
    message.context = Some(pb::Context {
        channel: "print".into(),
        locale: "en_US".into(),
        ..Default::default()
    });
    message.items[1].context = Some(pb::Context {
        locale: "fr_FR".into(),
        ..Default::default()
    });
    let batch = parsed(message).unwrap();
    let contexts: Vec<&Context> = batch
        .items
        .iter()
        .map(|item| item.question.as_ref().unwrap().context())
        .collect();
    assert!(contexts[0].channel.is_some());
    assert_eq!(contexts[1].channel, None, "no deep merge");
}

#[test]
fn invalid_item_fails_alone_with_its_path() {
    let mut message = inherited(5);
    message.items[1].resource = Some(resource("hat", "x"));
    message.items[2].subject = Some(subject("user", ""));
    message.items[3].action = "category.create".into();
    message.items[4].correlation_id = "x".repeat(256);
    let batch = parsed(message).unwrap();
    let paths: Vec<Option<String>> = batch
        .items
        .into_iter()
        .map(|item| item.question.err().map(|invalid| invalid.path))
        .collect();
    let expected = [
        None,
        Some("items[1].resource.type"),
        Some("items[2].subject.id"),
        Some("items[3].action"),
        Some("items[4].correlation_id"),
    ];
    assert_eq!(paths, expected.map(|path| path.map(str::to_owned)));
}

#[test]
fn malformed_defaults_fail_the_call_even_if_unused() {
    type Change = fn(&mut pb::BatchCheckRequest);
    let cases: [(&str, Change); 6] = [
        ("tenant", |b| b.tenant = "\n".into()),
        ("mode", |b| b.mode = 7),
        ("subject.type", |b| b.subject = Some(subject("robot", "r2"))),
        ("action", |b| b.action = "fly".into()),
        ("resource.type", |b| b.resource = Some(resource("", "x"))),
        ("context.locale", |b| {
            b.context.get_or_insert_default().locale = "x".repeat(256);
        }),
    ];
    for (path, change) in cases {
        let mut message = inherited(1);
        message.items[0] = pb::CheckItem {
            subject: Some(subject("user", "mary")),
            action: "edit".into(),
            resource: Some(resource("category", "audio")),
            context: Some(pb::Context::default()),
            ..Default::default()
        };
        change(&mut message);
        match parsed(message) {
            Err(Failure::Invalid(invalid)) => assert_eq!(invalid.path, path),
            other => panic!("{path}: {other:?}"),
        }
    }
}

#[test]
fn incompatible_defaults_do_not_fail_the_call() {
    let mut message = inherited(1);
    message.resource = Some(resource("channel", "print"));
    message.action = "own".into();
    let batch = parsed(message).unwrap();
    let invalid = batch.items[0].question.as_ref().unwrap_err();
    assert_eq!(invalid.path, "items[0].action");
}

#[test]
fn batch_size_limits_are_enforced() {
    assert_eq!(parsed(inherited(MAX_ITEMS)).unwrap().items.len(), MAX_ITEMS);
    let over = parsed(inherited(MAX_ITEMS + 1)).unwrap_err();
    assert!(matches!(
        over,
        Failure::TooManyEntries { field: "items", .. }
    ));

    let mut message = inherited(101);
    let codes = vec!["audio".into(); 10_000];
    message.resource.as_mut().unwrap().categories = Some(pb::CategoryList { codes });
    let over = parsed(message).unwrap_err();
    assert!(matches!(
        over,
        Failure::TooManyEntries {
            found: 1_010_000,
            ..
        }
    ));
}
