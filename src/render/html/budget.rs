//! A byte budget: how many bytes a part of the page may still take.

use maud::{Markup, PreEscaped, Render};

/// Bytes that are left.
#[derive(Clone, Copy, Debug)]
pub struct ByteBudget(usize);

impl ByteBudget {
    pub const fn of(bytes: usize) -> Self {
        Self(bytes)
    }

    pub fn is_full(self) -> bool {
        self.0 == 0
    }

    /// Takes this many bytes, or all that are left.
    pub fn take(&mut self, bytes: usize) {
        self.0 = self.0.saturating_sub(bytes);
    }

    /// Takes this many bytes if they are left; says whether it did.
    pub fn take_if_it_fits(&mut self, bytes: usize) -> bool {
        let fits = bytes <= self.0;
        if fits {
            self.0 -= bytes;
        }
        fits
    }

    /// As many of the first items as fit, and how many are left out.
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
