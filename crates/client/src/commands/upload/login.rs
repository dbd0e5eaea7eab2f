//! Who uploads: of a token a narrower one, for one project and a short time.

use jiff::Timestamp;
use reqwest::Method;
use secrecy::SecretString;
use tokio::sync::OnceCell;

use crate::commands::Session;
use crate::tokens::ForProject;
use crate::{Answer, Credentials, Server};

/// How long a token holds that is derived for one upload, in seconds.
pub(super) const TOKEN_SECONDS: i64 = 60;

/// How far a server's clock is ahead of ours, in seconds. A token of a minute must not depend on how
/// well the clocks of build machines are kept.
#[derive(Debug, Default)]
pub(in crate::commands) struct ServerClock(OnceCell<i64>);

impl ServerClock {
    /// What a secret becomes for an upload to a project that begins now.
    pub(in crate::commands) async fn for_project(
        &self,
        server: &Server,
        secret: &SecretString,
        project: &str,
    ) -> ForProject {
        // A look without a time first: the server is asked for its time only where one is needed.
        match ForProject::of(secret, project, 0, 0) {
            ForProject::Derived(..) => {
                let now = now().saturating_add(self.ahead(server).await);
                ForProject::of(secret, project, now, TOKEN_SECONDS)
            }
            other => other,
        }
    }

    /// Asks the server once.
    async fn ahead(&self, server: &Server) -> i64 {
        let ask = async || {
            let request = server.request(Method::GET, "+api").ok()?.login(None);
            // Without an answer the upload will say what is wrong.
            let date = date_of(&request.send().await.ok()?)?;
            Some(date.saturating_sub(now()))
        };
        *self
            .0
            .get_or_init(async || ask().await.unwrap_or_default())
            .await
    }
}

/// A login as it is sent for a project, and what there is to tell of it.
pub(in crate::commands) fn for_project(
    session: &mut Session,
    login: Credentials,
    project: &str,
    now: i64,
    seconds: i64,
) -> Credentials {
    let narrowed = ForProject::of(&login.secret, project, now, seconds);
    told(session, login, project, seconds, narrowed)
}

/// The login that it has become, and what there is to tell of it.
pub(super) fn told(
    session: &mut Session,
    login: Credentials,
    project: &str,
    seconds: i64,
    narrowed: ForProject,
) -> Credentials {
    match &narrowed {
        ForProject::Password => {}
        ForProject::Unreadable(kind) => session.output.warn(&format!(
            "Your password looks like a {kind} token, but cannot be read as one; it is sent as it is."
        )),
        ForProject::Derived(kind, _) => session.output.info(&format!(
            "Derived a unique {kind} token valid for {seconds} seconds for upload to the \
             '{project}' project."
        )),
    }
    narrowed.applied_to(login)
}

/// The time of this machine in seconds of Unix time.
#[expect(clippy::disallowed_methods, reason = "how long a derived token holds")]
pub(in crate::commands) fn now() -> i64 {
    Timestamp::now().as_second()
}

/// When an answer was made, in seconds of Unix time.
fn date_of(answer: &Answer) -> Option<i64> {
    let date = answer.headers.get(reqwest::header::DATE)?.to_str().ok()?;
    let date = jiff::fmt::rfc2822::parse(date).ok()?;
    Some(date.timestamp().as_second())
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;
    use crate::Token;
    use crate::canned::{Canned, answer};

    /// The end of a token for a project, in seconds of Unix time.
    fn end_of(narrowed: &ForProject, project: &str) -> i64 {
        let ForProject::Derived("Devpi", secret) = narrowed else {
            panic!("nothing was derived");
        };
        let token = Token::parse(secret.expose_secret()).unwrap();
        let [of, expires] = token.restrictions() else {
            panic!("{:?}", token.restrictions());
        };
        assert_eq!(*of, format!("projects={project}"));
        expires.strip_prefix("expires=").unwrap().parse().unwrap()
    }

    #[tokio::test]
    async fn a_token_ends_by_the_servers_clock_which_is_asked_for_once() {
        let date = "Date: Sun, 09 Sep 2001 01:46:40 GMT";
        let canned = Canned::start(vec![answer("200 OK", &[date], b"{}")]);
        let server = canned.server();
        let clock = ServerClock::default();
        let password = "secret".to_owned().into();
        let same = clock.for_project(&server, &password, "a").await;
        assert!(matches!(same, ForProject::Password));
        assert!(canned.asked().is_empty());

        let token = SecretString::from(crate::tokens::a_token("devpi-"));
        let (one, two) = tokio::join!(
            clock.for_project(&server, &token, "a"),
            clock.for_project(&server, &token, "b"),
        );
        for (narrowed, project) in [(one, "a"), (two, "b")] {
            let end = end_of(&narrowed, project);
            assert!((1_000_000_060..1_000_000_120).contains(&end), "{end}");
        }
        assert_eq!(canned.asked().len(), 1);
    }
}
