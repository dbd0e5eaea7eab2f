//! `cheeseshop layout`: users and indexes as a file says, and the file that says what there is.

mod report;
mod source;
mod target;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use self::report::Report;
use self::target::TargetArgs;
use crate::commands::{Failure, GenericArgs, Session, With, in_session};
use crate::layout::{Action, Layout, Plan, PlanOptions, Problems, export};

/// What can be done with layouts.
#[derive(Debug, Subcommand)]
pub enum LayoutCommand {
    /// Make users and indexes be as a file says, or look whether they are.
    Apply(With<ApplyArgs>),
    /// Print a file that says what users and indexes there are.
    Export(With<ExportArgs>),
}

/// Arguments of `cheeseshop layout apply`.
#[expect(
    clippy::struct_excessive_bools,
    reason = "these are switches of a command line"
)]
#[derive(Args, Debug)]
pub struct ApplyArgs {
    /// The layout (TOML); `-`: standard input.
    file: PathBuf,

    #[command(flatten)]
    target: TargetArgs,

    /// Say what would be done, and do nothing.
    #[arg(long)]
    dry_run: bool,

    /// As --dry-run, and end with exit code 1 when something would be done.
    #[arg(long)]
    check: bool,

    /// Remove users and indexes that the file does not name. `root`, its indexes and the caller stay.
    #[arg(long)]
    prune: bool,

    /// Send URLs with credentials even where all that the server shows of them is right.
    #[arg(long)]
    send_secrets: bool,

    /// Make mirrors that have no `mirror_url`.
    #[arg(long)]
    allow_empty_mirrors: bool,

    /// Print a JSON document in place of lines.
    #[arg(long)]
    json: bool,
}

/// Arguments of `cheeseshop layout export`.
#[derive(Args, Debug)]
pub struct ExportArgs {
    /// Only these users and their indexes.
    users: Vec<String>,

    #[command(flatten)]
    target: TargetArgs,
}

pub(super) fn run(command: LayoutCommand, before: &GenericArgs) -> ExitCode {
    match command {
        LayoutCommand::Apply(With { own, generic }) => {
            in_session(&generic.or(before), true, async |session| {
                apply(session, &own).await
            })
        }
        LayoutCommand::Export(With { own, generic }) => {
            in_session(&generic.or(before), true, async |session| {
                print_export(session, &own).await
            })
        }
    }
}

async fn apply(session: &mut Session, arguments: &ApplyArgs) -> Result<(), Failure> {
    // The file first: what is wrong with it is found without a server.
    let text = source::text(&arguments.file, &session.environment)?;
    let folder = source::folder(&arguments.file, &session.environment);
    let layout = Layout::read(&text, &mut |secret| {
        secret.read(&folder, &session.environment)
    })
    .map_err(|problems| refused(&arguments.file, &problems))?;
    let target = arguments.target.open(session).await?;
    let present = target
        .server
        .layout_state(&layout)
        .await
        .map_err(|error| target.failure(&error))?;
    let options = PlanOptions {
        prune: arguments.prune,
        send_secrets: arguments.send_secrets,
        allow_empty_mirrors: arguments.allow_empty_mirrors,
        caller: target.user.clone(),
    };
    let plan = layout
        .plan(&present, &options)
        .map_err(|problems| refused(&arguments.file, &problems))?;

    let mut report = Report::new(arguments.json);
    if arguments.dry_run || arguments.check {
        for step in &plan.steps {
            report.planned(&mut session.output, step);
        }
        report.finish(&mut session.output, &plan);
        if arguments.check && !plan.is_empty() {
            return Err(Failure::told());
        }
        return Ok(());
    }
    confirm_removals(session, &plan, arguments.json)?;
    let output = &mut session.output;
    let not_done = plan
        .apply(&target.server, |step, outcome| {
            report.done(output, step, &outcome);
        })
        .await;
    report.finish(&mut session.output, &plan);
    if not_done == 0 {
        return Ok(());
    }
    Err(Failure::fatal(format!(
        "{not_done} of {} steps not done; apply the layout again when the cause is away",
        plan.steps.len()
    )))
}

async fn print_export(session: &mut Session, arguments: &ExportArgs) -> Result<(), Failure> {
    let target = arguments.target.open(session).await?;
    let present = target
        .server
        .layout_state(&Layout::default())
        .await
        .map_err(|error| target.failure(&error))?;
    if let Some(missing) = arguments.users.iter().find(|user| !present.has_user(user)) {
        return Err(Failure::fatal(format!("there is no user {missing}")));
    }
    let text = export(&present, &arguments.users);
    session.output.data(text.trim_end());
    Ok(())
}

/// Asks before anything is removed, unless `-y` has answered.
fn confirm_removals(session: &mut Session, plan: &Plan, is_json: bool) -> Result<(), Failure> {
    let removals: Vec<_> = plan
        .steps
        .iter()
        .filter(|step| step.action == Action::Remove)
        .map(|step| step.subject.to_string())
        .collect();
    if removals.is_empty() || session.options.yes {
        return Ok(());
    }
    if is_json {
        return Err(Failure::usage(
            "with --json nobody is asked: say -y to remove, or --dry-run to look first",
        ));
    }
    let question = format!("Remove {} with all that they hold", removals.join(", "));
    if session.output.confirm(&question, false)? {
        return Ok(());
    }
    Err(Failure::fatal("nothing was done"))
}

fn refused(file: &std::path::Path, problems: &Problems) -> Failure {
    Failure::usage(format!("{} cannot be applied:\n{problems}", file.display()))
}
