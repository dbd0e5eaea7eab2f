//! bash, zsh, dash and the other POSIX shells. Each statement ends with a semicolon, so that an
//! `eval` without quotation marks, which joins the lines, still reads them.

pub(super) fn set(name: &str, value: &str) -> String {
    format!("export {name}={};\n", quoted(value))
}

pub(super) fn unset(name: &str) -> String {
    format!("unset {name};\n")
}

/// `sh -x`, which Jenkins uses, prints every line that is run: not those of this file.
pub(super) fn run_unseen(file: &str) -> String {
    let file = quoted(file);
    format!(
        "{{ __cheeseshop_trace=$-; set +x; }} 2>/dev/null; . {file}; \
         case $__cheeseshop_trace in *x*) set -x;; esac; unset __cheeseshop_trace;\n"
    )
}

fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_end_and_begin_again() {
        assert_eq!(set("A", "it's $HOME"), "export A='it'\\''s $HOME';\n");
    }
}
