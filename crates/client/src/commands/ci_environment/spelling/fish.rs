//! fish.

pub(super) fn set(name: &str, value: &str) -> String {
    format!("set -gx {name} {};\n", quoted(value))
}

pub(super) fn unset(name: &str) -> String {
    format!("set -e {name};\n")
}

/// `fish_trace` prints every line that is run: not those of this file.
pub(super) fn run_unseen(file: &str) -> String {
    format!("begin; set -l fish_trace; source {}; end;\n", quoted(file))
}

/// Between single quotation marks fish knows two escapes.
fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\\', r"\\").replace('\'', r"\'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backslashes_and_quotes_are_escaped() {
        assert_eq!(set("A", r"it's \n"), "set -gx A 'it\\'s \\\\n';\n");
    }
}
