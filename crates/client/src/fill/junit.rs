//! A report as CI servers read it: JUnit's XML.

use std::fmt::Write as _;

/// One release in the report.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    /// The name of the test.
    pub(crate) name: String,
    /// What became of it.
    pub(crate) verdict: Verdict,
}

/// What became of a release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It has what it needs now.
    Passed,
    /// Nothing was to be done, and why.
    Skipped(String),
    /// It failed: a line, and all there is to read about it.
    Failed {
        /// The line.
        reason: String,
        /// The rest.
        log: String,
    },
}

/// The report as a document.
pub(crate) fn junit(suite: &str, cases: &[Case]) -> String {
    let count = |is_wanted: fn(&Verdict) -> bool| {
        cases.iter().filter(|case| is_wanted(&case.verdict)).count()
    };
    let failures = count(|verdict| matches!(verdict, Verdict::Failed { .. }));
    let skipped = count(|verdict| matches!(verdict, Verdict::Skipped(_)));
    let total = cases.len();
    let suite = escaped(suite);
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n<testsuite name=\"{suite}\" \
         tests=\"{total}\" failures=\"{failures}\" errors=\"0\" skipped=\"{skipped}\">\n"
    );
    for case in cases {
        let name = escaped(&case.name);
        let inside = match &case.verdict {
            Verdict::Passed => String::new(),
            Verdict::Skipped(reason) => format!("<skipped message=\"{}\"/>", escaped(reason)),
            Verdict::Failed { reason, log } => format!(
                "<failure message=\"{}\">{}</failure>",
                escaped(reason),
                escaped(log)
            ),
        };
        // Writing to a text cannot fail.
        let _ = writeln!(
            text,
            "<testcase classname=\"{suite}\" name=\"{name}\">{inside}</testcase>"
        );
    }
    text.push_str("</testsuite>\n</testsuites>\n");
    text
}

/// A text without what means something in XML or may not be in it at all.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' | '\t' => escaped.push(character),
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            other if other.is_control() => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_counts_and_escapes() {
        let case = |name: &str, verdict| Case {
            name: name.to_owned(),
            verdict,
        };
        let text = junit(
            "fill",
            &[
                case("a 1", Verdict::Passed),
                case("b 2", Verdict::Skipped("it is there".to_owned())),
                case(
                    "c 3",
                    Verdict::Failed {
                        reason: "no \"<x>\"".to_owned(),
                        log: "one\n\u{1b}[1mtwo & three".to_owned(),
                    },
                ),
            ],
        );
        assert_eq!(
            text,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n\
             <testsuite name=\"fill\" tests=\"3\" failures=\"1\" errors=\"0\" skipped=\"1\">\n\
             <testcase classname=\"fill\" name=\"a 1\"></testcase>\n\
             <testcase classname=\"fill\" name=\"b 2\"><skipped message=\"it is there\"/></testcase>\n\
             <testcase classname=\"fill\" name=\"c 3\"><failure message=\"no &quot;&lt;x&gt;&quot;\">\
             one\n\u{fffd}[1mtwo &amp; three</failure></testcase>\n</testsuite>\n</testsuites>\n"
        );
    }
}
