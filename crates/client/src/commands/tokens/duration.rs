//! Times from now, as people write them: `90 days`, `1 year, 2 weeks and 3 hours`.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

const DAY: f64 = 86_400.0;

/// The second of Unix time that a text means: a number is one already, anything else is a time from
/// now, or with `-` before it a time ago.
pub(in crate::commands) fn second(text: &str, now: i64) -> Result<i64, String> {
    if let Ok(second) = text.parse() {
        return Ok(second);
    }
    let today = Timestamp::from_second(now)
        .map_err(|error| error.to_string())?
        .to_zoned(TimeZone::UTC)
        .date();
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text),
    };
    let seconds = seconds(rest, today).ok_or_else(|| format!("unsupported duration \"{rest}\""))?;
    #[expect(clippy::cast_precision_loss, reason = "far from where it counts")]
    let end = now as f64 + sign * seconds;
    #[expect(clippy::cast_possible_truncation, reason = "it saturates")]
    Ok(end as i64)
}

fn seconds(text: &str, today: Date) -> Option<f64> {
    let mut rest = text.trim();
    let mut seconds = None;
    while !rest.is_empty() {
        let (number, behind) = split(rest, |c| c.is_ascii_digit() || c == '.');
        let (unit, behind) = split(behind.trim_start(), |c| c.is_ascii_alphabetic());
        let count: f64 = number.parse().ok()?;
        *seconds.get_or_insert(0.0) += of_unit(count, unit, today)?;
        rest = behind.trim_start().trim_start_matches(',').trim_start();
        if let Some(behind) = rest.strip_prefix("and") {
            rest = behind.trim_start();
        }
    }
    seconds
}

fn split(text: &str, is_of_it: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !is_of_it(c)).unwrap_or(text.len()))
}

fn of_unit(count: f64, unit: &str, today: Date) -> Option<f64> {
    Some(match unit {
        "y" | "ys" | "year" | "years" => {
            of_calendar(count, today, |whole| Span::new().try_years(whole))?
        }
        // From the first of the month, so that a month is always as long as this one.
        "M" | "Ms" | "month" | "months" => of_calendar(count, today.first_of_month(), |whole| {
            Span::new().try_months(whole)
        })?,
        "w" | "ws" | "week" | "weeks" => count * 7.0 * DAY,
        "d" | "ds" | "day" | "days" => count * DAY,
        "h" | "hs" | "hour" | "hours" => count * 3600.0,
        "m" | "min" | "mins" | "minute" | "minutes" => count * 60.0,
        "s" | "ss" | "second" | "seconds" => count,
        "ms" | "millis" | "millisecond" | "milliseconds" => count / 1000.0,
        _ => return None,
    })
}

/// The seconds that whole steps of the calendar take from a day on, and of the last one a part.
fn of_calendar(
    count: f64,
    from: Date,
    span: impl Fn(i64) -> Result<Span, jiff::Error>,
) -> Option<f64> {
    #[expect(clippy::cast_possible_truncation, reason = "it saturates")]
    let whole = count.trunc() as i64;
    let end = from.checked_add(span(whole).ok()?).ok()?;
    let next = from.checked_add(span(whole.checked_add(1)?).ok()?).ok()?;
    let days = |from: Date, to: Date| Some(f64::from((to - from).get_days()));
    Some((days(from, end)? + days(end, next)? * count.fract()) * DAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-22 10:00 UTC
    const NOW: i64 = 1_795_341_600;

    #[test]
    fn times_from_now_are_read_as_people_write_them() {
        for (text, seconds) in [
            ("90 days", 90 * 86_400),
            ("1 hour", 3600),
            ("1h", 3600),
            ("1 year", 365 * 86_400),
            ("2y", (365 + 366) * 86_400),
            ("1 month and 3 days", (30 + 3) * 86_400),
            ("1 year, 2 weeks and 75 min", (365 + 14) * 86_400 + 75 * 60),
            ("1.5 weeks", 10 * 86_400 + 43_200),
            ("10m 5s", 605),
            ("-1 day", -86_400),
        ] {
            assert_eq!(second(text, NOW), Ok(NOW + seconds), "{text}");
        }
    }

    #[test]
    fn numbers_are_times_and_nonsense_is_refused() {
        assert_eq!(second("1234", NOW), Ok(1234));
        for text in [
            "",
            "soon",
            "5",
            "5 parsecs",
            "and",
            "1 day x",
            "99999999 years",
        ] {
            let result = second(text, NOW);
            assert!(text == "5" || result.is_err(), "{text}: {result:?}");
        }
    }
}
