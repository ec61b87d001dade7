//! Interprets the requests of one connection: statements by name, and the
//! transactions that they belong to.

use std::collections::{HashMap, VecDeque};

use super::wire::Message;

/// Kind of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RequestKind {
    /// Executes a statement.
    Statement {
        /// Name of the statement; `None` if its text does not begin with one.
        name: Option<String>,
        is_first_in_transaction: bool,
        /// The first named statement of its transaction, if it is in one.
        transaction: Option<String>,
    },
    /// Begins a transaction.
    Begin,
    /// Commits the transaction of these statements.
    Commit(Vec<String>),
    /// Rolls back the transaction of these statements.
    Rollback(Vec<String>),
    /// Any other request: connects, prepares or closes.
    Other,
}

impl RequestKind {
    /// Returns the name of a statement, with the first one of its transaction; of the end of
    /// a transaction, with its last one. `None` if nothing has a name.
    pub(super) fn name(&self) -> Option<String> {
        match self {
            Self::Statement {
                name, transaction, ..
            } => match (transaction, name.as_ref()?) {
                (Some(first), name) if first != name => Some(format!("{first}/{name}")),
                (_, name) => Some(name.clone()),
            },
            Self::Commit(names) => Some(format!("COMMIT of {}", names.last()?)),
            Self::Rollback(names) => Some(format!("ROLLBACK of {}", names.last()?)),
            Self::Begin | Self::Other => None,
        }
    }
}

/// Messages that are forwarded together.
pub(super) struct Request {
    pub(super) bytes: Vec<u8>,
    /// Kind of the request; `None` if it is a part of the previous request, such
    /// as the rows of a COPY.
    pub(super) kind: Option<RequestKind>,
}

/// Statement executed by the messages up to the next Sync.
#[derive(Default)]
enum Executed {
    #[default]
    Nothing,
    /// The first statement; `None` if it has no name.
    Statement(Option<String>),
}

/// State of one connection.
#[derive(Default)]
pub(super) struct Conversation {
    /// Our statement names by the protocol's names of prepared statements and of
    /// portals.
    prepared: HashMap<String, Option<String>>,
    portals: HashMap<String, Option<String>>,
    /// Bytes of the incomplete request.
    bytes: Vec<u8>,
    executes: Executed,
    /// The rows of a COPY have ended: the next Sync belongs to them.
    ends_copy: bool,
    /// Named statements of the open transaction.
    transaction: Option<Vec<String>>,
    /// Requests whose reply is not complete.
    waiting: VecDeque<RequestKind>,
    /// The reply to the first of them has begun.
    is_answered: bool,
}

impl Conversation {
    /// State of a connection whose startup message was forwarded.
    pub(super) fn new() -> Self {
        Self {
            waiting: VecDeque::from([RequestKind::Other]),
            ..Self::default()
        }
    }

    /// Processes a message of the client; returns a request when it is complete.
    pub(super) fn request(&mut self, message: &Message) -> Option<Request> {
        self.bytes.extend_from_slice(&message.0);
        let kind = match message.kind() {
            b'P' => {
                let name = name_of(&message.text(1));
                self.prepared.insert(message.text(0), name);
                return None;
            }
            b'B' => {
                let name = self.prepared.get(&message.text(1)).cloned();
                self.portals.insert(message.text(0), name.flatten());
                return None;
            }
            b'E' => {
                let name = self.portals.get(&message.text(0)).cloned();
                if matches!(self.executes, Executed::Nothing) {
                    self.executes = Executed::Statement(name.flatten());
                }
                return None;
            }
            b'C' if message.text(0).starts_with('S') => {
                self.prepared.remove(&message.text_after(1, 0));
                return None;
            }
            b'C' | b'D' => return None,
            b'S' if std::mem::take(&mut self.ends_copy) => None,
            b'S' => Some(match std::mem::take(&mut self.executes) {
                Executed::Statement(name) => self.statement(name),
                Executed::Nothing => RequestKind::Other,
            }),
            b'Q' => Some(self.simple(&message.text(0))),
            b'c' | b'f' => {
                self.ends_copy = true;
                None
            }
            // Rows of a COPY, Flush, a password, Terminate.
            _ => None,
        };
        let bytes = std::mem::take(&mut self.bytes);
        Some(Request { bytes, kind })
    }

    fn simple(&mut self, sql: &str) -> RequestKind {
        let mut words = sql.split([' ', ';']).map(str::to_ascii_uppercase);
        let words = [words.next(), words.next()].map(Option::unwrap_or_default);
        match words.each_ref().map(String::as_str) {
            ["BEGIN", _] | ["START", "TRANSACTION"] => {
                self.transaction = Some(Vec::new());
                RequestKind::Begin
            }
            ["COMMIT", _] => RequestKind::Commit(self.transaction.take().unwrap_or_default()),
            // A rollback to a savepoint does not end the transaction.
            ["ROLLBACK", "TO"] => self.statement(None),
            ["ROLLBACK", _] => RequestKind::Rollback(self.transaction.take().unwrap_or_default()),
            // Settings alone are not the first statement of a transaction.
            _ if only_sets(sql) => RequestKind::Statement {
                name: name_of(sql),
                is_first_in_transaction: false,
                transaction: None,
            },
            _ => self.statement(name_of(sql)),
        }
    }

    fn statement(&mut self, name: Option<String>) -> RequestKind {
        let mut is_first_in_transaction = false;
        if let (Some(statements), Some(name)) = (&mut self.transaction, &name) {
            is_first_in_transaction = statements.is_empty();
            statements.push(name.clone());
        }
        RequestKind::Statement {
            name,
            is_first_in_transaction,
            transaction: self.transaction.as_ref().and_then(|it| it.first().cloned()),
        }
    }

    /// Records that a request was forwarded.
    pub(super) fn forwarded(&mut self, kind: RequestKind) {
        self.waiting.push_back(kind);
    }

    /// Processes a message of PostgreSQL; returns the request whose reply it
    /// begins, if any.
    pub(super) fn begins_reply(&mut self, message: &Message) -> Option<RequestKind> {
        let is_of_no_request = matches!(message.kind(), b'A' | b'N' | b'S');
        if is_of_no_request || std::mem::replace(&mut self.is_answered, true) {
            return None;
        }
        self.waiting.front().cloned()
    }

    /// True if a message of PostgreSQL ends a reply: PostgreSQL is ready for the
    /// next request, or for the rows of a COPY.
    pub(super) fn ends_reply(&mut self, message: &Message) -> bool {
        if message.kind() == b'Z' {
            self.waiting.pop_front();
            self.is_answered = false;
        }
        matches!(message.kind(), b'Z' | b'G')
    }
}

/// Returns the name in the first line of a statement's text.
fn name_of(sql: &str) -> Option<String> {
    let comment = sql.trim_start().strip_prefix("-- ")?;
    let name = comment.split_whitespace().next()?;
    Some(name.to_owned())
}

/// True if all statements of a text are settings.
fn only_sets(sql: &str) -> bool {
    let lines = sql.lines().filter(|line| !line.trim().starts_with("--"));
    let lines: Vec<&str> = lines.collect();
    let statements = lines.join(" ");
    let mut statements = statements.split(';').map(str::trim);
    statements.all(|statement| statement.is_empty() || statement.starts_with("SET "))
}
