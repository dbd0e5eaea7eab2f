//! What a push did, step by step.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value, json};

/// One line of what a push did; a list on the wire, the status first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ActionLogEntry {
    /// `[200, "register", name, version, "->", "user/index"]`, without the last two towards other servers.
    Register {
        /// HTTP status.
        status: i32,
        /// The project.
        name: String,
        /// The version.
        version: String,
        /// The index here.
        target: Option<String>,
    },
    /// `[200, "store_releasefile", path]`: a file is on the target index now, `user/index/+f/…`.
    StoreReleaseFile {
        /// HTTP status.
        status: i32,
        /// The path below the root of the server.
        path: String,
    },
    /// `[200, "upload", path, text]`: a file was sent to another server, which answered this.
    Upload {
        /// HTTP status.
        status: i32,
        /// The path below the root of this server.
        path: String,
        /// The answer; empty on success.
        text: String,
    },
    /// Anything else: test results, documentation, exceptions.
    Other {
        /// HTTP status, -1 when there was no answer.
        status: i32,
        /// The rest of the list.
        rest: Vec<Value>,
    },
}

impl ActionLogEntry {
    /// How it went.
    pub fn status(&self) -> i32 {
        match self {
            Self::Register { status, .. }
            | Self::StoreReleaseFile { status, .. }
            | Self::Upload { status, .. }
            | Self::Other { status, .. } => *status,
        }
    }

    fn to_list(&self) -> Vec<Value> {
        match self {
            Self::Register {
                status,
                name,
                version,
                target,
            } => {
                let mut list = vec![
                    json!(status),
                    json!("register"),
                    json!(name),
                    json!(version),
                ];
                if let Some(target) = target {
                    list.extend([json!("->"), json!(target)]);
                }
                list
            }
            Self::StoreReleaseFile { status, path } => {
                vec![json!(status), json!("store_releasefile"), json!(path)]
            }
            Self::Upload { status, path, text } => {
                vec![json!(status), json!("upload"), json!(path), json!(text)]
            }
            Self::Other { status, rest } => [json!(status)]
                .into_iter()
                .chain(rest.iter().cloned())
                .collect(),
        }
    }

    fn from_list(list: &[Value]) -> Option<Self> {
        let (status, rest) = list.split_first()?;
        let status = i32::try_from(status.as_i64()?).ok()?;
        let words: Vec<_> = rest.iter().map_while(Value::as_str).collect();
        let owned = str::to_owned;
        Some(match words[..] {
            ["register", name, version] if rest.len() == 3 => Self::Register {
                status,
                name: owned(name),
                version: owned(version),
                target: None,
            },
            ["register", name, version, "->", target] => Self::Register {
                status,
                name: owned(name),
                version: owned(version),
                target: Some(owned(target)),
            },
            ["store_releasefile", path] if rest.len() == 2 => Self::StoreReleaseFile {
                status,
                path: owned(path),
            },
            ["upload", path, text] if rest.len() == 3 => Self::Upload {
                status,
                path: owned(path),
                text: owned(text),
            },
            _ => Self::Other {
                status,
                rest: rest.to_vec(),
            },
        })
    }
}

impl Serialize for ActionLogEntry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_list().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for ActionLogEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let list = Vec::deserialize(deserializer)?;
        Self::from_list(&list)
            .ok_or_else(|| serde::de::Error::custom("not a line of an action log"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn action_logs_are_lists_and_read_back() {
        let log = json!([
            [200, "register", "m", "1.0", "->", "bob/prod"],
            [
                200,
                "store_releasefile",
                "bob/prod/+f/7f0/c4e99b310b917/m-1.0.tar.gz"
            ],
            [
                200,
                "store_toxresult",
                "bob/prod/+f/7f0/c4e99b310b917/m-1.0.tar.gz.toxresult-1-0"
            ],
            [200, "store_doczip", "m", "1.0", "->", "bob/prod"],
            [200, "register", "m", "1.0"],
            [
                409,
                "upload",
                "bob/dev/+f/7f0/c4e99b310b917/m-1.0.tar.gz",
                "exists"
            ],
            [-1, "exception on x", 5],
        ]);
        let entries: Vec<ActionLogEntry> = serde_json::from_value(log.clone()).unwrap();
        assert_eq!(serde_json::to_value(&entries).unwrap(), log);
        assert!(
            matches!(&entries[0], ActionLogEntry::Register { target: Some(to), .. } if to == "bob/prod")
        );
        assert!(matches!(
            &entries[1],
            ActionLogEntry::StoreReleaseFile { .. }
        ));
        assert!(matches!(&entries[5], ActionLogEntry::Upload { text, .. } if text == "exists"));
        assert_eq!(entries[6].status(), -1);
        for bad in [json!([]), json!(["200"]), json!({"a": 1})] {
            assert!(serde_json::from_value::<ActionLogEntry>(bad).is_err());
        }
    }
}
