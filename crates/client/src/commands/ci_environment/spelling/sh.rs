//! bash, zsh, dash and the other POSIX shells. Each statement ends with a semicolon, so that an
//! `eval` without quotation marks, which joins the lines, still reads them.

pub(super) fn set(name: &str, value: &str) -> String {
    format!("export {name}={};\n", quoted(value))
}

pub(super) fn unset(name: &str) -> String {
    format!("unset {name};\n")
}

/// `sh -x`, which Jenkins uses, prints every line that is run, and `sh -v` every line that is read: not
/// those of this file.
pub(super) fn run_unseen(file: &str) -> String {
    let file = quoted(file);
    format!(
        "{{ __cheeseshop_trace=$-; set +xv; }} 2>/dev/null; . {file}; \
         case $__cheeseshop_trace in *v*) set -v;; esac; \
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
    fn no_trace_shows_the_lines_of_the_file_and_traces_go_on() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("it's secret.sh");
        std::fs::write(&file, set("PW", "hunter2")).unwrap();
        let code = format!("{}echo ${{#PW}} $-\n", run_unseen(file.to_str().unwrap()));
        for flags in ["-u", "-x", "-v", "-xv"] {
            let run = std::process::Command::new("sh")
                .args([flags, "-c", "eval \"$1\"", "sh", &code])
                .output()
                .unwrap();
            let told = String::from_utf8_lossy(&run.stdout).into_owned();
            let traced = String::from_utf8_lossy(&run.stderr).into_owned();
            assert!(told.starts_with("7 "), "{flags}: {told}{traced}");
            assert!(!traced.contains("hunter2"), "{flags}: {traced}");
            for flag in flags.trim_start_matches('-').chars() {
                assert!(told.contains(flag), "{flags}: {told}");
            }
        }
    }

    #[test]
    fn quotes_end_and_begin_again() {
        assert_eq!(set("A", "it's $HOME"), "export A='it'\\''s $HOME';\n");
    }
}
