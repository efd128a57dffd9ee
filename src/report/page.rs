//! The page of a rule for a terminal. The pages are ours and keep to a few forms of Markdown: paragraphs, a line in
//! bold as a heading, fenced code.

use anstyle::{AnsiColor, Style as Ansi};

use super::Style;
use crate::diagnostic::{Code, Level};

/// Lines longer than this are hard to read, however wide the screen.
const WIDEST: usize = 100;
const NARROWEST: usize = 40;

/// The page of a rule: its name, level and summary, then what its Markdown says. Ends with a line end.
pub fn render(code: &Code, style: Style) -> String {
    let width = style.width.unwrap_or(WIDEST).clamp(NARROWEST, WIDEST);
    let level = match code.level {
        Level::Error => AnsiColor::BrightRed,
        Level::Warning => AnsiColor::Yellow,
    };
    let level = painted(&format!("{}[{}]", code.level.word(), code.name), level.on_default().bold(), style);
    let mut page = format!("{level} {} ({})\n", code.summary, code.family.word());
    for block in blocks(code.explain) {
        page.push('\n');
        match block {
            Block::Heading(text) => {
                page.push_str(&painted(text, Ansi::new().bold(), style));
                page.push('\n');
            }
            Block::Paragraph(text) => page.push_str(&filled(&text, width)),
            Block::Code(lines) => {
                for line in lines {
                    page.push_str(format!("    {line}").trim_end());
                    page.push('\n');
                }
            }
        }
    }
    page
}

fn painted(text: &str, ansi: Ansi, style: Style) -> String {
    if style.color { format!("{ansi}{text}{ansi:#}") } else { text.to_owned() }
}

enum Block<'a> {
    Heading(&'a str),
    Paragraph(String),
    Code(Vec<&'a str>),
}

fn blocks(markdown: &str) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    let mut paragraph: Vec<&str> = Vec::new();
    let mut lines = markdown.lines();
    while let Some(line) = lines.next() {
        let heading = line.strip_prefix("**").and_then(|line| line.strip_suffix("**"));
        let fence = line.starts_with("```");
        if !line.is_empty() && !fence && heading.is_none() {
            paragraph.push(line);
            continue;
        }
        if !paragraph.is_empty() {
            blocks.push(Block::Paragraph(std::mem::take(&mut paragraph).join(" ")));
        }
        if fence {
            blocks.push(Block::Code(lines.by_ref().take_while(|line| !line.starts_with("```")).collect()));
        } else if let Some(heading) = heading {
            blocks.push(Block::Heading(heading));
        }
    }
    if !paragraph.is_empty() {
        blocks.push(Block::Paragraph(paragraph.join(" ")));
    }
    blocks
}

/// Words on lines of at most `width` characters, where they are not longer themselves.
fn filled(text: &str, width: usize) -> String {
    let mut filled = String::new();
    let mut length = 0;
    for word in text.split_whitespace() {
        let wide = word.chars().count();
        if length > 0 && length + 1 + wide > width {
            filled.push('\n');
            length = 0;
        } else if length > 0 {
            filled.push(' ');
            length += 1;
        }
        filled.push_str(word);
        length += wide;
    }
    filled.push('\n');
    filled
}

#[cfg(test)]
mod tests {
    use super::{filled, render};
    use crate::diagnostic::{Code, Family, Level};
    use crate::report::Style;

    const CODE: Code = Code {
        name: "a-rule",
        family: Family::Tree,
        level: Level::Warning,
        summary: "what it finds",
        explain: "One line\nand another.\n\n**Why**\n\nBecause.\n\n```toml\n[a]\n\nb = 1\n```\n",
    };

    #[test]
    fn a_page_is_plain_where_there_is_no_colour() {
        let page = "warning[a-rule] what it finds (tree)\n\nOne line and another.\n\nWhy\n\nBecause.\n\n    [a]\n\n    b = 1\n";
        assert_eq!(render(&CODE, Style::default()), page);
        assert!(render(&CODE, Style { color: true, ..Style::default() }).contains("\u{1b}[1mWhy\u{1b}[0m"));
    }

    #[test]
    fn lines_end_before_the_edge_but_words_stay_whole() {
        assert_eq!(filled("one two three", 7), "one two\nthree\n");
        assert_eq!(filled("aé averylongword b", 4), "aé\naverylongword\nb\n");
    }
}
