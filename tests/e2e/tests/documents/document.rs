use std::fmt::Write;
use std::ops::Range;

use crate::volatile::without_volatile;

/// Markdown with blocks ```` ```sql ````, each with the output that psql shows in a block ```` ```text ```` right after
/// it, if any. ```` ```sql fails ```` shows an error; ```` ```sql no-run ```` is only read.
pub struct Document {
    name: String,
    lines: Vec<String>,
    blocks: Vec<Block>,
}

pub struct Block {
    /// Of the fence, from 1.
    line: usize,
    sql: String,
    may_fail: bool,
    /// Indices of the lines between the fences of the output.
    output: Option<Range<usize>>,
}

impl Block {
    pub fn sql(&self) -> &str {
        &self.sql
    }

    /// Whether it shows an error.
    pub fn may_fail(&self) -> bool {
        self.may_fail
    }
}

struct Fence {
    info: String,
    body: Range<usize>,
}

impl Document {
    /// # Errors
    /// A block that is not closed, an unknown mark at a block of SQL, or SQL whose last statement has no end.
    pub fn parse(name: &str, text: &str) -> Result<Document, String> {
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let fences = fences(&lines).map_err(|line| format!("{name}:{line}: not closed"))?;
        let mut blocks = Vec::new();
        for (number, fence) in fences.iter().enumerate() {
            // The body begins below the fence, and lines are counted from 1.
            let line = fence.body.start;
            let may_fail = match fence.info.as_str() {
                "sql" => false,
                "sql fails" => true,
                other if other.starts_with("sql") && other != "sql no-run" => {
                    return Err(format!(
                        "{name}:{line}: {other:?} is none of sql, sql fails, sql no-run"
                    ));
                }
                _ => continue,
            };
            let sql = lines[fence.body.clone()].join("\n");
            let last = sql.trim_end().lines().last().unwrap_or_default();
            if !last.ends_with(';') && !last.contains('\\') {
                return Err(format!("{name}:{line}: the last statement has no end"));
            }
            let output = fences.get(number + 1).filter(|next| {
                let between = fence.body.end + 1..next.body.start - 1;
                next.info == "text" && lines[between].iter().all(String::is_empty)
            });
            blocks.push(Block {
                line,
                sql,
                may_fail,
                output: output.map(|fence| fence.body.clone()),
            });
        }
        Ok(Document {
            name: name.to_owned(),
            lines,
            blocks,
        })
    }

    pub fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// Where it is: `name:line`.
    pub fn place(&self, block: &Block) -> String {
        format!("{}:{}", self.name, block.line)
    }

    /// A message for each block that shows something else than psql said, `outputs` in the order of the blocks.
    pub fn differences(&self, outputs: &[String]) -> Vec<String> {
        let of_block = |(block, said): (&Block, &String)| {
            let shown = &self.lines[block.output.clone()?];
            let said: Vec<&str> = said.trim_end().lines().collect();
            (without_volatile(&shown.join("\n")) != without_volatile(&said.join("\n"))).then(|| {
                let at = self.place(block);
                format!("{at}: psql says something else:\n{}", diff(shown, &said))
            })
        };
        self.blocks
            .iter()
            .zip(outputs)
            .filter_map(of_block)
            .collect()
    }

    /// The message for a block that failed after it had said this.
    pub fn failure(&self, block: &Block, said: &str) -> String {
        let said: Vec<&str> = said.lines().collect();
        let at = self.place(block);
        format!(
            "{at}: it fails, and is not marked: ```sql fails:\n{}",
            diff(&[], &said)
        )
    }

    /// The text of the document with these outputs in place of those that it shows.
    pub fn with_outputs(&self, outputs: &[String]) -> String {
        let mut lines = self.lines.clone();
        for (block, said) in self.blocks.iter().zip(outputs).rev() {
            if let Some(shown) = block.output.clone() {
                lines.splice(shown, said.trim_end().lines().map(str::to_owned));
            }
        }
        lines.join("\n") + "\n"
    }
}

/// Fails with the number of a line, from 1, that opens a block which is not closed.
fn fences(lines: &[String]) -> Result<Vec<Fence>, usize> {
    let mut fences = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        if let Some(info) = lines[at].strip_prefix("```") {
            let length = lines[at + 1..].iter().position(|line| line == "```");
            let end = at + 1 + length.ok_or(at + 1)?;
            fences.push(Fence {
                info: info.trim().to_owned(),
                body: at + 1..end,
            });
            at = end;
        }
        at += 1;
    }
    Ok(fences)
}

/// What the two have in common at both ends, and between these what was shown (-) and what was said (+).
fn diff(shown: &[String], said: &[&str]) -> String {
    let same = |(a, b): &(&String, &&str)| without_volatile(a) == without_volatile(b);
    let head = shown.iter().zip(said).take_while(same).count();
    let tail = (shown[head..].iter().rev())
        .zip(said[head..].iter().rev())
        .take_while(same)
        .count();
    let mut text = String::new();
    let mut put = |mark: char, lines: &[&str]| {
        for line in lines {
            // Writing into a String cannot fail.
            let _ = writeln!(text, "{}", format!("{mark} {line}").trim_end());
        }
    };
    let shown: Vec<&str> = shown.iter().map(String::as_str).collect();
    put(' ', &shown[..head]);
    put('-', &shown[head..shown.len() - tail]);
    put('+', &said[head..said.len() - tail]);
    put(' ', &said[said.len() - tail..]);
    text
}

#[test]
fn a_block_that_nobody_would_run_is_refused() {
    let fault = |text| Document::parse("x.md", text).err();
    assert_eq!(
        fault("a\n```sql\nselect 1;").as_deref(),
        Some("x.md:2: not closed")
    );
    assert_eq!(
        fault("```sql norun\nselect 1;\n```").as_deref(),
        Some("x.md:1: \"sql norun\" is none of sql, sql fails, sql no-run")
    );
    assert_eq!(
        fault("```sql\nselect 1\n```").as_deref(),
        Some("x.md:1: the last statement has no end")
    );
}

#[test]
fn an_output_belongs_to_the_block_right_before_it() {
    let text = "```sql\nselect 1;\n```\n\nProse.\n\n```text\nno output\n```\n\n```sql no-run\nselect 2;\n```\n";
    let document = Document::parse("x.md", text).unwrap();
    let said = ["1".to_owned()];
    assert_eq!(document.blocks().len(), said.len());
    assert_eq!(document.differences(&said), [""; 0]);
}
