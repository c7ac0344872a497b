//! Text out of journals.

use std::fmt::Write;

use maud::Escaper;

use crate::render::{escaped, words};

/// Longer ones are cut off: the page is for people.
const LONGEST: usize = 400;

/// Escaped for people, then for HTML.
pub struct Text<'a>(pub &'a str);

impl maud::Render for Text<'_> {
    fn render_to(&self, buffer: &mut String) {
        // Cut before it is escaped: it may be a megabyte.
        let shown = words::cut(self.0, LONGEST);
        Escaper::new(buffer).write_str(&escaped(&shown)).expect("a String takes everything");
    }
}
