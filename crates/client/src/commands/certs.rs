//! `cheeseshop certs`: which certificates are trusted, and a bundle with a company's.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::commands::ci_environment::Shell;
use crate::commands::clock::now;
use crate::commands::get_json::indented;
use crate::commands::{Failure, Session};
use crate::trust::{self, Bundle, Certificate, Exports, Found, Roots, day};

/// Certificates that end within so many days are told of.
const SOON_DAYS: i64 = 30;

/// No list of certificates on standard input is longer.
const LARGEST_INPUT_BYTES: u64 = 16 << 20;

/// Arguments of `cheeseshop certs`.
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub struct CertsArgs {
    #[command(subcommand)]
    command: Option<CertsCommand>,

    /// List every certificate with its last day.
    #[arg(long)]
    all: bool,

    /// Print a JSON document.
    #[arg(long)]
    json: bool,
}

/// What is done with certificates.
#[derive(Debug, Subcommand)]
enum CertsCommand {
    /// Make one file of the system's certificates and a company's, and print the shell code that has pip,
    /// uv, requests, curl, git and others use it.
    ///
    /// What was added by an earlier run stays. Made anew, the file has the system's certificates of that
    /// day; when nothing has changed, nothing is written.
    Bundle(BundleArgs),
}

/// Arguments of `cheeseshop certs bundle`.
#[derive(Args, Debug)]
struct BundleArgs {
    /// Certificates to trust beside the system's, in PEM or DER; `-` is standard input.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    add: Vec<String>,

    /// The file to make [default: cheeseshop/ca-bundle.pem in $XDG_DATA_HOME, else in ~/.local/share].
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Put the shell code into this file (such as ~/.profile) instead of printing it.
    #[arg(long, value_name = "FILE")]
    export: Option<PathBuf>,

    /// Forget what earlier runs have added.
    #[arg(long)]
    fresh: bool,

    /// Print a JSON document.
    #[arg(long)]
    json: bool,
}

impl BundleArgs {
    fn prints_shell_code(&self) -> bool {
        !self.json && self.export.is_none()
    }
}

#[expect(clippy::unused_async, reason = "as the other commands")]
pub(super) async fn run(session: &mut Session, arguments: &CertsArgs) -> Result<(), Failure> {
    match &arguments.command {
        None => show(session, arguments),
        Some(CertsCommand::Bundle(arguments)) => {
            let result = bundle(session, arguments);
            if result.is_err() && arguments.prints_shell_code() {
                session.output.data(Shell::Sh.failing());
            }
            result
        }
    }
}

fn show(session: &mut Session, arguments: &CertsArgs) -> Result<(), Failure> {
    let roots = session.trust().roots().clone();
    let certificates = roots
        .read()
        .map_err(|error| Failure::usage(error.to_string()))?;
    let now = now();
    let places = places(&roots);
    if arguments.json {
        let document = json!({
            "source": if roots == Roots::System { "system" } else { "named" },
            "places": places
                .iter()
                .map(|(path, named_by)| json!({"path": path, "named_by": named_by}))
                .collect::<Vec<_>>(),
            "count": certificates.len(),
            "certificates": certificates
                .iter()
                .filter(|certificate| arguments.all || state(certificate, now) != "valid")
                .map(|certificate| document_of(certificate, now))
                .collect::<Vec<_>>(),
        });
        session.output.json(&indented(&document));
    } else {
        let whose = match roots {
            Roots::System => "of the system",
            Roots::Named(_) => "of",
        };
        let mut lines = vec![format!(
            "{} trusted certificates {whose}",
            certificates.len()
        )];
        for (path, named_by) in places {
            let named_by = named_by
                .map(|name| format!(" (named by {name})"))
                .unwrap_or_default();
            lines.push(format!("  {path}{named_by}"));
        }
        lines.extend(
            certificates
                .iter()
                .filter(|certificate| arguments.all || state(certificate, now) != "valid")
                .map(|certificate| {
                    let state = state(certificate, now);
                    let until = day(certificate.not_after);
                    format!("{state:<13} {until} {}", certificate.subject)
                }),
        );
        for line in lines {
            session.output.line(&line);
        }
    }
    if certificates.is_empty() {
        return Err(Failure::fatal(
            "nothing is trusted: install the system's certificates (the package is called \
             ca-certificates), or name a file with --ca-bundle",
        ));
    }
    Ok(())
}

/// Where the certificates are, and what names that place.
fn places(roots: &Roots) -> Vec<(String, Option<&'static str>)> {
    match roots {
        Roots::System => trust::system_places()
            .into_iter()
            .map(|path| (path.display().to_string(), None))
            .collect(),
        Roots::Named(places) => places
            .iter()
            .map(|place| (place.path.display().to_string(), Some(place.named_by)))
            .collect(),
    }
}

fn state(certificate: &Certificate, now: Timestamp) -> &'static str {
    if certificate.not_after < now {
        "expired"
    } else if certificate.not_before > now {
        "not yet valid"
    } else if certificate.days_left(now) <= SOON_DAYS {
        "expires soon"
    } else {
        "valid"
    }
}

fn document_of(certificate: &Certificate, now: Timestamp) -> Value {
    json!({
        "subject": certificate.subject,
        "issuer": certificate.issuer,
        "not_before": certificate.not_before.to_string(),
        "not_after": certificate.not_after.to_string(),
        "sha256": certificate.fingerprint,
        "is_authority": certificate.is_authority,
        "state": state(certificate, now),
    })
}

fn bundle(session: &mut Session, arguments: &BundleArgs) -> Result<(), Failure> {
    let path = match &arguments.output {
        Some(path) => session.environment.expand(&path.to_string_lossy()),
        None => Bundle::usual_path(&session.environment).ok_or_else(|| {
            Failure::usage("there is no home directory: name the file with --output")
        })?,
    };
    let system = trust::system_certificates().certificates;
    if system.is_empty() {
        session.output.talk(
            "warning: the system has no certificates of its own; the bundle has only what was added",
        );
    }
    let system_count = system.len();
    let mut bundle = Bundle::of_system(system);
    if !arguments.fresh {
        for certificate in Bundle::added_in(&path)? {
            bundle.add(certificate);
        }
    }
    for name in &arguments.add {
        let found = read(session, name)?;
        add(session, &mut bundle, name, found);
    }
    tell_of_named(session, &bundle, &path);
    if bundle.certificates().next().is_none() {
        return Err(Failure::fatal(
            "there is no certificate to put into a bundle",
        ));
    }
    let has_changed = bundle.write(&path)?;
    session.output.talk(&format!(
        "{} {}: {system_count} certificates of the system, {} added",
        if has_changed { "wrote" } else { "unchanged:" },
        path.display(),
        bundle.added().len()
    ));
    let exports = Exports::new(&path);
    if let Some(file) = &arguments.export {
        let file = session.environment.expand(&file.to_string_lossy());
        let text = if exports.write(&file)? {
            format!(
                "wrote {}: new shells that read it use the bundle",
                file.display()
            )
        } else {
            format!("unchanged: {}", file.display())
        };
        session.output.talk(&text);
    }
    if arguments.json {
        let now = now();
        let document = json!({
            "bundle": path.display().to_string(),
            "changed": has_changed,
            "system": system_count,
            "added": bundle
                .added()
                .iter()
                .map(|certificate| document_of(certificate, now))
                .collect::<Vec<_>>(),
            "variables": exports
                .variables()
                .map(|(name, value)| (name.to_owned(), Value::from(value)))
                .collect::<serde_json::Map<_, _>>(),
        });
        session.output.json(&indented(&document));
    } else if arguments.prints_shell_code() {
        session.output.data(exports.shell().trim_end());
    }
    Ok(())
}

/// Tells of certificates that are trusted now and would not be with the bundle.
fn tell_of_named(session: &mut Session, bundle: &Bundle, path: &std::path::Path) {
    let roots = session.trust().roots().clone();
    let Roots::Named(places) = &roots else {
        return;
    };
    // What cannot be read is no loss.
    let Ok(named) = roots.read() else {
        return;
    };
    let lost = named
        .iter()
        .filter(|certificate| {
            bundle
                .certificates()
                .all(|one| one.der() != certificate.der())
        })
        .count();
    if lost > 0 && places.iter().all(|place| place.path != path) {
        session.output.talk(&format!(
            "note: {lost} certificates of {} are not in the bundle; `--add` takes that file too",
            roots.described()
        ));
    }
}

fn read(session: &Session, name: &str) -> Result<Found, Failure> {
    let read = if name == "-" {
        use std::io::Read as _;
        let mut bytes = Vec::new();
        std::io::stdin()
            .take(LARGEST_INPUT_BYTES)
            .read_to_end(&mut bytes)
            .map_err(|error| error.to_string())
            .and_then(|_| trust::read_bytes(&bytes))
    } else {
        trust::read(&session.environment.expand(name))
    };
    read.map_err(|reason| Failure::usage(format!("{name}: {reason}")))
}

/// Adds what a file holds, and says what is odd about it.
fn add(session: &mut Session, bundle: &mut Bundle, name: &str, found: Found) {
    let now = now();
    let mut warn = |text: String| session.output.talk(&format!("warning: {name}: {text}"));
    if found.has_key {
        warn("it holds a private key, which does not belong there and is not copied".to_owned());
    }
    if found.broken > 0 {
        warn(format!(
            "{} damaged certificates are left out",
            found.broken
        ));
    }
    for certificate in found.certificates {
        let subject = certificate.subject.clone();
        if !certificate.is_authority {
            warn(format!(
                "{subject} is no authority: at best one server is trusted by it"
            ));
        }
        if !certificate.is_current(now) {
            warn(format!(
                "{subject} is {} ({})",
                state(&certificate, now),
                certificate.validity()
            ));
        }
        bundle.add(certificate);
    }
}
