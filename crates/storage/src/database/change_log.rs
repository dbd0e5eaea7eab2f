//! The change log: numbered events, each chained to the one before by a hash.
//!
//! # The chain
//!
//! An event's hash is the SHA-256 of these bytes, in this order:
//!
//! | field | encoding |
//! |---|---|
//! | format | the 24 bytes `cheeseshop change log 1\n` |
//! | previous hash | 32 bytes; all zero for serial 1 |
//! | serial | 8 bytes, big-endian, signed |
//! | time | 8 bytes, big-endian, signed: microseconds since 1970-01-01T00:00:00Z |
//! | actor | text |
//! | address | one byte 0 when unknown; else one byte 1, then text |
//! | kind | text |
//! | subject | text |
//! | detail | text: the JSON exactly as it is stored |
//!
//! where *text* is its length in bytes (8 bytes, big-endian) followed by its UTF-8. Lengths and
//! the fixed order make the encoding unambiguous: different events never give the same bytes.
//!
//! The newest serial and hash are kept a second time, in the one row of `change_log_head`, so
//! that a log whose end was cut off is noticed. Whoever can write to the database can forge a
//! whole new chain; keep its newest hash somewhere else (`cheeseshop audit verify` prints it)
//! to notice that as well.

use cheeseshop_domain::{Event, EventKind, RecordedEvent, Serial};
use cheeseshop_packaging::hash::Sha256;
use jiff::Timestamp;
use sha2::Digest as _;

use super::statement::{Row, composed_sql, placeholders, sql};
use super::transaction::Origin;
use super::{Connection, Database, DatabaseError, Transaction};

const FORMAT: &[u8; 24] = b"cheeseshop change log 1\n";

/// Rows per statement when appending: nine parameters each, SQLite allows 32,766.
const APPEND_ROWS: usize = 500;

/// Rows in memory at once while verifying.
const VERIFY_ROWS: usize = 1000;

/// Where the log stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) serial: Serial,
    pub(crate) hash: Sha256,
}

/// What [`verify`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyReport {
    /// Events that were found to be in order.
    pub verified: u64,
    /// The newest serial, as the log's own note of it says.
    pub head: Serial,
    /// The newest hash, as the log's own note of it says.
    pub head_hash: Sha256,
    /// The first thing that is wrong; `None` when all is well.
    pub broken: Option<Break>,
}

/// Where the chain breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Break {
    /// The first serial that is not as it was recorded.
    pub serial: Serial,
    /// In what way.
    pub reason: BreakReason,
}

/// In what way the chain is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BreakReason {
    /// The row does not have the hash that it was recorded with.
    #[error("the event was edited, or stands in the place of another")]
    Edited,
    /// The row's previous hash is not the hash of the row before.
    #[error("the event does not follow the one before it")]
    Unchained,
    /// The row is not there, but later ones are.
    #[error("the event is missing")]
    Missing,
    /// The log ends before its noted head.
    #[error("the end of the log is missing")]
    Truncated,
    /// Rows follow the noted head.
    #[error("the event was added after the noted end of the log")]
    BeyondHead,
    /// The noted head has another hash than the last row.
    #[error("the noted end of the log has another hash than the last event")]
    HeadMismatch,
}

/// The newest serial; 0 when nothing was ever recorded.
pub async fn head(connection: &mut Connection) -> Result<Serial, DatabaseError> {
    Ok(read_head(connection).await?.serial)
}

/// At most `limit` events after `after`, oldest first.
pub async fn list_after(
    connection: &mut Connection,
    after: Serial,
    limit: usize,
) -> Result<Vec<RecordedEvent>, DatabaseError> {
    sql(
        "SELECT serial, recorded_at, actor, address, kind, subject, detail, previous_hash, hash \
         FROM change_log WHERE serial > $1 ORDER BY serial LIMIT $2",
    )
    .bind(after.0)
    .bind(super::limit(limit))
    .fetch_all(connection, recorded)
    .await
}

/// Reads the whole log and checks that nothing in it was edited, removed, added or moved.
/// Memory does not grow with the log.
pub async fn verify(database: &Database) -> Result<VerifyReport, DatabaseError> {
    verify_in(&mut *database.reader().await?).await
}

/// As [`verify`], of what a connection sees.
pub(crate) async fn verify_in(connection: &mut Connection) -> Result<VerifyReport, DatabaseError> {
    let head = read_head(connection).await?;
    let mut report = VerifyReport {
        verified: 0,
        head: head.serial,
        head_hash: head.hash,
        broken: None,
    };
    let mut previous = Head {
        serial: Serial(0),
        hash: Sha256([0; 32]),
    };
    loop {
        let rows = list_raw(connection, previous.serial).await?;
        if rows.is_empty() {
            break;
        }
        for row in rows {
            let Some(row) = row else {
                report.broken = Some(Break {
                    serial: Serial(previous.serial.0 + 1),
                    reason: BreakReason::Edited,
                });
                return Ok(report);
            };
            if let Some(found) = row.check(previous, head) {
                report.broken = Some(found);
                return Ok(report);
            }
            report.verified += 1;
            previous = Head {
                serial: row.serial,
                hash: row.hash,
            };
        }
    }
    let end = |serial, reason| Some(Break { serial, reason });
    if previous.serial < head.serial {
        report.broken = end(Serial(previous.serial.0 + 1), BreakReason::Truncated);
    } else if previous.hash != head.hash {
        report.broken = end(head.serial, BreakReason::HeadMismatch);
    }
    Ok(report)
}

/// Gives `event` the serial after `head`, and its hash.
pub(crate) fn chain(
    head: Head,
    recorded_at: Timestamp,
    origin: &Origin,
    event: Event,
) -> RecordedEvent {
    let serial = Serial(head.serial.0 + 1);
    let fields = Fields {
        serial: serial.0,
        recorded_at: recorded_at.as_microsecond(),
        actor: &origin.actor,
        address: origin.address.map(|address| address.to_string()),
        kind: event.kind.as_str(),
        subject: &event.subject,
        detail: &event.detail.to_string(),
    };
    RecordedEvent {
        serial,
        recorded_at,
        actor: origin.actor.clone(),
        address: origin.address,
        hash: fields.hash(&head.hash),
        previous_hash: head.hash,
        event,
    }
}

pub(crate) async fn read_head(connection: &mut Connection) -> Result<Head, DatabaseError> {
    sql("SELECT serial, hash FROM change_log_head")
        .fetch_one(connection, |row| {
            Ok(Head {
                serial: Serial(row.integer(0)?),
                hash: row.digest(1)?,
            })
        })
        .await
}

pub(crate) async fn hash_of(
    connection: &mut Connection,
    serial: Serial,
) -> Result<Option<Sha256>, DatabaseError> {
    sql("SELECT hash FROM change_log WHERE serial = $1")
        .bind(serial.0)
        .fetch_optional(connection, |row| row.digest(0))
        .await
}

/// Writes chained events and moves the noted head to the last of them.
pub(crate) async fn append(
    tx: &mut Transaction,
    events: &[RecordedEvent],
    head: Head,
) -> Result<(), DatabaseError> {
    for chunk in events.chunks(APPEND_ROWS) {
        let mut statement = composed_sql(format!(
            "INSERT INTO change_log (serial, recorded_at, actor, address, kind, subject, \
             detail, previous_hash, hash) VALUES {}",
            placeholders(chunk.len(), 9)
        ));
        if chunk.len() <= 4 {
            statement = statement.kept();
        }
        for recorded in chunk {
            statement = statement
                .bind(recorded.serial.0)
                .bind(recorded.recorded_at)
                .bind(recorded.actor.as_str())
                .bind(recorded.address.map(|address| address.to_string()))
                .bind(recorded.event.kind.as_str())
                .bind(recorded.event.subject.as_str())
                .bind(&recorded.event.detail)
                .bind(recorded.previous_hash)
                .bind(recorded.hash);
        }
        statement.execute(tx).await?;
    }
    sql("UPDATE change_log_head SET serial = $1, hash = $2")
        .bind(head.serial.0)
        .bind(head.hash)
        .execute(tx)
        .await?;
    Ok(())
}

/// What is hashed, as it is stored.
struct Fields<'a> {
    serial: i64,
    recorded_at: i64,
    actor: &'a str,
    address: Option<String>,
    kind: &'a str,
    subject: &'a str,
    detail: &'a str,
}

impl Fields<'_> {
    fn hash(&self, previous: &Sha256) -> Sha256 {
        let mut hasher = sha2::Sha256::new();
        let text = |hasher: &mut sha2::Sha256, text: &str| {
            hasher.update((text.len() as u64).to_be_bytes());
            hasher.update(text.as_bytes());
        };
        hasher.update(FORMAT);
        hasher.update(previous.as_bytes());
        hasher.update(self.serial.to_be_bytes());
        hasher.update(self.recorded_at.to_be_bytes());
        text(&mut hasher, self.actor);
        match &self.address {
            None => hasher.update([0]),
            Some(address) => {
                hasher.update([1]);
                text(&mut hasher, address);
            }
        }
        text(&mut hasher, self.kind);
        text(&mut hasher, self.subject);
        text(&mut hasher, self.detail);
        Sha256(hasher.finalize().into())
    }
}

/// A row as it is stored, whether or not this program understands it.
struct RawRow {
    serial: Serial,
    recorded_at: i64,
    actor: String,
    address: Option<String>,
    kind: String,
    subject: String,
    detail: String,
    previous_hash: Sha256,
    hash: Sha256,
}

impl RawRow {
    fn check(&self, previous: Head, head: Head) -> Option<Break> {
        let expected = Serial(previous.serial.0 + 1);
        let found = |serial, reason| Some(Break { serial, reason });
        if expected > head.serial {
            return found(self.serial, BreakReason::BeyondHead);
        }
        if self.serial != expected {
            return found(expected, BreakReason::Missing);
        }
        let fields = Fields {
            serial: self.serial.0,
            recorded_at: self.recorded_at,
            actor: &self.actor,
            address: self.address.clone(),
            kind: &self.kind,
            subject: &self.subject,
            detail: &self.detail,
        };
        if fields.hash(&self.previous_hash) != self.hash {
            return found(self.serial, BreakReason::Edited);
        }
        if self.previous_hash != previous.hash {
            return found(self.serial, BreakReason::Unchained);
        }
        None
    }
}

/// `None` stands for a row with values that were never recorded, such as bytes for text.
async fn list_raw(
    connection: &mut Connection,
    after: Serial,
) -> Result<Vec<Option<RawRow>>, DatabaseError> {
    sql(
        "SELECT serial, recorded_at, actor, address, kind, subject, detail, previous_hash, hash \
         FROM change_log WHERE serial > $1 ORDER BY serial LIMIT $2",
    )
    .bind(after.0)
    .bind(super::limit(VERIFY_ROWS))
    .fetch_all(connection, |row| match raw(row) {
        Ok(raw) => Ok(Some(raw)),
        Err(DatabaseError::InvalidValue { .. }) => Ok(None),
        Err(error) => Err(error),
    })
    .await
}

fn raw(row: &Row<'_>) -> Result<RawRow, DatabaseError> {
    Ok(RawRow {
        serial: Serial(row.integer(0)?),
        recorded_at: row.integer(1)?,
        actor: row.text(2)?.to_owned(),
        address: row.optional_text(3)?.map(str::to_owned),
        kind: row.text(4)?.to_owned(),
        subject: row.text(5)?.to_owned(),
        detail: row.text(6)?.to_owned(),
        previous_hash: row.digest(7)?,
        hash: row.digest(8)?,
    })
}

fn recorded(row: &Row<'_>) -> Result<RecordedEvent, DatabaseError> {
    Ok(RecordedEvent {
        serial: Serial(row.integer(0)?),
        recorded_at: row.time(1)?,
        actor: row.text(2)?.to_owned(),
        address: row.optional_address(3)?,
        event: Event {
            kind: row.parsed(4, EventKind::parse)?,
            subject: row.text(5)?.to_owned(),
            detail: row.json(6)?,
        },
        previous_hash: row.digest(7)?,
        hash: row.digest(8)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const EMPTY: Head = Head {
        serial: Serial(0),
        hash: Sha256([0; 32]),
    };

    fn event(subject: &str) -> Event {
        Event {
            kind: EventKind::FilePublished,
            subject: subject.to_owned(),
            detail: json!({"version": "1.0"}),
        }
    }

    fn recorded_event() -> RecordedEvent {
        let origin = Origin {
            actor: "bob".to_owned(),
            address: Some("127.0.0.1".parse::<std::net::IpAddr>().unwrap()),
        };
        let time = Timestamp::from_microsecond(1_700_000_000_000_001).unwrap();
        chain(EMPTY, time, &origin, event("bob/dev/pkg"))
    }

    /// The value was computed independently, with Python's hashlib and struct, from the table in
    /// the module's documentation. It must never change.
    #[test]
    fn the_encoding_is_as_documented() {
        assert_eq!(
            recorded_event().hash.to_string(),
            "8352a88e64785907c85383ac9f214bf2951c9ea99b3de07d8432a58c28ccf4dc"
        );
    }

    #[test]
    fn every_field_is_covered() {
        let fields = || Fields {
            serial: 2,
            recorded_at: 3,
            actor: "ab",
            address: None,
            kind: "c",
            subject: "d",
            detail: "{}",
        };
        let previous = Sha256([7; 32]);
        let variants = [
            fields(),
            Fields {
                serial: 3,
                ..fields()
            },
            Fields {
                recorded_at: 4,
                ..fields()
            },
            Fields {
                actor: "a",
                ..fields()
            },
            Fields {
                address: Some(String::new()),
                ..fields()
            },
            Fields {
                address: Some("1.2.3.4".to_owned()),
                ..fields()
            },
            Fields {
                kind: "x",
                ..fields()
            },
            Fields {
                subject: "x",
                ..fields()
            },
            Fields {
                detail: "{} ",
                ..fields()
            },
            // The same letters, cut differently.
            Fields {
                actor: "a",
                kind: "bc",
                ..fields()
            },
        ];
        let mut hashes: Vec<_> = variants
            .iter()
            .map(|fields| fields.hash(&previous))
            .collect();
        hashes.push(fields().hash(&Sha256([8; 32])));
        let count = hashes.len();
        hashes.sort();
        hashes.dedup();
        assert_eq!(hashes.len(), count);
    }

    #[test]
    fn events_are_chained() {
        let first = recorded_event();
        let head = Head {
            serial: first.serial,
            hash: first.hash,
        };
        let second = chain(head, first.recorded_at, &Origin::new("eve"), event("x"));
        assert_eq!((first.serial, second.serial), (Serial(1), Serial(2)));
        assert_eq!(second.previous_hash, first.hash);
    }
}
