//! `deploy/monitoring`: the rules and the dashboard speak of what the server really exports, and Prometheus' own
//! tool finds that the rules do what they say.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Instant;

use cheeseshop_test_support::{CertificateAuthority, Upstream, Wheel};
use serde_json::{Value, json};

use crate::support::{Api, BETWEEN_LOOKS, CHEAP_HASH, DEADLINE, Home, PATIENT, Server};

/// Labels that Prometheus adds.
const OF_PROMETHEUS: &[&str] = &["job", "instance"];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/monitoring")
}

fn text_of(name: &str) -> String {
    std::fs::read_to_string(folder().join(name)).unwrap()
}

fn promtool(arguments: &[&str], more: &[&Path]) -> Output {
    Command::new("promtool")
        .args(arguments)
        .args(more)
        .current_dir(folder())
        .output()
        .expect("promtool is installed by `cargo xtask test`")
}

#[track_caller]
fn succeeds(output: &Output) {
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// The names of all alerts.
fn alerts() -> BTreeSet<String> {
    let rules = text_of("cheeseshop.rules.yml");
    let names = rules
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "));
    names.map(str::to_owned).collect()
}

#[test]
fn each_alert_fires_when_it_should_and_not_before() {
    succeeds(&promtool(
        &["check", "rules", "--lint-fatal", "cheeseshop.rules.yml"],
        &[],
    ));
    let tests = ["cheeseshop.test.yml", "cheeseshop-days.test.yml"];
    succeeds(&promtool(
        &[&["test", "rules"][..], &tests[..]].concat(),
        &[],
    ));
    // Each is expected somewhere.
    let expected: BTreeSet<String> = tests
        .iter()
        .map(|name| text_of(name))
        .flat_map(|text| {
            text.lines()
                .filter_map(|line| line.split_once("'ALERTS{alertname=\""))
                .filter_map(|(_, rest)| Some(rest.split_once('"')?.0.to_owned()))
                .collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(expected, alerts());
    // And told on the page.
    let page = folder().join("../../docs/manual/monitoring.md");
    let page = std::fs::read_to_string(page).unwrap();
    let told: BTreeSet<String> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `Cheeseshop"))
        .filter_map(|rest| Some(format!("Cheeseshop{}", rest.split_once('`')?.0)))
        .collect();
    assert_eq!(told, expected);
}

/// A server that has had to do with everything there is a metric of; what it exports.
async fn exposition() -> String {
    let home = Home::new();
    let upstream = Upstream::start().await;
    upstream.publish(&Wheel::named("six").build());
    let authority = CertificateAuthority::new();
    let (chain, key) = authority.issue(&["localhost"]);
    home.write("server.crt", &chain);
    home.write("server.key", &key);
    home.write("ca.crt", authority.pem());
    home.write("revoked.crl", &authority.revocations(&[7]));
    home.write(
        "cheeseshop.toml",
        "[tls]\ncertificate = \"server.crt\"\nkey = \"server.key\"\nplain_http = \"serve\"\n\
         client_certificates = \"optional\"\nclient_ca = \"ca.crt\"\nclient_revoked = \"revoked.crl\"\n\
         [backup]\ndirectory = \"backups\"\n",
    );
    let pypi = format!("mirror.root_pypi_url={}", upstream.url());
    let mut arguments = vec!["serve", "--config", "cheeseshop.toml", "--set", &pypi];
    arguments.extend(["--listen", "https://127.0.0.1:0", "--listen", "127.0.0.1:0"]);
    arguments.push(PATIENT);
    arguments.extend(CHEAP_HASH);
    let server = Server::spawn(&home, home.cheeseshop(&arguments));
    assert!(server.url.starts_with("http://"), "{}", server.url);
    let secure = server
        .announcement
        .lines()
        .find_map(|line| line.strip_prefix("Listening on https://127.0.0.1:"))
        .map(|port| format!("https://localhost:{port}"))
        .unwrap();

    let bob = server.new_user("bob", "bobs-password").await;
    // Nobody is there to be called.
    let trigger = json!({"bases": ["root/pypi"], "uploadtrigger_jenkins": "http://127.0.0.1:9/"});
    bob.create_index("bob/dev", &trigger).await;
    bob.upload("bob/dev", &Wheel::named("shop").build()).await;
    assert_eq!(bob.files("bob/dev", "six").await.len(), 1);
    assert_eq!(bob.files("bob/dev", "six").await.len(), 1);
    let anonymous = server.anonymous();
    anonymous.try_login("bob", "wrong").await.unwrap_err();
    let client = reqwest::Client::builder().no_proxy();
    let trusted = reqwest::Certificate::from_pem(authority.pem().as_bytes()).unwrap();
    let client = client.tls_certs_only([trusted]).build().unwrap();
    Api::anonymous_by(client, &secure).get("+api").await;
    for command in [
        &["gc", "--config", "cheeseshop.toml"][..],
        &["backup", "create", "--config", "cheeseshop.toml"],
    ] {
        let output = home.run(command);
        assert_eq!(output.code, Some(0), "{output:?}");
    }
    // They are looked at now and again.
    let deadline = Instant::now() + DEADLINE;
    loop {
        let text = anonymous.get("metrics").await.text().await.unwrap();
        let is_there = |name: &str| text.contains(&format!("\n{name} "));
        if is_there("cheeseshop_gc_finished_timestamp_seconds")
            && is_there("cheeseshop_backup_finished_timestamp_seconds")
        {
            server.stop();
            return text;
        }
        assert!(Instant::now() < deadline, "{text}");
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
}

/// The names of series, with the values of each label.
fn series(exposition: &str) -> BTreeMap<String, BTreeMap<String, BTreeSet<String>>> {
    let mut found: BTreeMap<String, BTreeMap<_, BTreeSet<_>>> = BTreeMap::new();
    for line in exposition.lines().filter(|line| !line.starts_with('#')) {
        let Some((name, rest)) = line.split_once(['{', ' ']) else {
            continue;
        };
        let labels = found.entry(name.to_owned()).or_default();
        for (label, value) in matchers(rest.rsplit_once('}').map_or("", |(labels, _)| labels)) {
            labels.entry(label).or_default().insert(value);
        }
    }
    found
}

/// `NAME="VALUE"` of a list; values that are patterns come with their `~`.
fn matchers(list: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = list;
    while let Some((name, more)) = rest.split_once('"') {
        let Some((value, more)) = more.split_once('"') else {
            break;
        };
        let label = name.trim_start_matches([',', ' ']);
        let end = label.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        let (label, operator) = label.split_at(end.unwrap_or(label.len()));
        let value = if operator.trim() == "=" {
            value.to_owned()
        } else {
            format!("~{value}")
        };
        found.push((label.to_owned(), value));
        rest = more;
    }
    found
}

/// What an expression asks for: metrics, and what their labels are to be.
fn asked_for(expression: &str) -> Vec<(String, Vec<(String, String)>)> {
    let mut found = Vec::new();
    let mut rest = expression;
    while let Some(at) = ["cheeseshop_", "process_"]
        .iter()
        .filter_map(|prefix| rest.find(prefix))
        .min()
    {
        let from = &rest[at..];
        let end = from.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        let (name, more) = from.split_at(end.unwrap_or(from.len()));
        let list = match more.strip_prefix('{') {
            // A pattern of a route has braces in it, within quotation marks.
            Some(list) => {
                let mut is_quoted = false;
                let end = list.find(|c| {
                    is_quoted ^= c == '"';
                    c == '}' && !is_quoted
                });
                &list[..end.unwrap_or(list.len())]
            }
            None => "",
        };
        found.push((name.to_owned(), matchers(list)));
        rest = more;
    }
    found
}

/// Every expression of the dashboard.
fn expressions(value: &Value) -> Vec<String> {
    match value {
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(key, value)| match (key.as_str(), value) {
                ("expr" | "definition", Value::String(text)) => vec![text.clone()],
                _ => expressions(value),
            })
            .collect(),
        Value::Array(items) => items.iter().flat_map(expressions).collect(),
        _ => Vec::new(),
    }
}

/// The expressions of the rules, each on one line or on those that are indented below.
fn conditions() -> Vec<String> {
    let rules = text_of("cheeseshop.rules.yml");
    let parts = rules.split("        expr: ").skip(1);
    parts
        .filter_map(|part| part.split("\n        for: ").next())
        .filter_map(|part| part.split("\n        labels: ").next())
        .map(str::to_owned)
        .collect()
}

fn dashboard() -> Value {
    serde_json::from_str(&text_of("cheeseshop.dashboard.json")).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_and_dashboard_ask_for_what_the_server_exports() {
    let text = exposition().await;
    let exported = series(&text);
    let conditions = conditions();
    assert_eq!(conditions.len(), alerts().len());
    let dashboard = expressions(&dashboard());
    assert!(dashboard.len() > 30, "{dashboard:?}");
    let mut wrong = Vec::new();
    let mut used = BTreeSet::new();
    for expression in conditions.iter().chain(&dashboard) {
        for (name, labels) in asked_for(expression) {
            let Some(known) = exported.get(&name) else {
                wrong.push(format!("{name}: {expression}"));
                continue;
            };
            for (label, value) in labels {
                let is_known = OF_PROMETHEUS.contains(&label.as_str())
                    || known
                        .get(&label)
                        .is_some_and(|values| value.starts_with('~') || values.contains(&value));
                if !is_known {
                    wrong.push(format!("{name}{{{label}={value}}}: {expression}"));
                }
            }
            used.insert(name);
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}\n{text}");
    // Between two of them a quantile is guessed.
    let steps = &exported["cheeseshop_http_request_duration_seconds_bucket"]["le"];
    assert!(
        steps.contains("2"),
        "the limit of CheeseshopSlow: {steps:?}"
    );
    // And the other way round: what is exported is of use to somebody.
    let unused: Vec<&String> = exported
        .keys()
        .filter(|name| !used.contains(*name))
        .filter(|name| !["_sum", "_count"].iter().any(|end| name.ends_with(end)))
        .collect();
    // These two are told beside whether the last one succeeded.
    let allowed = [
        "cheeseshop_tls_last_reload_success_timestamp_seconds",
        "cheeseshop_tls_reloads_total",
    ];
    let of_no_use: Vec<_> = unused
        .iter()
        .filter(|name| !allowed.contains(&name.as_str()))
        .collect();
    assert!(
        of_no_use.is_empty(),
        "on no panel, in no alert: {of_no_use:?}"
    );
}

#[test]
fn the_dashboard_can_be_provisioned() {
    let dashboard = dashboard();
    assert_eq!(dashboard["uid"], "cheeseshop");
    assert!(dashboard.get("id").is_none() && dashboard.get("__inputs").is_none());
    let variables: Vec<&str> = dashboard["templating"]["list"]
        .as_array()
        .unwrap()
        .iter()
        .map(|variable| variable["name"].as_str().unwrap())
        .collect();
    assert_eq!(variables, ["datasource", "job", "instance"]);
    let mut numbers = BTreeSet::new();
    let mut taken = BTreeSet::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        let title = panel["title"].as_str().unwrap();
        assert!(numbers.insert(panel["id"].as_u64().unwrap()), "{title}");
        let [x, y, w, h] =
            ["x", "y", "w", "h"].map(|side| panel["gridPos"][side].as_u64().unwrap());
        assert!(x + w <= 24, "{title}");
        for place in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))) {
            assert!(taken.insert(place), "{title} lies over another");
        }
        for target in panel["targets"].as_array().into_iter().flatten() {
            assert_eq!(target["datasource"]["uid"], "${datasource}", "{title}");
        }
    }

    // Prometheus understands every query, once the variables have values.
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("queries.yml");
    let rules: Vec<Value> = expressions(&dashboard)
        .iter()
        .filter(|query| !query.starts_with("label_values("))
        .enumerate()
        .map(|(number, query)| {
            let query = query
                .replace("$__rate_interval", "5m")
                .replace("$__interval", "1m")
                .replace("$job", ".*")
                .replace("$instance", ".*");
            json!({"record": format!("query:{number}"), "expr": query})
        })
        .collect();
    // JSON is YAML.
    let rules = json!({"groups": [{"name": "dashboard", "rules": rules}]});
    std::fs::write(&file, rules.to_string()).unwrap();
    succeeds(&promtool(&["check", "rules"], &[&file]));
}

#[tokio::test]
async fn failed_logins_are_counted_by_what_was_wrong() {
    let home = Home::new();
    let server = Server::start(&home, &["--set", "auth.throttle.failures_per_user=3"]);
    server.new_user("bob", "bobs-password").await;
    let anonymous = server.anonymous();
    let token = anonymous.try_login("bob", "bobs-password").await.unwrap();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let ask = async |secret: &str| {
        let request = client
            .get(server.at("+api"))
            .basic_auth("bob", Some(secret));
        request.send().await.unwrap()
    };
    ask("bobs-password").await;
    ask(&token).await;
    // Still one by its form.
    let (start, end) = token.split_at(token.len() - 20);
    let other = if end.starts_with('A') { "B" } else { "A" };
    ask(&format!("{start}{other}{}", &end[1..])).await;
    let wrong = ["one", "two", "three", "four", "five"];
    for password in wrong {
        ask(password).await;
    }
    let text = anonymous.get("metrics").await.text().await.unwrap();
    let count = |reason: &str| -> u64 {
        let start = format!("cheeseshop_failed_logins_total{{reason=\"{reason}\"}} ");
        let line = text.lines().find_map(|line| line.strip_prefix(&start));
        line.unwrap().parse().unwrap()
    };
    assert_eq!(count("token"), 1, "{text}");
    assert!(count("throttled") > 0 && count("password") > 0, "{text}");
    assert_eq!(count("throttled") + count("password"), wrong.len() as u64);
    server.stop();
}
