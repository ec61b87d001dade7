use std::{collections::BTreeMap, pin::Pin, time::Duration};

use futures_util::Stream;
use prost::Message as _;
use tokio::{
    sync::mpsc,
    task::yield_now,
    time::{Instant, timeout, timeout_at},
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};
use uuid::Uuid;

use crate::{
    admin::{
        AdminError, Answered, ImportOptions, ImportOutcome, Staging, WriteContext,
        WriteCoordinator, entry::ImportFile,
    },
    import::{Batch, EMPTY_FILE, FileRead, Finished, Reader},
    pb::{self, import_catalog_response::Event, import_service_server::ImportService},
};

use super::{
    budget::Weight,
    calling::Calling,
    failure::{Failure, kept_answer},
    gate::Deadline,
    parse_import::{self, Header},
    render_import,
    request_hash::RequestHash,
    status,
};

/// How long a caller may take to send the next message.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// How much of a piece is read before other calls get a turn, in bytes: some
/// milliseconds.
const BYTES_A_TURN: usize = 256 << 10;

/// How many bytes a row that is kept takes besides its cells, as it came and as
/// what it changes: of three million users each had taken 1.7 KB in all.
const ROW_KEPT: usize = 1 << 10;

/// How many bytes its cells take for each byte of the file: codes are kept as they
/// are written and as they are compared, before and after.
const CELLS_KEPT: usize = 8;

/// How many events wait for a caller that does not read them; further progress
/// is not told.
const EVENTS_AHEAD: usize = 16;

/// Takes the PIM's export files in as one write.
#[derive(Clone, Debug)]
pub struct ImportApi {
    coordinator: WriteCoordinator,
}

type Events = mpsc::Sender<Result<pb::ImportCatalogResponse, Status>>;

impl ImportApi {
    /// Writes through `coordinator`.
    #[must_use]
    pub fn new(coordinator: WriteCoordinator) -> Self {
        Self { coordinator }
    }
}

#[tonic::async_trait]
impl ImportService for ImportApi {
    type ImportCatalogStream =
        Pin<Box<dyn Stream<Item = Result<pb::ImportCatalogResponse, Status>> + Send>>;

    async fn import_catalog(
        &self,
        request: Request<Streaming<pb::ImportCatalogRequest>>,
    ) -> Result<Response<Self::ImportCatalogStream>, Status> {
        let deadline = Deadline::of(request.extensions());
        let weight = Weight::of(request.extensions()).cloned();
        let calling = Calling::of(request.extensions());
        let mut messages = request.into_inner();
        let header = parse_import::header(messages.message().await.map_err(status::of_message)?)
            .map_err(Failure::from)?;
        calling.check_written_tenant(&header.tenant)?;
        let (events, told) = mpsc::channel(EVENTS_AHEAD);
        let import = Import {
            coordinator: self.coordinator.until(deadline),
            header,
            calling,
            events: events.clone(),
            weight,
        };
        tokio::spawn(async move {
            let ended = within(deadline, Box::pin(import.run(messages))).await;
            if let Err(status) = ended {
                // A caller that has gone hears no more.
                let _unheard = events.send(Err(status)).await;
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(told))))
    }
}

async fn within(
    deadline: Option<Instant>,
    call: impl Future<Output = Result<(), Status>>,
) -> Result<(), Status> {
    let Some(deadline) = deadline else {
        return call.await;
    };
    let ended = timeout_at(deadline, call).await;
    ended.unwrap_or_else(|_| Err(Failure::DeadlinePassed.into()))
}

/// One import under way.
struct Import {
    coordinator: WriteCoordinator,
    header: Header,
    calling: Calling,
    events: Events,
    /// What it keeps in memory, of all that calls may take.
    weight: Option<Weight>,
}

/// All files of an import, read and staged.
struct TakenIn {
    staging: Staging,
    hash: [u8; 32],
    /// Whether a whole file could not be read.
    fatal: bool,
}

impl Import {
    async fn run(self, messages: Streaming<pb::ImportCatalogRequest>) -> Result<(), Status> {
        let taken_in = self.take_in(messages).await?;
        self.calling.may_go_on(&self.header.tenant).await?;
        let answered = self.apply(taken_in).await.map_err(Failure::from)?;
        let (summary, refused) = match answered {
            Answered::Now(outcome) => {
                let refused = (!outcome.applied).then_some(outcome.refused_count);
                (render_import::import_summary(&outcome), refused)
            }
            // Only what was applied is kept for a retry.
            Answered::Before(bytes) => (kept_answer(&bytes)?, None),
        };
        let summary = Event::Summary(summary);
        // A caller that has gone hears no more.
        let _unheard = self.events.send(Ok(render_import::event(summary))).await;
        match refused {
            None => Ok(()),
            Some(rows) => Err(Failure::ImportRefused { rows }.into()),
        }
    }

    async fn take_in(
        &self,
        mut messages: Streaming<pb::ImportCatalogRequest>,
    ) -> Result<TakenIn, Status> {
        // Whoever sends a header and nothing more takes no turn.
        let mut first = next(&mut messages).await?;
        let begun = Staging::begin(&self.coordinator, self.header.tenant.clone()).await;
        let mut staging = begun.map_err(Failure::from)?;
        let mut reader = Reader::new();
        if let Some(column) = &self.header.product_key {
            reader = reader.with_product_key(column.clone());
        }
        let mut hash = RequestHash::default();
        let mut rows = BTreeMap::new();
        let mut kept = 0;
        while let Some(message) = match first.take() {
            Some(message) => Some(message),
            None => next(&mut messages).await?,
        } {
            let pb::FilePiece { file, content } =
                parse_import::piece(message).map_err(Failure::from)?;
            hash.push(&file, &content)?;
            self.calling.may_go_on(&self.header.tenant).await?;
            let read = rows.entry(file.clone()).or_default();
            // An empty piece says all the same that the file is there.
            let nothing = content.is_empty().then_some(&[][..]);
            for slice in content.chunks(BYTES_A_TURN).chain(nothing) {
                let batch = reader.push(&file, slice);
                *read += count(&batch);
                if is_kept(&file) {
                    kept += weight_of(&batch, slice);
                }
                stage(&mut staging, batch).await?;
                self.weigh(kept + staging.category_names_bytes())?;
                yield_now().await;
            }
            tell_progress(&self.events, pb::ImportPhase::Reading, file, *read);
        }
        let fatal = finish(reader, &mut staging).await?;
        Ok(TakenIn {
            staging,
            hash: hash.finish(&self.header),
            fatal,
        })
    }

    /// Counts what it keeps of the budget of the calls under way, and of its
    /// tenant's share.
    fn weigh(&self, kept: usize) -> Result<(), Failure> {
        let weight = self.weight.as_ref();
        weight.map_or(Ok(()), |weight| weight.set(kept, Some(&self.header.tenant)))
    }

    async fn apply(&self, taken_in: TakenIn) -> Result<Answered<ImportOutcome>, AdminError> {
        let TakenIn {
            staging,
            hash,
            fatal,
        } = taken_in;
        let mut context = WriteContext {
            tenant: self.header.tenant.clone(),
            actor: self.header.actor.clone(),
            caller: self.calling.name().cloned(),
            request_id: Uuid::now_v7().to_string(),
            idempotency_key: self.header.idempotency_key.clone(),
            request_hash: hash.to_vec(),
            dry_run: self.header.dry_run,
            expected_revision: None,
        };
        context.fill_actor();
        let options = ImportOptions {
            edition: self.header.edition,
            // A file that cannot be read refuses the import always.
            skip_bad_rows: self.header.skip_bad_rows && !fatal,
            prune: self.header.prune,
            encode_answer: |outcome| render_import::import_summary(outcome).encode_to_vec(),
        };
        let events = self.events.clone();
        let progress = move |phase, file: Option<ImportFile>, rows| {
            let file = file.map(|file| file.to_string()).unwrap_or_default();
            tell_progress(&events, render_import::phase(phase), file, rows);
        };
        self.coordinator
            .import(staging, &context, &options, progress)
            .await
    }
}

/// The next message, within a minute.
async fn next(
    messages: &mut Streaming<pb::ImportCatalogRequest>,
) -> Result<Option<pb::ImportCatalogRequest>, Status> {
    let next = timeout(LONGEST_PAUSE, messages.message()).await;
    next.unwrap_or_else(|_| Err(Failure::DeadlinePassed.into()))
        .map_err(status::of_message)
}

/// Whether the rows of a file stay in memory until they are applied: products and
/// models are staged in the database, and files that are not imported not at all.
fn is_kept(file: &str) -> bool {
    let file = file.parse::<ImportFile>();
    file.is_ok_and(|file| !matches!(file, ImportFile::Products | ImportFile::ProductModels))
}

/// How many bytes the rows of a slice of a file take until they are applied.
fn weight_of(batch: &Batch, slice: &[u8]) -> usize {
    let rows = batch.rows.len() + batch.refused.len();
    rows * ROW_KEPT + slice.len() * CELLS_KEPT
}

fn count(batch: &Batch) -> u64 {
    let rows = batch.rows.len() + batch.refused.len();
    u64::try_from(rows).unwrap_or(u64::MAX)
}

async fn stage(staging: &mut Staging, batch: Batch) -> Result<(), Failure> {
    let Batch { rows, refused } = batch;
    for refusal in refused {
        staging.refuse(refusal);
    }
    Ok(staging.add(rows).await?)
}

/// Ends all files; tells whether one of them could not be read.
async fn finish(reader: Reader, staging: &mut Staging) -> Result<bool, Failure> {
    let Finished {
        batch,
        files,
        empty,
        ignored,
        fatal,
    } = reader.finish();
    stage(staging, batch).await?;
    for FileRead {
        file,
        rows: _,
        key_column,
        warnings,
    } in files
    {
        staging.saw_file(file);
        staging.saw_key_column(file, key_column);
        for warning in warnings {
            staging.warn(file.into(), warning);
        }
    }
    for file in empty {
        staging.warn(file.into(), EMPTY_FILE.to_owned());
    }
    for file in ignored {
        staging.ignored_file(&file);
    }
    Ok(fatal)
}

fn tell_progress(events: &Events, phase: pb::ImportPhase, file: String, rows: u64) {
    let progress = Event::Progress(pb::ImportProgress {
        file,
        rows,
        phase: phase.into(),
    });
    // Who does not read fast enough misses some of it.
    let _missed = events.try_send(Ok(render_import::event(progress)));
}
