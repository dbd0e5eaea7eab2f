//! What is told of a plan: a line for each step, or one JSON document for all.

use secrecy::ExposeSecret as _;
use serde_json::{Map, Value, json};

use crate::commands::Output;
use crate::layout::{Action, Change, Outcome, Plan, Step, Subject};

/// What has been told so far.
pub(super) struct Report {
    is_json: bool,
    steps: Vec<Value>,
}

impl Report {
    pub(super) fn new(is_json: bool) -> Self {
        Self {
            is_json,
            steps: Vec::new(),
        }
    }

    /// Tells of a step that would be done.
    pub(super) fn planned(&mut self, output: &mut Output, step: &Step) {
        if self.is_json {
            let mut document = document(step, "planned");
            if step.generates_password() {
                document["generates_password"] = true.into();
            }
            self.steps.push(document);
        } else {
            output.line(&line(step));
            if step.generates_password() {
                output.line("    with a password that will be made up and shown");
            }
        }
    }

    /// Tells what became of a step.
    pub(super) fn done(&mut self, output: &mut Output, step: &Step, outcome: &Outcome) {
        let trouble = match outcome {
            Outcome::Done { .. } => None,
            Outcome::Failed(error) => Some(error.chain()),
            Outcome::Skipped { needed: None } => Some("not tried".to_owned()),
            Outcome::Skipped {
                needed: Some(subject),
            } => Some(format!("not tried: there is no {subject}")),
        };
        let password = match outcome {
            Outcome::Done {
                generated_password: Some(password),
            } => Some(password.expose_secret()),
            _ => None,
        };
        if self.is_json {
            let state = match outcome {
                Outcome::Done { .. } => "done",
                Outcome::Failed(_) => "failed",
                Outcome::Skipped { .. } => "skipped",
            };
            let mut document = document(step, state);
            if let Some(trouble) = trouble {
                document["error"] = trouble.into();
            }
            if let Some(password) = password {
                document["generated_password"] = password.into();
            }
            self.steps.push(document);
            return;
        }
        match trouble {
            None => output.line(&line(step)),
            Some(trouble) => output.talk(&format!("! {}: {trouble}", step.subject)),
        }
        if let Some(password) = password {
            output.line(&format!("    password, shown only now: {password}"));
        }
    }

    /// Tells the sum of it all.
    pub(super) fn finish(self, output: &mut Output, plan: &Plan) {
        if self.is_json {
            let unchanged: Vec<_> = plan.unchanged.iter().map(subject).collect();
            let document = json!({"steps": self.steps, "unchanged": unchanged});
            output.json(&format!("{document:#}"));
            return;
        }
        output.talk(&format!(
            "{} to create, {} to change, {} to remove, {} as they should be",
            plan.count(Action::Create),
            plan.count(Action::Change),
            plan.count(Action::Remove),
            plan.unchanged.len()
        ));
    }
}

fn subject(subject: &Subject) -> Value {
    match subject {
        Subject::User(name) => json!({"kind": "user", "name": name.as_str()}),
        Subject::Index(name) => json!({"kind": "index", "name": name.to_string()}),
    }
}

fn document(step: &Step, state: &str) -> Value {
    let mut document = subject(&step.subject);
    document["action"] = match step.action {
        Action::Create => "create",
        Action::Change => "change",
        Action::Remove => "remove",
    }
    .into();
    let changes: Map<_, _> = step
        .changes
        .iter()
        .map(|change| {
            let values = json!({"old": change.old, "new": change.new});
            (change.key.clone(), values)
        })
        .collect();
    document["changes"] = changes.into();
    document["state"] = state.into();
    document
}

fn line(step: &Step) -> String {
    let sign = match step.action {
        Action::Create => '+',
        Action::Change => '~',
        Action::Remove => '-',
    };
    let mut line = format!("{sign} {}", step.subject);
    for (position, change) in step.changes.iter().enumerate() {
        line.push_str(if position == 0 { ": " } else { ", " });
        line.push_str(&told(change, step.action));
    }
    line
}

fn told(change: &Change, action: Action) -> String {
    let shown = |value: &Option<Value>| match value {
        None => "(none)".to_owned(),
        Some(value) => value.to_string(),
    };
    match (action, &change.old, &change.new) {
        (_, None, None) => change.key.clone(),
        (Action::Create, ..) => format!("{} = {}", change.key, shown(&change.new)),
        _ => format!(
            "{}: {} → {}",
            change.key,
            shown(&change.old),
            shown(&change.new)
        ),
    }
}
