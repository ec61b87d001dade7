//! What the requests of one connection are: statements by name, and the
//! transaction that they belong to.

use std::collections::{HashMap, VecDeque};

use super::wire::Message;

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// To run a statement.
    Statement {
        /// `None`: its text does not begin with a name.
        name: Option<String>,
        is_first_in_transaction: bool,
    },
    /// To begin a transaction.
    Begin,
    /// To commit the transaction of these statements.
    Commit(Vec<String>),
    /// To roll back the transaction of these statements.
    Rollback(Vec<String>),
    /// Something else: to connect, to prepare, to close.
    Other,
}

/// What is forwarded as one.
pub(super) struct Request {
    pub(super) bytes: Vec<u8>,
    /// `None`: it is a part of the request before, such as the rows of a COPY.
    pub(super) asks: Option<Asked>,
}

/// What the messages up to the next Sync execute.
#[derive(Default)]
enum Executed {
    #[default]
    Nothing,
    /// The first statement; `None`: it has no name.
    Statement(Option<String>),
}

/// One connection's.
#[derive(Default)]
pub(super) struct Conversation {
    /// Names of prepared statements, and of portals, to ours.
    prepared: HashMap<String, Option<String>>,
    portals: HashMap<String, Option<String>>,
    /// Of the request that is not whole yet.
    bytes: Vec<u8>,
    executes: Executed,
    /// The rows of a COPY have ended: the Sync that follows is theirs.
    ends_copy: bool,
    /// The named statements of the open transaction.
    transaction: Option<Vec<String>>,
    /// Requests without a whole reply.
    waiting: VecDeque<Asked>,
    /// The first of them has had the first part of its reply.
    is_answered: bool,
}

impl Conversation {
    /// Of a connection whose startup message was passed on.
    pub(super) fn new() -> Self {
        Self {
            waiting: VecDeque::from([Asked::Other]),
            ..Self::default()
        }
    }

    /// Takes a message of the client; gives a request when it is whole.
    pub(super) fn request(&mut self, message: &Message) -> Option<Request> {
        self.bytes.extend_from_slice(&message.0);
        let asks = match message.kind() {
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
                Executed::Nothing => Asked::Other,
            }),
            b'Q' => Some(self.simple(&message.text(0))),
            b'c' | b'f' => {
                self.ends_copy = true;
                None
            }
            // Rows of a COPY, Flush, a password, the end.
            _ => None,
        };
        let bytes = std::mem::take(&mut self.bytes);
        Some(Request { bytes, asks })
    }

    fn simple(&mut self, sql: &str) -> Asked {
        let mut words = sql.split([' ', ';']).map(str::to_ascii_uppercase);
        let words = [words.next(), words.next()].map(Option::unwrap_or_default);
        match words.each_ref().map(String::as_str) {
            ["BEGIN", _] | ["START", "TRANSACTION"] => {
                self.transaction = Some(Vec::new());
                Asked::Begin
            }
            ["COMMIT", _] => Asked::Commit(self.transaction.take().unwrap_or_default()),
            // To a savepoint is no end.
            ["ROLLBACK", "TO"] => self.statement(None),
            ["ROLLBACK", _] => Asked::Rollback(self.transaction.take().unwrap_or_default()),
            // A transaction that is only set up has not begun its work.
            _ if only_sets(sql) => Asked::Statement {
                name: name_of(sql),
                is_first_in_transaction: false,
            },
            _ => self.statement(name_of(sql)),
        }
    }

    fn statement(&mut self, name: Option<String>) -> Asked {
        let mut is_first_in_transaction = false;
        if let (Some(statements), Some(name)) = (&mut self.transaction, &name) {
            is_first_in_transaction = statements.is_empty();
            statements.push(name.clone());
        }
        Asked::Statement {
            name,
            is_first_in_transaction,
        }
    }

    /// Notes that a request was forwarded.
    pub(super) fn forwarded(&mut self, asks: Asked) {
        self.waiting.push_back(asks);
    }

    /// Takes a message of PostgreSQL; what it begins to reply to, if it does.
    pub(super) fn begins_reply(&mut self, message: &Message) -> Option<Asked> {
        let is_of_no_request = matches!(message.kind(), b'A' | b'N' | b'S');
        if is_of_no_request || std::mem::replace(&mut self.is_answered, true) {
            return None;
        }
        self.waiting.front().cloned()
    }

    /// Whether a message of PostgreSQL ends what it replied: it is ready for the
    /// next request, or for the rows of a COPY.
    pub(super) fn ends_reply(&mut self, message: &Message) -> bool {
        if message.kind() == b'Z' {
            self.waiting.pop_front();
            self.is_answered = false;
        }
        matches!(message.kind(), b'Z' | b'G')
    }
}

/// The name in the first line of a statement's text.
fn name_of(sql: &str) -> Option<String> {
    let comment = sql.trim_start().strip_prefix("-- ")?;
    let name = comment.split_whitespace().next()?;
    Some(name.to_owned())
}

/// Whether all statements of a text are settings.
fn only_sets(sql: &str) -> bool {
    let lines = sql.lines().filter(|line| !line.trim().starts_with("--"));
    let lines: Vec<&str> = lines.collect();
    let statements = lines.join(" ");
    let mut statements = statements.split(';').map(str::trim);
    statements.all(|statement| statement.is_empty() || statement.starts_with("SET "))
}
