use std::fmt;

/// A set of positions, or of chunks: small numbers, counted from 0 and shown from 1 as in the database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Numbers(u16);

impl Numbers {
    pub const NONE: Numbers = Numbers(0);

    /// All numbers below `end`; as a mark of the database: all positions that it passed.
    pub fn below(end: usize) -> Numbers {
        Numbers(((1_u32 << end) - 1) as u16)
    }

    pub fn one(number: usize) -> Numbers {
        Numbers(1 << number)
    }

    pub fn contains(self, number: usize) -> bool {
        self.0 >> number & 1 == 1
    }

    pub fn insert(&mut self, number: usize) {
        self.0 |= 1 << number;
    }

    pub fn remove(&mut self, number: usize) {
        self.0 &= !(1 << number);
    }

    #[must_use]
    pub fn and(self, other: Numbers) -> Numbers {
        Numbers(self.0 | other.0)
    }

    #[must_use]
    pub fn without(self, other: Numbers) -> Numbers {
        Numbers(self.0 & !other.0)
    }

    #[must_use]
    pub fn within(self, other: Numbers) -> Numbers {
        Numbers(self.0 & other.0)
    }

    #[must_use]
    pub fn above(self, mark: usize) -> Numbers {
        self.without(Numbers::below(mark))
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    pub fn first(self) -> Option<usize> {
        (!self.is_empty()).then_some(self.0.trailing_zeros() as usize)
    }

    /// The mark that stands on the last of them.
    pub fn end(self) -> usize {
        (u16::BITS - self.0.leading_zeros()) as usize
    }

    pub fn iter(self) -> impl Iterator<Item = usize> {
        std::iter::successors(Some(self), |rest| {
            rest.first().map(|first| rest.without(Numbers::one(first)))
        })
        .map_while(Numbers::first)
    }
}

impl FromIterator<usize> for Numbers {
    fn from_iter<I: IntoIterator<Item = usize>>(numbers: I) -> Numbers {
        let mut set = Numbers::NONE;
        numbers.into_iter().for_each(|number| set.insert(number));
        set
    }
}

impl fmt::Display for Numbers {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let shown: Vec<String> = self.iter().map(|number| (number + 1).to_string()).collect();
        write!(f, "{{{}}}", shown.join(" "))
    }
}
