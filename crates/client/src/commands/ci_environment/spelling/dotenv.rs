//! `.env` files. Their readers agree on little: on plain values, and on values between single
//! quotation marks that hold none. What cannot be written so is refused.

use crate::commands::ci_environment::setting::Setting;

pub(super) fn text(settings: &[Setting]) -> Result<String, String> {
    settings
        .iter()
        .map(|setting| {
            let value = setting.exposed().unwrap_or_default();
            let name = setting.name;
            if value.chars().all(is_plain) {
                Ok(format!("{name}={value}\n"))
            } else if value.contains(['\'', '\\']) || value.contains("${") {
                Err(format!(
                    "the value of {name} holds characters that readers of .env files understand in \
                     different ways: use another format or another directory"
                ))
            } else {
                Ok(format!("{name}='{value}'\n"))
            }
        })
        .collect()
}

fn is_plain(character: char) -> bool {
    character.is_alphanumeric() || "_./:@%+,=-".contains(character)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_readers_disagree_on_is_refused() {
        for (value, expected) in [
            (
                "http://shop.test/a/b/+simple/",
                Some("A=http://shop.test/a/b/+simple/\n"),
            ),
            ("/my job", Some("A='/my job'\n")),
            ("/$job", Some("A='/$job'\n")),
            ("/#1", Some("A='/#1'\n")),
            ("it's", None),
            ("a\\b", None),
            ("${HOME}", None),
        ] {
            assert_eq!(text(&[Setting::text("A", value)]).ok().as_deref(), expected);
        }
        assert_eq!(text(&[Setting::unset("A")]).unwrap(), "A=\n");
    }
}
