//! The manual, executed: every block of commands on its pages is run as it stands, on a machine that
//! is thrown away, and what it prints is compared with what the page shows.
//!
//! How a page says what its blocks need: docs/testing.md.

mod compare;
mod machine;
mod page;
mod session;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use self::page::Page;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Programs that run blocks of pages too, and where they name those pages.
const ELSEWHERE: &[(&str, &str)] = &[("cargo xtask deb --check", "xtask/src/deb/scenario/mod.rs")];

/// Runs a page, on which so many blocks are excused.
async fn run(test: &str, path: &str, excused: usize) {
    let page = Page::read(&root().join(path));
    assert!(page.wrong.is_empty(), "{path}: {:#?}", page.wrong);
    assert_eq!(
        page.excused.len(),
        excused,
        "{path}: blocks that are not run: {:#?}",
        page.excused
    );
    for (line, program) in &page.elsewhere {
        let source = ELSEWHERE.iter().find(|(name, _)| name == program);
        let is_true = source.is_some_and(|(_, source)| {
            std::fs::read_to_string(root().join(source)).is_ok_and(|text| text.contains(path))
        });
        assert!(is_true, "{path}:{line}: `{program}` does not run this page");
    }
    if machine::is_inside() {
        let wrong = session::run(&page).await;
        assert!(wrong.is_empty(), "{path}\n{}", wrong.join("\n"));
    } else {
        // Over there is no network to install from.
        session::install(&page);
        session::environment();
        machine::run_inside(test);
    }
}

/// A test for each page: its name, the page, and how many of its blocks are not run.
macro_rules! pages {
    ($($name:ident: $path:literal, $excused:literal;)*) => {
        $(
            #[tokio::test]
            async fn $name() {
                let test = concat!(module_path!(), "::", stringify!($name));
                let test = test.split_once("::").map_or(test, |(_, test)| test);
                run(test, $path, $excused).await;
            }
        )*

        const PAGES: &[&str] = &[$($path),*];
    };
}

pages! {
    readme: "README.md", 1;
    index: "docs/manual/README.md", 0;
    backup: "docs/manual/backup.md", 0;
    certificates: "docs/manual/certificates.md", 0;
    ci: "docs/manual/ci.md", 1;
    client: "docs/manual/client.md", 0;
    configuration: "docs/manual/configuration.md", 0;
    constrained: "docs/manual/constrained.md", 0;
    container: "docs/manual/container.md", 3;
    debian: "docs/manual/debian.md", 3;
    devpi_commands: "docs/manual/devpi-commands.md", 0;
    doctor: "docs/manual/doctor.md", 0;
    documentation_and_test_results: "docs/manual/documentation-and-test-results.md", 0;
    filling: "docs/manual/filling.md", 0;
    find_links: "docs/manual/find-links.md", 0;
    first_steps: "docs/manual/first-steps.md", 0;
    helm: "docs/manual/helm.md", 2;
    install: "docs/manual/install.md", 0;
    jenkins: "docs/manual/jenkins.md", 0;
    layout: "docs/manual/layout.md", 0;
    mirrors: "docs/manual/mirrors.md", 0;
    monitoring: "docs/manual/monitoring.md", 0;
    moving_from_devpi: "docs/manual/moving-from-devpi.md", 0;
    nginx: "docs/manual/nginx.md", 0;
    operations: "docs/manual/operations.md", 0;
    permissions: "docs/manual/permissions.md", 0;
    publishing: "docs/manual/publishing.md", 0;
    puppet: "docs/manual/puppet.md", 2;
    push: "docs/manual/push.md", 0;
    service: "docs/manual/service.md", 1;
    team_layout: "docs/manual/team-layout.md", 0;
    testing_against_a_server: "docs/manual/testing-against-a-server.md", 0;
    tls: "docs/manual/tls.md", 0;
    tokens: "docs/manual/tokens.md", 0;
    troubleshooting: "docs/manual/troubleshooting.md", 0;
    upgrade: "docs/manual/upgrade.md", 0;
    web_pages: "docs/manual/web-pages.md", 0;
}

#[test]
fn every_page_is_run() {
    let pages: BTreeSet<String> = std::fs::read_dir(root().join("docs/manual"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| {
            Path::new(name)
                .extension()
                .is_some_and(|extension| extension == "md")
        })
        .map(|name| format!("docs/manual/{name}"))
        .chain(["README.md".to_owned()])
        .collect();
    let run: BTreeSet<String> = PAGES.iter().map(|page| (*page).to_owned()).collect();
    assert_eq!(pages, run);
}
