mod login;
mod look;
mod pages;
mod search;

use crate::support::{Form, User};

/// Adds a release without a file.
async fn submit(user: &User<'_>, index: &str, name: &str, version: &str, more: &[(&str, &str)]) {
    let mut form = Form::submit(name, version);
    for (key, value) in more {
        form = form.field(key, value);
    }
    let answer = user.post_form(&format!("/{index}/"), &form).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}
