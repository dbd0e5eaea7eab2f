//! What the figures were measured on, and whether it was quiet.

use serde::Serialize;

/// A machine at one moment.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Machine {
    pub(crate) processors: usize,
    pub(crate) model: String,
    pub(crate) memory_gib: u64,
    pub(crate) kernel: String,
    /// Runnable tasks over the last minute, before the run.
    pub(crate) load_before: f64,
}

impl Machine {
    pub(crate) fn look() -> Self {
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        Self {
            processors: std::thread::available_parallelism().map_or(0, usize::from),
            model: field(&read("/proc/cpuinfo"), "model name").unwrap_or_default(),
            memory_gib: field(&read("/proc/meminfo"), "MemTotal")
                .and_then(|text| text.split(' ').next()?.parse::<u64>().ok())
                .unwrap_or(0)
                >> 20,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            load_before: load(),
        }
    }

    /// Whether others were at work, so that the figures say nothing.
    pub(crate) fn is_busy(&self) -> bool {
        self.load_before > 0.5
    }
}

/// Runnable tasks over the last minute.
pub(crate) fn load() -> f64 {
    std::fs::read_to_string("/proc/loadavg")
        .ok()
        .and_then(|text| text.split(' ').next()?.parse().ok())
        .unwrap_or(0.0)
}

/// Processor time that others took in the meantime, of all that there was.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    busy: u64,
    own: u64,
    all: u64,
}

impl Times {
    /// Reads the counters of the kernel; `own` are those of this process and of the children
    /// that it has waited for.
    pub(crate) fn now() -> Option<Self> {
        let stat = std::fs::read_to_string("/proc/stat").ok()?;
        let values: Vec<u64> = stat
            .lines()
            .next()?
            .split_ascii_whitespace()
            .skip(1)
            .filter_map(|value| value.parse().ok())
            .collect();
        let all: u64 = values.iter().take(8).sum();
        // Idle, waiting for the disk, and interrupts, which belong to whoever caused them.
        let idle: u64 = values.get(3..7)?.iter().sum();
        let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
        // Behind the name, which may hold anything; utime, stime, cutime, cstime are 14 to 17.
        let own = stat
            .rsplit_once(')')?
            .1
            .split_ascii_whitespace()
            .skip(11)
            .take(4)
            .filter_map(|value| value.parse::<u64>().ok())
            .sum();
        Some(Self {
            busy: all - idle,
            own,
            all,
        })
    }

    /// The share of the machine that went to processes which are not ours, 0 to 1. Children
    /// must have been waited for by now.
    #[expect(clippy::cast_precision_loss, reason = "ticks of one run")]
    pub(crate) fn taken_by_others_since(&self, earlier: &Self) -> f64 {
        let all = (self.all - earlier.all).max(1);
        let own = self.own - earlier.own;
        (self.busy - earlier.busy).saturating_sub(own) as f64 / all as f64
    }
}

fn field(text: &str, name: &str) -> Option<String> {
    text.lines()
        .find_map(|line| line.strip_prefix(name))
        .and_then(|rest| rest.split_once(':'))
        .map(|(_, value)| value.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_found_by_its_name() {
        let text = "MemTotal:       24000000 kB\nMemFree: 1 kB\n";
        assert_eq!(field(text, "MemTotal").unwrap(), "24000000 kB");
        assert_eq!(field(text, "Swap"), None);
    }

    #[test]
    fn own_work_is_not_that_of_others() {
        let before = Times {
            busy: 100,
            own: 10,
            all: 1000,
        };
        let after = Times {
            busy: 300,
            own: 160,
            all: 2000,
        };
        let share = after.taken_by_others_since(&before);
        assert!((share - 0.05).abs() < 1e-9, "{share}");
    }
}
