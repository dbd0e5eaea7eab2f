//! Users and indexes: few, and all in one transaction.

mod user;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use cheeseshop_domain::{Directory, Event, EventKind, IndexConfig, IndexName, UserProfile};
use cheeseshop_storage::database::{indexes, mirrors, users};
use cheeseshop_storage::{Connection, Transaction};
use jiff::Timestamp;
use serde_json::{Value, json};

use self::user::PlannedUser;
use crate::Error;
use crate::import::importer::{Importer, Target, origin};
use crate::import::model::{Index, User};
use crate::import::report::{Entry, Kind, Note};
use crate::import::{Differing, ImportError, ImportOptions};
use crate::indexes::starts_over;

/// The index that a first start makes.
const DEFAULT_MIRROR: &str = "root/pypi";

const USER_DIFFERS: &str =
    "there is a user of this name here whose record differs: it stays as it is";

const INDEX_DIFFERS: &str = "there is an index of this name here that is configured otherwise: it stays so, and takes \
                             the contents in";

/// An index that is to be here.
#[derive(Clone)]
struct PlannedIndex {
    /// Its name in the source.
    source: String,
    name: IndexName,
    config: IndexConfig,
    differences: Vec<String>,
}

/// All that is to be here.
#[derive(Clone)]
struct Plan {
    users: BTreeMap<String, PlannedUser>,
    indexes: Vec<PlannedIndex>,
}

impl Importer {
    /// Takes in users and indexes; comes before all contents.
    ///
    /// # Errors
    /// [`ImportError`]
    pub async fn accounts(
        &mut self,
        users: Vec<User>,
        indexes: &[Index],
    ) -> Result<(), ImportError> {
        let mut entries = Vec::new();
        let here: HashSet<String> = self
            .app
            .directory()
            .indexes()
            .map(|index| index.name.to_string())
            .collect();
        let plan = Plan::make(&self.options, users, indexes, &here, &mut entries);
        self.report.add(entries);
        let (options, dry_run) = (self.options.clone(), self.options.dry_run);
        let planned: Vec<(String, IndexName, IndexConfig)> = plan
            .indexes
            .iter()
            .map(|index| {
                (
                    index.source.clone(),
                    index.name.clone(),
                    index.config.clone(),
                )
            })
            .collect();
        let entries = if dry_run {
            let untouched = is_untouched(&mut *self.app.db().reader().await?).await?;
            plan.foresee(&options, &self.app.directory(), untouched)
        } else {
            let now = self.app.clock().now();
            self.app
                .write_as(origin(), move |tx| {
                    Box::pin(async move { plan.write(tx, &options, now).await })
                })
                .await?
                .value
        };
        self.report.add(entries);
        let directory = self.app.directory();
        for (source, name, config) in planned {
            let held = directory.index(name.user.as_str(), &name.index);
            let (id, config) = match held {
                Some(held) => (Some(held.id), held.config.clone()),
                None => (None, config),
            };
            let target = Target { id, name, config };
            self.targets.insert(source, Arc::new(target));
        }
        Ok(())
    }
}

impl Plan {
    fn make(
        options: &ImportOptions,
        users: Vec<User>,
        indexes: &[Index],
        here: &HashSet<String>,
        entries: &mut Vec<Entry>,
    ) -> Self {
        let mut plan = Self {
            users: BTreeMap::new(),
            indexes: Vec::new(),
        };
        for user in users {
            match PlannedUser::of(&user, entries) {
                Ok(planned) => drop(plan.users.insert(user.name, planned)),
                Err(reason) => entries.push(Entry::skipped(Kind::User, user.name, reason)),
            }
        }
        for index in indexes {
            let name = index.full_name();
            let kind = index.config.get("type").and_then(Value::as_str);
            if let Some(reason) = options.leaves_out(&name, kind.unwrap_or("stage")) {
                entries.push(Entry::LeftOut(Note::new(Kind::Index, name, reason)));
                continue;
            }
            match plan.index(index) {
                Ok(planned) => plan.indexes.push(planned),
                Err(reason) => entries.push(Entry::skipped(Kind::Index, name, reason)),
            }
        }
        let coming: HashSet<String> = plan
            .indexes
            .iter()
            .map(|index| index.name.to_string())
            .collect();
        for index in &mut plan.indexes {
            for base in index.config.kind.bases() {
                let base = base.to_string();
                if !coming.contains(&base) && !here.contains(&base) {
                    index.differences.push(format!(
                        "its base {base} does not exist; it stays in the list and is passed over"
                    ));
                }
            }
        }
        plan
    }

    fn index(&mut self, index: &Index) -> Result<PlannedIndex, String> {
        let source = index.full_name();
        let name = IndexName::new(&index.user, &index.name).map_err(|error| error.to_string())?;
        let adopted = IndexConfig::adopt(&name.user, &index.config);
        let mut differences = adopted.changes;
        self.users.entry(index.user.clone()).or_insert_with(|| {
            differences.push("its owner was not told of and cannot log in".to_owned());
            PlannedUser {
                name: name.user.clone(),
                password_hash: None,
                profile: UserProfile::default(),
                created: Timestamp::UNIX_EPOCH,
                modified: None,
                differences: Vec::new(),
            }
        });
        Ok(PlannedIndex {
            source,
            name,
            config: adopted.config,
            differences,
        })
    }

    /// What [`Plan::write`] would report.
    fn foresee(
        &self,
        options: &ImportOptions,
        directory: &Directory,
        untouched: bool,
    ) -> Vec<Entry> {
        let leaves = options.differing == Differing::Leave;
        let users =
            self.users
                .values()
                .map(|planned| match directory.user(planned.name.as_str()) {
                    Some(held) if planned.is(held) => Entry::Present(Kind::User),
                    Some(_) if leaves && !(untouched && planned.name.is_root()) => {
                        Entry::skipped(Kind::User, planned.name.as_str(), USER_DIFFERS)
                    }
                    _ => Entry::kept(Kind::User, planned.name.as_str(), &planned.differences),
                });
        let indexes = self.indexes.iter().map(|planned| {
            match directory.index(planned.name.user.as_str(), &planned.name.index) {
                Some(held) if held.config == planned.config => Entry::Present(Kind::Index),
                Some(_) if leaves && !(untouched && planned.source == DEFAULT_MIRROR) => {
                    Entry::skipped(Kind::Index, &planned.source, INDEX_DIFFERS)
                }
                _ => Entry::kept(Kind::Index, &planned.source, &planned.differences),
            }
        });
        users.chain(indexes).collect()
    }

    async fn write(
        self,
        tx: &mut Transaction,
        options: &ImportOptions,
        now: Timestamp,
    ) -> Result<Vec<Entry>, Error> {
        let untouched = is_untouched(tx).await?;
        let mut entries = Vec::new();
        let mut owners = HashMap::new();
        for planned in self.users.values() {
            let held = users::find(tx, planned.name.as_str()).await?;
            let yields =
                options.differing == Differing::Follow || (untouched && planned.name.is_root());
            let id = match held {
                None => {
                    entries.push(Entry::kept(
                        Kind::User,
                        planned.name.as_str(),
                        &planned.differences,
                    ));
                    planned.create(tx).await?
                }
                Some(held) if planned.is(&held) => {
                    entries.push(Entry::Present(Kind::User));
                    held.id
                }
                Some(held) if yields => {
                    entries.push(Entry::kept(
                        Kind::User,
                        planned.name.as_str(),
                        &planned.differences,
                    ));
                    planned.replace(tx, held).await?
                }
                Some(held) => {
                    entries.push(Entry::skipped(
                        Kind::User,
                        planned.name.as_str(),
                        USER_DIFFERS,
                    ));
                    held.id
                }
            };
            owners.insert(planned.name.clone(), id);
        }
        for planned in &self.indexes {
            let held = indexes::find(tx, &planned.name).await?;
            let yields = options.differing == Differing::Follow
                || (untouched && planned.source == DEFAULT_MIRROR);
            let entry = Entry::kept(Kind::Index, &planned.source, &planned.differences);
            match held {
                None => {
                    let owner = owners.get(&planned.name.user).copied();
                    let owner =
                        owner.ok_or_else(|| Error::internal("an index without its owner"))?;
                    indexes::create(tx, owner, &planned.name, &planned.config, now).await?;
                    let detail = Value::Object(planned.config.to_json());
                    tx.record(Event::of_index(
                        EventKind::IndexCreated,
                        &planned.name,
                        detail,
                    ));
                    entries.push(entry);
                }
                Some(held) if held.config == planned.config => {
                    entries.push(Entry::Present(Kind::Index));
                }
                Some(held) if yields => {
                    indexes::update(tx, held.id, &planned.config).await?;
                    let detail = Value::Object(planned.config.to_json());
                    tx.record(Event::of_index(
                        EventKind::IndexUpdated,
                        &planned.name,
                        detail,
                    ));
                    if starts_over(&held.config, &planned.config) {
                        mirrors::clear(tx, held.id).await?;
                        tx.record(Event::of_index(
                            EventKind::MirrorReset,
                            &planned.name,
                            json!({}),
                        ));
                    }
                    entries.push(entry);
                }
                Some(_) => {
                    entries.push(Entry::skipped(Kind::Index, &planned.source, INDEX_DIFFERS));
                }
            }
        }
        Ok(entries)
    }
}

/// Whether this installation holds nothing but what its first start made.
async fn is_untouched(db: &mut Connection) -> Result<bool, Error> {
    let users = users::list(db).await?;
    let indexes = indexes::list(db).await?;
    let fresh = users
        .iter()
        .all(|user| user.name.is_root() && user.modified.is_none())
        && indexes
            .iter()
            .all(|index| index.name.to_string() == DEFAULT_MIRROR);
    for index in &indexes {
        if fresh && !mirrors::list_projects(db, index.id).await?.is_empty() {
            return Ok(false);
        }
    }
    Ok(fresh)
}
