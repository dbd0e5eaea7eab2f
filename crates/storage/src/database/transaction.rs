//! What reading and writing functions are given.

use std::net::IpAddr;
use std::ops::{Deref, DerefMut};

use cheeseshop_domain::{Event, Serial};
use jiff::Timestamp;

use super::connection::Connection;

/// Who causes a write operation; stands beside every event that the operation records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// A user's name, `anonymous`, or a part of the server such as `mirror`.
    pub actor: String,
    /// Where they asked from.
    pub address: Option<IpAddr>,
}

impl Origin {
    /// An origin inside the server, or a user whose address is not known.
    pub fn new(actor: impl Into<String>) -> Self {
        Self {
            actor: actor.into(),
            address: None,
        }
    }
}

/// What a write operation gave, once it is on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed<T> {
    /// The operation's own result.
    pub value: T,
    /// The serial of the operation's last event. When it recorded none: the newest serial that
    /// it could see.
    pub serial: Serial,
}

/// A write operation's view of the database.
#[derive(Debug)]
pub struct Transaction {
    connection: Connection,
    origin: Origin,
    now: Timestamp,
    events: Vec<Event>,
}

/// A read snapshot: everything read through it belongs to one moment, that of its first read.
/// It never waits for writers. Keep it short; dropping it ends it.
#[derive(Debug)]
pub struct Reader {
    connection: Connection,
}

impl Transaction {
    pub(crate) fn new(connection: Connection) -> Self {
        Self {
            connection,
            origin: Origin::new(""),
            now: Timestamp::UNIX_EPOCH,
            events: Vec::new(),
        }
    }

    /// Makes this the transaction of the next operation.
    pub(crate) fn start_operation(&mut self, origin: Origin, now: Timestamp) {
        self.origin = origin;
        self.now = now;
        self.events.clear();
        self.connection.forget_failure();
    }

    pub(crate) fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// Appends `event` to the change log when the operation succeeds. Its serial is given then.
    pub fn record(&mut self, event: Event) {
        self.events.push(event);
    }

    /// The time of this operation, in whole microseconds: the same for all that it writes.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Who caused this operation.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }
}

impl Reader {
    pub(crate) fn new(connection: Connection) -> Self {
        Self { connection }
    }
}

impl Deref for Transaction {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

impl DerefMut for Transaction {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.connection
    }
}

impl Deref for Reader {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

impl DerefMut for Reader {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.connection
    }
}
