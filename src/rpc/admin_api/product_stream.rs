use tokio::sync::mpsc;
use tonic::{Request, Status, Streaming};

use crate::{
    admin::{WriteContext, Written},
    pb,
    rpc::{
        failure::{Failure, InvalidField},
        gate::{Deadline, Gate},
        message_stream::{self, next},
        parse,
        render_import::render_effect,
    },
};

use super::{
    AdminApi,
    catalog_writes::put_products,
    writes::{WriteResponse, write_requests},
};

/// Separates the caller's idempotency key from the number of a chunk. No key
/// contains it, so the key of a chunk equals that of no other write.
const SEPARATOR: char = '\u{1f}';

/// Number of acknowledgements buffered for a caller that does not read them.
const ACKNOWLEDGEMENTS_AHEAD: usize = 16;

pub(super) type Acknowledgement = Result<pb::ImportProductsResponse, Status>;

write_requests! { ImportProductsRequest; }

impl WriteResponse<()> for pb::ImportProductsResponse {
    fn of(written: &Written) -> Self {
        Self {
            revision: written.revision.0,
            effect: Some(render_effect(&written.effect)),
            chunk: 0,
        }
    }
}

/// A running stream of chunks, with the fields of its first message.
struct Chunks {
    api: AdminApi,
    gate: Option<Gate>,
    first: pb::ImportProductsRequest,
    next: u64,
    acknowledgements: mpsc::Sender<Acknowledgement>,
}

impl AdminApi {
    /// Puts products chunk by chunk, each as a write of its own, in a task that
    /// ends with the caller's stream, its deadline or the first failure.
    pub(super) fn import_chunks(
        &self,
        request: Request<Streaming<pb::ImportProductsRequest>>,
    ) -> mpsc::Receiver<Acknowledgement> {
        let (acknowledgements, receiver) = mpsc::channel(ACKNOWLEDGEMENTS_AHEAD);
        let api = self.of_call(request.extensions());
        let deadline = Deadline::of(request.extensions());
        let gate = request.extensions().get::<Gate>().cloned();
        let mut messages = request.into_inner();
        tokio::spawn(async move {
            let refusals = acknowledgements.clone();
            let run = async {
                let Some(first) = next(&mut messages).await? else {
                    return Ok(());
                };
                let chunks = Chunks::begin(api, gate, first, acknowledgements)?;
                chunks.run(messages).await
            };
            message_stream::answer(deadline, Box::pin(run), &refusals).await;
        });
        receiver
    }
}

impl Chunks {
    fn begin(
        api: AdminApi,
        gate: Option<Gate>,
        first: pb::ImportProductsRequest,
        acknowledgements: mpsc::Sender<Acknowledgement>,
    ) -> Result<Self, Failure> {
        if first.chunk == 0 {
            let message = "is 0; chunks are numbered from 1";
            return Err(InvalidField::new("chunk", message).into());
        }
        Ok(Self {
            api,
            gate,
            next: first.chunk,
            first,
            acknowledgements,
        })
    }

    async fn run(
        mut self,
        mut messages: Streaming<pb::ImportProductsRequest>,
    ) -> Result<(), Status> {
        let mut products = std::mem::take(&mut self.first.products);
        loop {
            let acknowledged = self.write(products).await?;
            if self.acknowledgements.send(Ok(acknowledged)).await.is_err() {
                return Ok(());
            }
            let Some(message) = next(&mut messages).await? else {
                return Ok(());
            };
            let tenant = parse::code("tenant", &self.first.tenant).map_err(Failure::from)?;
            self.api.calling.recheck(&tenant).await?;
            self.next += 1;
            products = self.chunk(message)?;
            if self.gate.as_ref().is_some_and(Gate::is_closed) {
                return Err(Failure::ShuttingDown.into());
            }
        }
    }

    /// Returns the products of a message after the first, which must be the next
    /// chunk.
    fn chunk(&self, message: pb::ImportProductsRequest) -> Result<Vec<pb::Product>, Failure> {
        let pb::ImportProductsRequest {
            tenant,
            actor,
            idempotency_key,
            dry_run,
            products,
            chunk,
        } = message;
        let again = [
            ("tenant", !tenant.is_empty()),
            ("actor", !actor.is_empty()),
            ("idempotency_key", !idempotency_key.is_empty()),
            ("dry_run", dry_run),
        ];
        if let Some((field, _)) = again.into_iter().find(|(_, is_set)| *is_set) {
            let message = "is there again; it stands in the first message only";
            return Err(InvalidField::new(field, message).into());
        }
        if chunk != self.next {
            let message = format!("is {chunk}; the next one is {}", self.next);
            return Err(InvalidField::new("chunk", message).into());
        }
        Ok(products)
    }

    async fn write(
        &self,
        products: Vec<pb::Product>,
    ) -> Result<pb::ImportProductsResponse, Failure> {
        let number = self.next;
        let context = self.context(&products)?;
        let put = put_products(products)?;
        let acknowledged: pb::ImportProductsResponse = self.api.write(put, context).await?;
        Ok(pb::ImportProductsResponse {
            chunk: number,
            ..acknowledged
        })
    }

    /// Returns the context of the next chunk's write, from the fields of the
    /// first message. It is the same whether the chunk comes first in a stream or
    /// later.
    fn context(&self, products: &[pb::Product]) -> Result<WriteContext, Failure> {
        let mut message = pb::ImportProductsRequest {
            products: products.to_vec(),
            chunk: self.next,
            ..self.first.clone()
        };
        let mut context = self.api.context(&mut message)?;
        if !context.idempotency_key.is_empty() {
            context.idempotency_key.push(SEPARATOR);
            context.idempotency_key.push_str(&self.next.to_string());
        }
        Ok(context)
    }
}
