//! The lines of an alignment, from top to bottom.

/// One line: indexes into the commands of both sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    pub recorded: Option<usize>,
    pub replayed: Option<usize>,
    /// `None` where the two agree.
    pub shape: Option<Shape>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// The same kind of command, with other fields.
    Changed,
    /// Another kind of command.
    Replaced,
    Added,
    Removed,
    /// The same command, elsewhere.
    Moved,
    /// The candidate returned where more is recorded.
    ReturnedEarly,
    /// The candidate waits here for something that has no recorded result.
    Awaited,
}

/// Most alignments are straight, and have their lines made up when they are asked for.
#[derive(Clone, Debug)]
pub struct Rows(Form);

#[derive(Clone, Debug)]
enum Form {
    /// Both sides beside each other all the way, with one command changed at most.
    Straight {
        len: usize,
        changed: Option<usize>,
    },
    Listed(Vec<Row>),
}

impl Rows {
    pub(super) fn straight(len: usize, changed: Option<usize>) -> Self {
        Self(Form::Straight { len, changed })
    }

    pub(super) fn listed(rows: Vec<Row>) -> Self {
        Self(Form::Listed(rows))
    }

    /// The same with an await before a line.
    pub(super) fn with_await(self, before: usize) -> Self {
        let mut rows: Vec<Row> = self.iter().collect();
        rows.insert(before.min(rows.len()), Row { recorded: None, replayed: None, shape: Some(Shape::Awaited) });
        Self::listed(rows)
    }

    pub fn len(&self) -> usize {
        match &self.0 {
            Form::Straight { len, .. } => *len,
            Form::Listed(rows) => rows.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The line `at`, which is there.
    pub fn at(&self, at: usize) -> Row {
        match &self.0 {
            Form::Straight { changed, .. } => {
                Row { recorded: Some(at), replayed: Some(at), shape: (*changed == Some(at)).then_some(Shape::Changed) }
            }
            Form::Listed(rows) => rows[at],
        }
    }

    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Row> + ExactSizeIterator + '_ {
        (0..self.len()).map(|at| self.at(at))
    }

    /// Where the two sides do not agree.
    pub fn differing(&self) -> Vec<usize> {
        match &self.0 {
            Form::Straight { changed, .. } => changed.iter().copied().collect(),
            Form::Listed(rows) => {
                rows.iter().enumerate().filter(|(_, row)| row.shape.is_some()).map(|(at, _)| at).collect()
            }
        }
    }
}
