//! The released devpi-server and we, asked the same questions.
//!
//! One pair of servers, for devpi-server takes its time to start, and therefore one test: the
//! scenarios in [`scenarios`] run one after the other, every difference is collected, and those that
//! `allowed.toml` does not name fail the test; so does an allowance that nothing needs any more.

mod difference;
mod normal;
mod pair;
mod scenarios;
mod wire;

use cheeseshop_test_support::Upstream;

use self::difference::{Allowance, Difference};
use self::pair::Pair;

#[tokio::test(flavor = "multi_thread")]
async fn devpi_server_and_we_give_the_same_answers() {
    let upstream = Upstream::start().await;
    let (found, steps) = tokio::task::spawn_blocking(move || {
        let pair = Pair::start(upstream);
        for (name, scenario) in scenarios::ALL {
            pair.begin(name);
            let start = std::time::Instant::now();
            scenario(&pair);
            println!("{name}: {:.1} s", start.elapsed().as_secs_f32());
        }
        pair.into_result()
    })
    .await
    .unwrap();
    assert!(steps > 1000, "only {steps} requests were compared");

    let allowances = Allowance::all();
    let unexplained: Vec<&Difference> = found
        .iter()
        .filter(|difference| !allowances.iter().any(|allowed| allowed.covers(difference)))
        .collect();
    let unused: Vec<&Allowance> = allowances
        .iter()
        .filter(|allowed| !found.iter().any(|difference| allowed.covers(difference)))
        .collect();
    for difference in &unexplained {
        println!("{difference}");
    }
    for allowance in &unused {
        println!("nothing needs this allowance: {allowance}");
    }
    println!(
        "{steps} requests, {} differences, {} of them allowed",
        found.len(),
        found.len() - unexplained.len()
    );
    assert!(
        unexplained.is_empty() && unused.is_empty(),
        "{} unexplained differences from devpi-server, {} allowances too many (see above)",
        unexplained.len(),
        unused.len()
    );
}
