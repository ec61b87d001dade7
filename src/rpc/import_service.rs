use std::{collections::BTreeMap, pin::Pin};

use futures_util::Stream;
use prost::Message as _;
use tokio::{sync::mpsc, task::yield_now};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};
use uuid::Uuid;

use crate::{
    admin::{
        AdminError, Answered, ImportOptions, ImportReport, Staging, WriteContext, WriteCoordinator,
        entry::ImportFile,
    },
    import::{Batch, EMPTY_FILE, FileRead, Finished, Reader},
    pb::{self, import_catalog_response::Event, import_service_server::ImportService},
};

use super::{
    budget::Weight,
    caller_identity::CallerIdentity,
    failure::{Failure, decode_stored_response},
    gate::Deadline,
    message_stream::{self, next},
    parse_import::{self, Header},
    render_import,
    request_hash::RequestHash,
    status,
};

/// Bytes of a piece parsed before yielding to other calls; that takes some
/// milliseconds.
const BYTES_A_TURN: usize = 256 << 10;

/// Bytes that a buffered row takes besides its cells, both as read and as the
/// change it makes. With three million users, a row took 1.7 KB in all.
const ROW_KEPT: usize = 1 << 10;

/// Bytes that a row's cells take per byte of the file: codes are stored as
/// written and folded, before and after the change.
const CELLS_KEPT: usize = 8;

/// Number of events buffered for a caller that does not read them; further
/// progress events are dropped.
const EVENTS_AHEAD: usize = 16;

/// Implements the import of the PIM's export files as one write.
#[derive(Clone, Debug)]
pub struct ImportApi {
    coordinator: WriteCoordinator,
}

type Events = mpsc::Sender<Result<pb::ImportCatalogResponse, Status>>;

impl ImportApi {
    /// Creates the service; it writes through `coordinator`.
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
        let calling = CallerIdentity::of(request.extensions());
        let mut messages = request.into_inner();
        let header = parse_import::header(messages.message().await.map_err(status::of_message)?)
            .map_err(Failure::from)?;
        calling.check_written_tenant(&header.tenant)?;
        let (events, receiver) = mpsc::channel(EVENTS_AHEAD);
        let import = Import {
            coordinator: self.coordinator.until(deadline),
            header,
            calling,
            events: events.clone(),
            weight,
        };
        tokio::spawn(async move {
            message_stream::answer(deadline, Box::pin(import.run(messages)), &events).await;
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }
}

/// A running import.
struct Import {
    coordinator: WriteCoordinator,
    header: Header,
    calling: CallerIdentity,
    events: Events,
    /// Memory accounted to the import, of the budget of all calls.
    weight: Option<Weight>,
}

/// All files of an import, parsed and staged.
struct StagedFiles {
    staging: Staging,
    hash: [u8; 32],
    /// True if a whole file could not be read.
    fatal: bool,
}

impl Import {
    async fn run(self, messages: Streaming<pb::ImportCatalogRequest>) -> Result<(), Status> {
        let staged = self.stage_files(messages).await?;
        self.calling.recheck(&self.header.tenant).await?;
        let answered = self.apply(staged).await.map_err(Failure::from)?;
        let (summary, refused) = match answered {
            Answered::Fresh(written) => {
                let ImportReport {
                    applied,
                    refused_count,
                    ..
                } = written.details;
                let refused = (!applied).then_some(refused_count);
                (render_import::import_summary(&written), refused)
            }
            // Only the response of an applied import is stored for retries.
            Answered::Replayed(bytes) => (decode_stored_response(&bytes)?, None),
        };
        let summary = Event::Summary(summary);
        // Fails if the caller has disconnected.
        let _disconnected = self.events.send(Ok(render_import::event(summary))).await;
        match refused {
            None => Ok(()),
            Some(rows) => Err(Failure::ImportRefused { rows }.into()),
        }
    }

    async fn stage_files(
        &self,
        mut messages: Streaming<pb::ImportCatalogRequest>,
    ) -> Result<StagedFiles, Status> {
        // Staging begins with the first piece, so that a caller that sends only a
        // header does not occupy a turn.
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
            self.calling.recheck(&self.header.tenant).await?;
            let read = rows.entry(file.clone()).or_default();
            // An empty piece still states that the file is present.
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
            send_progress(&self.events, pb::ImportPhase::Reading, file, *read);
        }
        let fatal = finish(reader, &mut staging).await?;
        Ok(StagedFiles {
            staging,
            hash: hash.finish(&self.header),
            fatal,
        })
    }

    /// Sets the bytes that the import holds, in the budget of all calls and in
    /// its tenant's share.
    fn weigh(&self, kept: usize) -> Result<(), Failure> {
        let weight = self.weight.as_ref();
        weight.map_or(Ok(()), |weight| weight.set(kept, Some(&self.header.tenant)))
    }

    async fn apply(&self, staged: StagedFiles) -> Result<Answered<ImportReport>, AdminError> {
        let StagedFiles {
            staging,
            hash,
            fatal,
        } = staged;
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
            // A file that cannot be read always rejects the import.
            skip_bad_rows: self.header.skip_bad_rows && !fatal,
            prune: self.header.prune,
            encode_answer: |written| render_import::import_summary(written).encode_to_vec(),
        };
        let events = self.events.clone();
        let progress = move |phase, file: Option<ImportFile>, rows| {
            let file = file.map(|file| file.to_string()).unwrap_or_default();
            send_progress(&events, render_import::phase(phase), file, rows);
        };
        self.coordinator
            .import(staging, &context, &options, progress)
            .await
    }
}

/// True if the rows of a file are buffered in memory until they are applied.
/// Products and models are staged in the database, and files that are not
/// imported are dropped.
fn is_kept(file: &str) -> bool {
    let file = file.parse::<ImportFile>();
    file.is_ok_and(|file| !matches!(file, ImportFile::Products | ImportFile::ProductModels))
}

/// Returns the bytes that the rows of a slice take until they are applied.
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

/// Finishes all files; returns true if one of them could not be read.
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
        staging.record_file(file);
        staging.record_key_column(file, key_column);
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

fn send_progress(events: &Events, phase: pb::ImportPhase, file: String, rows: u64) {
    let progress = Event::Progress(pb::ImportProgress {
        file,
        rows,
        phase: phase.into(),
    });
    // Dropped if the caller does not read fast enough.
    let _missed = events.try_send(Ok(render_import::event(progress)));
}
