//! One tenant, changed both in the service and in the model, and compared.

use pim_authz::{
    domain::Edition,
    pb::{self, AppStep},
};
use tonic::{Status, transport::Channel};
use tonic_types::StatusExt as _;

use super::{
    administered::{Administered, Faults, code_of},
    calls::{Answer, Call},
    file_rows::FileRows,
    listed::{self, Of},
    random_call,
    snapshot::Snapshot,
};
use crate::{
    harness::{File, TestServer, header, import, parts, refusal, words},
    support::{Entropy, World},
};

/// A tenant of the service, and its model.
pub(super) struct Tenant {
    pub(super) channel: Channel,
    pub(super) code: String,
    pub(super) model: Administered,
    pub(super) revision: u64,
    /// Counts the subjects and products that a dry run affects; `None` if that
    /// is not compared.
    pub(super) counts_affected: Option<fn(&World, &World) -> [u64; 2]>,
    keys: u32,
}

impl Tenant {
    /// Creates the tenant in the service and in the model.
    pub(super) async fn create(server: &TestServer, code: &str, edition: Edition) -> Self {
        let channel = server.channel().await;
        let call = Call::CreateTenant(pb::CreateTenantRequest {
            edition: words::edition(edition).into(),
            ..Default::default()
        });
        let answer = call.of(code).send(&channel).await.unwrap();
        assert_eq!(answer.revision, 1, "{answer:?}");
        Self {
            channel,
            code: code.to_owned(),
            model: Administered::new(edition),
            revision: 1,
            counts_affected: None,
            keys: 0,
        }
    }

    /// Sends a write and compares its result with the model; returns the answer
    /// if the write succeeded.
    pub(super) async fn perform(&mut self, call: Call) -> Option<Answer> {
        let mut call = call.of(&self.code);
        let mut expected = self.model.after(&call);
        if call
            .expected()
            .is_some_and(|expected_revision| expected_revision != self.revision)
        {
            let mut faults = expected.err().unwrap_or_default();
            faults.add("REVISION_CHANGED");
            expected = Err(faults);
        }
        let is_dry = *call.envelope().dry_run;
        match (call.send(&self.channel).await, expected) {
            (Ok(answer), Ok(next)) => {
                self.compare_effect(&call, &answer, &next, is_dry);
                if !is_dry {
                    let before = std::mem::replace(&mut self.model, next);
                    self.revision = answer.revision;
                    self.compare_steps(&before, &call, &answer);
                }
                Some(answer)
            }
            (Err(status), Err(faults)) => {
                assert_refused(&status, &faults, &call);
                self.assert_next_step(&status, &call);
                None
            }
            (Ok(answer), Err(faults)) => {
                let before = self.model.snapshot().beyond(&Snapshot::default());
                panic!("{faults:?} expected, but done: {answer:?}\n{call:#?}\nto {before:#?}")
            }
            (Err(status), Ok(next)) => {
                let (before, after) = (self.model.snapshot(), next.snapshot());
                let (gone, new) = (before.beyond(&after), after.beyond(&before));
                panic!("refused: {status:?}\nfrom {gone:#?}\nto {new:#?}\n{call:#?}")
            }
        }
    }

    /// Checks that the refusal of a step out of order names the next step
    /// (rules 5.1).
    fn assert_next_step(&self, status: &Status, call: &Call) {
        let Some(request) = call.request_id() else {
            return;
        };
        let info = status.get_details_error_info().unwrap();
        if info.reason == "STEP_OUT_OF_ORDER" {
            let next = match self.model.steps_of(request)[0] {
                AppStep::Authorize => "AuthorizeScopes",
                AppStep::Permissions => "SetPermissions",
                AppStep::Unspecified | AppStep::Confirm => "ConfirmConnection",
            };
            assert_eq!(info.metadata["next_step"], next, "{call:#?}");
        }
    }

    /// Imports files, compares the result, and imports them once more, which
    /// must change nothing.
    pub(super) async fn import(&mut self, files: &[FileRows], dry_run: bool) {
        let before = self.revision;
        self.import_once(files, dry_run).await;
        if self.revision == before {
            return;
        }
        let header = header(&self.code, pb::Edition::Unspecified);
        let content: Vec<File> = files.iter().map(FileRows::file).collect();
        let again = import(self.channel.clone(), parts(header, &content)).await;
        let again = again.summary.unwrap();
        let effect = again.effect.unwrap();
        let counts = [effect.created, effect.changed, effect.removed];
        assert_eq!(
            (counts, again.revision),
            ([0, 0, 0], self.revision),
            "{files:#?}"
        );
    }

    /// Imports files and compares the result.
    pub(super) async fn import_once(&mut self, files: &[FileRows], dry_run: bool) {
        let expected = self.model.after_import(files);
        let mut header = header(&self.code, pb::Edition::Unspecified);
        header.dry_run = dry_run;
        let content: Vec<File> = files.iter().map(FileRows::file).collect();
        let outcome = import(self.channel.clone(), parts(header, &content)).await;
        let next = match (outcome.ended, expected) {
            (Ok(()), Ok(next)) => next,
            (Err(status), Err(faults)) => {
                let (code, reason, _) = refusal(&status);
                let summary = outcome.summary;
                assert!(faults.accept(&reason), "{status:?} {files:#?} {summary:#?}");
                assert_eq!(code, code_of(&reason), "{status:?}");
                return;
            }
            (Ok(()), Err(faults)) => panic!("{faults:?} expected: {files:#?}"),
            (Err(status), Ok(_)) => panic!("{status:?} {:#?}: {files:#?}", outcome.summary),
        };
        let summary = outcome.summary.unwrap();
        let effect = summary.effect.unwrap();
        let (before, after) = (self.model.snapshot(), next.snapshot());
        let expected = Snapshot::effect(&before, &after);
        let counts = [effect.created, effect.changed, effect.removed];
        let (gone, new) = (before.beyond(&after), after.beyond(&before));
        assert_eq!(counts, expected, "{gone:#?} {new:#?} {files:#?}");
        let is_new = !dry_run && expected != [0, 0, 0];
        assert_eq!(summary.revision, self.revision + u64::from(is_new));
        if dry_run {
            return;
        }
        self.model = next;
        self.revision = summary.revision;
    }

    fn compare_effect(&self, call: &Call, answer: &Answer, next: &Administered, is_dry: bool) {
        let (before, after) = (self.model.snapshot(), next.snapshot());
        let expected = Snapshot::effect(&before, &after);
        let effect = &answer.effect;
        let counts = [effect.created, effect.changed, effect.removed];
        assert_eq!(
            counts,
            expected,
            "created, changed, removed\nbefore: {:#?}\nafter: {:#?}\n{call:#?}",
            before.beyond(&after),
            after.beyond(&before)
        );
        let counted = [effect.subjects_affected, effect.products_affected];
        let affected = match (is_dry, self.counts_affected) {
            (false, _) => [0, 0],
            (true, Some(count)) => count(&self.model.world, &next.world),
            (true, None) => counted,
        };
        assert_eq!(
            counted,
            affected,
            "subjects and products affected: {:?}\nbefore: {:#?}\nafter: {:#?}\n{call:#?}",
            effect.sample,
            before.beyond(&after),
            after.beyond(&before)
        );
        // A step that continues a request is a write, but changes no stored
        // entity.
        let is_step = call.is_step() && answer.revision > self.revision;
        let is_new = !is_dry && (expected != [0, 0, 0] || is_step);
        let revision = self.revision + u64::from(is_new);
        assert_eq!(answer.revision, revision, "{call:#?}");
    }

    fn compare_steps(&mut self, before: &Administered, call: &Call, answer: &Answer) {
        match call {
            Call::StartConnection(request) => {
                let mut sorted = answer.clone();
                sorted.granted.sort();
                sorted.ungranted.sort();
                let expected = Answer {
                    revision: answer.revision,
                    effect: answer.effect.clone(),
                    ..before.start_answer(request, &answer.request_id)
                };
                assert_eq!(sorted, expected, "{call:#?}");
                self.model.started(before, request, answer);
            }
            Call::AuthorizeScopes(pb::AuthorizeScopesRequest { request_id, .. })
            | Call::SetPermissions(pb::SetPermissionsRequest { request_id, .. })
            | Call::ConfirmConnection(pb::ConfirmConnectionRequest { request_id, .. })
            | Call::CancelConnection(pb::CancelConnectionRequest { request_id, .. }) => {
                assert_eq!(answer.steps, self.model.steps_of(request_id), "{call:#?}");
            }
            _ => {}
        }
    }

    /// A key that no other write used.
    fn next_key(&mut self) -> String {
        self.keys += 1;
        format!("key {}", self.keys)
    }

    /// As [`Tenant::perform`], with a key; then repeats the same call, and
    /// sends another request with that key, also as a rehearsal.
    pub(super) async fn perform_with_key(&mut self, call: Call) {
        let key = self.next_key();
        let call = call.of(&self.code).keyed(&key);
        let before = self.revision;
        let Some(answer) = self.perform(call.clone()).await else {
            return;
        };
        if answer.revision == before {
            return; // the answer of a write that changes nothing is not stored
        }
        let again = call.send(&self.channel).await.unwrap();
        assert_eq!(again, answer, "{call:#?}");
        let other = Call::PutLocales(pb::PutLocalesRequest {
            locales: vec![pb::Locale {
                code: "it_IT".into(),
            }],
            ..Default::default()
        });
        let other = other.of(&self.code).keyed(&key);
        let refused = other.send(&self.channel).await.unwrap_err();
        let (code, reason, _) = refusal(&refused);
        let expected = (tonic::Code::AlreadyExists, "IDEMPOTENCY_KEY_REUSED".into());
        assert_eq!((code, reason), expected, "{refused:?}");
        self.perform(other.rehearsed()).await;
    }

    /// Connects an app with random steps, some of them wrong; leaves no request
    /// open.
    pub(super) async fn connect_an_app(&mut self, entropy: &mut Entropy) {
        if entropy.chance(30) {
            for call in random_call::withheld_channel(entropy) {
                self.perform(call).await;
            }
        }
        if entropy.chance(30) {
            let call = random_call::of_an_app(&self.model, entropy);
            self.perform(call).await;
        }
        let start = random_call::start(&self.model, entropy);
        let actor = start.actor.clone();
        let Some(answer) = self.perform(Call::StartConnection(start)).await else {
            return;
        };
        let id = answer.request_id;
        for _ in 0..10 {
            if self.model.steps_of(&id).is_empty() {
                break;
            }
            if entropy.chance(25) {
                self.perform(random_call::edition(entropy)).await;
            }
            let call = random_call::step(&self.model, &id, &actor, entropy);
            self.perform(call).await;
        }
        if !id.is_empty() {
            self.perform(random_call::cancel(&id, &actor)).await;
        }
    }

    /// Compares the lists with the model.
    pub(super) async fn compare_lists(&self, page_size: i32) {
        let of = Of {
            tenant: &self.code,
            revision: self.revision,
            page_size,
        };
        let listed = listed::snapshot(&self.channel, &of).await;
        assert_same("the lists", &listed, &self.model.snapshot().listed());
    }
}

/// Checks that two snapshots are equal; on failure, prints the differences line
/// by line.
#[track_caller]
pub(super) fn assert_same(what: &str, actual: &Snapshot, expected: &Snapshot) {
    let (more, less) = (actual.beyond(expected), expected.beyond(actual));
    assert!(
        more.is_empty() && less.is_empty(),
        "{what}: unexpected {more:#?}\nmissing {less:#?}"
    );
}

#[track_caller]
fn assert_refused(status: &Status, faults: &Faults, call: &Call) {
    let (code, reason, _) = refusal(status);
    assert!(
        faults.accept(&reason),
        "{faults:?} expected: {status:?}\n{call:#?}"
    );
    assert_eq!(code, code_of(&reason), "{status:?}\n{call:#?}");
}
