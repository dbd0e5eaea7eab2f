//! Why a connection is not trusted or not made, in words: which certificate, and what to do.

use std::fmt;

use jiff::Timestamp;
use rustls::{AlertDescription, CertificateError, InvalidMessage};

use super::{Certificate, Notes, Roots};

/// A server that could not prove who it is.
#[derive(Clone, Debug)]
pub struct Rejection {
    /// The name or address that was asked for.
    pub host: String,
    /// The certificates that the server showed, its own first; those that can be read.
    pub presented: Vec<Certificate>,
    /// What the verifier said.
    pub cause: CertificateError,
    /// Where the trusted certificates come from.
    pub roots: Roots,
    /// How many these are, where that is known.
    pub trusted: Option<usize>,
    /// The moment for which it was verified, by this machine's clock.
    pub now: Timestamp,
}

impl std::error::Error for Rejection {}

/// What is wrong, with which certificate, and what to do about it.
struct Explained<'rejection> {
    problem: String,
    certificate: Option<&'rejection Certificate>,
    advice: String,
}

impl Rejection {
    /// What is wrong, in one line.
    pub fn problem(&self) -> String {
        self.explained().problem
    }

    /// What to do about it.
    pub fn advice(&self) -> String {
        self.explained().advice
    }

    /// The certificate that it is about.
    pub fn certificate(&self) -> Option<&Certificate> {
        self.explained().certificate
    }

    fn explained(&self) -> Explained<'_> {
        let host = &self.host;
        match &self.cause {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                let certificate = self
                    .presented
                    .iter()
                    .find(|certificate| certificate.not_after < self.now)
                    .or(self.presented.first());
                let since = certificate
                    .map(|certificate| {
                        format!(
                            " since {} ({})",
                            time(certificate.not_after),
                            days(-certificate.days_left(self.now))
                        )
                    })
                    .unwrap_or_default();
                Explained {
                    problem: format!("{} is expired{since}", self.whose(certificate)),
                    certificate,
                    advice: format!(
                        "whoever runs {host} has to renew it. This machine's clock says {}: if that \
                         is wrong, set the clock",
                        time(self.now)
                    ),
                }
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                let certificate = self
                    .presented
                    .iter()
                    .find(|certificate| certificate.not_before > self.now)
                    .or(self.presented.first());
                let until = certificate
                    .map(|certificate| format!(" before {}", time(certificate.not_before)))
                    .unwrap_or_default();
                Explained {
                    problem: format!("{} is not valid{until}", self.whose(certificate)),
                    certificate,
                    advice: format!(
                        "this machine's clock says {}: if that is wrong, set the clock; else whoever \
                         runs {host} has to use another certificate until then",
                        time(self.now)
                    ),
                }
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                self.wrong_host()
            }
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                self.unknown_issuer()
            }
            CertificateError::Revoked => Explained {
                problem: format!("the certificate of {host} has been revoked"),
                certificate: self.presented.first(),
                advice: format!("do not use this server; whoever runs {host} has to replace it"),
            },
            other if other.to_string().contains("CaUsedAsEndEntity") => Explained {
                problem: format!(
                    "the certificate of {host} is that of an authority, which is not taken as a server's"
                ),
                certificate: self.presented.first(),
                advice:
                    "`openssl req -x509` makes such ones: make an authority, and a certificate of \
                         its own for the server (with `basicConstraints=CA:FALSE`); or trust this very one, by \
                         `--ca-bundle`"
                        .to_owned(),
            },
            other => Explained {
                problem: format!("the certificate of {host} cannot be used: {other}"),
                certificate: self.presented.first(),
                advice: format!("whoever runs {host} has to use another certificate"),
            },
        }
    }

    fn wrong_host(&self) -> Explained<'_> {
        let host = &self.host;
        let certificate = self.presented.first();
        let names = certificate.map(|certificate| certificate.names.as_slice());
        let advice = match names {
            Some([]) | None => format!(
                "it names no host (a common name alone does not count); whoever runs the server has to \
                 use one with the subject alternative name {host}"
            ),
            Some(names) => {
                let first = names
                    .iter()
                    .find(|name| !name.starts_with('*'))
                    .unwrap_or(&names[0]);
                format!(
                    "ask the server by a name of its certificate, such as {first}, or have whoever runs it \
                     use one that is for {host} too"
                )
            }
        };
        Explained {
            problem: format!("the certificate that the server showed is not for {host}"),
            certificate,
            advice,
        }
    }

    fn unknown_issuer(&self) -> Explained<'_> {
        let host = &self.host;
        let bundle = "`cheeseshop certs bundle --add FILE` trusts a company's authority for this client, \
                      pip, uv and others";
        let certificate = self.presented.first();
        let Some(last) = self.presented.last() else {
            return Explained {
                problem: format!("the certificate of {host} cannot be read"),
                certificate: None,
                advice: format!("whoever runs {host} has to use another certificate"),
            };
        };
        if self.presented.len() == 1 && last.is_self_issued {
            return Explained {
                problem: format!(
                    "the certificate of {host} is vouched for by nobody but itself (self-signed)"
                ),
                certificate,
                advice: format!(
                    "if it is your own server, compare the SHA-256 with the one that the server's \
                     administrator tells you, and then trust it: {bundle}"
                ),
            };
        }
        if self.presented.len() == 1 {
            let hint = if last.names_issuers_address {
                "most likely the server leaves out the certificate of its issuer"
            } else {
                "either this is an authority of your company, or the server leaves out a certificate in \
                 between"
            };
            return Explained {
                problem: format!(
                    "the certificate of {host} is from an issuer that is not trusted here, and its chain \
                     is incomplete: the server sent no certificate of {}",
                    last.issuer
                ),
                certificate,
                advice: format!(
                    "{hint}. If {} is your company's authority, get its certificate from your \
                     administrators: {bundle}. If not, whoever runs {host} has to send the whole chain \
                     (in nginx, `ssl_certificate` names a file with all of it)",
                    last.issuer
                ),
            };
        }
        let authority = if last.is_self_issued {
            &last.subject
        } else {
            &last.issuer
        };
        Explained {
            problem: format!(
                "the certificate of {host} is from an authority that is not trusted here: {authority}"
            ),
            certificate,
            advice: format!(
                "if this is your company's authority, get its certificate from your administrators (not \
                 from this connection): {bundle}"
            ),
        }
    }

    /// Which certificate, in words.
    fn whose(&self, certificate: Option<&Certificate>) -> String {
        match certificate {
            Some(one) if self.presented.first() != Some(one) => format!(
                "the certificate of the authority {}, in the chain of {},",
                one.subject, self.host
            ),
            _ => format!("the certificate of {}", self.host),
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Explained {
            problem,
            certificate,
            advice,
        } = self.explained();
        write!(formatter, "{problem}")?;
        if let Some(certificate) = certificate {
            write!(formatter, "\n{}", facts(certificate, "  "))?;
        }
        let count = self
            .trusted
            .map_or_else(|| "the".to_owned(), |count| count.to_string());
        write!(
            formatter,
            "\n  trusted here: {count} certificates of {}\n  what to do: {advice}",
            self.roots.described()
        )
    }
}

/// What a certificate says, a line each.
pub(crate) fn facts(certificate: &Certificate, indent: &str) -> String {
    /// More names make nobody wiser.
    const SHOWN_NAMES: usize = 10;
    let mut names = certificate.names[..certificate.names.len().min(SHOWN_NAMES)].join(", ");
    if certificate.names.len() > SHOWN_NAMES {
        names.push_str(", …");
    }
    let mut lines = vec![format!("certificate: {}", certificate.subject)];
    if !certificate.is_authority {
        let names = if names.is_empty() { "no host" } else { &names };
        lines.push(format!("for: {names}"));
    }
    lines.push(format!("issued by: {}", certificate.issuer));
    lines.push(format!("valid: {}", certificate.validity()));
    lines.push(format!("SHA-256: {}", certificate.fingerprint));
    lines
        .into_iter()
        .map(|line| format!("{indent}{line}"))
        .collect::<Vec<_>>()
        .join("\n")
}

/// Why no connection came about, where TLS is the reason and no certificate of the server's.
pub(crate) fn connection_trouble(error: &reqwest::Error, notes: &Notes) -> Option<String> {
    let (is_asked, is_sent) = notes.certificate_asked_and_sent();
    let refused = if is_sent {
        "the server does not accept the client certificate that was sent: look at its dates and its \
             issuer (`cheeseshop doctor`), and ask whoever runs the server whom it believes"
    } else {
        "the server wants a client certificate, and none was sent: get one from whoever runs the \
             server, and say `devpi use --client-cert FILE URL` (one PEM file with key, certificate and \
             chain)"
    };
    let Some(tls) = rustls_cause(error) else {
        if is_no_http(error) {
            return Some(
                "what answers at this port speaks no HTTP: if it speaks TLS, the URL has to begin with \
                 https://"
                    .to_owned(),
            );
        }
        // The refusal may come as a closed connection, when it comes after our first bytes.
        let is_cut = error.is_request() && !error.is_timeout() && !error.is_connect();
        return (is_asked && !is_sent && is_cut).then(|| refused.to_owned());
    };
    match tls {
        rustls::Error::AlertReceived(
            AlertDescription::CertificateRequired
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied
            | AlertDescription::DecryptError
            | AlertDescription::HandshakeFailure,
        ) if is_asked => Some(refused.to_owned()),
        rustls::Error::AlertReceived(AlertDescription::ProtocolVersion) => Some(
            "the server speaks no TLS 1.2 or 1.3, and what is older is not safe: whoever runs it has to \
             update it"
                .to_owned(),
        ),
        rustls::Error::AlertReceived(AlertDescription::UnrecognisedName) => Some(
            "the server knows no host of this name: look at the URL".to_owned(),
        ),
        rustls::Error::InvalidMessage(
            InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion,
        ) => Some(
            "the server answers without TLS at this port: the URL may have to begin with http://, or \
             name another port"
                .to_owned(),
        ),
        _ => None,
    }
}

/// What a front server's page says that was asked in the wrong way. `None`: it is another page.
pub(crate) fn answered_in_plain_text(status: u16, body: &[u8]) -> Option<&'static str> {
    if status != 400 {
        return None;
    }
    // The first ones are nginx's, the last one is Apache's.
    [
        (
            b"The plain HTTP request was sent to HTTPS port".as_slice(),
            "the port speaks TLS: the URL has to begin with https://",
        ),
        (
            b"No required SSL certificate was sent",
            "the server wants a client certificate, and none was sent: `devpi use --client-cert FILE URL`",
        ),
        (
            b"The SSL certificate error",
            "the server does not accept the client certificate that was sent",
        ),
        (
            b"speaking plain HTTP to an SSL-enabled server port",
            "the port speaks TLS: the URL has to begin with https://",
        ),
    ]
    .into_iter()
    .find(|(page, _)| super::roots::contains(body, page))
    .map(|(_, advice)| advice)
}

/// Whether an answer came that is none of HTTP.
fn is_no_http(error: &(dyn std::error::Error + 'static)) -> bool {
    std::iter::successors(Some(error), |error| error.source()).any(|error| {
        error
            .downcast_ref::<hyper::Error>()
            .is_some_and(hyper::Error::is_parse)
    })
}

/// The error of TLS that is behind an error.
pub(crate) fn rustls_cause<'error>(
    error: &'error (dyn std::error::Error + 'static),
) -> Option<&'error rustls::Error> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref::<rustls::Error>() {
            return Some(found);
        }
        let inner = error
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::get_ref);
        if let Some(inner) = inner
            && let Some(found) = rustls_cause(inner)
        {
            return Some(found);
        }
        cause = error.source();
    }
    None
}

/// The refusal of our verifier that is behind an error.
pub(crate) fn rejection<'error>(
    error: &'error (dyn std::error::Error + 'static),
) -> Option<&'error Rejection> {
    match rustls_cause(error)? {
        rustls::Error::InvalidCertificate(CertificateError::Other(other)) => {
            other.0.downcast_ref::<Rejection>()
        }
        _ => None,
    }
}

fn time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

fn days(count: i64) -> String {
    match count {
        0 => "today".to_owned(),
        1 => "1 day ago".to_owned(),
        more => format!("{more} days ago"),
    }
}

#[cfg(test)]
mod tests {
    use cheeseshop_test_support::CertificateAuthority;

    use super::*;

    fn rejection_of(pems: &[&str], cause: CertificateError) -> Rejection {
        let presented = pems
            .iter()
            .flat_map(|pem| {
                super::super::roots::read_bytes(pem.as_bytes())
                    .unwrap()
                    .certificates
            })
            .collect();
        Rejection {
            host: "shop.test".to_owned(),
            presented,
            cause,
            roots: Roots::System,
            trusted: Some(3),
            now: "2030-01-02T03:04:00Z".parse().unwrap(),
        }
    }

    #[test]
    fn an_expired_certificate_in_the_middle_is_the_one_that_is_named() {
        let authority = CertificateAuthority::new();
        let (leaf, _) = authority.issue(&["shop.test"]);
        let mut rejection = rejection_of(&[&leaf, authority.pem()], CertificateError::Expired);
        rejection.presented[1].not_after = "2029-12-31T00:00:00Z".parse().unwrap();
        let text = rejection.to_string();
        assert!(
            text.starts_with(
                "the certificate of the authority CN=Cheeseshop test authority, in the chain of \
                 shop.test, is expired since 2029-12-31 00:00 UTC (3 days ago)\n"
            ),
            "{text}"
        );
        assert!(text.contains("clock says 2030-01-02 03:04 UTC"), "{text}");
        rejection.presented[0].not_after = rejection.presented[1].not_after;
        assert!(
            rejection
                .problem()
                .starts_with("the certificate of shop.test is expired")
        );
    }

    #[test]
    fn the_ways_not_to_know_an_issuer_are_told_apart() {
        let authority = CertificateAuthority::new();
        let (leaf, _) = authority.issue(&["shop.test"]);
        for (pems, told) in [
            (&[authority.pem()] as &[&str], "nobody but itself"),
            (&[leaf.as_str()], "chain is incomplete"),
            (
                &[leaf.as_str(), authority.pem()],
                "from an authority that is not trusted here: CN=Cheeseshop test authority",
            ),
            (&[], "cannot be read"),
        ] {
            let rejection = rejection_of(pems, CertificateError::UnknownIssuer);
            assert!(
                rejection.problem().contains(told),
                "{}",
                rejection.problem()
            );
        }
        let text = rejection_of(&[&leaf], CertificateError::UnknownIssuer).to_string();
        for part in [
            "  certificate: CN=Cheeseshop test server\n",
            "  for: shop.test\n",
            "  issued by: CN=Cheeseshop test authority\n",
            "  trusted here: 3 certificates of the system\n",
            "certs bundle --add FILE",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn a_wrong_host_is_told_the_right_one() {
        let authority = CertificateAuthority::new();
        let (leaf, _) = authority.issue(&["*.other.test", "real.test"]);
        let rejection = rejection_of(&[&leaf], CertificateError::NotValidForName);
        assert!(rejection.advice().contains("such as real.test"));
        let (leaf, _) = authority.issue(&[]);
        let rejection = rejection_of(&[&leaf], CertificateError::NotValidForName);
        assert!(rejection.advice().contains("alternative name shop.test"));
    }

    #[test]
    fn pages_of_front_servers_are_understood() {
        let page = b"<html>400 The plain HTTP request was sent to HTTPS port</html>";
        assert!(answered_in_plain_text(400, page).unwrap().contains("https"));
        assert_eq!(answered_in_plain_text(404, page), None);
        assert_eq!(answered_in_plain_text(400, b"{}"), None);
    }
}
