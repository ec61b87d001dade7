//! List commands: all pages of a list, as a table or as one JSON document.

use prost::Name;

use crate::cli::{Answer, Output, report::counted_table};

/// A column of a table: its title, and the cell of an entry.
pub(super) type Column<E> = (&'static str, fn(&E) -> String);

/// Reads all pages of a list as one response, at the revision of the last page.
macro_rules! every_page {
    ($server:expr, $client:ident.$call:ident($request:expr).$entries:ident) => {{
        use $crate::cli::connection::{patient, service};
        let mut client = service!($client, $server);
        let mut request = $request;
        let mut whole = client.$call(patient(request.clone())).await?.into_inner();
        while !whole.next_page_token.is_empty() {
            request.page_token = std::mem::take(&mut whole.next_page_token);
            let page = client.$call(patient(request.clone())).await?.into_inner();
            whole.$entries.extend(page.$entries);
            whole.next_page_token = page.next_page_token;
            whole.revision = page.revision;
        }
        whole
    }};
}
pub(super) use every_page;

/// Reads all pages of a list and renders them.
macro_rules! list_and_show {
    ($server:expr, $client:ident.$call:ident($request:expr).$entries:ident, $entity:expr, $columns:expr) => {{
        let whole = $crate::cli::administration::lists::every_page!(
            $server,
            $client.$call($request).$entries
        );
        $crate::cli::administration::lists::listed(
            $server.output,
            &whole,
            (&whole.$entries, whole.revision),
            $entity,
            $columns,
        )
    }};
}
pub(super) use list_and_show;

/// Like `list_and_show`, for the entries of the codes that the arguments name.
macro_rules! list_codes_and_show {
    ($list:expr, $client:ident.$call:ident($request:ident).$entries:ident, $entity:expr, $columns:expr) => {{
        let $crate::cli::arguments::ListArguments { codes, server } = $list;
        let request = $crate::pb::$request {
            tenant: server.tenant.clone(),
            codes: codes.clone(),
            ..Default::default()
        };
        $crate::cli::administration::lists::list_and_show!(
            server,
            $client.$call(request).$entries,
            $entity,
            $columns
        )
    }};
}
pub(super) use list_codes_and_show;

/// Renders a complete list: its response message as JSON, or a table of its entries.
pub(super) fn listed<M: Name, E>(
    output: Output,
    response: &M,
    (entries, revision): (&[E], u64),
    entity: &str,
    columns: &[Column<E>],
) -> Answer {
    Answer::of(output, response, || {
        let header: Vec<&str> = columns.iter().map(|(title, _)| *title).collect();
        let cells = |entry| columns.iter().map(|(_, cell)| cell(entry)).collect();
        let rows = entries.iter().map(cells).collect();
        counted_table(&header, rows, entity, revision)
    })
}
