//! Markup in which texts stay texts.

use super::page::escaped;

/// Markup that is being put together: ours goes in as it stands, everything else is escaped. Only
/// literals count as ours, so nothing that somebody has uploaded can become markup.
#[derive(Debug, Default)]
pub(crate) struct Html(String);

impl Html {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Markup of ours.
    pub(crate) fn markup(&mut self, markup: &'static str) -> &mut Self {
        self.0.push_str(markup);
        self
    }

    /// A text, in an attribute as well.
    pub(crate) fn text(&mut self, text: &str) -> &mut Self {
        self.0.push_str(&escaped(text));
        self
    }

    /// A text of several lines, which escaping alone would join.
    pub(crate) fn lines(&mut self, text: &str) -> &mut Self {
        for line in text.lines() {
            self.text(&line.replace('\t', "    ")).markup("\n");
        }
        self
    }

    /// The beginning of a table that scrolls by itself where the window is too narrow for it. What
    /// scrolls has a name, and the keyboard reaches it.
    pub(crate) fn begin_table(
        &mut self,
        name: &'static str,
        columns: &[&'static str],
    ) -> &mut Self {
        self.markup("<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"")
            .markup(name)
            .markup("\">\n<table>\n<thead><tr>");
        for column in columns {
            self.markup("<th scope=\"col\">")
                .markup(column)
                .markup("</th>");
        }
        self.markup("</tr></thead>\n<tbody>\n")
    }

    /// Its end.
    pub(crate) fn end_table(&mut self) -> &mut Self {
        self.markup("</tbody>\n</table>\n</div>\n")
    }

    /// A link to a page of ours.
    pub(crate) fn link(&mut self, address: &str, text: &str) -> &mut Self {
        self.markup("<a href=\"")
            .text(address)
            .markup("\">")
            .text(text)
            .markup("</a>")
    }

    /// A link that somebody else has chosen, if it leads to the web; the text alone otherwise.
    pub(crate) fn outward_link(&mut self, address: &str, text: &str) -> &mut Self {
        let is_web =
            url::Url::parse(address).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
        if !is_web {
            return self.text(text);
        }
        self.markup("<a rel=\"nofollow noopener\" href=\"")
            .text(address)
            .markup("\">")
            .text(text)
            .markup("</a>")
    }

    /// What was put together elsewhere.
    pub(crate) fn part(&mut self, part: &Self) -> &mut Self {
        self.0.push_str(&part.0);
        self
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn into_string(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_of_others_lead_to_the_web_or_nowhere() {
        for (address, expected) in [
            (
                "https://shop.test/?a=1&b=\"",
                "<a rel=\"nofollow noopener\" href=\"https://shop.test/?a=1&amp;b=&quot;\">&lt;b&gt;</a>",
            ),
            ("javascript:alert(1)", "&lt;b&gt;"),
            (" java\nscript:alert(1)", "&lt;b&gt;"),
            ("data:text/html,x", "&lt;b&gt;"),
            ("//shop.test/", "&lt;b&gt;"),
            ("", "&lt;b&gt;"),
        ] {
            let mut html = Html::new();
            html.outward_link(address, "<b>");
            assert_eq!(html.0, expected, "{address}");
        }
    }

    #[test]
    fn lines_stay_lines() {
        let mut html = Html::new();
        html.lines("a\r\n\tb<\n\nc");
        assert_eq!(html.0, "a\n    b&lt;\n\nc\n");
    }
}
