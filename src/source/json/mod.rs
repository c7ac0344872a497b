//! Rows of journals as JSON.

mod plain_row;
mod read;
mod row;

pub use read::{JsonItem, ListEnd, read_rows};
pub use row::JsonRow;
