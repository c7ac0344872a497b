//! A row of an alignment: one recorded command, one replayed command, or a pair of them.

/// One row: an index into the commands of each side; `None` where that side has no command in this row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlignedRow {
    pub recorded: Option<usize>,
    pub replayed: Option<usize>,
    /// How the two sides differ; `None` where they agree.
    pub shape: Option<Shape>,
}

/// How the two sides of a row differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Both commands are of the same kind, and their fields differ.
    Changed,
    /// The two commands are of different kinds.
    Replaced,
    /// Only the candidate has this command.
    Added,
    /// Only the journal has this command.
    Removed,
    /// The candidate issues the recorded command at another place.
    Moved,
    /// The candidate returned although more commands are recorded.
    ReturnedEarly,
    /// The candidate waits here for something for which the journal has no result.
    Awaited,
}

/// The rows of an alignment, from top to bottom.
///
/// Most alignments pair every command with the one at the same index. Their rows are made on demand, so that a long
/// journal does not need a list.
#[derive(Clone, Debug)]
pub struct AlignedRows(RowLayout);

#[derive(Clone, Debug)]
enum RowLayout {
    /// Command `n` is paired with command `n` throughout, and at most one of them changed.
    InStep {
        len: usize,
        changed: Option<usize>,
    },
    Listed(Vec<AlignedRow>),
}

impl AlignedRows {
    pub(super) fn in_step(len: usize, changed: Option<usize>) -> Self {
        Self(RowLayout::InStep { len, changed })
    }

    pub(super) fn listed(rows: Vec<AlignedRow>) -> Self {
        Self(RowLayout::Listed(rows))
    }

    /// Inserts the row of an await before row `before`.
    pub(super) fn with_await(self, before: usize) -> Self {
        let mut rows: Vec<AlignedRow> = self.iter().collect();
        let row = AlignedRow { recorded: None, replayed: None, shape: Some(Shape::Awaited) };
        rows.insert(before.min(rows.len()), row);
        Self::listed(rows)
    }

    pub fn len(&self) -> usize {
        match &self.0 {
            RowLayout::InStep { len, .. } => *len,
            RowLayout::Listed(rows) => rows.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Row `at`. Panics if there is no such row.
    pub fn at(&self, at: usize) -> AlignedRow {
        match &self.0 {
            RowLayout::InStep { changed, .. } => {
                let shape = (*changed == Some(at)).then_some(Shape::Changed);
                AlignedRow { recorded: Some(at), replayed: Some(at), shape }
            }
            RowLayout::Listed(rows) => rows[at],
        }
    }

    pub fn iter(&self) -> impl DoubleEndedIterator<Item = AlignedRow> + ExactSizeIterator + '_ {
        (0..self.len()).map(|at| self.at(at))
    }

    /// The indexes of the rows where the two sides differ.
    pub fn differing(&self) -> Vec<usize> {
        match &self.0 {
            RowLayout::InStep { changed, .. } => changed.iter().copied().collect(),
            RowLayout::Listed(rows) => {
                rows.iter().enumerate().filter(|(_, row)| row.shape.is_some()).map(|(at, _)| at).collect()
            }
        }
    }
}
