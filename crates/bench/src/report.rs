//! Figures, what they were to reach, and the table.

use std::fmt::Write as _;

use serde::Serialize;

use crate::machine::Machine;
use crate::servers::Who;

/// Whether a larger value is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Better {
    Higher,
    Lower,
}

/// One row of the table: the same measured for everybody.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Figure {
    workload: &'static str,
    case: String,
    unit: &'static str,
    better: Better,
    cells: Vec<Cell>,
    targets: Vec<Target>,
    notes: Vec<String>,
}

#[derive(Debug, Clone, Serialize)]
struct Cell {
    who: &'static str,
    /// What is compared.
    value: Option<f64>,
    /// All that was measured, in order.
    runs: Vec<f64>,
    /// Why there is no value.
    failure: Option<String>,
}

#[derive(Debug, Clone, Serialize)]
struct Target {
    text: String,
    limit: f64,
    met: bool,
}

impl Figure {
    pub(crate) fn new(
        workload: &'static str,
        case: impl Into<String>,
        unit: &'static str,
        better: Better,
    ) -> Self {
        Self {
            workload,
            case: case.into(),
            unit,
            better,
            cells: Vec::new(),
            targets: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Adds what somebody reached; `value` is one of the runs or their median.
    pub(crate) fn add(&mut self, who: Who, value: f64, runs: Vec<f64>) {
        self.cells.push(Cell {
            who: who.name(),
            value: Some(value),
            runs,
            failure: None,
        });
    }

    /// Adds somebody who failed.
    pub(crate) fn fail(&mut self, who: Who, error: &anyhow::Error) {
        self.cells.push(Cell {
            who: who.name(),
            value: None,
            runs: Vec::new(),
            failure: Some(format!("{error:#}")),
        });
    }

    /// Something to know beside the value.
    pub(crate) fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }

    pub(crate) fn value(&self, who: Who) -> Option<f64> {
        self.cells
            .iter()
            .find(|cell| cell.who == who.name())
            .and_then(|cell| cell.value)
    }

    /// Our value must be at least (when higher is better) or at most `limit`.
    pub(crate) fn target(&mut self, text: impl Into<String>, limit: f64) {
        let Some(ours) = self.value(Who::Cheeseshop) else {
            return;
        };
        let met = match self.better {
            Better::Higher => ours >= limit,
            Better::Lower => ours <= limit,
        };
        self.targets.push(Target {
            text: text.into(),
            limit,
            met,
        });
    }

    /// Our value must be as good as so many times that of another, if that one took part.
    pub(crate) fn target_times(&mut self, factor: f64, who: Who) {
        if let Some(value) = self.value(who) {
            let sign = match self.better {
                Better::Higher => '≥',
                Better::Lower => '≤',
            };
            let text = format!("{sign} {factor} × {}", who.name());
            self.target(text, factor * value);
        }
    }

    fn ratio(&self, who: Who) -> Option<f64> {
        let (ours, theirs) = (self.value(Who::Cheeseshop)?, self.value(who)?);
        Some(match self.better {
            Better::Higher => ours / theirs,
            Better::Lower => theirs / ours,
        })
    }

    fn shown(&self, who: Who) -> String {
        let Some(cell) = self.cells.iter().find(|cell| cell.who == who.name()) else {
            return "–".to_owned();
        };
        let Some(value) = cell.value else {
            return "failed".to_owned();
        };
        match self.ratio(who) {
            Some(ratio) if who != Who::Cheeseshop => {
                format!("{} (×{})", number(value), number(ratio))
            }
            _ => number(value),
        }
    }

    fn verdicts(&self) -> String {
        let verdicts: Vec<String> = self
            .targets
            .iter()
            .map(|target| {
                let verdict = if target.met { "met" } else { "**missed**" };
                format!("{}: {verdict}", target.text)
            })
            .collect();
        verdicts.join("; ")
    }
}

/// A whole run.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    machine: Machine,
    quick: bool,
    figures: Vec<Figure>,
    /// The load when the run ended, and what made the run special.
    remarks: Vec<String>,
}

impl Report {
    pub(crate) fn new(machine: Machine, quick: bool) -> Self {
        Self {
            machine,
            quick,
            figures: Vec::new(),
            remarks: Vec::new(),
        }
    }

    pub(crate) fn extend(&mut self, figures: Vec<Figure>) {
        self.figures.extend(figures);
    }

    pub(crate) fn remark(&mut self, text: impl Into<String>) {
        self.remarks.push(text.into());
    }

    /// How many targets there were and how many were met.
    pub(crate) fn score(&self) -> (usize, usize) {
        let targets: Vec<&Target> = self
            .figures
            .iter()
            .flat_map(|figure| &figure.targets)
            .collect();
        let met = targets.iter().filter(|target| target.met).count();
        (met, targets.len())
    }

    /// The report in Markdown.
    pub(crate) fn table(&self) -> String {
        let machine = &self.machine;
        let mut text = format!(
            "{} processors ({}), {} GiB, Linux {}{}.\n",
            machine.processors,
            machine.model,
            machine.memory_gib,
            machine.kernel,
            if self.quick { ", quick run" } else { "" }
        );
        for remark in &self.remarks {
            let _ = writeln!(text, "\n{remark}");
        }
        text.push_str(
            "\nBehind a peer's value stands how many times as good ours is: ×2 is twice as good, \
             ×0.5 half as good.\n",
        );
        let mut workload = "";
        for figure in &self.figures {
            if figure.workload != workload {
                workload = figure.workload;
                let _ = write!(text, "\n### {workload}\n\n| | unit |");
                for who in Who::ALL {
                    let _ = write!(text, " {} |", who.name());
                }
                text.push_str(" targets |\n|---|---|");
                for _ in Who::ALL {
                    text.push_str("---:|");
                }
                text.push_str("---|\n");
            }
            let _ = write!(text, "| {} | {} |", figure.case, figure.unit);
            for who in Who::ALL {
                let _ = write!(text, " {} |", figure.shown(who));
            }
            let _ = writeln!(text, " {} |", figure.verdicts());
        }
        self.details(&mut text);
        text
    }

    fn details(&self, text: &mut String) {
        let mut lines = String::new();
        for figure in &self.figures {
            for note in &figure.notes {
                let _ = writeln!(lines, "- {}, {}: {note}", figure.workload, figure.case);
            }
            for cell in &figure.cells {
                if let Some(failure) = &cell.failure {
                    let failure = failure.replace('\n', " ");
                    let _ = writeln!(
                        lines,
                        "- {}, {}: {} failed: {failure:.300}",
                        figure.workload, figure.case, cell.who
                    );
                }
            }
        }
        if !lines.is_empty() {
            let _ = write!(text, "\n### Notes of the run\n\n{lines}");
        }
    }
}

/// Three significant digits and separators between thousands.
fn number(value: f64) -> String {
    let decimals = match value.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        _ => 2,
    };
    let plain = format!("{value:.decimals$}");
    let (whole, fraction) = plain.split_once('.').unwrap_or((&plain, ""));
    let mut grouped = String::new();
    for (place, digit) in whole.chars().enumerate() {
        let left = whole.len() - place;
        if place > 0 && left % 3 == 0 && !grouped.ends_with('-') {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    if fraction.is_empty() {
        grouped
    } else {
        format!("{grouped}.{fraction}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_grouped() {
        for (value, text) in [
            (0.126, "0.13"),
            (9.0, "9.00"),
            (45.67, "45.7"),
            (999.6, "1,000"),
            (32_600.4, "32,600"),
            (1_234_567.0, "1,234,567"),
            (-1234.0, "-1,234"),
        ] {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn ratios_say_how_much_better_we_are_whichever_way_is_up() {
        let mut rate = Figure::new("hot", "page", "req/s", Better::Higher);
        rate.add(Who::Cheeseshop, 900.0, vec![900.0]);
        rate.add(Who::Nginx, 1000.0, vec![1000.0]);
        rate.target_times(0.9, Who::Nginx);
        rate.target_times(100.0, Who::Devpi);
        assert_eq!(rate.shown(Who::Nginx), "1,000 (×0.90)");
        assert_eq!(rate.verdicts(), "≥ 0.9 × nginx: met");

        let mut time = Figure::new("hot", "page", "ms", Better::Lower);
        time.add(Who::Cheeseshop, 3.0, vec![3.0]);
        time.add(Who::Nginx, 1.0, vec![1.0]);
        time.fail(Who::Peryx, &anyhow::anyhow!("status 500"));
        time.target_times(2.0, Who::Nginx);
        assert_eq!(time.shown(Who::Nginx), "1.00 (×0.33)");
        assert_eq!(time.shown(Who::Peryx), "failed");
        assert_eq!(time.verdicts(), "≤ 2 × nginx: **missed**");
    }
}
