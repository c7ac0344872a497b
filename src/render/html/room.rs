//! How much of the page a part of it may still take.

use maud::{Markup, PreEscaped, Render};

/// Bytes that are left.
#[derive(Clone, Copy, Debug)]
pub struct Room(usize);

impl Room {
    pub const fn of(bytes: usize) -> Self {
        Self(bytes)
    }

    pub fn is_full(self) -> bool {
        self.0 == 0
    }

    /// Takes so much, or all that is left.
    pub fn take(&mut self, bytes: usize) {
        self.0 = self.0.saturating_sub(bytes);
    }

    /// Takes so much if it is there.
    pub fn take_if_it_fits(&mut self, bytes: usize) -> bool {
        let fits = bytes <= self.0;
        if fits {
            self.0 -= bytes;
        }
        fits
    }

    /// The first items, as many as fit, and how many are left out.
    pub fn first(&mut self, items: impl Iterator<Item = Markup>) -> (Markup, u64) {
        let (mut text, mut left_out) = (String::new(), 0);
        for item in items {
            if left_out == 0 && self.take_if_it_fits(item.0.len()) {
                item.render_to(&mut text);
            } else {
                left_out += 1;
            }
        }
        (PreEscaped(text), left_out)
    }
}
