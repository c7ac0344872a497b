//! Where, in a file, the buffers of the columns that matter lie.

use arrow_ipc::{Field, RecordBatch, Schema, Type};

/// The columns of `sys_invocation` that may be joined in.
pub const INFO_COLUMNS: [&str; 9] = [
    "target",
    "target_service_name",
    "target_service_key",
    "target_handler_name",
    "target_service_ty",
    "pinned_deployment_id",
    "status",
    "pinned_service_protocol_version",
    "created_at",
];

/// How a column's values are laid out, as far as they are read in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Little-endian integers of this many bytes.
    Integers { width: u8 },
    /// Offsets of this many bytes, then the data.
    Bytes { width: u8 },
    /// Keys of this many bytes into the dictionary of this id, whose values have offsets of that many.
    Dictionary { width: u8, id: i64, values: u8 },
    /// Texts of runs of rows: where each run ends, as integers of this many bytes, and texts with offsets of that many.
    Runs { ends: u8, values: u8 },
}

/// A column, which of its batch's buffers is its first, and which node counts its nulls.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    pub layout: Layout,
    pub first_buffer: u16,
    pub node: u16,
}

/// The columns of one file.
#[derive(Clone, Debug)]
pub struct Columns {
    pub id: Column,
    pub index: Option<Column>,
    pub entry_type: Option<Column>,
    pub raw: Option<Column>,
    pub version: Option<Column>,
    pub info: [Option<Column>; INFO_COLUMNS.len()],
}

/// Why a file is not read in place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// arrow-rs can read it.
    Unusual,
    /// Nobody can: a column that has to be there is not.
    MissingColumn(&'static str),
}

impl Columns {
    pub fn of(schema: Schema<'_>) -> Result<Self, Unreadable> {
        if schema.endianness() != arrow_ipc::Endianness::Little {
            return Err(Unreadable::Unusual);
        }
        let mut before = Size::default();
        let mut named: Vec<(String, Option<Column>)> = Vec::new();
        for field in schema.fields().into_iter().flatten() {
            let column =
                layout_of(&field).map(|layout| Column { layout, first_buffer: before.buffers, node: before.nodes });
            named.push((field.name().unwrap_or_default().to_owned(), column));
            before = before.and(size_of(&field, 0)?);
        }
        let find = |name: &str| -> Result<Option<Column>, Unreadable> {
            match named.iter().find(|(own, ..)| own == name) {
                None => Ok(None),
                Some((_, Some(column))) => Ok(Some(*column)),
                Some((_, None)) => Err(Unreadable::Unusual),
            }
        };
        let id = find("id")?.ok_or(Unreadable::MissingColumn("id"))?;
        let mut info = [None; INFO_COLUMNS.len()];
        for (slot, name) in info.iter_mut().zip(INFO_COLUMNS) {
            *slot = find(name)?;
        }
        let columns = Self {
            id,
            index: find("index")?,
            entry_type: find("entry_type")?,
            raw: find("raw")?,
            version: find("version")?,
            info,
        };
        columns.check()?;
        Ok(columns)
    }

    /// Each column must have a layout that its reader knows.
    fn check(&self) -> Result<(), Unreadable> {
        let integers =
            |column: &Option<Column>| column.is_none_or(|column| matches!(column.layout, Layout::Integers { .. }));
        let bytes = |column: &Option<Column>| column.is_none_or(|column| matches!(column.layout, Layout::Bytes { .. }));
        let keyed =
            |column: &Option<Column>| column.is_none_or(|column| matches!(column.layout, Layout::Dictionary { .. }));
        let runs = |column: &Option<Column>| column.is_none_or(|column| matches!(column.layout, Layout::Runs { .. }));
        let info = self.info.iter().all(|column| integers(column) || bytes(column) || runs(column));
        let id = !integers(&Some(self.id));
        let entry_type = bytes(&self.entry_type) || keyed(&self.entry_type);
        if integers(&self.index) && integers(&self.version) && bytes(&self.raw) && info && id && entry_type {
            Ok(())
        } else {
            Err(Unreadable::Unusual)
        }
    }

    /// A file of journals has all four; one of invocations has only ids.
    pub fn journal_columns(&self) -> Result<(), &'static str> {
        for (column, name) in [(&self.index, "index"), (&self.entry_type, "entry_type"), (&self.raw, "raw")] {
            if column.is_none() {
                return Err(name);
            }
        }
        Ok(())
    }
}

fn layout_of(field: &Field<'_>) -> Option<Layout> {
    let bytes = |ty: Type| match ty {
        Type::Utf8 | Type::Binary => Some(4),
        Type::LargeUtf8 | Type::LargeBinary => Some(8),
        _ => None,
    };
    // Other widths (Arrow has none, a broken file may) are not for reading in place.
    let whole = |bits: i32| [8, 16, 32, 64].contains(&bits).then_some((bits / 8) as u8);
    if let Some(dictionary) = field.dictionary() {
        let bits = dictionary.indexType().map_or(32, |index| index.bitWidth());
        return Some(Layout::Dictionary {
            width: whole(bits)?,
            id: dictionary.id(),
            values: bytes(field.type_type())?,
        });
    }
    if let Some(width) = bytes(field.type_type()) {
        return Some(Layout::Bytes { width });
    }
    if field.type_type() == Type::RunEndEncoded {
        let children = field.children().filter(|children| children.len() == 2)?;
        return match (layout_of(&children.get(0))?, layout_of(&children.get(1))?) {
            (Layout::Integers { width: ends }, Layout::Bytes { width: values }) => Some(Layout::Runs { ends, values }),
            _ => None,
        };
    }
    Some(Layout::Integers { width: whole(field.type_as_int()?.bitWidth())? })
}

/// How many buffers and nodes columns have.
#[derive(Clone, Copy, Debug, Default)]
struct Size {
    buffers: u16,
    nodes: u16,
}

impl Size {
    fn and(self, other: Self) -> Self {
        Self { buffers: self.buffers.saturating_add(other.buffers), nodes: self.nodes.saturating_add(other.nodes) }
    }
}

/// What a column takes, children included.
fn size_of(field: &Field<'_>, depth: u8) -> Result<Size, Unreadable> {
    if depth > 16 {
        return Err(Unreadable::Unusual);
    }
    let own = |buffers: u16| Size { buffers, nodes: 1 };
    if field.dictionary().is_some() {
        return Ok(own(2));
    }
    let with_children = |buffers: u16| {
        let children = field.children().into_iter().flatten();
        children.into_iter().try_fold(own(buffers), |sum, child| Ok(sum.and(size_of(&child, depth + 1)?)))
    };
    match field.type_type() {
        Type::Null => Ok(own(0)),
        Type::Utf8 | Type::Binary | Type::LargeUtf8 | Type::LargeBinary => Ok(own(3)),
        Type::Int
        | Type::FloatingPoint
        | Type::Bool
        | Type::Decimal
        | Type::Date
        | Type::Time
        | Type::Timestamp
        | Type::Interval
        | Type::Duration
        | Type::FixedSizeBinary => Ok(own(2)),
        Type::List | Type::LargeList | Type::Map => with_children(2),
        Type::RunEndEncoded => with_children(0),
        Type::Struct_ | Type::FixedSizeList => with_children(1),
        _ => Err(Unreadable::Unusual),
    }
}

/// A buffer's place in its batch's body.
#[derive(Clone, Copy, Debug, Default)]
pub struct Span {
    pub at: u32,
    pub len: u32,
}

/// Values and, for texts and binaries, their data.
#[derive(Clone, Copy, Debug, Default)]
pub struct ColumnSpans {
    pub values: Span,
    pub data: Span,
}

impl ColumnSpans {
    /// Where its last byte lies.
    pub fn end(self) -> u32 {
        (self.values.at + self.values.len).max(self.data.at + self.data.len)
    }
}

/// Texts of rows, or those of runs of rows with where each run ends.
#[derive(Clone, Copy, Debug, Default)]
pub struct TextSpans {
    pub ends: Span,
    pub texts: ColumnSpans,
}

impl TextSpans {
    /// Where its last byte lies.
    pub fn end(self) -> u32 {
        (self.ends.at + self.ends.len).max(self.texts.end())
    }
}

/// Where one buffer of a batch lies, checked against the size of the body.
fn span(batch: &RecordBatch<'_>, at: usize, body: u64) -> Option<Span> {
    let buffers = batch.buffers().filter(|buffers| at < buffers.len())?;
    let buffer = buffers.get(at);
    let span = Span { at: u32::try_from(buffer.offset()).ok()?, len: u32::try_from(buffer.length()).ok()? };
    // Places are added as 32 bits later on.
    let end = span.at.checked_add(span.len)?;
    (u64::from(end) <= body).then_some(span)
}

/// Where one column lies in a batch, be it of rows or of runs.
pub fn text_spans(batch: &RecordBatch<'_>, column: Column, rows: u32, body: u64) -> Option<TextSpans> {
    let Layout::Runs { ends: width, values } = column.layout else {
        return Some(TextSpans { ends: Span::default(), texts: spans(batch, column, rows, body)? });
    };
    // A node and buffers for the ends, and then for the texts.
    let node = usize::from(column.node) + 1;
    let runs = batch.nodes().filter(|nodes| node < nodes.len())?.get(node).length();
    let runs = u32::try_from(runs).ok()?;
    let len = runs.checked_mul(width.into())?;
    let ends = span(batch, usize::from(column.first_buffer) + 1, body).filter(|ends| ends.len >= len)?;
    let texts =
        Column { layout: Layout::Bytes { width: values }, first_buffer: column.first_buffer.checked_add(2)?, node: 0 };
    Some(TextSpans { ends: Span { len, ..ends }, texts: spans(batch, texts, runs, body)? })
}

/// Where one column lies in a batch, checked against the number of rows and the size of the body.
pub fn spans(batch: &RecordBatch<'_>, column: Column, rows: u32, body: u64) -> Option<ColumnSpans> {
    let span = |at: usize| span(batch, at, body);
    let first = usize::from(column.first_buffer);
    let (values, data, needed) = match column.layout {
        Layout::Integers { width } | Layout::Dictionary { width, .. } => {
            (span(first + 1)?, Span::default(), u64::from(rows) * u64::from(width))
        }
        // An empty column may come without its one offset.
        Layout::Bytes { width } => {
            (span(first + 1)?, span(first + 2)?, if rows == 0 { 0 } else { (u64::from(rows) + 1) * u64::from(width) })
        }
        Layout::Runs { .. } => return None,
    };
    (u64::from(values.len) >= needed).then_some(ColumnSpans { values, data })
}

/// Whether a column has a value in every row of a batch.
pub fn has_no_nulls(batch: &RecordBatch<'_>, column: Column) -> bool {
    let at = usize::from(column.node);
    let last = if matches!(column.layout, Layout::Runs { .. }) { at + 2 } else { at };
    batch.nodes().is_some_and(|nodes| last < nodes.len() && (at..=last).all(|at| nodes.get(at).null_count() == 0))
}
