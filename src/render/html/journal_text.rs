//! Journal text: text from journals, made safe for the page.

use std::fmt::Write;

use maud::Escaper;

use crate::render::escaped;
use crate::render::text::truncate;

/// Characters of a text that are shown: the page is for people.
const LONGEST: usize = 400;

/// Text from a journal. It is escaped for people, then for HTML, when it is rendered.
pub struct JournalText<'a>(pub &'a str);

impl maud::Render for JournalText<'_> {
    fn render_to(&self, buffer: &mut String) {
        // Truncate before escaping: the text may be a megabyte long.
        let shown = truncate(self.0, LONGEST);
        Escaper::new(buffer).write_str(&escaped(&shown)).expect("a String takes everything");
    }
}
