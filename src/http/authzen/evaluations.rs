//! Several questions in one request.

use prost::Message as _;
use serde::{Deserialize, Serialize};
use tonic::{Code, Status};

use super::{
    answer::Answer,
    is_unknown_word,
    object::Object,
    question::{Action, Context, Evaluation, Missing, Resource, Subject},
    written,
};
use crate::{
    pb::{self, BatchMode, check_result::Outcome},
    rpc::{Weight, too_many_entries},
};

/// Most questions in a request, as in a batch.
const MOST_QUESTIONS: usize = 100_000;

/// Bytes that a question takes besides its texts.
const ITEM_BYTES: usize = 512;

/// A request of several questions, or of one.
#[derive(Debug, Deserialize)]
pub(super) struct Evaluations {
    subject: Option<Object<Subject>>,
    action: Option<Object<Action>>,
    resource: Option<Object<Resource>>,
    context: Option<Object<Context>>,
    #[serde(rename = "evaluations")]
    several: Option<Vec<Object<Evaluation>>>,
    options: Option<Object<Options>>,
}

#[derive(Debug, Default, Deserialize)]
struct Options {
    #[serde(rename = "evaluations_semantic")]
    semantic: Option<Semantic>,
}

/// Which questions are answered.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum Semantic {
    /// All.
    #[default]
    ExecuteAll,
    /// Up to the first denial or failure.
    DenyOnFirstDeny,
    /// Up to the first permit.
    PermitOnFirstPermit,
}

impl Semantic {
    fn mode(self) -> BatchMode {
        match self {
            Self::ExecuteAll => BatchMode::Unspecified,
            Self::DenyOnFirstDeny => BatchMode::StopAtDenial,
            Self::PermitOnFirstPermit => BatchMode::StopAtAllow,
        }
    }

    /// True if no question after this answer is answered.
    fn is_decided_by(self, decision: bool) -> bool {
        match self {
            Self::ExecuteAll => false,
            Self::DenyOnFirstDeny => !decision,
            Self::PermitOnFirstPermit => decision,
        }
    }
}

/// What is known of several questions when they are answered.
#[derive(Debug)]
pub(in crate::http) struct AskedEvaluations {
    questions: Vec<Question>,
    semantic: Semantic,
    /// The request is one question, whose answer stands alone.
    is_single: bool,
}

/// What is known of one of several questions.
#[derive(Clone, Copy, Debug)]
enum Question {
    /// It is sent in the batch.
    Sent { explain: bool },
    /// It is refused, and not sent.
    Refused(Missing),
}

#[derive(Serialize)]
struct Answers {
    evaluations: Vec<Answer>,
}

impl Evaluations {
    /// Returns the batch that asks the questions. A member that a question does not
    /// have is taken whole from the request.
    ///
    /// # Errors
    ///
    /// `INVALID_ARGUMENT` if a request of one question lacks a member;
    /// `RESOURCE_EXHAUSTED` if the calls in progress take too much memory.
    pub(super) fn request(
        self,
        tenant: String,
        weight: Option<&Weight>,
    ) -> Result<(pb::BatchCheckRequest, AskedEvaluations), Status> {
        let Object(Options { semantic }) = self.options.unwrap_or_default();
        let semantic = semantic.unwrap_or_default();
        let defaults = Evaluation {
            subject: self.subject,
            action: self.action,
            resource: self.resource,
            context: self.context,
        };
        let several = self.several.filter(|several| !several.is_empty());
        let is_single = several.is_none();
        let own = several.unwrap_or_else(|| vec![Object::default()]);
        if own.len() > MOST_QUESTIONS {
            return Err(too_many_entries("evaluations", own.len(), MOST_QUESTIONS));
        }
        let mut questions = Vec::with_capacity(own.len());
        let mut items = Vec::with_capacity(own.len());
        for Object(own) in own {
            let asked = Evaluation {
                subject: own.subject.or_else(|| defaults.subject.clone()),
                action: own.action.or_else(|| defaults.action.clone()),
                resource: own.resource.or_else(|| defaults.resource.clone()),
                context: own.context.or_else(|| defaults.context.clone()),
            };
            let explain = asked.explains();
            match asked.item() {
                Ok(item) => {
                    if let Some(weight) = weight {
                        weight.reserve(item.encoded_len() + ITEM_BYTES)?;
                    }
                    items.push(item);
                    questions.push(Question::Sent { explain });
                }
                Err(missing) if is_single => return Err(missing.status()),
                Err(missing) => questions.push(Question::Refused(missing)),
            }
        }
        let request = pb::BatchCheckRequest {
            tenant,
            items,
            mode: semantic.mode().into(),
            ..Default::default()
        };
        let asked = AskedEvaluations {
            questions,
            semantic,
            is_single,
        };
        Ok((request, asked))
    }
}

impl AskedEvaluations {
    /// Returns the answers, up to the one that decides.
    ///
    /// # Errors
    ///
    /// The refusal of a request of one question.
    pub(super) fn answer(&self, response: pb::BatchCheckResponse) -> Result<Vec<u8>, Status> {
        let revision = response.revision;
        let mut results = response.results.into_iter();
        let mut evaluations = Vec::with_capacity(self.questions.len());
        for question in &self.questions {
            let answer = match question {
                Question::Refused(missing) => {
                    Answer::of_error(Code::InvalidArgument, missing.status().message())
                }
                Question::Sent { explain } => {
                    // The batch ends with the item that decided.
                    let Some(outcome) = results.next().and_then(|result| result.outcome) else {
                        break;
                    };
                    match outcome {
                        Outcome::Decision(decision) => {
                            Answer::of_decision(decision, explain.then_some(revision))
                        }
                        Outcome::Error(error) => self.refused(&error, *explain)?,
                    }
                }
            };
            let is_last = self.semantic.is_decided_by(answer.decision);
            evaluations.push(answer);
            if is_last {
                break;
            }
        }
        if self.is_single
            && let Some(answer) = evaluations.first()
        {
            return Ok(written(answer));
        }
        Ok(written(&Answers { evaluations }))
    }

    /// Returns the answer to a question that the batch refused.
    fn refused(&self, error: &tonic_types::Status, explain: bool) -> Result<Answer, Status> {
        let status = Status::with_details(
            Code::from(error.code),
            error.message.clone(),
            error.encode_to_vec().into(),
        );
        if !self.is_single {
            // The place in the batch is not that among the questions.
            let message = status.message();
            let message = match message.split_once("].") {
                Some((place, message)) if place.starts_with("items[") => message,
                Some(_) | None => message,
            };
            return Ok(Answer::of_error(status.code(), message));
        }
        if is_unknown_word(&status) {
            return Ok(Answer::of_refusal(&status, explain));
        }
        Err(status)
    }
}
