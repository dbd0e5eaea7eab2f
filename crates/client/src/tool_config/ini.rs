//! Files of sections and options, edited line by line.

/// The lines of a file, each with its end.
#[derive(Clone, Debug)]
pub(super) struct Ini {
    lines: Vec<String>,
}

/// Where an option stands: its first line and those that continue its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    first: usize,
    end: usize,
}

impl Ini {
    pub(super) fn parse(text: &str) -> Self {
        Self {
            lines: text.split_inclusive('\n').map(str::to_owned).collect(),
        }
    }

    pub(super) fn into_text(self) -> String {
        self.lines.concat()
    }

    /// Where options of these names stand, in one section or in all.
    pub(super) fn find(&self, section: Option<&str>, names: &[&str]) -> Vec<Place> {
        let mut places = Vec::new();
        let mut is_inside = section.is_none();
        for (number, line) in self.lines.iter().enumerate() {
            if let (Some(name), Some(section)) = (section_of(line), section) {
                is_inside = name.eq_ignore_ascii_case(section);
            }
            let is_wanted = option_of(line)
                .is_some_and(|(name, _)| names.iter().any(|one| name.eq_ignore_ascii_case(one)));
            if is_inside && is_wanted {
                // Comments and empty lines may stand between the lines of a value.
                let continued = self.lines[number + 1..]
                    .iter()
                    .take_while(|line| line.starts_with([' ', '\t']) || is_no_value(line))
                    .collect::<Vec<_>>();
                let last = continued.iter().rposition(|line| !is_no_value(line));
                places.push(Place {
                    first: number,
                    end: number + 1 + last.map_or(0, |last| last + 1),
                });
            }
        }
        places
    }

    /// The words of an option's value.
    pub(super) fn words(&self, place: Place) -> Vec<String> {
        let lines = &self.lines[place.first..place.end];
        let first = option_of(&lines[0]).map_or("", |(_, value)| value);
        std::iter::once(first)
            .chain(lines[1..].iter().map(String::as_str))
            .filter(|line| !is_no_value(line))
            .flat_map(str::split_whitespace)
            .map(str::to_owned)
            .collect()
    }

    /// The value of an option's first line.
    pub(super) fn value(&self, place: Place) -> &str {
        option_of(&self.lines[place.first]).map_or("", |(_, value)| value)
    }

    /// Gives an option another value; its name stays as it is spelled, and so do comments in its value.
    pub(super) fn set(&mut self, place: Place, value: &str) {
        let name = option_of(&self.lines[place.first]).map_or("", |(name, _)| name);
        let line = format!("{name} = {value}\n");
        self.remove(place);
        self.lines.insert(place.first, line);
    }

    /// Removes an option; comments in its value stay.
    pub(super) fn remove(&mut self, place: Place) {
        let lines = self.lines[place.first..place.end].iter();
        let comments: Vec<_> = lines.filter(|line| is_comment(line)).cloned().collect();
        self.lines.splice(place.first..place.end, comments);
    }

    /// Adds an option as the first of a section, which is made when there is none.
    pub(super) fn add_first(&mut self, section: &str, name: &str, value: &str) {
        match self.header(section) {
            Some(header) => {
                self.end_line(header);
                self.lines.insert(header + 1, format!("{name} = {value}\n"));
            }
            None => self.append(section, name, value),
        }
    }

    /// Adds an option as the last of a section, which is made when there is none.
    pub(super) fn add_last(&mut self, section: &str, name: &str, value: &str) {
        let Some(header) = self.header(section) else {
            return self.append(section, name, value);
        };
        let next = self.lines[header + 1..]
            .iter()
            .position(|line| section_of(line).is_some())
            .map_or(self.lines.len(), |position| header + 1 + position);
        self.end_line(next - 1);
        self.lines.insert(next, format!("{name} = {value}\n"));
    }

    fn append(&mut self, section: &str, name: &str, value: &str) {
        if let Some(last) = self.lines.len().checked_sub(1) {
            self.end_line(last);
        }
        self.lines.push(format!("[{section}]\n"));
        self.lines.push(format!("{name} = {value}\n"));
    }

    fn header(&self, section: &str) -> Option<usize> {
        self.lines.iter().position(|line| {
            section_of(line).is_some_and(|name| name.eq_ignore_ascii_case(section))
        })
    }

    /// The last line of a file may lack its end.
    fn end_line(&mut self, number: usize) {
        if !self.lines[number].ends_with('\n') {
            self.lines[number].push('\n');
        }
    }
}

/// Whether a line is no part of a value in whose midst it stands.
fn is_no_value(line: &str) -> bool {
    line.trim().is_empty() || is_comment(line)
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with(['#', ';'])
}

/// The name of the section that a line begins.
fn section_of(line: &str) -> Option<&str> {
    let rest = line.strip_prefix('[')?;
    Some(rest[..rest.find(']')?].trim())
}

/// Name and value of the option that a line holds.
fn option_of(line: &str) -> Option<(&str, &str)> {
    if line.starts_with([' ', '\t', '#', ';', '[']) {
        return None;
    }
    let (name, value) = line.split_once(['=', ':'])?;
    Some((name.trim_end(), value.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_continued_lines_are_no_options() {
        let ini = Ini::parse("# a = 1\n[x]\nb =\n  a = 2\n; a = 3\n[y]\nA: 4\n");
        let places = ini.find(None, &["a"]);
        assert_eq!(places.len(), 1);
        assert_eq!(ini.value(places[0]), "4");
        assert_eq!(ini.find(Some("x"), &["a"]), []);
        assert_eq!(ini.words(ini.find(Some("x"), &["b"])[0]), ["a", "=", "2"]);
    }

    #[test]
    fn a_section_named_in_a_comment_is_none() {
        let mut ini = Ini::parse("# of [x]\n[y]");
        ini.add_first("x", "a", "1");
        assert_eq!(ini.into_text(), "# of [x]\n[y]\n[x]\na = 1\n");
    }

    #[test]
    fn the_last_line_may_lack_its_end() {
        let mut ini = Ini::parse("[x]");
        ini.add_first("x", "a", "1");
        ini.add_last("x", "b", "2");
        assert_eq!(ini.into_text(), "[x]\na = 1\nb = 2\n");
    }

    #[test]
    fn comments_between_the_lines_of_a_value_are_none_of_it_and_stay() {
        let mut ini =
            Ini::parse("[x]\nname =\n  a\n# one\n\n  # two\n  b\n\n# other's\nother = 1\n");
        let place = ini.find(None, &["name"])[0];
        assert_eq!(ini.words(place), ["a", "b"]);
        ini.set(place, "c");
        assert_eq!(
            ini.into_text(),
            "[x]\nname = c\n# one\n  # two\n\n# other's\nother = 1\n"
        );
    }

    #[test]
    fn a_value_is_replaced_with_all_its_lines() {
        let mut ini = Ini::parse("[x]\nName =\n  a\n  b\nother = 1\n");
        let place = ini.find(None, &["name"])[0];
        ini.set(place, "c");
        assert_eq!(ini.into_text(), "[x]\nName = c\nother = 1\n");
    }
}
