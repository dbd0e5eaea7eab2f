//! How a plan is made: the layout beside what a server has.

use std::collections::BTreeMap;
use std::fmt;

use cheeseshop_domain::{IndexName, JsonMap, UserName, is_empty};
use serde_json::Value;

use super::order::{Bases, order};
use super::plan::{Password, Settings};
use super::{
    Action, Change, Layout, Plan, PlanOptions, Present, Problem, Problems, Step, Subject,
    WishedIndex, WishedUser, bases_of, shown, type_of,
};

impl Layout {
    /// What a server lacks of this layout.
    ///
    /// # Errors
    /// Everything that is in the way: circles of bases, bases and owners that are nowhere, an index that
    /// would have to be of another type, and with `prune` what cannot be removed.
    pub fn plan(&self, present: &Present, options: &PlanOptions) -> Result<Plan, Problems> {
        let mut planning = Planning {
            layout: self,
            present,
            options,
            plan: Plan::default(),
            problems: Vec::new(),
        };
        let mut last = None;
        for (name, user) in &self.users {
            let (mut step, password) = planning.user(name, user);
            match password {
                Some(password) if options.caller.as_deref() == Some(name.as_str()) => {
                    last = Some(password_step(name, password));
                    if step.changes.is_empty() {
                        continue;
                    }
                }
                Some(password) => {
                    step.changes.insert(0, password_change());
                    step.password = password;
                }
                None => {}
            }
            planning.plan.push(step);
        }
        for name in planning.order() {
            if let Some(index) = self.indexes.get(&name) {
                planning.index(&name, index);
            }
        }
        if options.prune {
            planning.prune();
        }
        planning.plan.steps.extend(last);
        Problems::unless_any(planning.plan, planning.problems)
    }
}

struct Planning<'a> {
    layout: &'a Layout,
    present: &'a Present,
    options: &'a PlanOptions,
    plan: Plan,
    problems: Vec<Problem>,
}

impl Planning<'_> {
    fn problem(&mut self, subject: &impl fmt::Display, text: String) {
        self.problems.push(Problem {
            place: subject.to_string(),
            text,
        });
    }

    /// What a user needs, and the password that it needs beside that.
    fn user(&self, name: &UserName, wished: &WishedUser) -> (Step, Option<Password>) {
        let subject = Subject::User(name.clone());
        let Some(present) = self.present.users.get(name.as_str()) else {
            let mut step = step(subject, Action::Create);
            let profile = wished.profile.iter().filter(|(_, value)| !is_empty(value));
            step.set(profile.map(|(key, value)| (key.as_str(), None, value, value)));
            step.password = match &wished.password {
                Some(password) => Password::Given(password.clone()),
                None => Password::Generated,
            };
            return (step, None);
        };
        let mut step = step(subject, Action::Change);
        let differing = wished.profile.iter().filter(|(key, value)| {
            let old = present.get(*key).filter(|old| !is_empty(old));
            old != Some(*value).filter(|value| !is_empty(value))
        });
        step.set(differing.map(|(key, value)| (key.as_str(), present.get(key), value, value)));
        let password = wished
            .password
            .as_ref()
            .filter(|_| self.present.wrong_passwords.contains(name));
        (
            step,
            password.map(|password| Password::Given(password.clone())),
        )
    }

    fn index(&mut self, name: &IndexName, wished: &WishedIndex) {
        let subject = Subject::Index(name.clone());
        let is_owned =
            self.present.has_user(name.user.as_str()) || self.layout.users.contains_key(&name.user);
        if !is_owned {
            let text = format!(
                "there is no user {}, neither here nor in the layout",
                name.user
            );
            self.problem(&subject, text);
        }
        for base in &wished.bases {
            if self.present.index(base).is_none() && !self.layout.indexes.contains_key(base) {
                let text = format!(
                    "there is no index {base} to inherit from, neither here nor in the layout"
                );
                self.problem(&subject, text);
            }
        }
        let mut needs = vec![Subject::User(name.user.clone())];
        needs.extend(wished.bases.iter().cloned().map(Subject::Index));
        let Some(present) = self.present.index(name) else {
            let is_empty_mirror =
                wished.type_name() == "mirror" && !wished.kept.contains_key("mirror_url");
            if is_empty_mirror && !self.options.allow_empty_mirrors {
                let text =
                    "it is not there yet, and a new mirror needs its `mirror_url`".to_owned();
                self.problem(&subject, text);
            }
            let mut step = Step {
                needs,
                ..step(subject, Action::Create)
            };
            let settings = wished.written.iter().filter(|(_, value)| !value.is_null());
            step.set(settings.map(|(key, value)| {
                (
                    key.as_str(),
                    None,
                    wished.kept.get(key).unwrap_or(value),
                    value,
                )
            }));
            self.plan.push(step);
            return;
        };
        if type_of(present) != wished.type_name() {
            let (is, shall) = (type_of(present), wished.type_name());
            let text = format!(
                "it is of the type {is}, and cannot become {shall}; say type = \"{is}\", or remove it first"
            );
            self.problem(&subject, text);
            return;
        }
        let mut step = Step {
            needs,
            ..step(subject, Action::Change)
        };
        let differing = wished.written.iter().filter(|(key, _)| {
            let differs = |old: Option<&Value>, new: Option<&Value>| {
                let default = default_of(key);
                old.or(default.as_ref()) != new.or(default.as_ref())
            };
            match present.get(*key) {
                Some(old) if shown::is_hidden(key, old) => {
                    self.options.send_secrets || differs(Some(old), wished.shown.get(*key))
                }
                old => differs(old, wished.kept.get(*key)),
            }
        });
        step.set(differing.map(|(key, value)| {
            (
                key.as_str(),
                present.get(key),
                wished.kept.get(key).unwrap_or(&Value::Null),
                value,
            )
        }));
        self.plan.push(step);
    }

    /// The indexes of the layout, bases first. Circles are looked for in what there will be, but only those
    /// that the layout has a part in are ours to tell.
    fn order(&mut self) -> Vec<IndexName> {
        let mut bases: Bases = self
            .present
            .indexes()
            .map(|(name, settings)| (name, bases_of(settings)))
            .collect();
        for (name, index) in &self.layout.indexes {
            // Of a present index whose bases are not named they stay.
            if index.written.contains_key("bases") || !bases.contains_key(name) {
                bases.insert(name.clone(), index.bases.clone());
            }
        }
        match order(&bases) {
            Ok(ordered) => ordered,
            Err(circles) => {
                let mut is_told = false;
                for circle in circles {
                    let is_ours = |name: &IndexName| {
                        self.layout
                            .indexes
                            .get(name)
                            .is_some_and(|index| index.written.contains_key("bases"))
                    };
                    if circle.iter().any(is_ours) {
                        is_told = true;
                        let names: Vec<_> = circle.iter().map(ToString::to_string).collect();
                        let text = format!("bases go in a circle: {}", names.join(" → "));
                        self.problem(&Subject::Index(circle[0].clone()), text);
                    }
                }
                if is_told {
                    return self.layout.indexes.keys().cloned().collect();
                }
                // A circle that was there before: the layout alone can be ordered.
                let own = self.layout.indexes.iter();
                let own: Bases = own
                    .map(|(name, index)| (name.clone(), index.bases.clone()))
                    .collect();
                order(&own).unwrap_or_else(|_| self.layout.indexes.keys().cloned().collect())
            }
        }
    }

    /// Removes what the layout does not name, heirs before their bases.
    fn prune(&mut self) {
        let stays = |user: &UserName| {
            user.is_root() || self.options.caller.as_deref() == Some(user.as_str())
        };
        let is_gone = |user: &UserName| {
            !stays(user)
                && !self.layout.users.contains_key(user)
                && !self.layout.indexes.keys().any(|index| index.user == *user)
        };
        let mut gone: BTreeMap<IndexName, &JsonMap> = BTreeMap::new();
        let mut remaining: Bases = Bases::new();
        for (name, settings) in self.present.indexes() {
            if self.layout.indexes.contains_key(&name) || name.user.is_root() {
                remaining.insert(name, bases_of(settings));
            } else {
                gone.insert(name, settings);
            }
        }
        for (name, index) in &self.layout.indexes {
            if index.written.contains_key("bases") {
                remaining.insert(name.clone(), index.bases.clone());
            }
        }
        let mut problems = Vec::new();
        for (name, settings) in &gone {
            let subject = Subject::Index(name.clone());
            if settings.get("volatile") == Some(&Value::Bool(false)) {
                problems.push((subject.clone(), "it is not volatile and so cannot be removed: say volatile=True first, or name it in the layout".to_owned()));
            }
            for (heir, bases) in &remaining {
                if bases.contains(name) {
                    problems.push((
                        subject.clone(),
                        format!("it cannot be removed: {heir} inherits from it"),
                    ));
                }
            }
        }
        for (subject, text) in problems {
            self.problem(&subject, text);
        }
        let bases: Bases = gone
            .iter()
            .map(|(name, settings)| (name.clone(), bases_of(settings)))
            .collect();
        // A circle has no order; then any will do.
        let mut names = order(&bases).unwrap_or_else(|_| bases.into_keys().collect());
        names.reverse();
        let users = self
            .present
            .users
            .keys()
            .filter_map(|name| UserName::parse(name).ok());
        let users: Vec<_> = users.filter(is_gone).collect();
        let indexes = names.into_iter().map(Subject::Index);
        for subject in indexes.chain(users.into_iter().map(Subject::User)) {
            self.plan.push(step(subject, Action::Remove));
        }
    }
}

fn step(subject: Subject, action: Action) -> Step {
    Step {
        subject,
        action,
        changes: Vec::new(),
        settings: Settings::default(),
        password: Password::Stays,
        needs: Vec::new(),
    }
}

fn password_step(name: &UserName, password: Password) -> Step {
    Step {
        changes: vec![password_change()],
        password,
        ..step(Subject::User(name.clone()), Action::Change)
    }
}

fn password_change() -> Change {
    Change {
        key: "password".to_owned(),
        old: None,
        new: None,
    }
}

/// The value of a key that documents do not show while it has that value.
fn default_of(key: &str) -> Option<Value> {
    (key == "acl_read").then(|| serde_json::json!([":ANONYMOUS:"]))
}
