//! A page as a script: its blocks, and what the comments before them say.

use std::path::Path;

/// A page of the manual.
pub(super) struct Page {
    pub(super) steps: Vec<Step>,
    /// Blocks that are not run, each with its line and the reason.
    pub(super) excused: Vec<(usize, String)>,
    /// Blocks that another program runs, each with its line and that program.
    pub(super) elsewhere: Vec<(usize, String)>,
    /// Blocks that are neither run nor excused, and marks that make no sense.
    pub(super) wrong: Vec<String>,
}

/// Something to do.
pub(super) struct Step {
    /// Line of the page, counted from one.
    pub(super) line: usize,
    pub(super) action: Action,
}

pub(super) enum Action {
    /// Shell code that brings about what the text takes for granted; it stands in a comment.
    Prepare(String),
    /// A file as the page shows it, or more lines of one.
    Write {
        path: String,
        text: String,
        is_more: bool,
    },
    /// Commands.
    Run(Run),
}

/// A command, or all those of a block without outputs.
#[derive(Default)]
pub(super) struct Run {
    pub(super) code: String,
    /// What the page shows of its output.
    pub(super) output: Vec<String>,
    /// The code that it ends with.
    pub(super) exit: i32,
    /// Text that its output has when it is ready; it goes on in the background then.
    pub(super) serves: Option<String>,
    /// What is typed when it asks.
    pub(super) typed: String,
    /// Its output is there to be looked at and different each time.
    pub(super) varies: bool,
}

/// What excuses of blocks that another program runs begin with.
const ELSEWHERE: &str = "it is, by `";

/// What comments before a block say of it.
#[derive(Default)]
struct Marks {
    excuse: Option<String>,
    /// A picture, or words that no program says.
    is_drawing: bool,
    /// What prints the block.
    source: Option<String>,
    file: Option<String>,
    is_more: bool,
    exit: i32,
    serves: Option<String>,
    typed: Vec<String>,
    varies: bool,
    /// Examples, and what is meant by each here.
    meant: Vec<(String, String)>,
}

impl Page {
    pub(super) fn read(path: &Path) -> Self {
        Self::parse(&std::fs::read_to_string(path).unwrap())
    }

    fn parse(text: &str) -> Self {
        let mut page = Self {
            steps: Vec::new(),
            excused: Vec::new(),
            elsewhere: Vec::new(),
            wrong: Vec::new(),
        };
        let mut marks = Marks::default();
        let mut lines = text.lines().enumerate();
        while let Some((number, line)) = lines.next() {
            let number = number + 1;
            let trimmed = line.trim_start();
            if let Some(comment) = trimmed.strip_prefix("<!--") {
                let mut comment = comment.to_owned();
                while !comment.contains("-->") {
                    let (_, more) = lines.next().expect("a comment has an end");
                    comment = format!("{comment}\n{more}");
                }
                page.comment(
                    number,
                    comment.trim_end().trim_end_matches("-->"),
                    &mut marks,
                );
            } else if let Some(language) = trimmed.strip_prefix("```") {
                let indentation = line.len() - trimmed.len();
                let block: Vec<String> = lines
                    .by_ref()
                    .map(|(_, line)| line.get(indentation..).unwrap_or_default().to_owned())
                    .take_while(|line| !line.starts_with("```"))
                    .collect();
                page.block(number, language, &block, std::mem::take(&mut marks));
            } else if !trimmed.is_empty() && !marks.is_empty() {
                page.wrong.push(format!("{number}: a mark without a block"));
                marks = Marks::default();
            }
        }
        page
    }

    fn comment(&mut self, line: usize, comment: &str, marks: &mut Marks) {
        let (word, value) = comment.split_once(':').unwrap_or((comment, ""));
        let value = value.trim();
        match word.trim() {
            "before" => self.steps.push(Step {
                line,
                action: Action::Prepare(value.to_owned()),
            }),
            "not run" if !value.is_empty() => marks.excuse = Some(value.to_owned()),
            "file" if !value.is_empty() => marks.file = Some(value.to_owned()),
            "added to" if !value.is_empty() => {
                marks.file = Some(value.to_owned());
                marks.is_more = true;
            }
            "drawing" => marks.is_drawing = true,
            "output of" if !value.is_empty() => marks.source = Some(value.to_owned()),
            "exit" => marks.exit = value.parse().expect("an exit code"),
            "serves" => marks.serves = Some(value.to_owned()),
            "typed" => marks.typed = value.split(", ").map(str::to_owned).collect(),
            "output varies" => marks.varies = true,
            other if other.starts_with("in place of ") => {
                let example = other.trim_start_matches("in place of ").to_owned();
                marks.meant.push((example, value.to_owned()));
            }
            // Some other comment.
            _ => {}
        }
    }

    fn block(&mut self, line: usize, language: &str, block: &[String], marks: Marks) {
        if let Some(excuse) = marks.excuse {
            let program = excuse.strip_prefix(ELSEWHERE);
            match program.and_then(|rest| rest.split_once('`')) {
                Some((program, _)) => self.elsewhere.push((line, program.to_owned())),
                None => self.excused.push((line, excuse)),
            }
            return;
        }
        if let Some(path) = marks.file {
            let mut text = block.join("\n");
            text.push('\n');
            self.steps.push(Step {
                line,
                action: Action::Write {
                    path,
                    text,
                    is_more: marks.is_more,
                },
            });
            return;
        }
        let mut typed = marks.typed.into_iter();
        let first = self.steps.len();
        match language {
            "text" if marks.is_drawing => return,
            "text" if marks.source.is_some() => self.steps.push(Step {
                line,
                action: Action::Run(Run {
                    code: marks.source.unwrap_or_default(),
                    output: block.to_vec(),
                    ..Run::default()
                }),
            }),
            "sh" => self.steps.push(Step {
                line,
                action: Action::Run(Run {
                    code: block.join("\n"),
                    typed: typed.next().unwrap_or_default(),
                    ..Run::default()
                }),
            }),
            "fish" => self.steps.push(Step {
                line,
                action: Action::Run(Run {
                    code: format!("fish --no-config <<'END'\n{}\nEND", block.join("\n")),
                    ..Run::default()
                }),
            }),
            "console" => self.console(line, block, &mut typed),
            other => {
                let wrong =
                    format!("{line}: a block of `{other}` that is neither a file nor excused");
                self.wrong.push(wrong);
            }
        }
        if typed.next().is_some() {
            let wrong = format!("{line}: more is typed than is asked for");
            self.wrong.push(wrong);
        }
        for step in &mut self.steps[first..] {
            if let Action::Run(run) = &mut step.action {
                for (example, meant) in &marks.meant {
                    run.code = run.code.replace(example, meant);
                }
                while run.output.last().is_some_and(String::is_empty) {
                    run.output.pop();
                }
            }
        }
        let mut runs = self.steps[first..]
            .iter_mut()
            .filter_map(|step| match &mut step.action {
                Action::Run(run) => Some(run),
                _ => None,
            });
        if let Some(last) = runs.next_back() {
            last.exit = marks.exit;
            last.serves = marks.serves;
            last.varies = marks.varies;
        }
        for run in runs {
            run.varies = marks.varies;
        }
    }

    /// Commands behind `$ `, which go on after a backslash, and their outputs.
    fn console(&mut self, line: usize, block: &[String], typed: &mut impl Iterator<Item = String>) {
        let mut goes_on = false;
        for (offset, text) in block.iter().enumerate() {
            let at = line + 1 + offset;
            let command = text.strip_prefix("$ ");
            if let Some(command) = command {
                let mut run = Run {
                    code: command.to_owned(),
                    ..Run::default()
                };
                if let Some((_, comment)) = command.split_once(" # ")
                    && comment.contains("asks")
                {
                    let Some(answer) = typed.next() else {
                        self.wrong.push(format!("{at}: nobody says what is typed"));
                        continue;
                    };
                    let times = if comment.contains("asks twice") { 2 } else { 1 };
                    run.typed = format!("{answer}\n").repeat(times);
                }
                self.steps.push(Step {
                    line: at,
                    action: Action::Run(run),
                });
            } else if let Some(Step {
                action: Action::Run(run),
                line: begun,
            }) = self.steps.last_mut()
                && *begun > line
            {
                if goes_on {
                    run.code.push('\n');
                    run.code.push_str(text);
                } else {
                    run.output.push(text.clone());
                }
            } else {
                self.wrong.push(format!("{at}: output without a command"));
            }
            goes_on = (command.is_some() || goes_on) && text.ends_with('\\');
        }
    }

    /// Every word of what is run, for finding out which programs it needs.
    pub(super) fn words(&self) -> impl Iterator<Item = &str> {
        self.steps
            .iter()
            .map(|step| match &step.action {
                Action::Prepare(code) => code.as_str(),
                Action::Run(run) => run.code.as_str(),
                Action::Write { text, .. } => text.as_str(),
            })
            .flat_map(|code| {
                code.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_'))
            })
    }
}

impl Marks {
    fn is_empty(&self) -> bool {
        let Self {
            excuse,
            file,
            is_more: _,
            is_drawing,
            source,
            exit,
            serves,
            typed,
            varies,
            meant,
        } = self;
        excuse.is_none()
            && file.is_none()
            && !is_drawing
            && source.is_none()
            && *exit == 0
            && serves.is_none()
            && typed.is_empty()
            && !varies
            && meant.is_empty()
    }
}

#[test]
fn a_block_is_run_written_or_excused_and_anything_else_is_told() {
    let page = Page::parse(
        "<!-- before: ready -->\n<!-- exit: 3 -->\n<!-- typed: secret -->\n```console\n$ first # asks twice\nsaid\n\n\
         $ second \\\n    goes on\n```\n<!-- file: ~/a.toml -->\n```toml\na = 1\n```\n\
         <!-- not run: no time -->\n```sh\nthird\n```\n<!-- drawing -->\n```text\na -> b\n```\n\
         <!-- not run: it is, by `another program` there -->\n```sh\nfourth\n```\n\
         <!-- output of: cat log -->\n```text\nlogged\n```\n",
    );
    assert!(page.wrong.is_empty(), "{:?}", page.wrong);
    assert_eq!(page.excused, [(16, "no time".to_owned())]);
    assert_eq!(page.elsewhere, [(24, "another program".to_owned())]);
    let [before, first, second, file, log] = &page.steps[..] else {
        panic!("{} steps", page.steps.len());
    };
    assert!(matches!(&before.action, Action::Prepare(code) if code == "ready"));
    assert!(
        matches!(&file.action, Action::Write { path, text, is_more: false }
        if path == "~/a.toml" && text == "a = 1\n")
    );
    let (Action::Run(first), Action::Run(second)) = (&first.action, &second.action) else {
        panic!("not run");
    };
    assert_eq!((first.exit, &*first.typed), (0, "secret\nsecret\n"));
    assert_eq!(first.output, ["said"]);
    assert_eq!((second.exit, &*second.code), (3, "second \\\n    goes on"));
    assert!(matches!(&log.action, Action::Run(log)
        if log.code == "cat log" && log.output == ["logged"]));

    for wrong in [
        "```toml\na = 1\n```\n",
        "```text\nsaid\n```\n",
        "```console\nsaid\n```\n",
        "```console\n$ first # asks\n```\n",
        "<!-- typed: secret -->\n```console\n$ first\n```\n",
        "<!-- exit: 1 -->\nno block\n",
    ] {
        assert_eq!(Page::parse(wrong).wrong.len(), 1, "{wrong}");
    }
}
