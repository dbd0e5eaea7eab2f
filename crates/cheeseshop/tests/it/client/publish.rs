//! `upload`, `push` and the token commands.

use std::path::Path;
use std::process::Command;

use cheeseshop_test_support::{
    DocumentationArchive, Sdist, SdistDefect, Wheel, client_environment, python_client,
};
use serde_json::Value;

use super::{Twins, scenario};

scenario!(files_are_uploaded);
scenario!(refusals_of_uploads_are_told);
scenario!(documentation_is_uploaded);
scenario!(documentation_is_built);
scenario!(projects_are_built_and_uploaded);
scenario!(projects_say_what_they_want);
scenario!(releases_are_pushed);
scenario!(other_servers_stand_in_pypirc);

/// Logs in, and makes `root/dev`, which is not volatile, and `root/vol`.
fn prepare(twins: &Twins) {
    twins.login();
    for index in [
        &["index", "-c", "dev", "bases=", "volatile=False"] as &[&str],
        &["index", "-c", "vol", "bases=", "volatile=True"],
        &["use", "root/dev"],
    ] {
        twins.both(index).same();
    }
}

/// A wheel and an sdist of `hello-shop` 1.0 that say all that a form can carry.
fn write_release(twins: &Twins) {
    let wheel = Wheel::named("hello-shop")
        .metadata_version("2.4")
        .summary("A shop")
        .requires_python(">=3.8")
        .requires_dist("rich; extra == 'cli'")
        .header("Provides-Extra", "cli")
        .header("Author-email", "Ann <ann@host.example>")
        .header("Classifier", "Private :: Do Not Upload")
        .header("Classifier", "Topic :: Shops")
        .header("Project-URL", "Home, https://shop.example/")
        .header("License-Expression", "MIT")
        .header("License-File", "LICENSE")
        .header("Keywords", "a,b")
        .header("Description-Content-Type", "text/markdown")
        .description("# A shop\n\nwith *pages*\n")
        .build();
    let sdist = Sdist::named("hello-shop").summary("A shop").build();
    for file in [&wheel, &sdist] {
        twins.write(&file.name, &file.bytes);
    }
}

const WHEEL: &str = "hello_shop-1.0-py3-none-any.whl";
const SDIST: &str = "hello_shop-1.0.tar.gz";

fn files_are_uploaded(twins: &Twins) {
    prepare(twins);
    write_release(twins);
    twins.both(&["upload", WHEEL]).same();
    let both = twins.both(&["getjson", "/root/dev/hello-shop/1.0"]);
    let document = |text: &str| {
        let mut document: Value = serde_json::from_str(text).unwrap();
        let release = document["result"].as_object_mut().unwrap();
        release.remove("+links");
        document
    };
    let ours = document(&both.ours.stdout);
    assert_eq!(ours, document(&both.released.stdout));
    assert_eq!(ours["result"]["license_expression"], "MIT");
    assert_eq!(ours["result"]["provides_extras"][0], "cli");

    // Again after a break: what is there with the same bytes is fine.
    twins.both(&["upload", SDIST, WHEEL, WHEEL]).same();
    twins.both(&["upload", "--index", "root/vol", SDIST]).same();
    twins.both(&["upload", "--index", "vol", SDIST]).same();
    twins
        .both(&["upload", "--index", "{server}/root/vol", SDIST])
        .same();
    let next = Wheel::named("hello-shop").version("1.1").build();
    twins.write(&format!("out/deep/{}", next.name), &next.bytes);
    twins.write("out/readme.txt", b"no archive");
    let sdist = Sdist::named("hello-shop").build();
    twins.write(&format!("out/{}", sdist.name), &sdist.bytes);
    twins
        .both(&["upload", "--from-dir", "--dry-run", "out"])
        .same();
    twins
        .both(&["upload", "--from-dir", "--only-latest", "out"])
        .same();
    let told = twins.ours_says(
        &["upload", "--dry-run", "-"],
        &format!("{WHEEL}\n{SDIST}\n"),
    );
    assert_eq!(told.lines().count(), 2, "{told}");
}

fn refusals_of_uploads_are_told(twins: &Twins) {
    prepare(twins);
    write_release(twins);
    twins.both(&["upload", WHEEL, SDIST]).same();
    let other = Wheel::named("hello-shop").summary("Another").build();
    twins.write(&other.name, &other.bytes);
    twins.both(&["upload", WHEEL, SDIST]).same();
    twins.both(&["upload", "nowhere.whl"]).same();
    twins.both(&["upload", "."]).same();
    twins
        .both(&[
            "index",
            "-c",
            "mir",
            "type=mirror",
            "mirror_url=http://127.0.0.1:1/",
        ])
        .same();
    twins.both(&["upload", "--index", "root/mir", SDIST]).same();
    twins.both(&["use", "root/mir"]).same();
    twins.both(&["upload", SDIST]).same();
    twins.both(&["use", "root/dev"]).same();

    // devpi-client ends with a traceback.
    let empty = Sdist::named("empty")
        .defect(SdistDefect::MissingPkgInfo)
        .build();
    twins.write(&empty.name, &empty.bytes);
    twins.write("none-1.0.zip", b"<html>");
    let sound = Sdist::named("sound").build();
    twins.write(&sound.name, &sound.bytes);
    let both = twins.both(&["upload", &sound.name, &empty.name, "none-1.0.zip"]);
    let told = &both.same_code().ours.stdout;
    assert!(
        told.contains("empty-1.0.tar.gz: there is no PKG-INFO"),
        "{told}"
    );
    assert!(told.contains("none-1.0.zip: it is no archive"), "{told}");
    assert!(told.ends_with("nothing was uploaded\n"), "{told}");

    twins.both(&["logoff"]).same();
    // Our server says why in the reason phrase, a devpi-server does not.
    twins.both(&["upload", &sound.name]).same();
}

fn documentation_is_uploaded(twins: &Twins) {
    prepare(twins);
    write_release(twins);
    let pages = DocumentationArchive::saying("hello").build();
    twins.write("hello-shop-1.0.doc.zip", &pages);
    twins.write("hello-shop.docs.zip", &pages);
    twins
        .both(&["upload", "hello-shop-1.0.doc.zip", SDIST])
        .same();
    twins.both(&["upload", "hello-shop.docs.zip"]).same();
    for side in [&twins.released, &twins.ours] {
        let site = side.home.path().join("site");
        std::fs::create_dir(&site).unwrap();
        std::fs::write(site.join("index.html"), "<h1>packed</h1>").unwrap();
        let packed = Command::new("tar")
            .args([
                "-czf",
                "hello-shop-1.1.docs.tgz",
                "-C",
                "site",
                "index.html",
            ])
            .current_dir(side.home.path())
            .status()
            .unwrap();
        assert!(packed.success());
    }
    for options in [&["--dry-run"] as &[&str], &[]] {
        let command = ["upload", "--index", "root/vol"];
        let command = [&command, options, &["hello-shop-1.1.docs.tgz"]].concat();
        twins.both(&command).same();
    }
    // The same tarball is the same archive, so it can be uploaded again.
    let again = ["upload", "hello-shop-1.1.docs.tgz"];
    let first = twins.ours_says(&again, "");
    assert_eq!(twins.ours_says(&again, ""), first);
}

/// A Python that has the build front end.
fn python() -> String {
    let front_end = python_client("build");
    front_end
        .with_file_name("python")
        .to_str()
        .unwrap()
        .to_owned()
}

/// The unpacked source of a project in a checkout of git, in `proj` below both homes.
fn write_checkout(twins: &Twins) {
    let sdist = Sdist::named("proj").build();
    for side in [&twins.released, &twins.ours] {
        let home = side.home.path();
        std::fs::write(home.join(&sdist.name), &sdist.bytes).unwrap();
        succeed(home, &["tar", "-xzf", &sdist.name]);
        std::fs::rename(home.join("proj-1.0"), home.join("proj")).unwrap();
        let project = home.join("proj");
        succeed(&project, &["git", "init", "-q"]);
        succeed(&project, &["git", "add", "."]);
        let names = ["-c", "user.name=a", "-c", "user.email=a@b.test"];
        succeed(
            &project,
            &[&["git"], &names as &[&str], &["commit", "-qm", "x"]].concat(),
        );
        // Not versioned: it must not be in what is built.
        std::fs::write(project.join("src/stray.py"), "").unwrap();
    }
}

fn succeed(folder: &Path, command: &[&str]) {
    let status = Command::new(command[0])
        .args(&command[1..])
        .current_dir(folder)
        .status()
        .unwrap();
    assert!(status.success(), "{command:?}");
}

fn built(home: &Path) -> Vec<String> {
    let mut names: Vec<_> = home
        .join("proj/dist")
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn projects_are_built_and_uploaded(twins: &Twins) {
    prepare(twins);
    write_checkout(twins);
    let python = python();
    let base = ["upload", "-p", &python, "--no-isolation"];
    let build = |options: &[&str]| {
        twins
            .both_in("proj", &[&base, options].concat(), &[])
            .same();
        assert_eq!(
            built(twins.ours.home.path()),
            built(twins.released.home.path())
        );
    };
    build(&["--dry-run"]);
    assert_eq!(built(twins.ours.home.path()).len(), 2);
    let wheel = twins
        .ours
        .home
        .path()
        .join("proj/dist/proj-1.0-py3-none-any.whl");
    let listed = Command::new("unzip").arg("-l").arg(wheel).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(
        !listed.contains("stray") && listed.contains("METADATA"),
        "{listed}"
    );
    build(&[]);
    build(&["--index", "root/vol", "--wheel", "--setupdir-only"]);
    build(&["--index", "root/vol", "--sdist", "--no-vcs"]);
    build(&["--dry-run", "--formats", "sdist,bdist_wheel"]);
    build(&["--dry-run", "--formats", "sdist.tgz"]);
    twins
        .both_in("proj", &["upload", "-p", "/no/such/python"], &[])
        .same();
    twins.write(
        "proj/backend/in_tree_backend.py",
        b"raise SystemExit('broken')",
    );
    let both = twins.both_in("proj", &[&base as &[&str], &["--sdist"]].concat(), &[]);
    both.same();
    assert!(both.ours.stdout.contains("broken"), "{both:?}");
}

fn documentation_is_built(twins: &Twins) {
    prepare(twins);
    write_checkout(twins);
    let python = python();
    let sphinx = python_client("sphinx");
    let path = std::env::join_paths(std::iter::once(sphinx.parent().unwrap().to_owned()).chain(
        std::env::split_paths(&client_environment(Path::new("/"))["PATH"]),
    ));
    let path = path.unwrap().into_string().unwrap();
    let variables = [("PATH", path.as_str())];
    let upload = |options: &[&str]| {
        let base = ["upload", "-p", &python, "--no-isolation", "--no-vcs"];
        let both = twins.both_in("proj", &[&base, options].concat(), &variables);
        // Ours is packed, which the released client's is not.
        let lines = |text: &str| {
            let lines = text.lines().map(|line| {
                let (line, _) = line.split_once(" [sphinx docs]").unwrap_or((line, ""));
                line.to_owned()
            });
            lines.collect::<Vec<_>>()
        };
        let (ours, released) = (&both.same_code().ours, &both.released);
        assert_eq!(lines(&ours.stdout), lines(&released.stdout));
        both
    };
    twins.write("proj/docs/source/conf.py", b"project = 'proj'\n");
    twins.write("proj/docs/source/index.rst", b"Title\n=====\n\nhello\n");
    upload(&["--only-docs"]);
    let both = upload(&["--with-docs", "--index", "root/vol"]);
    assert!(
        both.ours
            .stdout
            .contains("doc_upload of proj-1.0.doc.zip to "),
        "{both:?}"
    );
    twins.write(
        "proj/docs/source/conf.py",
        b"raise RuntimeError('broken')\n",
    );
    let both = twins.both_in(
        "proj",
        &[
            "upload",
            "-p",
            &python,
            "--no-isolation",
            "--no-vcs",
            "--only-docs",
        ],
        &variables,
    );
    assert!(both.same_code().ours.stdout.contains("broken"), "{both:?}");
}

fn projects_say_what_they_want(twins: &Twins) {
    prepare(twins);
    write_checkout(twins);
    let python = python();
    let command = ["upload", "-p", &python, "--no-isolation", "--dry-run"];
    let pyproject = std::fs::read_to_string(twins.ours.home.path().join("proj/pyproject.toml"));
    let pyproject = pyproject.unwrap();
    for section in [
        "sdist = true\nno-vcs = true",
        "wheel = 1",
        "formats = 'sdist'",
    ] {
        let text = format!("{pyproject}\n[tool.devpi.upload]\n{section}\n");
        twins.write("proj/pyproject.toml", text.as_bytes());
        twins.both_in("proj", &command, &[]).same();
    }
    twins.write("proj/setup.cfg", b"[devpi:upload]\nwheel = 1\n");
    twins.both_in("proj", &command, &[]).same();
    twins.write("proj/pyproject.toml", pyproject.as_bytes());
    for section in [
        "wheel = yes\nno-vcs = 0\nsetupdir-only = 1",
        "formats = bdist_wheel",
        "sdist = maybe",
    ] {
        let text = format!("[devpi:upload]\n{section}\n");
        twins.write("proj/setup.cfg", text.as_bytes());
        twins.both_in("proj", &command, &[]).same();
    }
}

fn releases_are_pushed(twins: &Twins) {
    prepare(twins);
    write_release(twins);
    twins.write(
        "hello-shop-1.0.doc.zip",
        &DocumentationArchive::saying("x").build(),
    );
    twins
        .both(&["upload", WHEEL, SDIST, "hello-shop-1.0.doc.zip"])
        .same();
    let release = "hello-shop==1.0";
    for command in [
        &["push", release, "root/vol"] as &[&str],
        &["push", "hello-shop-1.0", "root/vol"],
        &["push", "--no-docs", release, "root/vol"],
        &["push", "--only-docs", release, "root/vol"],
        &["push", "--no-docs", "--only-docs", release, "root/vol"],
        &["push", "--index", "root/vol", release, "root/vol"],
        &["push", "--index", "vol", release, "root/vol"],
        &["push", "hello-shop==9", "root/vol"],
        &["push", release, "vol"],
        &["push", release, "a/b/c"],
        &["push", release, "root/nowhere"],
    ] {
        twins.both(command).same();
    }
    // devpi-client takes `hello` for the project here.
    for spec in ["hello-shop", "hello-shop>=1"] {
        twins.both(&["push", spec, "root/vol"]).same_code();
    }
    twins.both(&["push", "shop>=1", "root/vol"]).same();
    let next = Sdist::named("hello-shop").version("1.1").build();
    twins.write(&next.name, &next.bytes);
    twins.ours_says(&["upload", &next.name], "");
    let told = twins.ours_says(
        &["push", "-", "root/vol"],
        "hello-shop==1.0\nhello-shop==1.1\n",
    );
    assert!(
        told.contains("register hello-shop 1.1 -> root/vol"),
        "{told}"
    );
}

fn other_servers_stand_in_pypirc(twins: &Twins) {
    prepare(twins);
    write_release(twins);
    twins.both(&["upload", SDIST]).same();
    let push = ["push", "hello-shop==1.0", "pypi:partner"];
    twins.both(&push).same();
    twins
        .both(&[
            "push",
            "--pypirc",
            "no/where",
            "hello-shop==1.0",
            "pypi:partner",
        ])
        .same();
    // The port is one that nothing listens at.
    let text = "[partner]\nrepository = http://127.0.0.1:1/\nusername = bob\npassword = secret-word\n\
                [nobody]\nrepository = http://127.0.0.1:1/\n\
                [unfinished]\nusername = bob\npassword = secret-word\n";
    twins.write(".pypirc", text.as_bytes());
    let both = twins.both(&push);
    let told = &both.same_code().ours.stdout;
    assert!(told.contains("using pypirc HOME/.pypirc\n"), "{told}");
    assert!(told.ends_with("Failure during upload\n"), "{told}");
    assert!(!told.contains("secret-word"), "{told}");
    // The released client would have the server push this to PyPI.
    let output = twins
        .ours
        .run(&["push", "hello-shop==1.0", "pypi:unfinished"], &[], "");
    assert_eq!(output.code, Some(1), "{output:?}");
    assert!(output.stdout.contains("says no repository"), "{output:?}");
    for section in ["none", "nobody"] {
        let target = format!("pypi:{section}");
        let both = twins.both(&["push", "hello-shop==1.0", &target]);
        let beginning = format!("Error while trying to read section '{section}': ");
        for output in [&both.same_code().ours, &both.released] {
            assert!(output.stdout.contains(&beginning), "{output:?}");
        }
    }
}
