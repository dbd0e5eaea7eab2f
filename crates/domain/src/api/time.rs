//! How devpi writes moments.

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// `YYYY-MM-DDTHH:MM:SSZ`, as in `created` and `modified`; fractions of seconds are cut off.
pub fn format_time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Reads what [`format_time`] writes, and any other RFC 3339 text.
pub fn parse_time(text: &str) -> Option<Timestamp> {
    text.parse().ok()
}

/// A moment in a log: a list of six numbers in UTC, year to second. Old data may hold ISO texts instead,
/// without a zone and then in UTC; they are read too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct When(pub Timestamp);

impl Serialize for When {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let time = TimeZone::UTC.to_datetime(self.0);
        let parts: [i16; 6] = [
            time.year(),
            time.month().into(),
            time.day().into(),
            time.hour().into(),
            time.minute().into(),
            time.second().into(),
        ];
        parts.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for When {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Parts(i16, i8, i8, i8, i8, i8),
            Text(String),
        }
        let time = match Form::deserialize(deserializer)? {
            Form::Parts(year, month, day, hour, minute, second) => {
                DateTime::new(year, month, day, hour, minute, second, 0).ok()
            }
            Form::Text(text) => match parse_time(&text) {
                Some(time) => return Ok(Self(time)),
                None => text.parse().ok(),
            },
        };
        time.and_then(|time: DateTime| TimeZone::UTC.to_timestamp(time).ok())
            .map(Self)
            .ok_or_else(|| serde::de::Error::custom("not a moment of a log"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn moments_of_records_have_no_fractions() {
        let moment = time("2026-11-22T11:37:51.999Z");
        assert_eq!(format_time(moment), "2026-11-22T11:37:51Z");
        assert_eq!(
            parse_time("2026-11-22T11:37:51Z"),
            Some(time("2026-11-22T11:37:51Z"))
        );
        assert_eq!(format_time(Timestamp::UNIX_EPOCH), "1970-01-01T00:00:00Z");
        assert_eq!(parse_time("yesterday"), None);
    }

    #[test]
    fn moments_of_logs_are_six_numbers() {
        let when = When(time("2026-11-02T01:08:07.5Z"));
        assert_eq!(
            serde_json::to_value(when).unwrap(),
            json!([2026, 11, 2, 1, 8, 7])
        );
        for form in [
            json!([2026, 11, 2, 1, 8, 7]),
            json!("2026-11-02T01:08:07Z"),
            json!("2026-11-02T01:08:07"),
            json!("2026-11-02T02:08:07+01:00"),
        ] {
            let read: When = serde_json::from_value(form.clone()).unwrap();
            assert_eq!(read.0, time("2026-11-02T01:08:07Z"), "{form}");
        }
        for form in [
            json!([2026, 13, 1, 0, 0, 0]),
            json!([2026]),
            json!("x"),
            json!(null),
        ] {
            assert!(
                serde_json::from_value::<When>(form.clone()).is_err(),
                "{form}"
            );
        }
    }
}
