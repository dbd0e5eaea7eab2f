//! Who holds a lock, so that whoever waits for it can say so.

use std::fmt;
use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};

use jiff::Timestamp;

/// Letters of a host's name that are told. All of a holder goes into PostgreSQL's name of a connection, which
/// has room for 63.
const HOST: usize = 20;

/// More is no holder's line.
const LINE: u64 = 512;

/// A process that holds a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Holder {
    /// The command, one word or several.
    pub(crate) purpose: String,
    process: u32,
    host: String,
    since: Timestamp,
}

impl Holder {
    /// This process, from now on.
    pub(crate) fn this(purpose: &str, now: Timestamp) -> Self {
        // Not from a file: the units of systemd do not see those of the system (`ProcSubset=pid`).
        let host: String = rustix::system::uname()
            .nodename()
            .to_string_lossy()
            .chars()
            .filter(char::is_ascii_graphic)
            .take(HOST)
            .collect();
        Self {
            purpose: purpose.to_owned(),
            process: std::process::id(),
            host: if host.is_empty() {
                "?".to_owned()
            } else {
                host
            },
            since: now,
        }
    }

    /// Says in the locked file who has it. That is for whoever is refused: nothing else needs it, and a full disk must
    /// not keep away who makes room.
    pub(crate) fn write_to(&self, mut file: &File) {
        let _ = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", self.line()));
    }

    /// Who has locked the file; `None` when it has not been written yet, or cannot be read.
    pub(crate) fn read_from(file: &File) -> Option<Self> {
        let mut line = String::new();
        file.take(LINE).read_to_string(&mut line).ok()?;
        Self::parse(&line)
    }

    /// One line that [`Self::parse`] reads back.
    pub(crate) fn line(&self) -> String {
        format!(
            "{} {} {} {}",
            self.host,
            self.process,
            self.since.as_second(),
            self.purpose
        )
    }

    /// What another process has written; `None` when it has not, yet, or differently.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let line = line.trim();
        // It may be root's terminal that it is shown on.
        if line.contains(char::is_control) {
            return None;
        }
        let mut words = line.splitn(4, ' ');
        Some(Self {
            host: words.next()?.to_owned(),
            process: words.next()?.parse().ok()?,
            since: Timestamp::from_second(words.next()?.parse().ok()?).ok()?,
            purpose: words.next()?.to_owned(),
        })
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "`{}` (process {} on {}, since {})",
            self.purpose,
            self.process,
            self.host,
            self.since.strftime("%Y-%m-%dT%H:%M:%SZ")
        )
    }
}

/// All of them in one sentence's worth of words.
pub(crate) fn named(holders: &[Holder]) -> String {
    if holders.is_empty() {
        return "another process".to_owned();
    }
    let named: Vec<String> = holders.iter().map(ToString::to_string).collect();
    named.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holder_is_read_back_and_fits_into_a_connections_name() {
        let moment = Timestamp::from_second(1_795_391_367).unwrap();
        let mut holder = Holder::this("backup create", moment);
        assert_eq!(Holder::parse(&holder.line()).as_ref(), Some(&holder));
        holder.host = "h".repeat(HOST);
        holder.process = 4_194_304;
        assert!(holder.line().len() < 64, "{}", holder.line());
        assert_eq!(
            Holder::parse("build7 12 1795391367 gc")
                .unwrap()
                .to_string(),
            "`gc` (process 12 on build7, since 2026-11-22T23:49:27Z)"
        );
        for other in ["", "cheeseshop", "a b c d", "a 1 2", "a 1 2 \u{1b}[2J"] {
            assert_eq!(Holder::parse(other), None, "{other}");
        }
    }
}
