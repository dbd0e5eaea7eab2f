//! `use`: what is in use, what is listed, and which files of other tools are written.

use super::{Twins, scenario};

scenario!(the_index_in_use_is_chosen_and_shown);
scenario!(indexes_are_listed);
scenario!(variables_hold_for_one_command);
scenario!(tools_are_pointed_at_the_index);
scenario!(tools_keep_what_stands_in_their_files);
scenario!(a_virtual_environment_has_files_of_its_own);
scenario!(an_active_environment_can_have_its_own_index);
scenario!(front_servers_get_their_credentials);
scenario!(programs_read_documents);

const CURRENT: &str = ".devpi/client/current.json";
const LOGINS: &str = ".devpi/client/auth.json";

/// The files that tools read.
const TOOL_FILES: &[&str] = &[
    ".config/pip/pip.conf",
    ".config/uv/uv.toml",
    ".pydistutils.cfg",
    ".buildout/default.cfg",
];

impl Twins {
    fn with_indexes(&self) {
        self.login();
        self.both(&["index", "-c", "dev", "bases="]).same();
        self.both(&["index", "-c", "prod", "bases=root/dev"]).same();
    }

    fn same_tool_files(&self) {
        for name in TOOL_FILES {
            self.same_file(name);
        }
    }
}

fn the_index_in_use_is_chosen_and_shown(twins: &Twins) {
    twins.both(&["use"]).same();
    twins.both(&["use", "-l"]).same();
    twins.both(&["use", "root/dev"]).same();
    twins.with_indexes();
    for command in [
        &["use"] as &[&str],
        &["use", "--urls"],
        &["use", "dev"],
        &["use", "/root/prod"],
        &["use", "{server}/root/dev"],
        &["use", "--urls"],
        &["use", "root/none"],
        &["use", "ftp://shop.test/x"],
        &["use", "--venv", "none"],
        &["use", "-t", "no"],
        &["use", ""],
        &["logoff"],
        &["use", "root/dev"],
        &["use", "--delete"],
        &["use"],
    ] {
        twins.both(command).same();
        twins.same_file(LOGINS);
    }
    assert!(!twins.ours.home.path().join(CURRENT).exists());
    // devpi-client means to say so, and stumbles.
    let both = twins.both(&["use", "--delete"]);
    assert_eq!(both.same_code().ours.stdout, "NO configuration found\n");
}

fn indexes_are_listed(twins: &Twins) {
    twins.with_indexes();
    twins
        .both(&[
            "index",
            "-c",
            "far",
            "type=mirror",
            "mirror_url=http://127.0.0.1:1/",
        ])
        .same();
    twins.both(&["use", "-l"]).same();
    twins.both(&["use", "-l", "-u", "root"]).same();
    twins.both(&["use", "-l", "--user", "nobody"]).same();
    twins.both(&["use", "dev"]).same();
    // A look at a server is no choice.
    twins.both(&["use", "-l", "{server}/root/prod"]).same();
    twins.both(&["use", "--urls", "root/prod"]).same();
    twins.same_file(CURRENT);
    twins.both(&["use"]).same();
    let listed = twins.both(&["use"]);
    assert!(listed.ours.stdout.contains("/root/dev (logged in as root)"));
}

fn variables_hold_for_one_command(twins: &Twins) {
    twins.with_indexes();
    twins.both(&["use", "dev"]).same();
    for variables in [
        ("DEVPI_INDEX", "prod"),
        ("DEVPI_INDEX", "root/prod"),
        ("DEVPI_INDEX", "/root/prod"),
        ("DEVPI_INDEX", "{server}/root/prod"),
        ("DEVPI_INDEX", "none"),
        ("DEVPI_USER", "root"),
        ("DEVPI_USER", "nobody"),
    ] {
        twins.both_with(&["use"], &[variables], "").same();
        twins
            .both_with(&["use", "root/dev"], &[variables], "")
            .same();
        twins.both_with(&["index"], &[variables], "").same_code();
        twins.same_file(CURRENT);
    }
    let variable = ("DEVPI_INDEX", "dev");
    twins.both(&["use", "--delete"]).same();
    twins.both_with(&["use"], &[variable], "").same();
    twins
        .both(&["--clientdir", "{home}/other", "use", "{server}/root/dev"])
        .same();
    twins.same_file("other/current.json");
}

fn tools_are_pointed_at_the_index(twins: &Twins) {
    twins.with_indexes();
    twins.both(&["use", "--set-cfg"]).same();
    for command in [
        &["use", "dev", "--set-cfg"] as &[&str],
        &["use", "prod", "--set-cfg", "-t", "no"],
        &["use", "--set-cfg", "--pip-set-trusted=yes"],
        &["use", "--set-cfg", "-t", "no"],
        &["use", "--always-set-cfg", "yes"],
        &["use", "dev"],
        &["use", "--always-set-cfg=no", "-t", "no"],
        &["use", "prod"],
    ] {
        twins.both(command).same();
        twins.same_tool_files();
        twins.same_file(CURRENT);
    }
    let elsewhere = [
        ("PIP_CONFIG_FILE", "{home}/a/pip.ini"),
        ("UV_CONFIG_FILE", "{home}/b/mine.toml"),
    ];
    twins
        .both_with(&["use", "--set-cfg"], &elsewhere, "")
        .same();
    twins.same_file("a/pip.ini");
    twins.same_file("b/mine.toml");
    twins.write(".pip/pip.conf", b"[install]\nindex-url=http://old.test/\n");
    twins.both(&["use", "--set-cfg"]).same();
    twins.same_file(".pip/pip.conf");
    twins.same_file(".pip/pip.conf-bak");
}

fn tools_keep_what_stands_in_their_files(twins: &Twins) {
    twins.with_indexes();
    twins.both(&["use", "dev"]).same();
    let before: [&[u8]; 4] = [
        b"# mine\n[global]\ntimeout = 3\n\n[list]\nformat = columns\n",
        b"offline = false\n",
        b"[easy_install]\nindex-url = http://u:secret@old.test/\nzip_ok = 1\n",
        b"[buildout]\neggs = x\n",
    ];
    for (name, text) in TOOL_FILES.iter().zip(before) {
        twins.write(name, text);
    }
    // The password of a file is shown to nobody.
    let shown = twins.both(&["use"]);
    assert!(shown.ours.stdout.contains("http://u:****@old.test/"));
    shown.same();
    for trust in ["yes", "no", "auto"] {
        twins.both(&["use", "--set-cfg", "-t", trust]).same();
        twins.same_tool_files();
        for name in TOOL_FILES {
            twins.same_file(&format!("{name}-bak"));
        }
    }
}

fn a_virtual_environment_has_files_of_its_own(twins: &Twins) {
    twins.with_indexes();
    twins.both(&["use", "dev"]).same();
    twins.write("venv/bin/python", b"");
    for command in [
        &["use", "--venv", "{home}/venv"] as &[&str],
        &["use"],
        &["use", "--set-cfg"],
        &["use", "--venv", "{home}/none"],
        &["use", "--venv", "-"],
        &["use"],
    ] {
        twins.both(command).same();
        twins.same_file("venv/pip.conf");
        twins.same_file("venv/uv.toml");
    }
    for name in TOOL_FILES {
        assert!(!twins.ours.home.path().join(name).exists(), "{name}");
    }
    twins.write("envs/mine/bin/python", b"");
    let named = [("WORKON_HOME", "{home}/envs")];
    twins
        .both_with(&["use", "--venv", "mine"], &named, "")
        .same();
    twins.same_file(CURRENT);
    twins
        .both_with(&["use", "--venv", "none"], &named, "")
        .same();
    twins.both(&["use", "--venv", "-"]).same();
    let active = [("VIRTUAL_ENV", "{home}/venv")];
    twins
        .both_with(&["use", "prod", "--set-cfg"], &active, "")
        .same();
    twins.same_file("venv/pip.conf");
    let gone = [("VIRTUAL_ENV", "{home}/none")];
    twins.both_with(&["use"], &gone, "").same();
}

fn an_active_environment_can_have_its_own_index(twins: &Twins) {
    twins.with_indexes();
    twins.both(&["use", "dev"]).same();
    twins.write("venv/bin/python", b"");
    let active = [("VIRTUAL_ENV", "{home}/venv")];
    twins.both(&["use", "--local"]).same();
    for command in [
        &["use", "--local"] as &[&str],
        &["use", "--local", "prod"],
        &["use"],
    ] {
        twins.both_with(command, &active, "").same();
    }
    twins.both(&["use"]).same();
    let inside = twins.both_with(&["use"], &active, "");
    assert!(
        inside
            .ours
            .stdout
            .contains("/root/prod (logged in as root)")
    );
    twins.both_with(&["use", "--delete"], &active, "").same();
    assert!(!twins.ours.home.path().join("venv/devpi.json").exists());
    assert!(twins.ours.home.path().join(CURRENT).exists());
}

fn front_servers_get_their_credentials(twins: &Twins) {
    twins.with_indexes();
    let address = |side: &super::twins::Side| side.url.replace("http://", "http://u:p-w@");
    // The credentials differ in nothing; the addresses do.
    for side in [&twins.released, &twins.ours] {
        let url = format!("{}/root/dev", address(side));
        let output = side.command(&["use", "--set-cfg", &url]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }
    twins.same_file(LOGINS);
    twins.same_tool_files();
    twins.both(&["use"]).same();
    twins.both(&["use", "{server}/root/prod"]).same();
    let shown = twins.both(&["use"]).ours.stdout;
    assert!(shown.contains("u:****@"), "{shown}");
    assert!(!shown.contains("p-w"), "{shown}");
}

fn programs_read_documents(twins: &Twins) {
    twins.with_indexes();
    let document = |arguments: &[&str], input: &str| -> serde_json::Value {
        let text = twins.ours_says(arguments, input);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {text}"))
    };
    let used = document(&["use", "--json", "root/dev", "--set-cfg"], "");
    assert_eq!(used["index"], "http://SERVER/root/dev");
    assert_eq!(used["server"], "http://SERVER/");
    assert_eq!(used["user"], "root");
    assert_eq!(used["config_files"][1]["tool"], "uv");
    assert_eq!(
        used["config_files"][1]["index"],
        "http://SERVER/root/dev/+simple/"
    );
    let listed = document(&["use", "-l", "--json"], "");
    assert_eq!(listed["root/prod"]["bases"][0], "root/dev");
    let names = document(&["index", "-l", "--json"], "");
    assert_eq!(names, serde_json::json!(["root/dev", "root/prod"]));
    let shown = document(&["index", "--json", "-"], "root/dev\nroot/prod\n");
    assert_eq!(shown["root/dev"]["type"], "stage");
    assert_eq!(shown["root/prod"]["bases"][0], "root/dev");
    let users = document(&["user", "-l", "--json"], "");
    assert_eq!(users, serde_json::json!(["root"]));
}
