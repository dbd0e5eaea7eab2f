//! The example that is applied.

use anyhow::{Context as _, Result};

/// The first block of Puppet's language in a page.
pub(super) fn first(page: &str) -> Result<String> {
    let (_, rest) = page
        .split_once("\n```puppet\n")
        .context("the README of the Puppet module has no example")?;
    let (example, _) = rest
        .split_once("\n```")
        .context("the example in the README does not end")?;
    Ok(format!("{example}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_block_is_the_example() {
        let page =
            "# A\n\n```sh\nno\n```\n\n```puppet\nclass { 'a':\n}\n```\n\n```puppet\nno\n```\n";
        assert_eq!(first(page).unwrap(), "class { 'a':\n}\n");
        assert!(first("# A\n").is_err());
    }
}
