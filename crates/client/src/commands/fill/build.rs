//! Building a wheel, and uploading it to where it belongs.

use std::ffi::OsString;
use std::path::Path;

use cheeseshop_packaging::{FileKind, FileName, ProjectName, Version};

use super::outcome::{Outcome, Status};
use super::pip::Refusal;
use super::work::{Known, Wanted, Work};
use crate::fill::{Need, is_pure};
use crate::{Distribution, Progress};

impl Work<'_> {
    /// Builds a wheel (or fetches it, where the source has one), and uploads it.
    pub(super) async fn make(
        &self,
        number: usize,
        wanted: Wanted,
        known: Option<Known>,
    ) -> Outcome {
        let folder = self.folder.join(format!("wheel-{number}"));
        let mut outcome = Outcome {
            project: wanted.shown.clone(),
            version: None,
            requirement: Some(wanted.shown.clone()),
            file: None,
            status: Status::NotForThisPython,
        };
        if let Some((project, version)) = &wanted.release {
            project.written().clone_into(&mut outcome.project);
            outcome.version = Some(version.as_str().to_owned());
        }
        outcome.status = match self.build(number, &wanted.line, &folder).await {
            Err(Refusal { reason, log }) => Status::Failed { reason, log },
            Ok(None) => Status::NotForThisPython,
            Ok(Some(wheel)) => self
                .deliver(&wheel, known, &mut outcome)
                .await
                .unwrap_or_else(|reason| Status::Failed {
                    reason,
                    log: String::new(),
                }),
        };
        // Everything goes at the end, too.
        let _ = std::fs::remove_dir_all(&folder);
        outcome
    }

    /// Has pip make a wheel of a line. `None`: the line is not for this Python.
    async fn build(
        &self,
        number: usize,
        line: &str,
        folder: &Path,
    ) -> Result<Option<Distribution>, Refusal> {
        let broken = |reason: String| Refusal {
            reason,
            log: String::new(),
        };
        let name = format!("build-{number}");
        let options = &self.requirements.options;
        let list = self.write_list(&name, options, &[line.to_owned()])?;
        let arguments: [OsString; 6] = [
            "wheel".into(),
            "--no-deps".into(),
            "--wheel-dir".into(),
            folder.into(),
            "-r".into(),
            list.into(),
        ];
        self.pip.run(&name, &arguments).await?;
        let Ok(entries) = std::fs::read_dir(folder) else {
            return Ok(None);
        };
        let wheel = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .find(|path| path.extension().is_some_and(|suffix| suffix == "whl"));
        let Some(path) = wheel else {
            return Ok(None);
        };
        Distribution::read(&path)
            .map(Some)
            .map_err(|error| broken(format!("the wheel cannot be uploaded: {error}")))
    }

    /// Uploads a wheel to where it belongs, unless it is there.
    async fn deliver(
        &self,
        wheel: &Distribution,
        known: Option<Known>,
        outcome: &mut Outcome,
    ) -> Result<Status, String> {
        let is_wheel =
            FileName::parse(&wheel.name).is_ok_and(|name| name.kind() == FileKind::Wheel);
        let project = ProjectName::parse(wheel.project()).map_err(|error| error.to_string())?;
        let version = Version::parse(wheel.version().unwrap_or_default())
            .ok()
            .filter(|_| is_wheel)
            .ok_or_else(|| format!("{} does not say which release it is of", wheel.name))?;
        outcome.file = Some(wheel.name.clone());
        wheel.project().clone_into(&mut outcome.project);
        outcome.version = Some(version.as_str().to_owned());
        let known = if let Some(known) = known {
            known
        } else {
            let asked = self.ask_indexes(&project).await;
            let known = asked.map_err(|error| error.chain())?;
            match self.judge(&project, &version, &known) {
                Need::Unwanted => return Ok(Status::Blacklisted),
                Need::Present(_) => return Ok(Status::Present),
                Need::Wheel => known,
            }
        };
        let (target, own) = match &self.pure {
            Some(pure) if is_pure(&wheel.name) => (pure, &known.pure.own),
            _ => (&self.index, &known.index.own),
        };
        if own.has(&wheel.name) {
            return Ok(Status::Present);
        }
        if self.is_dry_run {
            return Ok(Status::WouldUpload(target.url.to_string()));
        }
        let login = match &target.login {
            Some(login) => {
                let secret = &login.secret;
                let narrowed = self
                    .clock
                    .for_project(&self.server, secret, wheel.project())
                    .await;
                Some(narrowed.applied_to(login.clone()))
            }
            None => None,
        };
        let answer = self
            .server
            .upload(&target.url, wheel, login, &Progress::default())
            .await
            .map_err(|error| error.chain())?;
        if answer.is_success() {
            return Ok(Status::Uploaded(target.url.to_string()));
        }
        // Somebody else may have been faster: then it is there.
        if answer.status == 409
            && let Ok(held) = self.ask_index(target, &project).await
            && held.own.has(&wheel.name)
        {
            return Ok(Status::Present);
        }
        let message = answer.message().unwrap_or(&answer.reason);
        Err(format!(
            "{} answered {}: {message}",
            target.url,
            answer.status.as_u16()
        ))
    }
}
