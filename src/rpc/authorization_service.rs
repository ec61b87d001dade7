use std::{iter, pin::Pin};

use futures_util::Stream;
use tonic::{Request, Response, Status};

use crate::{
    cache::{Cache, LentFacts, with_current_facts, with_lent_facts},
    domain::{Code, Decision, Facts, FactsNeeded, GroupsNeeded, Question, Revision},
    engine,
    listing::{self, YieldingDecider},
    pb::{self, authorization_service_server::AuthorizationService, check_result::Outcome},
    store::Store,
    telemetry::DecisionRecorder,
};

use super::{
    allowed_stream::StreamLimits,
    budget::{self, Weight},
    caller_identity::CallerIdentity,
    failure::{Failure, InvalidField},
    lists::Lists,
    page_token::PageTokens,
    parse,
    parse_batch::{self, Batch, BatchItem},
    render, render_explanation,
};

/// Answers questions from the cache, or with one database statement per call.
/// Every response is true at one instant between the request and the response.
#[derive(Clone, Debug)]
pub struct AuthorizationApi {
    cache: Cache,
    default_tenant: Code,
    lists: Lists,
    given: DecisionRecorder,
}

impl AuthorizationApi {
    /// Answers from `cache`, and lists from `store` in pages sealed by `tokens`.
    /// Calls that name no tenant use `default_tenant`. Returned decisions are
    /// recorded in `given`.
    #[must_use]
    pub fn new(
        cache: Cache,
        store: Store,
        tokens: PageTokens,
        default_tenant: Code,
        given: DecisionRecorder,
    ) -> Self {
        Self {
            lists: Lists {
                cache: cache.clone(),
                store,
                tokens,
                default_tenant: default_tenant.clone(),
            },
            cache,
            default_tenant,
            given,
        }
    }

    async fn answer_check(
        &self,
        calling: &CallerIdentity,
        message: pb::CheckRequest,
    ) -> Result<pb::CheckResponse, Failure> {
        let pb::CheckRequest {
            tenant,
            subject,
            action,
            resource,
            context,
            minimum_revision,
        } = message;
        let tenant = parse::tenant(&tenant, &self.default_tenant)?;
        let question = parse::question(subject, &action, resource, context)?;
        calling.check_tenant(&tenant)?;
        let minimum = Revision(minimum_revision);
        let asked = || iter::once(&question);
        let mut decided = with_lent_facts!(self.cache, &tenant, asked(), minimum, |facts| {
            engine::decide(&question, &facts.of(&question))
        });
        if decided.is_none() {
            decided = Box::pin(self.collect_and_decide(&tenant, &question, minimum)).await?;
        }
        let (decision, revision) = decided.ok_or(Failure::TenantNotFound(tenant.clone()))?;
        self.given.note(&tenant, &question, &decision, revision);
        Ok(render::check_response(decision, revision))
    }

    /// Decides one question from facts that are collected first. `None`: the tenant does
    /// not exist.
    async fn collect_and_decide(
        &self,
        tenant: &Code,
        question: &Question,
        minimum: Revision,
    ) -> Result<Option<(Decision, Revision)>, Failure> {
        let needed = engine::needs([question]);
        let decided = with_current_facts!(self.cache, tenant, &needed, minimum, |facts| {
            let decision = YieldingDecider::default().decide(question, facts).await;
            (decision, facts.revision)
        });
        Ok(decided)
    }

    async fn answer_batch(
        &self,
        calling: &CallerIdentity,
        message: pb::BatchCheckRequest,
    ) -> Result<pb::BatchCheckResponse, Failure> {
        let Batch {
            tenant,
            items,
            minimum_revision,
            mode,
        } = parse_batch::batch(message, &self.default_tenant)?;
        calling.check_tenant(&tenant)?;
        let questions = || items.iter().filter_map(|item| item.question.as_ref().ok());
        let minimum = minimum_revision;
        let mut decided = with_lent_facts!(self.cache, &tenant, questions(), minimum, |facts| {
            decide_batch(&items, mode, SharedFacts::Lent(&facts)).await
        });
        if decided.is_none() {
            let needed = engine::needs(questions());
            decided = with_current_facts!(self.cache, &tenant, &needed, minimum, |facts| {
                let collected = SharedFacts::Collected(facts);
                (decide_batch(&items, mode, collected).await, facts.revision)
            });
        }
        let (decisions, revision) = decided.ok_or(Failure::TenantNotFound(tenant.clone()))?;
        // A batch that stopped early has fewer decisions than items.
        let results = items.into_iter().zip(decisions).map(|(item, decision)| {
            let decided = item.question.map(|question| (question, decision));
            let outcome = match decided {
                Ok((question, Some(decision))) => {
                    self.given.note(&tenant, &question, &decision, revision);
                    Some(Outcome::Decision(render::decision(decision)))
                }
                Ok((_, None)) => None,
                Err(invalid) => Some(Outcome::Error(super::status::item_status(invalid))),
            };
            pb::CheckResult {
                correlation_id: item.correlation_id,
                outcome,
            }
        });
        Ok(pb::BatchCheckResponse {
            results: results.collect(),
            revision: revision.0,
        })
    }

    async fn answer_list_actions(
        &self,
        calling: &CallerIdentity,
        message: pb::ListActionsRequest,
    ) -> Result<pb::ListActionsResponse, Failure> {
        let pb::ListActionsRequest {
            tenant,
            subject,
            resource,
            context,
            minimum_revision,
        } = message;
        let tenant = parse::tenant(&tenant, &self.default_tenant)?;
        let subject = parse::required_subject(subject)?;
        let resource = resource.map(parse::resource).transpose()?;
        let context = parse::context(context)?;
        let questions = Question::every_action(&subject, resource.as_ref(), &context)
            .map_err(InvalidField::from)?;
        calling.check_tenant(&tenant)?;
        let minimum = Revision(minimum_revision);
        let asked = || questions.iter();
        let mut allowed = with_lent_facts!(self.cache, &tenant, asked(), minimum, |facts| {
            allowed_actions(&questions, SharedFacts::Lent(&facts)).await
        });
        if allowed.is_none() {
            let needed = engine::needs(&questions);
            allowed = with_current_facts!(self.cache, &tenant, &needed, minimum, |facts| {
                let collected = SharedFacts::Collected(facts);
                (allowed_actions(&questions, collected).await, facts.revision)
            });
        }
        let (actions, revision) = allowed.ok_or(Failure::TenantNotFound(tenant))?;
        Ok(pb::ListActionsResponse {
            actions,
            revision: revision.0,
        })
    }

    async fn answer_explain(
        &self,
        calling: &CallerIdentity,
        message: pb::ExplainRequest,
    ) -> Result<pb::ExplainResponse, Failure> {
        let pb::ExplainRequest {
            tenant,
            subject,
            action,
            resource,
            context,
            minimum_revision,
        } = message;
        let tenant = parse::tenant(&tenant, &self.default_tenant)?;
        let question = parse::question(subject, &action, resource, context)?;
        calling.check_tenant(&tenant)?;
        let needed = FactsNeeded {
            groups: GroupsNeeded::All,
            ..engine::needs([&question])
        };
        let minimum = Revision(minimum_revision);
        let answer = with_current_facts!(self.cache, &tenant, &needed, minimum, |facts| {
            let explanation = listing::explain(&question, facts).await;
            render_explanation::explain_response(explanation, question.subject(), facts)
        });
        answer.ok_or(Failure::TenantNotFound(tenant))
    }
}

/// The facts that the questions of a call share.
#[derive(Clone, Copy, Debug)]
enum SharedFacts<'f> {
    Lent(&'f LentFacts<'f>),
    Collected(&'f Facts),
}

impl SharedFacts<'_> {
    async fn decide(self, question: &Question, decider: &mut YieldingDecider) -> Decision {
        match self {
            Self::Lent(facts) => decider.decide_at_once(question, &facts.of(question)).await,
            Self::Collected(facts) => decider.decide(question, facts).await,
        }
    }
}

/// Decides the items of a batch until its mode stops it; `None`: the item is not
/// a valid question.
async fn decide_batch(
    items: &[BatchItem],
    mode: pb::BatchMode,
    facts: SharedFacts<'_>,
) -> Vec<Option<Decision>> {
    let mut decisions = Vec::with_capacity(items.len());
    let mut decider = YieldingDecider::default();
    for item in items {
        let decision = match &item.question {
            Ok(question) => Some(facts.decide(question, &mut decider).await),
            Err(_) => None,
        };
        let stops = decision
            .as_ref()
            .is_some_and(|decision| stops(mode, decision));
        decisions.push(decision);
        if stops {
            break;
        }
    }
    decisions
}

async fn allowed_actions(questions: &[Question], facts: SharedFacts<'_>) -> Vec<pb::AllowedAction> {
    let mut allowed = Vec::new();
    let mut decider = YieldingDecider::default();
    for question in questions {
        let decision = facts.decide(question, &mut decider).await;
        if decision.is_allowed() {
            let action = question.action();
            allowed.push(render::allowed_action(action.as_str(), decision.edit_mode));
        }
    }
    allowed
}

fn stops(mode: pb::BatchMode, decision: &Decision) -> bool {
    match mode {
        pb::BatchMode::Unspecified => false,
        pb::BatchMode::StopAtDenial => !decision.is_allowed(),
        pb::BatchMode::StopAtAllow => decision.is_allowed(),
    }
}

/// Implements the service: one line per unary call that is weighed by its size,
/// then the other calls.
macro_rules! service {
    ({ $($call:ident($request:ident) -> $response:ident by $($answer:ident).+;)+ } $($others:tt)*) => {
        #[tonic::async_trait]
        impl AuthorizationService for AuthorizationApi {
            $(
                async fn $call(
                    &self,
                    request: Request<pb::$request>,
                ) -> Result<Response<pb::$response>, Status> {
                    budget::weigh(&request)?;
                    let calling = CallerIdentity::of(request.extensions());
                    let answer = self.$($answer).+(&calling, request.into_inner()).await?;
                    Ok(Response::new(answer))
                }
            )+
            $($others)*
        }
    };
}

service! {
    {
        list_allowed(ListAllowedRequest) -> ListAllowedResponse by lists.allowed;
        list_subjects(ListSubjectsRequest) -> ListSubjectsResponse by lists.subjects;
        get_access_filter(GetAccessFilterRequest) -> GetAccessFilterResponse by lists.access_filter;
        list_actions(ListActionsRequest) -> ListActionsResponse by answer_list_actions;
        explain(ExplainRequest) -> ExplainResponse by answer_explain;
    }

    async fn check(
        &self,
        request: Request<pb::CheckRequest>,
    ) -> Result<Response<pb::CheckResponse>, Status> {
        let calling = CallerIdentity::of(request.extensions());
        let answer = self.answer_check(&calling, request.into_inner()).await?;
        Ok(Response::new(answer))
    }

    async fn batch_check(
        &self,
        request: Request<pb::BatchCheckRequest>,
    ) -> Result<Response<pb::BatchCheckResponse>, Status> {
        let calling = CallerIdentity::of(request.extensions());
        if let Some(weight) = Weight::of(request.extensions()) {
            let message = request.get_ref();
            let tenant =
                parse::tenant(&message.tenant, &self.default_tenant).map_err(Failure::from)?;
            calling.check_tenant(&tenant)?;
            weight.set(parse_batch::weight(message), Some(&tenant))?;
        }
        let answer = self.answer_batch(&calling, request.into_inner()).await?;
        Ok(Response::new(answer))
    }

    type StreamAllowedStream =
        Pin<Box<dyn Stream<Item = Result<pb::StreamAllowedResponse, Status>> + Send>>;

    async fn stream_allowed(
        &self,
        request: Request<pb::StreamAllowedRequest>,
    ) -> Result<Response<Self::StreamAllowedStream>, Status> {
        budget::weigh(&request)?;
        let limits = StreamLimits::of(request.extensions());
        let stream = self.lists.stream(request.into_inner(), limits).await?;
        Ok(Response::new(Box::pin(stream.messages())))
    }
}
