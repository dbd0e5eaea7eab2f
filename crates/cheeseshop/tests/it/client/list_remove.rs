//! `list` and `remove`.

use cheeseshop_test_support::{Sdist, Wheel};
use serde_json::{Value, json};

use super::{Twins, scenario};
use crate::support::finish;

scenario!(projects_and_versions_are_listed);
scenario!(inherited_and_shadowed_files_are_told_apart);
scenario!(many_specs_are_listed_at_once);
scenario!(a_machine_reads_what_is_listed);
scenario!(releases_projects_and_files_are_removed);
scenario!(what_is_there_to_stay_is_removed_by_force_only);
scenario!(many_specs_are_removed_at_once);

/// Logs in and makes `root/base` and, on top of it, `root/dev`, which is in use.
fn prepare(twins: &Twins) {
    twins.login();
    for command in [
        &["index", "-c", "base", "bases=", "volatile=True"] as &[&str],
        &["index", "-c", "dev", "bases=root/base", "volatile=True"],
        &["use", "root/dev"],
    ] {
        twins.both(command).same();
    }
}

/// Uploads sdists, and of versions that end in `w` a wheel, too.
fn upload(twins: &Twins, index: &str, name: &str, versions: &[&str]) {
    for version in versions {
        let sdist = Sdist::named(name).version(version).build();
        let wheel = Wheel::named(name).version(version).build();
        for file in [sdist, wheel] {
            twins.write(&file.name, &file.bytes);
            twins
                .both(&["upload", "--index", index, &file.name])
                .same_code();
        }
    }
}

fn projects_and_versions_are_listed(twins: &Twins) {
    prepare(twins);
    twins.both(&["list"]).same();
    twins.both(&["list", "none"]).same();
    upload(
        twins,
        "root/dev",
        "Hello-Shop",
        &["0.9", "0.10", "1.0.dev1", "1.0", "2.0rc1"],
    );
    upload(twins, "root/dev", "another", &["1"]);
    upload(twins, "root/base", "of-base", &["1"]);
    for command in [
        &["list"] as &[&str],
        &["list", "-v"],
        &["list", "-v", "--all"],
        &["list", "-v", "--ignore-bases"],
        &["list", "--index", "base"],
        &["list", "--index", "root/base", "-v"],
        &["list", "hello_shop"],
        &["list", "hello-shop", "--all"],
        &["list", "hello-shop", "-t"],
        &["list", "hello-shop<1"],
        &["list", "hello-shop<1", "--all"],
        &["list", "hello-shop >= 0.10, < 2"],
        &["list", "hello-shop==3"],
        &["list", "of-base"],
        &["list", "of-base", "--ignore-bases"],
        &["list", "of-base", "--index", "root/base"],
        &["list", "of-base", "--index", "{server}/root/base"],
        &["list", "none"],
    ] {
        twins.both(command).same();
    }
    for command in [
        &["list", "--index", "root/base/x"] as &[&str],
        &["list", "--index", "root/none"],
        &["list", "a b"],
    ] {
        let both = twins.both(command);
        assert_eq!(both.ours.code, Some(1), "{both:?}");
        both.same_code();
    }
}

fn inherited_and_shadowed_files_are_told_apart(twins: &Twins) {
    prepare(twins);
    upload(twins, "root/base", "pkg", &["1", "2"]);
    upload(twins, "root/dev", "pkg", &["2", "3"]);
    let both = twins.both_with(&["list", "pkg", "--all"], &[("PY_COLORS", "1")], "");
    for (start, style, count) in [
        ("\n\x1b[31mhttp://SERVER/root/base/", "red: hidden", 2),
        ("\nhttp://SERVER/root/base/", "plain: inherited", 2),
        ("\x1b[1mhttp://SERVER/root/dev/", "bold: its own", 4),
    ] {
        let found = both.ours.stdout.matches(start).count();
        assert_eq!(found, count, "{style}: {both:?}");
    }
    both.same();
    twins.both(&["list", "pkg"]).same();
    // devpi-client adds its own question to the files' addresses.
    let own = twins.both(&["list", "pkg", "--ignore-bases"]);
    let told = own.released.stdout.replace("?ignore_bases=", "");
    assert_eq!(own.ours.stdout, told);
    assert_eq!(told.lines().count(), 4, "{told}");
}

fn many_specs_are_listed_at_once(twins: &Twins) {
    prepare(twins);
    upload(twins, "root/dev", "one", &["1"]);
    upload(twins, "root/dev", "two", &["1", "2"]);
    let each: String = ["one", "two<2"]
        .map(|spec| twins.ours.run(&["list", spec], &[], "").stdout)
        .concat();
    assert_eq!(each.lines().count(), 4, "{each}");
    let all = twins.ours.run(&["list", "one", "two<2"], &[], "");
    assert_eq!((all.code, &all.stdout), (Some(0), &each));
    let piped = twins
        .ours
        .run(&["list", "-"], &[], "one\n# none\ntwo < 2 # old\n");
    assert_eq!((piped.code, &piped.stdout), (Some(0), &each));
    let lacking = twins.ours.run(&["list", "one", "none", "two<2"], &[], "");
    assert_eq!(lacking.code, Some(1));
    assert_eq!(lacking.stdout.lines().count(), 6, "{}", lacking.stdout);
    // Nobody has asked for everything.
    let nothing = twins.ours.run(&["list", "-"], &[], "# none\n");
    assert_eq!((nothing.code, nothing.stdout.as_str()), (Some(0), ""));
}

fn a_machine_reads_what_is_listed(twins: &Twins) {
    prepare(twins);
    upload(twins, "root/base", "pkg", &["1", "2"]);
    upload(twins, "root/dev", "pkg", &["2", "3", "4", "5"]);
    let read = |arguments: &[&str]| -> Value {
        // As it is: digests look like tokens to the harness.
        let output = finish(twins.ours.command(arguments), "");
        assert_eq!(output.code, Some(0), "{output:?}");
        serde_json::from_str(&output.stdout).unwrap()
    };
    assert_eq!(
        read(&["list", "--json"]),
        json!({"index": format!("{}/root/dev", twins.ours.url), "projects": [{"name": "pkg"}]})
    );
    let versions = |document: &Value| {
        let releases = document["projects"][0]["releases"].as_array().unwrap();
        let versions = releases
            .iter()
            .map(|release| release["version"].as_str().unwrap());
        versions.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(versions(&read(&["list", "--json", "-v"])), ["5"]);
    let document = read(&["list", "--json", "Pkg"]);
    assert_eq!(versions(&document), ["5", "4", "3", "2", "1"]);
    let files = |version: usize| {
        let files = document["projects"][0]["releases"][version]["files"]
            .as_array()
            .unwrap();
        let file = |file: &Value| {
            let url = file["url"].as_str().unwrap();
            let digest = file["hashes"]["sha256"].as_str().unwrap();
            let path = format!("/+f/{}/", &digest[..3]);
            assert!(url.contains(&path), "{url} has the digest {digest}");
            (file["inherited"] == true, file["shadowed"] == true)
        };
        files.iter().map(file).collect::<Vec<_>>()
    };
    assert_eq!(files(0), [(false, false); 2]);
    assert_eq!(
        files(3),
        [(false, false), (false, false), (true, true), (true, true)]
    );
    assert_eq!(files(4), [(true, false); 2]);
    let refused = twins.ours.run(&["list", "--json", "none"], &[], "");
    assert_eq!(refused.code, Some(1));
    assert!(refused.stdout.starts_with("GET http://"), "{refused:?}");
}

fn releases_projects_and_files_are_removed(twins: &Twins) {
    prepare(twins);
    upload(twins, "root/base", "pkg", &["1", "4"]);
    upload(twins, "root/dev", "pkg", &["1", "2", "3"]);
    upload(twins, "root/dev", "other", &["1"]);
    for (command, input) in [
        (&["remove", "pkg==9"] as &[&str], ""),
        (&["remove", "-y", "pkg>3"], ""),
        (&["remove", "none"], ""),
        (&["remove", "Pkg"], "no\n"),
        (&["remove", "Pkg<2"], "what\nno\n"),
        (&["remove", "Pkg<2"], "yes\n"),
        (&["remove", "-y", "pkg==2"], ""),
        (&["list", "pkg", "--all"], ""),
        (&["remove", "-y", "other", "--index", "root/base"], ""),
        (&["remove", "other", "--index", "dev", "-y"], ""),
        (&["list"], ""),
    ] {
        twins.both_with(command, &[], input).same();
    }
    let listed = twins.ours_says(&["list", "pkg", "--ignore-bases"], "");
    let files: Vec<_> = listed.lines().map(str::to_owned).collect();
    assert_eq!(files.len(), 2, "{listed:?}");
    let file = |number: usize| files[number].replace("http://SERVER", "{server}");
    twins.both_with(&["remove", &file(0)], &[], "no\n").same();
    twins.both(&["remove", "-y", &file(0)]).same();
    twins.both(&["remove", "-y", &file(0)]).same();
    twins.both(&["list", "pkg", "--all"]).same();
    twins.both(&["remove", "-y", "pkg"]).same();
    twins.both(&["list"]).same();
    twins.both(&["list", "pkg"]).same();
}

fn what_is_there_to_stay_is_removed_by_force_only(twins: &Twins) {
    prepare(twins);
    upload(twins, "root/dev", "pkg", &["1", "2", "3"]);
    twins.both(&["index", "root/dev", "volatile=False"]).same();
    let listed = twins.both(&["list", "pkg==3"]);
    let file = listed.ours.stdout.lines().next().unwrap();
    let file = file.replace("http://SERVER", "{server}");
    for command in [
        &["remove", "-y", "pkg"] as &[&str],
        &["remove", "-y", "pkg==1"],
        &["remove", "-y", &file],
        &["remove", "-y", "--force", "pkg==1"],
        &["remove", "-y", "-f", &file],
        &["list", "pkg"],
        &["remove", "-y", "-f", "pkg"],
        &["list"],
    ] {
        twins.both(command).same();
    }
}

fn many_specs_are_removed_at_once(twins: &Twins) {
    prepare(twins);
    upload(twins, "root/dev", "one", &["1"]);
    upload(twins, "root/dev", "two", &["1", "2"]);
    upload(twins, "root/dev", "three", &["1"]);
    let answer = twins.ours.run(&["remove", "-", "one"], &[], "two < 2\n");
    assert_eq!(answer.code, Some(1), "nobody answers: {answer:?}");
    let removed = twins
        .ours
        .run(&["remove", "-y", "-", "one"], &[], "two < 2\nmissing\n");
    assert_eq!(removed.code, Some(1), "one is missing: {removed:?}");
    for line in [
        "project: one",
        "project: two",
        "deleting release 1 of two",
        "404 Not Found: no project 'missing'",
    ] {
        assert!(removed.stdout.contains(line), "{removed:?}");
    }
    assert_eq!(twins.ours.run(&["list"], &[], "").stdout, "three\ntwo\n");
    assert_eq!(
        twins.ours.run(&["list", "-v", "--all"], &[], "").stdout,
        "three==1\ntwo==2\n"
    );
}
