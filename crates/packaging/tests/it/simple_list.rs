use cheeseshop_packaging::{PageError, ProjectList};

fn list(names: &[&str]) -> ProjectList {
    ProjectList {
        names: names.iter().collect(),
        last_serial: None,
    }
}

#[test]
fn lists_are_written_in_both_forms() {
    let mut list = list(&["a", "my-pkg"]);
    list.last_serial = Some(7);
    assert_eq!(
        String::from_utf8(list.to_json()).unwrap(),
        r#"{"meta":{"api-version":"1.4","_last-serial":7},"projects":[{"name":"a"},{"name":"my-pkg"}]}"#
    );
    assert_eq!(
        String::from_utf8(list.to_html("bob/dev: <all>")).unwrap(),
        "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"pypi:repository-version\" content=\"1.4\">\
         <title>bob/dev: &lt;all&gt;</title></head><body><h1>bob/dev: &lt;all&gt;</h1>\n\
         <a href=\"a/\">a</a><br>\n<a href=\"my-pkg/\">my-pkg</a><br>\n</body></html>\n"
    );
}

#[test]
fn lists_are_read_as_they_are_written() {
    for names in [&[][..], &["a"], &["a", "b-c", "zope-interface"]] {
        let list = list(names);
        assert_eq!(ProjectList::parse_json(&list.to_json()).unwrap(), list);
        assert_eq!(ProjectList::parse_html(&list.to_html("x")).unwrap(), list);
    }
}

#[test]
fn names_are_normalized_sorted_and_cleaned() {
    let body = br#"{"meta":{"api-version":"1.0","_last-serial":5},"projects":[
        {"name":"Zope.Interface","_last-serial":1},{"name":"b"},{"name":"A"},{"name":"a"},
        {"name":"../x"},{"name":""},{"name":null},{"name":7},{},{"name":"-x"},{"name":"a--b"},
        {"name":"a-b"},{"name":"\u00fc"},{"name":"escaped\u002dname"}]}"#;
    let read = ProjectList::parse_json(body).unwrap();
    assert_eq!(read.last_serial, Some(5));
    assert_eq!(
        read.names,
        list(&["a", "a-b", "b", "escaped-name", "zope-interface"]).names
    );
}

#[test]
fn html_lists_of_other_upstreams_are_read() {
    let body = r#"<meta name="pypi:repository-version" content="1.1"><base href="https://x.example/">
        <a href="/simple/flask/">Flask</a> <a href="zope.interface/">zope.interface</a>
        <a href="https://h.example/simple/numpy/index#x">numpy</a>
        <a href="jinja2/">click here</a> <a href="requests">  requests
        </a> <a href="javascript:evil">evil</a> <a>none</a> <a href="../">..</a>
        <a href="%2e%2e/">?</a><a href="last/">"#;
    let read = ProjectList::parse_html(body.as_bytes()).unwrap();
    assert_eq!(
        read.names,
        list(&[
            "flask",
            "jinja2",
            "last",
            "numpy",
            "requests",
            "zope-interface"
        ])
        .names
    );
}

#[test]
fn what_is_no_list_is_refused() {
    for body in [
        &br#"{"meta":{"api-version":"2.0"},"projects":[]}"#[..],
        br#"{"meta":{"api-version":"1.0"}}"#,
        br#"{"projects":[]}"#,
        b"[]",
        b"",
        b"\xff",
    ] {
        assert!(ProjectList::parse_json(body).is_err());
    }
    let body = br#"<meta name="pypi:repository-version" content="2.0">"#;
    assert!(matches!(
        ProjectList::parse_html(body),
        Err(PageError::UnsupportedVersion(_))
    ));
}

#[test]
fn a_list_as_long_as_pypis_survives_both_forms() {
    let list = ProjectList {
        names: (0..100_000)
            .map(|number| format!("project-{number:06}"))
            .collect(),
        last_serial: None,
    };
    assert_eq!(ProjectList::parse_json(&list.to_json()).unwrap(), list);
    assert_eq!(ProjectList::parse_html(&list.to_html("x")).unwrap(), list);
}
