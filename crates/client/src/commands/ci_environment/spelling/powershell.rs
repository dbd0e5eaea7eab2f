//! PowerShell.

pub(super) fn set(name: &str, value: &str) -> String {
    format!("$env:{name} = {}\n", quoted(value))
}

pub(super) fn unset(name: &str) -> String {
    format!("Remove-Item -ErrorAction SilentlyContinue Env:{name}\n")
}

pub(super) fn run_unseen(file: &str) -> String {
    format!(". {}\n", quoted(file))
}

/// PowerShell takes typographic quotation marks for the plain one; each is written twice.
fn quoted(value: &str) -> String {
    let mut text = String::from("'");
    for character in value.chars() {
        if matches!(
            character,
            '\'' | '\u{2018}' | '\u{2019}' | '\u{201a}' | '\u{201b}'
        ) {
            text.push(character);
        }
        text.push(character);
    }
    text.push('\'');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_quotation_mark_is_doubled() {
        assert_eq!(
            set("A", "it's \u{2019}; $x"),
            "$env:A = 'it''s \u{2019}\u{2019}; $x'\n"
        );
    }
}
