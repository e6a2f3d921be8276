//! Words that stand for values, so that what the engine and the readers of HTML do with a template shows where its values go.

/// Words of letters and digits, which nothing encodes, wraps or changes. All are of the same length.
#[derive(Debug, Clone)]
pub(super) struct Marks {
    start: String,
}

const DIGITS: usize = 5;

pub(super) enum Slice<'a> {
    Literal(&'a str),
    /// By number.
    Mark(usize),
}

impl Marks {
    /// Those that are in no text of a template. `None` = there are none.
    pub fn absent_from(texts: &[&str]) -> Option<Marks> {
        let mut starts = ('a'..='z').map(|letter| format!("Q{letter}zxQ"));
        let start = starts.find(|start| texts.iter().all(|text| !text.contains(start.as_str())))?;
        Some(Marks { start })
    }

    pub fn mark(&self, number: usize) -> String {
        format!("{}{number:0DIGITS$}", self.start)
    }

    pub fn start(&self) -> &str {
        &self.start
    }

    pub fn is_in(&self, text: &str) -> bool {
        text.contains(&self.start)
    }

    /// A text cut at its marks.
    pub fn slices<'a>(&'a self, text: &'a str) -> impl Iterator<Item = Slice<'a>> {
        let mut pieces = text.split(self.start.as_str());
        let first = pieces.next().map(Slice::Literal);
        let others = pieces.flat_map(|piece| {
            // What follows a start was written by `mark`.
            let (digits, literal) = piece.split_at_checked(DIGITS).unwrap_or(("", piece));
            [
                Slice::Mark(digits.parse().unwrap_or(usize::MAX)),
                Slice::Literal(literal),
            ]
        });
        (first.into_iter().chain(others)).filter(|slice| !matches!(slice, Slice::Literal("")))
    }

    /// A text with other words for its marks.
    pub fn filled(&self, text: &str, mut word: impl FnMut(usize, &mut String)) -> String {
        let mut filled = String::with_capacity(text.len());
        for slice in self.slices(text) {
            match slice {
                Slice::Literal(literal) => filled.push_str(literal),
                Slice::Mark(number) => word(number, &mut filled),
            }
        }
        filled
    }
}
