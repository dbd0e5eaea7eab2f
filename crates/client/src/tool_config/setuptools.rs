//! `.pydistutils.cfg` of setuptools and `default.cfg` of buildout: one option each.

use super::ini::Ini;

/// An option that names the index.
#[derive(Debug)]
pub(super) struct IndexOption {
    section: &'static str,
    names: &'static [&'static str],
}

pub(super) const EASY_INSTALL: IndexOption = IndexOption {
    section: "easy_install",
    names: &["index_url", "index-url"],
};

pub(super) const BUILDOUT: IndexOption = IndexOption {
    section: "buildout",
    names: &["index"],
};

impl IndexOption {
    pub(super) fn index(&self, text: &str) -> Option<String> {
        let ini = Ini::parse(text);
        let place = *ini.find(Some(self.section), self.names).first()?;
        ini.words(place).into_iter().next()
    }

    pub(super) fn edited(&self, text: &str, index: &str) -> String {
        let mut ini = Ini::parse(text);
        let places = ini.find(Some(self.section), self.names);
        if places.is_empty() {
            ini.add_first(self.section, self.names[0], index);
        }
        for place in places.into_iter().rev() {
            ini.set(place, index);
        }
        ini.into_text()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_section_of_the_tool_is_touched() {
        let text = "[other]\nindex = 1\n[buildout]\nparts = a\n";
        assert_eq!(
            BUILDOUT.edited(text, "http://shop.test/"),
            "[other]\nindex = 1\n[buildout]\nindex = http://shop.test/\nparts = a\n"
        );
        assert_eq!(BUILDOUT.index(text), None);
        assert_eq!(
            EASY_INSTALL.edited("", "http://shop.test/"),
            "[easy_install]\nindex_url = http://shop.test/\n"
        );
    }
}
