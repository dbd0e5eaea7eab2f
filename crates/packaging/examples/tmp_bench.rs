use std::time::Instant;
use std::sync::Arc;
use cheeseshop_packaging::*;
fn main() {
    let base = url::Url::parse("https://index.example/simple/sample/").unwrap();
    let sha = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    let n = 5000;
    let mut body = String::from(r#"{"meta":{"api-version":"1.1"},"name":"sample","files":["#);
    for number in 0..n {
        if number > 0 { body.push(','); }
        body += &format!(r#"{{"core-metadata":{{"sha256":"{sha}"}},"filename":"sample-1.{number}-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl","url":"https://files.example/packages/aa/bb/{sha}/sample-1.{number}-py3-none-any.whl","hashes":{{"sha256":"{sha}"}},"size":{number},"upload-time":"2024-01-02T03:04:05.678901Z","requires-python":">=3.9","yanked":false}}"#);
    }
    body.push_str("]}");
    let t = Instant::now();
    let page = ProjectPage::parse_json(body.as_bytes(), &base).unwrap();
    println!("parse json {} KB {:?}", body.len()/1024, t.elapsed());
    for _ in 0..3 {
    let t = Instant::now(); let j = page.to_json(); println!("to_json {} KB {:?}", j.len()/1024, t.elapsed());
    let t = Instant::now(); let h = page.to_html("x"); println!("to_html {} KB {:?}", h.len()/1024, t.elapsed());
    let t = Instant::now(); let p = ProjectPage::parse_html(&h, &base).unwrap(); println!("parse html {:?} {}", t.elapsed(), p.files.len());
    }
    let list = ProjectList { names: (0..600_000).map(|n| Arc::from(format!("project-{n:06}"))).collect(), last_serial: None };
    let t = Instant::now(); let j = list.to_json(); println!("list to_json {:?}", t.elapsed());
    let t = Instant::now(); let h = list.to_html("x"); println!("list to_html {:?}", t.elapsed());
    let t = Instant::now(); ProjectList::parse_json(&j).unwrap(); println!("list parse json {:?}", t.elapsed());
    let t = Instant::now(); ProjectList::parse_html(&h).unwrap(); println!("list parse html {:?}", t.elapsed());
}
