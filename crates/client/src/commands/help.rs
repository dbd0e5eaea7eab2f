//! The list of commands in a help text, under headings: clap has one heading for all of them.

use std::fmt::Write as _;

use clap::Command;

/// The command line with its commands listed under headings. Each group is a heading, and a command
/// whose subcommands are the group.
pub fn grouped(command: Command, groups: &[(&str, Command)]) -> Command {
    let width = groups
        .iter()
        .flat_map(|(_, group)| group.get_subcommands())
        .map(|listed| listed.get_name().len())
        .max()
        .unwrap_or_default();
    let header = *command.get_styles().get_header();
    let literal = *command.get_styles().get_literal();
    let mut list = String::new();
    for (heading, group) in groups {
        // Writing to a string cannot fail.
        let _ = writeln!(list, "{header}{heading}:{header:#}");
        for listed in group.get_subcommands() {
            let name = listed.get_name();
            let about = listed.get_about().cloned().unwrap_or_default();
            let space = " ".repeat(width - name.len());
            let _ = writeln!(list, "  {literal}{name}{literal:#}{space}  {about}");
        }
        list.push('\n');
    }
    let name = command.get_name().to_owned();
    let template = format!(
        "{{before-help}}{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{list}\
         `{name} help COMMAND` says more of a command.\n\n{{all-args}}{{after-help}}"
    );
    command
        .override_usage(format!("{name} [OPTIONS] <COMMAND>"))
        .help_template(template)
        // They are listed already.
        .mut_subcommands(|listed| listed.hide(true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_stand_under_their_headings() {
        let one = Command::new("one").about("The first");
        let longer = Command::new("longer").about("The second");
        let group = |listed: &Command| Command::new("").subcommand(listed.clone());
        let mut command = grouped(
            Command::new("shop")
                .about("A shop")
                .subcommands([&one, &longer]),
            &[("Here", group(&one)), ("There", group(&longer))],
        );
        let help = command.render_help().to_string();
        assert_eq!(
            help,
            "A shop\n\nUsage: shop [OPTIONS] <COMMAND>\n\nHere:\n  one     The first\n\nThere:\n  \
             longer  The second\n\n`shop help COMMAND` says more of a command.\n\nOptions:\n  -h, \
             --help  Print help\n"
        );
        assert!(
            command
                .clone()
                .try_get_matches_from(["shop", "one"])
                .is_ok()
        );
        let error = command.try_get_matches_from(["shop", "onee"]).unwrap_err();
        assert!(error.to_string().contains("'one'"), "{error}");
    }
}
