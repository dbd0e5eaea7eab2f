//! `--formats`: devpi's old way to choose what is built.

use crate::commands::Failure;

/// What `--formats` comes to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// `--sdist` and `--wheel` of the build front end, which does both without either; `None`: it
    /// has nothing to do.
    pub(super) options: Option<(bool, bool)>,
    /// The arguments of old-style builds.
    pub(super) setup_py: Vec<Vec<String>>,
    pub(super) warnings: Vec<String>,
}

impl Plan {
    pub(super) fn of_formats(formats: &str) -> Result<Self, Failure> {
        let (mut sdist, mut wheel, mut others) = (false, false, Vec::new());
        for format in formats.split(',').map(str::trim) {
            match format {
                "" => {}
                "sdist" | "sdist.tgz" | "sdist.gztar" => sdist = true,
                "bdist_wheel" => wheel = true,
                other => others.push(other),
            }
        }
        others.sort_unstable();
        let mut plan = Self {
            options: match (sdist, wheel) {
                (false, false) => None,
                (true, true) => Some((false, false)),
                one => Some(one),
            },
            ..Self::default()
        };
        plan.warnings.push(format!(
            "The --formats option is deprecated, {}",
            match (sdist, wheel) {
                (false, false) => format!(
                    "none of the specified formats '{}' are supported by python -m build",
                    others.join(",")
                ),
                (true, false) => "replace it with --sdist to only get source release as with your \
                                  currently specified format."
                    .to_owned(),
                (false, true) => "replace it with --wheel to only get wheel release as with your \
                                  currently specified format."
                    .to_owned(),
                (true, true) =>
                    "you can remove it to get the default sdist and wheel releases you \
                                 get with your currently specified formats."
                        .to_owned(),
            }
        ));
        for format in others {
            let arguments = match format.strip_prefix("sdist.") {
                Some(kind) => {
                    let option = match kind {
                        "tar" | "zip" | "ztar" | "bztar" => kind,
                        "tz" => "ztar",
                        "tbz" => "bztar",
                        _ => {
                            return Err(Failure::fatal(format!(
                                "Invalid sdist format '{format}'."
                            )));
                        }
                    };
                    vec!["setup.py", "sdist", "--formats", option]
                }
                None => vec!["setup.py", format],
            };
            plan.warnings.push(format!(
                "The '{format}' format is invalid for python -m build. Falling back to '{}' which is \
                 deprecated.",
                arguments.join(" ")
            ));
            let arguments = arguments.into_iter().map(str::to_owned).collect();
            plan.setup_py.push(arguments);
        }
        Ok(plan)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_come_to_commands() {
        for (formats, options, setup_py) in [
            ("sdist", Some((true, false)), ""),
            ("sdist.tgz", Some((true, false)), ""),
            ("bdist_wheel", Some((false, true)), ""),
            ("bdist_wheel, sdist,", Some((false, false)), ""),
            ("sdist.zip", None, "setup.py sdist --formats zip"),
            ("sdist.tbz", None, "setup.py sdist --formats bztar"),
            ("sdist,bdist_egg", Some((true, false)), "setup.py bdist_egg"),
        ] {
            let plan = Plan::of_formats(formats).unwrap();
            assert_eq!(plan.options, options, "{formats}");
            let calls: Vec<_> = plan.setup_py.iter().map(|call| call.join(" ")).collect();
            assert_eq!(calls.join("; "), setup_py, "{formats}");
            assert!(plan.warnings[0].starts_with("The --formats option is deprecated, "));
        }
        let error = Plan::of_formats("sdist.rar").unwrap_err();
        assert_eq!(error.message, "Invalid sdist format 'sdist.rar'.");
    }
}
