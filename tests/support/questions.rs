//! Questions and answers in a short form for tables of test cases.

use pim_authz::{
    domain::{
        Action, Code, Context, Decision, Description, Explanation, Facts, GroupsNeeded, Parent,
        Question, Reason, Resource, SubjectKind, SubjectRef,
    },
    engine,
};

use super::world::{World, code};

/// Builder of a question.
#[derive(Clone, Debug)]
pub(crate) struct QuestionBuilder {
    subject: SubjectRef,
    action: Action,
    resource: Option<Resource>,
    context: Context,
}

/// Parses a subject: `user:julia`.
pub(crate) fn subject(text: &str) -> SubjectRef {
    let (kind, id) = text.split_once(':').unwrap();
    SubjectRef {
        kind: kind.parse::<SubjectKind>().unwrap(),
        code: code(id),
    }
}

/// Builds the question whether `user:julia` may `edit` `product:hat`. A resource
/// without an id is `product:`, no resource at all is the empty string.
pub(crate) fn question(subject_text: &str, action: &str, resource: &str) -> QuestionBuilder {
    let resource = resource.split_once(':').map(|(kind, id)| Resource {
        kind: kind.parse().unwrap(),
        id: (!id.is_empty()).then(|| code(id)),
        description: Description::default(),
    });
    QuestionBuilder {
        subject: subject(subject_text),
        action: Action::find(action).unwrap(),
        resource,
        context: Context::default(),
    }
}

impl QuestionBuilder {
    pub(crate) fn channel(mut self, text: &str) -> Self {
        self.context.channel = Some(code(text));
        self
    }

    pub(crate) fn locale(mut self, text: &str) -> Self {
        self.context.locale = Some(code(text));
        self
    }

    pub(crate) fn attribute(mut self, text: &str) -> Self {
        self.context.attribute = Some(code(text));
        self
    }

    pub(crate) fn attribute_group(mut self, text: &str) -> Self {
        self.context.attribute_group = Some(code(text));
        self
    }

    fn described(mut self, describe: impl FnOnce(&mut Description)) -> Self {
        describe(&mut self.resource.as_mut().unwrap().description);
        self
    }

    /// Sets the categories given in the question (rules 7.1).
    pub(crate) fn in_categories(self, texts: &[&str]) -> Self {
        let codes: std::sync::Arc<[Code]> = texts.iter().map(|text| code(text)).collect();
        self.described(|description| description.categories = Some(codes))
    }

    /// Sets the parent given in the question (rules 7.1).
    pub(crate) fn under(self, text: &str) -> Self {
        let parent = Parent::Code(code(text));
        self.described(|description| description.parent = Some(parent))
    }

    /// Sets a parent that is present and empty (rules 7.1).
    pub(crate) fn without_parent(self) -> Self {
        self.described(|description| description.parent = Some(Parent::Absent))
    }

    pub(crate) fn build(self) -> Question {
        Question::new(self.subject, self.action, self.resource, self.context).unwrap()
    }
}

impl World {
    /// Returns the engine's decision, made from only the facts that it declares
    /// to need.
    pub(crate) fn decide(&self, question: &Question) -> Decision {
        engine::decide(question, &self.facts(&engine::needs([question])))
    }

    /// Returns the facts that an explanation needs.
    pub(crate) fn facts_to_explain(&self, question: &Question) -> Facts {
        let mut needed = engine::needs([question]);
        needed.groups = GroupsNeeded::All;
        self.facts(&needed)
    }

    /// Returns the engine's explanation of its decision.
    pub(crate) fn explain(&self, question: &Question) -> Explanation {
        engine::explain(question, &self.facts_to_explain(question))
    }

    /// Returns the engine's decision in words. Panics if the reference decides
    /// differently.
    #[track_caller]
    pub(crate) fn answer(&self, builder: QuestionBuilder) -> String {
        let question = builder.build();
        let decision = self.decide(&question);
        let expected = super::reference::decide(self, &question);
        assert_eq!(decision, expected, "the reference differs: {question:?}");
        decision_text(&decision)
    }
}

/// Decides each question and compares the whole answer.
#[track_caller]
pub(crate) fn assert_answers<const N: usize>(world: &World, cases: [(QuestionBuilder, &str); N]) {
    for (builder, expected) in cases {
        assert_eq!(world.answer(builder.clone()), expected, "{builder:?}");
    }
}

/// Renders a decision in a few words: `denied at view: category audio needs edit,
/// has view`.
pub(crate) fn decision_text(decision: &Decision) -> String {
    let verdict = if decision.is_allowed() {
        "allowed"
    } else {
        "denied"
    };
    let parts = [
        decision.level.map(|level| format!(" at {level}")),
        decision.edit_mode.map(|mode| format!(", {mode}")),
        decision.denial.as_ref().map(reason_text),
    ];
    let parts: String = parts.into_iter().flatten().collect();
    format!("{verdict}{parts}")
}

fn reason_text(reason: &Reason) -> String {
    let code = reason.code.to_string();
    let kind = reason.item.as_ref().map(|item| item.kind.to_string());
    let item = reason.item.as_ref().map(|item| match &item.code {
        Some(code) => code.to_string(),
        None => "(any)".to_owned(),
    });
    let levels = reason.needed.zip(reason.held);
    let words = [
        kind.filter(|kind| *kind != code),
        item,
        reason.permission.map(str::to_owned),
        levels.map(|(needed, held)| format!("needs {needed}, has {held}")),
    ];
    let words = std::iter::once(code).chain(words.into_iter().flatten());
    format!(": {}", words.collect::<Vec<_>>().join(" "))
}
