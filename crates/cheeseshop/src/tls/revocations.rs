//! Lists of certificates that authorities have taken back, and until when they stand.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rustls_pki_types::CertificateRevocationListDer;
use rustls_pki_types::pem::PemObject as _;
use x509_parser::prelude::{ASN1Time, CertificateRevocationList, FromDer as _};

use super::identity::DAYS_OF_WARNING;
use super::settings::RevokedExpired;
use super::trouble::Trouble;

pub(super) const REVOKED: &str = "tls.client_revoked";

const DAY: i64 = 86_400;

/// Near its end is a list with less than this part of its time left; a new one is usually there by then.
const LAST_PART: i64 = 4;

/// The lists of a file.
#[derive(Debug)]
pub(super) struct Revocations {
    file: PathBuf,
    pub(super) lists: Vec<CertificateRevocationListDer<'static>>,
    terms: Vec<Term>,
    pub(super) when_expired: RevokedExpired,
}

/// The time of a list.
#[derive(Debug)]
struct Term {
    issuer: String,
    this_update: Timestamp,
    next_update: Timestamp,
}

impl Revocations {
    pub(super) fn read(file: &Path, when_expired: RevokedExpired) -> Result<Self, Trouble> {
        let bytes =
            std::fs::read(file).map_err(|error| Trouble::unreadable(REVOKED, file, &error))?;
        let lists = CertificateRevocationListDer::pem_slice_iter(&bytes)
            .collect::<Result<Vec<_>, _>>()
            .unwrap_or_default();
        if lists.is_empty() {
            let hint = "a PEM file has a line `-----BEGIN X509 CRL-----` for each; \
                        `openssl crl -inform der -in FILE -out FILE.pem` makes one of DER";
            let what = "holds no list of revoked certificates that can be read";
            return Err(Trouble::of(REVOKED, file, what, hint));
        }
        // One that cannot be read here cannot be used either, and whoever uses it says so.
        let terms = lists.iter().filter_map(|der| Term::read(der)).collect();
        Ok(Self {
            file: file.to_owned(),
            lists,
            terms,
            when_expired,
        })
    }

    /// When the first of them is out of date.
    pub(super) fn first_end(&self) -> Option<Timestamp> {
        self.terms.iter().map(|term| term.next_update).min()
    }

    /// The next moment at which certificates that are taken now may not be taken any more.
    pub(super) fn next_end(&self, now: Timestamp) -> Option<Timestamp> {
        let ends = self.terms.iter().map(|term| term.next_update);
        let ends = ends.filter(|end| *end > now);
        match self.when_expired {
            RevokedExpired::Refuse => ends.min(),
            RevokedExpired::Accept => None,
        }
    }

    /// What the log says of their time, when that is over or nearly so.
    pub(super) fn ends_in_sight(&self, now: Timestamp) -> Vec<String> {
        let terms = self.terms.iter().filter(|term| term.is_near_its_end(now));
        let file = self.file.display();
        terms
            .map(|term| {
                let Term {
                    issuer,
                    next_update: end,
                    ..
                } = term;
                let consequence = match (*end <= now, self.when_expired) {
                    (false, RevokedExpired::Refuse) => {
                        format!("stands until {end}; from then on its certificates are refused")
                    }
                    (false, RevokedExpired::Accept) => format!("stands until {end}"),
                    (true, RevokedExpired::Refuse) => {
                        format!("is out of date since {end}, and its certificates are refused")
                    }
                    (true, RevokedExpired::Accept) => {
                        format!("is out of date since {end}, and what was revoked since is not known")
                    }
                };
                format!(
                    "the list of revoked certificates of {issuer} in {file} {consequence}: fetch a new one"
                )
            })
            .collect()
    }
}

impl Term {
    fn read(der: &CertificateRevocationListDer<'_>) -> Option<Self> {
        let (_, list) = CertificateRevocationList::from_der(der).ok()?;
        Some(Self {
            issuer: list.issuer().to_string(),
            this_update: timestamp(list.last_update())?,
            next_update: timestamp(list.next_update()?)?,
        })
    }

    fn is_near_its_end(&self, now: Timestamp) -> bool {
        let whole = self.next_update.as_second() - self.this_update.as_second();
        let left = self.next_update.as_second() - now.as_second();
        left < (whole / LAST_PART).min(DAYS_OF_WARNING * DAY)
    }
}

fn timestamp(time: ASN1Time) -> Option<Timestamp> {
    Timestamp::from_second(time.timestamp()).ok()
}

#[cfg(test)]
mod tests {
    use cheeseshop_test_support::CertificateAuthority;

    use super::*;

    #[test]
    fn the_end_of_a_list_is_told_before_and_after_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("crl.pem");
        let authority = CertificateAuthority::new();
        // Forty days, of which the last ten are near its end.
        let list = authority.revocations_for(&[], [(2026, 1, 1), (2026, 2, 10)]);
        std::fs::write(&file, list).unwrap();
        let end: Timestamp = "2026-02-10T00:00:00Z".parse().unwrap();
        for (when_expired, now, told) in [
            (RevokedExpired::Refuse, "2026-01-15T00:00:00Z", None),
            (
                RevokedExpired::Refuse,
                "2026-02-05T00:00:00Z",
                Some(
                    "stands until 2026-02-10T00:00:00Z; from then on its certificates are refused",
                ),
            ),
            (
                RevokedExpired::Refuse,
                "2026-02-11T00:00:00Z",
                Some("is out of date since 2026-02-10T00:00:00Z, and its certificates are refused"),
            ),
            (
                RevokedExpired::Accept,
                "2026-02-11T00:00:00Z",
                Some("what was revoked since is not known"),
            ),
        ] {
            let now: Timestamp = now.parse().unwrap();
            let lists = Revocations::read(&file, when_expired).unwrap();
            let found = lists.ends_in_sight(now).join("");
            match told {
                Some(told) => assert!(found.contains(told), "{found}"),
                None => assert_eq!(found, ""),
            }
            assert_eq!(lists.first_end(), Some(end));
            let is_awaited = when_expired == RevokedExpired::Refuse && now < end;
            assert_eq!(lists.next_end(now), is_awaited.then_some(end), "{now}");
        }
    }
}
