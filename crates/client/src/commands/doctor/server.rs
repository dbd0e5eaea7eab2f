//! The server: whether it is reached and by which way, its certificate, its clock, its version, the login.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use reqwest::Method;
use serde_json::Value;
use url::Url;

use super::{Finding, proxy};
use crate::answer::Answer;
use crate::commands::clock::now;
use crate::commands::{Connection, Session};
use crate::trust::{self, Certificate};
use crate::{Credentials, Error, Server};

/// Nobody waits longer for a name or a connection.
const PATIENCE: Duration = Duration::from_secs(10);

/// Clocks that differ by more make logins and certificates seem expired or not yet valid.
const ODD_SKEW_SECONDS: i64 = 30;
const WRONG_SKEW_SECONDS: i64 = 300;

/// A certificate that ends within so many days wants attention.
const SOON_DAYS: i64 = 14;

/// A list of revoked certificates that ends within so many hours should have been replaced by now.
const LIST_SOON_HOURS: i64 = 6;

/// A login that ends within so many minutes may end in the middle of the work.
const SHORT_MINUTES: i64 = 30;

/// The lifetime of devpi-server's logins.
const DEVPI_LIFETIME_SECONDS: i64 = 36_000;

pub(super) async fn check(
    session: &Session,
    connection: Option<&Connection>,
    target: &Url,
    findings: &mut Vec<Finding>,
) {
    if target.scheme() == "http" && !is_loopback(target) {
        findings.push(Finding::warn(
            "server",
            "it is asked without TLS: everybody on the way reads passwords and may change packages",
            "use its https:// address, or have whoever runs it set one up",
        ));
    }
    let Some(way) = reach(session, target, findings).await else {
        return;
    };
    let certificate = connection.and_then(|one| one.logins.client_certificate(target));
    if let Some(path) = &certificate {
        client_certificate(path, findings);
    }
    let trust = session.trust().with_client_certificate(certificate);
    let server = match Server::with_trust(target.clone(), &trust) {
        Ok(server) => server,
        Err(error) => {
            findings.push(Finding::fix(
                "server",
                error.to_string(),
                "correct the option, variable or `devpi use --client-cert` that names the file",
            ));
            return;
        }
    };
    let login = connection.and_then(|connection| connection.login(target));
    let basic = connection.and_then(|connection| connection.logins.basic(target));
    let server = match basic {
        Some(basic) => server.with_basic(Some(basic)),
        None => server,
    };
    let server = server.with_login(login.clone());
    let before = Instant::now();
    let answer = match ask(&server, "+api").await {
        Ok(answer) => answer,
        Err(error) => {
            findings.push(no_answer(target, &error));
            return;
        }
    };
    let needed = before.elapsed().as_millis();
    // Some servers refuse a login that has ended, and answer nobody in particular.
    let is_refused = login.is_some() && matches!(answer.status.as_u16(), 401 | 403);
    let answer = if is_refused {
        let request = server.clone().with_login(None);
        ask(&request, "+api").await.unwrap_or(answer)
    } else {
        answer
    };
    certificates(&server, findings);
    if answer.kind() != Some("apiconfig") {
        let status = answer.status.as_u16();
        let advice = trust::answered_in_plain_text(status, &answer.body).unwrap_or(
            "look at the URL; a front server may want its own login, or not pass requests on",
        );
        findings.push(Finding::fix(
            "server",
            format!(
                "{} answers {status}, and not as a devpi-compatible server",
                answer.url
            ),
            advice,
        ));
        return;
    }
    findings.push(Finding::ok(
        "server",
        format!("{} answers in {needed} ms{way}", answer.url),
    ));
    clock(&answer, findings);
    let status = ask(&server_root(&server, &answer), "+status").await;
    let status = status.ok();
    versions(status.as_ref(), findings);
    findings.extend(status.and_then(|status| revocations(status.result(), now())));
    self::login(&answer, login.as_ref(), findings);
    index(&server, target, &answer, findings).await;
}

/// Resolves the server's name and connects, and says how long that took. `None`: it cannot be reached.
async fn reach(session: &Session, target: &Url, findings: &mut Vec<Finding>) -> Option<String> {
    if let Some((name, _)) = proxy::proxy_for(&session.environment, target) {
        return Some(format!(" through the proxy of {name}"));
    }
    let host = target.host_str()?.trim_matches(['[', ']']).to_owned();
    let port = target.port_or_known_default()?;
    let before = Instant::now();
    let looked_up = tokio::time::timeout(PATIENCE, tokio::net::lookup_host((host.as_str(), port)));
    let addresses: Vec<SocketAddr> = match looked_up.await {
        Ok(Ok(addresses)) => addresses.collect(),
        Ok(Err(error)) => {
            findings.push(Finding::fix(
                "server",
                format!("the name {host} has no address: {error}"),
                "look at the URL, at the machine's name servers, and whether a VPN is needed",
            ));
            return None;
        }
        Err(_) => {
            findings.push(Finding::fix(
                "server",
                format!(
                    "no name server says within {} s where {host} is",
                    PATIENCE.as_secs()
                ),
                "look at the machine's name servers and its network",
            ));
            return None;
        }
    };
    let resolved = before.elapsed().as_millis();
    let before = Instant::now();
    let mut trouble = "it has no address".to_owned();
    for address in &addresses {
        match tokio::time::timeout(PATIENCE, tokio::net::TcpStream::connect(address)).await {
            Ok(Ok(_)) => {
                let connected = before.elapsed().as_millis();
                return Some(format!(
                    " ({address}; name resolved in {resolved} ms, connected in {connected} ms)"
                ));
            }
            Ok(Err(error)) => trouble = format!("{address}: {error}"),
            Err(_) => trouble = format!("{address}: no answer within {} s", PATIENCE.as_secs()),
        }
    }
    findings.push(Finding::fix(
        "server",
        format!("cannot connect to {host} port {port}: {trouble}"),
        "see whether the server runs, whether the port is right, and what firewalls or proxies stand between",
    ));
    None
}

async fn ask(server: &Server, path: &str) -> Result<Answer, Error> {
    server
        .request(Method::GET, path)?
        .timeout(PATIENCE * 3)
        .send()
        .await
}

fn no_answer(target: &Url, error: &Error) -> Finding {
    match error {
        Error::Untrusted(rejection) => {
            let facts = rejection
                .certificate()
                .map(|certificate| format!("\n{}", trust::facts(certificate, "      ")))
                .unwrap_or_default();
            Finding::fix(
                "certificate",
                format!("{}{facts}", rejection.problem()),
                rejection.advice(),
            )
        }
        Error::Handshake(trouble) => Finding::fix(
            "server",
            format!(
                "no connection with TLS to {}",
                target.host_str().unwrap_or_default()
            ),
            trouble.clone(),
        ),
        other => Finding::fix(
            "server",
            format!(
                "no answer from {}: {}",
                target.host_str().unwrap_or_default(),
                other.chain()
            ),
            "see whether the server runs and what its log says",
        ),
    }
}

/// The certificates that the server showed and that were found good.
fn certificates(server: &Server, findings: &mut Vec<Finding>) {
    let now = now();
    let presented = server.notes().presented();
    let Some(first) = presented
        .iter()
        .min_by_key(|certificate| certificate.not_after)
    else {
        return;
    };
    findings.push(lifetime("certificate", first, now));
}

fn lifetime(check: &'static str, certificate: &Certificate, now: Timestamp) -> Finding {
    let left = certificate.days_left(now);
    let text = format!(
        "{} is valid until {}, {left} days left (issued by {})",
        certificate.subject,
        trust::day(certificate.not_after),
        certificate.issuer
    );
    if !certificate.is_current(now) {
        Finding::fix(
            check,
            format!(
                "{} is valid from {}",
                certificate.subject,
                certificate.validity()
            ),
            "renew it; if this machine's clock is wrong, set it",
        )
    } else if left <= SOON_DAYS {
        Finding::warn(check, text, "have it renewed before that day")
    } else {
        Finding::ok(check, text)
    }
}

/// Our own certificate for the server.
fn client_certificate(path: &std::path::Path, findings: &mut Vec<Finding>) {
    match trust::read(path) {
        Ok(found) => findings.push(lifetime(
            "client certificate",
            &found.certificates[0],
            now(),
        )),
        Err(reason) => findings.push(Finding::fix(
            "client certificate",
            format!("{}: {reason}", path.display()),
            "`devpi use --client-cert FILE URL` names another one",
        )),
    }
}

fn clock(answer: &Answer, findings: &mut Vec<Finding>) {
    let Some(theirs) = answer
        .headers
        .get(reqwest::header::DATE)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| jiff::fmt::rfc2822::parse(text).ok())
    else {
        return;
    };
    findings.push(skew(now().as_second() - theirs.timestamp().as_second()));
}

/// `seconds`: by how much this machine's clock is before the server's.
fn skew(seconds: i64) -> Finding {
    let text = match seconds {
        -1..=1 => "this machine's and the server's agree".to_owned(),
        seconds if seconds > 0 => format!("this machine's is {seconds} s ahead of the server's"),
        seconds => format!("this machine's is {} s behind the server's", -seconds),
    };
    let advice = "have both set by network time (NTP); certificates and logins depend on it";
    match seconds.abs() {
        0..=ODD_SKEW_SECONDS => Finding::ok("clock", text),
        ..=WRONG_SKEW_SECONDS => Finding::warn("clock", text, advice),
        _ => Finding::fix("clock", text, advice),
    }
}

/// The server itself, when its index was asked: its address is where one logs in.
fn server_root(server: &Server, answer: &Answer) -> Server {
    let root = answer.result()["login"]
        .as_str()
        .and_then(|login| answer.url.join(login).ok()?.join(".").ok());
    match root {
        Some(root) if root.origin() == server.url().origin() => server.clone().moved_to(root),
        _ => server.clone(),
    }
}

/// Until when the server's lists of revoked client certificates stand, where it has any and tells.
fn revocations(status: &Value, now: Timestamp) -> Option<Finding> {
    let metrics = status["metrics"].as_array()?;
    let metric = metrics
        .iter()
        .find(|metric| metric[0] == "cheeseshop_tls_client_revoked_next_update_seconds")?;
    let end = Timestamp::from_second(metric[2].as_i64()?).ok()?;
    let check = "revoked certificates";
    let left = end.as_second() - now.as_second();
    let at = minute(end);
    Some(if left <= 0 {
        Finding::warn(
            check,
            format!(
                "the server's list of revoked client certificates is out of date since {at}: it \
                 refuses those of its authority, or takes what was revoked since"
            ),
            "have whoever runs the server fetch a new one into `tls.client_revoked`",
        )
    } else if left < LIST_SOON_HOURS * 3600 {
        Finding::warn(
            check,
            format!("the server's list of revoked client certificates stands until {at}"),
            "have whoever runs the server see why the next one is not there",
        )
    } else {
        Finding::ok(check, format!("the server's list stands until {at}"))
    })
}

fn versions(status: Option<&Answer>, findings: &mut Vec<Finding>) {
    let ours = env!("CARGO_PKG_VERSION");
    let versions = status.map_or(&Value::Null, |answer| &answer.result()["versioninfo"]);
    if let Some(theirs) = versions["cheeseshop"].as_str() {
        let text = format!("client {ours}, server {theirs}");
        findings.push(if minor(ours) == minor(theirs) {
            Finding::ok("version", text)
        } else {
            Finding::warn("version", text, "bring both to the same version")
        });
    } else if let Some(theirs) = versions["devpi-server"].as_str() {
        findings.push(Finding::ok(
            "version",
            format!("client {ours}, server devpi-server {theirs}"),
        ));
    } else {
        findings.push(Finding::ok(
            "version",
            format!("client {ours}; the server does not tell its own"),
        ));
    }
}

/// The part of a version that says what fits together.
fn minor(version: &str) -> Vec<&str> {
    version.split('.').take(2).collect()
}

fn login(answer: &Answer, login: Option<&Credentials>, findings: &mut Vec<Finding>) {
    let state = answer
        .result()
        .pointer("/authstatus/0")
        .and_then(Value::as_str);
    let Some(login) = login else {
        findings.push(Finding::ok("login", "nobody is logged in"));
        return;
    };
    let user = &login.user;
    let again = format!("`devpi login {user}`");
    let expiry = expiry(login.secret());
    if state != Some("ok") {
        let when = expiry
            .filter(|expiry| *expiry < now())
            .map(|expiry| format!(": it ended on {}", minute(expiry)))
            .unwrap_or_default();
        findings.push(Finding::fix(
            "login",
            format!("the server does not accept the login of {user} any more{when}"),
            again,
        ));
        return;
    }
    let Some(expiry) = expiry else {
        findings.push(Finding::ok("login", format!("as {user}, by a token")));
        return;
    };
    let minutes = (expiry.as_second() - now().as_second()) / 60;
    let text = format!("as {user} until {} ({minutes} minutes)", minute(expiry));
    findings.push(if minutes < SHORT_MINUTES {
        Finding::warn("login", text, again)
    } else {
        Finding::ok("login", text)
    });
}

fn minute(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// Until when a login's token is accepted, where that can be read from it: ours say their end,
/// devpi-server's their beginning.
fn expiry(secret: &str) -> Option<Timestamp> {
    if let Some(payload) = secret.strip_prefix("csl1_") {
        let payload = URL_SAFE_NO_PAD.decode(payload).ok()?;
        let seconds = i64::from_be_bytes(*payload.first_chunk::<8>()?);
        return Timestamp::from_second(seconds).ok();
    }
    let mut parts = secret.rsplitn(3, '.');
    let (_, time, user) = (parts.next()?, parts.next()?, parts.next()?);
    if !user.starts_with('[') {
        return None;
    }
    let bytes = URL_SAFE_NO_PAD.decode(time).ok()?;
    if bytes.len() > 6 {
        return None;
    }
    let begin = bytes
        .iter()
        .fold(0_i64, |number, byte| number << 8 | i64::from(*byte));
    Timestamp::from_second(begin + DEVPI_LIFETIME_SECONDS).ok()
}

/// Whether the index, when one was asked, can be read.
async fn index(server: &Server, target: &Url, answer: &Answer, findings: &mut Vec<Finding>) {
    if answer.result()["index"].as_str().is_none() {
        return;
    }
    let mut url = server.url();
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    url.set_query(Some("no_projects="));
    let asked = server
        .request_url(Method::GET, url)
        .timeout(PATIENCE * 3)
        .send()
        .await;
    let shown = crate::server::without_credentials(target);
    let (status, advice) = match asked {
        Ok(answer) if answer.is_success() => {
            findings.push(Finding::ok("index", format!("{shown} can be read")));
            return;
        }
        Ok(answer) => {
            let advice = match answer.status.as_u16() {
                404 => "it does not exist: `devpi use -l` lists those there are",
                401 | 403 => "log in as somebody who may read it: `devpi login USER`",
                _ => "the server's log says more",
            };
            (answer.status.to_string(), advice)
        }
        Err(error) => (error.chain(), "the server's log says more"),
    };
    findings.push(Finding::fix(
        "index",
        format!("{shown} cannot be read: {status}"),
        advice,
    ));
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Level;
    use super::*;

    #[test]
    fn the_end_of_a_login_is_read_from_its_token() {
        // 0x6a541da0 is 2026-07-12T23:06:08Z.
        let mut payload = 0x6a54_1da0_i64.to_be_bytes().to_vec();
        payload.extend([0; 32]);
        let ours = format!("csl1_{}", URL_SAFE_NO_PAD.encode(payload));
        assert_eq!(expiry(&ours).unwrap().as_second(), 0x6a54_1da0);
        let theirs = format!(
            "[\"bob.x\", [], true].{}.c2ln",
            URL_SAFE_NO_PAD.encode([0x6a, 0x54, 0x1d, 0xa0])
        );
        assert_eq!(
            expiry(&theirs).unwrap().as_second(),
            0x6a54_1da0 + DEVPI_LIFETIME_SECONDS
        );
        for other in ["secret", "a.b.c", "csl1_", "csl1_AAAA", "pypi-AgEI.x.y", ""] {
            assert_eq!(expiry(other), None, "{other}");
        }
    }

    #[test]
    fn the_end_of_a_list_of_revoked_certificates_is_told() {
        let name = "cheeseshop_tls_client_revoked_next_update_seconds";
        let now: Timestamp = "2026-11-23T12:00:00Z".parse().unwrap();
        for (hours, level, text) in [
            (-1, Level::Warn, "is out of date since 2026-11-23 11:00 UTC"),
            (5, Level::Warn, "stands until 2026-11-23 17:00 UTC"),
            (7, Level::Ok, "stands until 2026-11-23 19:00 UTC"),
        ] {
            let end = now.as_second() + hours * 3600;
            let status = serde_json::json!({"metrics": [
                ["cheeseshop_users", "gauge", 1],
                [name, "gauge", end],
            ]});
            let finding = revocations(&status, now).unwrap();
            assert_eq!(finding.level, level, "{hours}");
            assert!(finding.text.contains(text), "{finding:?}");
        }
        for without in [
            serde_json::json!({}),
            serde_json::json!({"metrics": [["cheeseshop_users", "gauge", 1]]}),
            serde_json::json!({"metrics": [[name, "gauge", "soon"], 1]}),
        ] {
            assert_eq!(revocations(&without, now), None);
        }
    }

    #[test]
    fn clocks_may_differ_a_little() {
        for (seconds, level) in [
            (0, Level::Ok),
            (-30, Level::Ok),
            (31, Level::Warn),
            (-300, Level::Warn),
            (301, Level::Fix),
            (-100_000, Level::Fix),
        ] {
            assert_eq!(skew(seconds).level, level, "{seconds}");
        }
        assert!(skew(-40).text.contains("40 s behind"));
        assert!(skew(40).text.contains("40 s ahead"));
    }
}
