//! Choices taken from a row of random bytes, so that proptest shrinks a case by shrinking bytes: zero is the simplest
//! choice, and a row that is used up gives zeros.

use prost::bytes::Bytes;

pub struct Choices<'a>(std::slice::Iter<'a, u8>);

impl<'a> Choices<'a> {
    pub fn new(row: &'a [u8]) -> Self {
        Self(row.iter())
    }

    pub fn below(&mut self, limit: usize) -> usize {
        usize::from(self.0.next().copied().unwrap_or(0)) % limit.max(1)
    }

    /// True once in `times` times.
    pub fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == times - 1
    }

    /// A place below `limit` that mostly stays the same when the limit shrinks.
    pub fn place(&mut self, limit: usize) -> usize {
        let byte = self.below(256);
        if byte / 16 < limit { byte / 16 } else { byte % limit.max(1) }
    }

    pub fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }

    pub fn text(&mut self, from: &[&str]) -> String {
        self.pick(from).to_owned()
    }

    /// A command's name, which is mostly empty.
    pub fn name(&mut self) -> String {
        self.text(&["", "", "", "step", "price", "naïve 名前 \u{1f600}", "a b\nc"])
    }

    pub fn key(&mut self) -> String {
        self.text(&["cart", "total", "", "ключ", "a/b"])
    }

    pub fn payload(&mut self) -> Bytes {
        self.pick(&PAYLOADS)
    }
}

static PAYLOADS: [Bytes; 7] = [
    Bytes::from_static(b"1"),
    Bytes::from_static(b""),
    Bytes::from_static(b"{\"qty\":2}"),
    Bytes::from_static(b"{ \"qty\": 2 }"),
    Bytes::from_static(b"\x00\xff\xfe\x80 binary \x0a\x00"),
    Bytes::from_static(&[b'x'; 200]),
    Bytes::from_static("\"héllo 世界\"".as_bytes()),
];
