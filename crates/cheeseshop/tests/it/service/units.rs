//! The units of systemd that the package installs: well-formed, and shut in.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

/// The most exposure that `systemd-analyze security` may see: 2.0.
const MOST_EXPOSURE: &str = "20";

/// What the units stand for that are made for one rule each.
const INSTANCE: &str = "@rule.";

fn shipped() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/systemd");
    let mut units: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            let kind = path.extension().and_then(|kind| kind.to_str());
            matches!(kind, Some("service" | "socket" | "timer"))
        })
        .collect();
    units.sort();
    units
}

/// The units as they are after the installation of the package, with the program where it is here.
fn installed() -> (TempDir, Vec<PathBuf>) {
    let folder = tempfile::tempdir().unwrap();
    let units = shipped();
    let copy = |unit: &PathBuf| {
        let text = std::fs::read_to_string(unit).unwrap();
        let text = text.replace("/usr/bin/cheeseshop", env!("CARGO_BIN_EXE_cheeseshop"));
        let name = unit.file_name().unwrap().to_str().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        // The name under which it is started.
        folder.path().join(name.replace("@.", INSTANCE))
    };
    let units = units.iter().map(copy).collect();
    (folder, units)
}

fn analyze(arguments: &[&str], units: &[PathBuf]) -> Output {
    Command::new("systemd-analyze")
        .args(arguments)
        .args(units)
        .output()
        .unwrap_or_else(|error| panic!("systemd-analyze: {error}; apt-get install systemd"))
}

fn is_service(unit: &Path) -> bool {
    unit.extension().is_some_and(|kind| kind == "service")
}

#[test]
fn systemd_has_nothing_to_say_against_them() {
    let (_folder, units) = installed();
    assert!(units.len() >= 8, "{units:?}");
    let output = analyze(&["verify", "--man=no"], &units);
    let talk = String::from_utf8_lossy(&output.stderr);
    // It looks at units of the machine as well, which are not ours to judge.
    let about_ours: Vec<&str> = talk
        .lines()
        .filter(|line| line.contains("cheeseshop"))
        .collect();
    assert!(about_ours.is_empty() && output.status.success(), "{talk}");
}

#[test]
fn services_are_shut_in() {
    let (_folder, units) = installed();
    let threshold = format!("--threshold={MOST_EXPOSURE}");
    for unit in units.iter().filter(|unit| is_service(unit)) {
        let template = PathBuf::from(unit.display().to_string().replace(INSTANCE, "@."));
        let output = analyze(&["security", "--offline=true", &threshold], &[template]);
        let talk = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{}\n{talk}", unit.display());
        // Without it the threshold would not have been looked at.
        assert!(talk.contains("Overall exposure level"), "{talk}");
    }
}

#[test]
fn all_services_are_shut_in_alike() {
    let begin = "NoNewPrivileges=";
    let end = "UMask=0027\n";
    let of = |unit: &PathBuf| {
        let text = std::fs::read_to_string(unit).unwrap();
        let from = text
            .find(begin)
            .unwrap_or_else(|| panic!("{}", unit.display()));
        let to = text
            .find(end)
            .unwrap_or_else(|| panic!("{}", unit.display()));
        text[from..to].to_owned()
    };
    let services: Vec<PathBuf> = shipped()
        .into_iter()
        .filter(|unit| is_service(unit))
        .collect();
    for service in &services {
        assert_eq!(of(service), of(&services[0]), "{}", service.display());
    }
}

#[test]
fn every_timer_has_its_service_and_every_service_of_a_timer_is_off_until_then() {
    let units = shipped();
    for timer in units
        .iter()
        .filter(|unit| unit.extension().is_some_and(|kind| kind == "timer"))
    {
        let service = timer.with_extension("service");
        let text = std::fs::read_to_string(&service).unwrap();
        assert!(text.contains("Type=oneshot"), "{}", service.display());
        assert!(!text.contains("[Install]"), "{}", service.display());
        let timer = std::fs::read_to_string(timer).unwrap();
        assert!(timer.contains("WantedBy=timers.target"), "{timer}");
    }
}
