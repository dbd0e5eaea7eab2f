//! Errors as one line says them.

use std::error::Error;

/// An error and its causes in one line. A cause whose text the line already ends with is left out.
pub fn error_chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::fmt;

    use super::*;

    #[derive(Debug)]
    struct Layer(&'static str, Option<Box<Layer>>);

    impl fmt::Display for Layer {
        fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str(self.0)
        }
    }

    impl Error for Layer {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            self.1.as_deref().map(|inner| inner as _)
        }
    }

    #[test]
    fn the_chain_names_every_cause_once() {
        let error = Layer(
            "cannot open: denied",
            Some(Box::new(Layer(
                "denied",
                Some(Box::new(Layer("code 13", None))),
            ))),
        );
        assert_eq!(error_chain(&error), "cannot open: denied: code 13");
    }
}
