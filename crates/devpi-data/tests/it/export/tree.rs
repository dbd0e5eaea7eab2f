//! Builds the directory of an export, right or wrong in any way.

use std::path::{Path, PathBuf};

use cheeseshop_packaging::Sha256;
use serde_json::{Value, json};
use tempfile::TempDir;

/// An export in the making. `document` is `dataindex.json` and may be spoiled at will.
pub(crate) struct Tree {
    directory: TempDir,
    pub(crate) document: Value,
}

/// A time as devpi writes it, and its second.
pub(crate) const UPLOADED: (&str, i64) = ("Sun, 22 Nov 2026 11:44:22 GMT", 1_795_347_862);

impl Tree {
    /// An export with the user `root` only.
    pub(crate) fn new() -> Self {
        let tree = Self {
            directory: TempDir::new().unwrap(),
            document: json!({
                "users": {}, "indexes": {},
                "dumpversion": "2", "pythonversion": [3, 11, 7, "final", 0], "devpi_server": "6.20.3",
            }),
        };
        tree.user(
            "root",
            json!({"pwhash": hash("root"), "created": "2026-11-01T08:00:00Z"}),
        )
    }

    pub(crate) fn user(mut self, name: &str, mut record: Value) -> Self {
        record["username"] = json!(name);
        self.document["users"][name] = record;
        self
    }

    pub(crate) fn index(mut self, name: &str, config: Value) -> Self {
        let mut index = json!({"projects": {}, "files": []});
        index["indexconfig"] = config;
        self.document["indexes"][name] = index;
        self
    }

    pub(crate) fn release(
        mut self,
        index: &str,
        project: &str,
        version: &str,
        metadata: Value,
    ) -> Self {
        let mut metadata = metadata;
        metadata["name"] = json!(project);
        metadata["version"] = json!(version);
        self.document["indexes"][index]["projects"][project][version] = metadata;
        self
    }

    /// A release file with its history.
    pub(crate) fn file(
        self,
        index: &str,
        (project, version): (&str, &str),
        name: &str,
        bytes: &[u8],
    ) -> Self {
        let relative = format!("{index}/{project}/{version}/{name}");
        let log = json!([{"what": "upload", "who": "bob", "when": [2026, 11, 22, 11, 44, 22], "dst": index}]);
        let item = item(&relative, "releasefile", (project, version), bytes, log);
        self.add(index, &relative, bytes, item)
    }

    pub(crate) fn documentation(
        self,
        index: &str,
        (project, version): (&str, &str),
        bytes: &[u8],
    ) -> Self {
        let relative = format!("{index}/{project}-{version}.doc.zip");
        let item = item(&relative, "doczip", (project, version), bytes, json!([]));
        self.add(index, &relative, bytes, item)
    }

    /// What a test run said of a file whose bytes are `tested`.
    pub(crate) fn result(
        self,
        index: &str,
        release: (&str, &str),
        (file, tested): (&str, &[u8]),
        bytes: &[u8],
    ) -> Self {
        let digest = sha256(tested);
        let relative = format!(
            "{index}/{}/sha256={digest}/{file}.toxresult-20261122114454-0",
            release.0
        );
        let mut item = item(&relative, "toxresult", release, bytes, json!([]));
        item["for_entrypath"] = json!(format!(
            "{index}/+f/{}/{}/{file}",
            &digest[..3],
            &digest[3..16]
        ));
        self.add(index, &relative, bytes, item)
    }

    fn add(mut self, index: &str, relative: &str, bytes: &[u8], item: Value) -> Self {
        self.put(relative, bytes);
        self.items(index).push(item);
        self
    }

    /// Writes a file of the export.
    pub(crate) fn put(&self, relative: &str, bytes: &[u8]) {
        let path = self.path().join(relative);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    /// The descriptions of an index's files.
    pub(crate) fn items(&mut self, index: &str) -> &mut Vec<Value> {
        self.document["indexes"][index]["files"]
            .as_array_mut()
            .unwrap()
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn data_index(&self) -> PathBuf {
        self.path().join("dataindex.json")
    }

    /// Writes the description of all.
    pub(crate) fn write(&self) {
        let text = serde_json::to_string_pretty(&self.document).unwrap();
        std::fs::write(self.data_index(), text).unwrap();
    }
}

fn item(
    relative: &str,
    kind: &str,
    (project, version): (&str, &str),
    bytes: &[u8],
    log: Value,
) -> Value {
    let digest = sha256(bytes);
    let mut item = json!({
        "version": version,
        "entrymapping": {
            "last_modified": UPLOADED.0, "hash_spec": format!("sha256={digest}"),
            "hashes": {"sha256": digest}, "project": project, "version": version,
        }, "type": kind, "projectname": project, "relpath": relative,
    });
    item["log"] = log;
    item
}

/// A hash of this password, made cheaply (by argon2's reference program would be the same).
pub(crate) fn hash(password: &str) -> String {
    use argon2::{Argon2, Params};
    use base64::Engine as _;
    let salt = [7; 16];
    let params = Params::new(64, 1, 1, Some(32)).unwrap();
    let argon2 = Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
    let mut digest = [0; 32];
    argon2
        .hash_password_into(password.as_bytes(), &salt, &mut digest)
        .unwrap();
    let base64 = base64::engine::general_purpose::STANDARD_NO_PAD;
    format!(
        "$argon2id$v=19$m=64,t=1,p=1${}${}",
        base64.encode(salt),
        base64.encode(digest)
    )
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    Sha256(sha2::Sha256::digest(bytes).into()).to_string()
}
