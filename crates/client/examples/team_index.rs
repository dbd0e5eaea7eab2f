//! Gives a team an index, uploads a wheel to it, and says what is there.
//!
//! ```text
//! cargo run -p cheeseshop-client --example team_index -- http://127.0.0.1:3141/ ROOT-PASSWORD WHEEL
//! ```

use std::path::Path;

use cheeseshop_client::layout::{Layout, PlanOptions};
use cheeseshop_client::{Distribution, Progress, Server};

/// Whatever goes wrong.
type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Gives the projects of the index after the upload.
pub(crate) async fn upload_for_team(
    url: &str,
    root_password: &str,
    wheel: &Path,
) -> Result<Vec<String>> {
    let server = Server::new(url.parse()?)?;

    // A login is a name and a token; with it, the same server answers as to that user.
    let root = server.log_in("root", root_password).await?;
    let as_root = server.clone().with_login(Some(root.credentials));

    // What there is to be. What is there already is left alone, so this can be done again.
    let layout = Layout::read(
        r#"
        version = 1
        [users.team]
        password = "team-password"
        [indexes."team/dev"]
        bases = ["root/pypi"]
        "#,
        &mut |_| Err("this layout points at no secrets".to_owned()),
    )?;
    let present = as_root.layout_state(&layout).await?;
    let plan = layout.plan(&present, &PlanOptions::default())?;
    let not_done = plan.apply(&as_root, |_step, _outcome| {}).await;
    if not_done > 0 {
        return Err("the layout could not be made".into());
    }

    // The file says itself what it is: name, version, metadata.
    let team = server.log_in("team", "team-password").await?.credentials;
    let index = server.index_url("team/dev")?;
    let distribution = Distribution::read(wheel)?;
    server
        .upload(&index, &distribution, Some(team), &Progress::default())
        .await?
        .accepted()?;

    Ok(server.projects(&index).await?)
}

#[tokio::main]
async fn main() -> Result<()> {
    // rustls leaves the choice of cryptography to the program.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, root_password, wheel] = arguments.as_slice() else {
        return Err("usage: team_index URL ROOT-PASSWORD WHEEL".into());
    };
    let projects = upload_for_team(url, root_password, Path::new(wheel)).await?;
    use_result(&projects);
    Ok(())
}

/// An example prints; the library never does.
#[expect(clippy::print_stdout, reason = "an example")]
fn use_result(projects: &[String]) {
    println!("{}", projects.join("\n"));
}
