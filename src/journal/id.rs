//! An invocation id: `inv_1`, then 11 base62 digits of the partition key, then 22 base62 digits of the UUID.

use std::fmt;

const PREFIX: &str = "inv_1";
const PARTITION_DIGITS: usize = 11;
const UUID_DIGITS: usize = 22;
const ALPHABET: &[u8; 62] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

/// The value of each digit, by byte; 255 for a byte that is not a digit.
const DIGITS: [u8; 256] = {
    let mut digits = [255; 256];
    let mut value = 0;
    while value < ALPHABET.len() {
        digits[ALPHABET[value] as usize] = value as u8;
        value += 1;
    }
    digits
};

/// An invocation's id as text. Any text is accepted, because hand-written traces choose their own ids; only an id in
/// Restate's form also encodes numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct InvocationId(String);

impl InvocationId {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The partition key and UUID of an id in Restate's form; `None` for any other text.
    pub fn numbers(text: &str) -> Option<(u64, u128)> {
        let digits = text.strip_prefix(PREFIX)?.as_bytes();
        if digits.len() != PARTITION_DIGITS + UUID_DIGITS {
            return None;
        }
        let (partition, uuid) = digits.split_at(PARTITION_DIGITS);
        let partition = u64::try_from(base62(partition)?).ok()?;
        Some((partition, base62(uuid)?))
    }

    /// The id in Restate's form that encodes these numbers.
    pub fn from_numbers(partition_key: u64, uuid: u128) -> Self {
        let mut text = String::with_capacity(PREFIX.len() + PARTITION_DIGITS + UUID_DIGITS);
        text.push_str(PREFIX);
        push_base62(&mut text, partition_key.into(), PARTITION_DIGITS);
        push_base62(&mut text, uuid, UUID_DIGITS);
        Self(text)
    }

    /// The 24 bytes of `StartMessage.id`: both numbers, each in little-endian order. `None` unless in Restate's form.
    pub fn wire(&self) -> Option<[u8; 24]> {
        let (partition, uuid) = Self::numbers(&self.0)?;
        let mut wire = [0; 24];
        wire[..8].copy_from_slice(&partition.to_le_bytes());
        wire[8..].copy_from_slice(&uuid.to_le_bytes());
        Some(wire)
    }
}

impl fmt::Display for InvocationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The position of an invocation in the order of the report.
///
/// This is the order of the id's 24 bytes, not of its text. It equals the order of the server's `partition_key`, which
/// is about the order in which a server stores and sends journals, so a check reads its files from front to back. Ids
/// in another form come last, in the order of their texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdOrder([u32; 6]);

impl IdOrder {
    /// The order of an id in Restate's form; `None` for any other id, and for the partition key that marks those.
    pub fn of(text: &str) -> Option<Self> {
        let (partition, uuid) = InvocationId::numbers(text)?;
        if partition == u64::MAX {
            return None;
        }
        // The numbers are the bytes read in little-endian order, so swapped numbers sort like the bytes.
        Some(Self::from_parts(partition.swap_bytes(), uuid.swap_bytes()))
    }

    /// The order of an id in another form that has this place among all such ids.
    pub(crate) fn of_other(place: u32) -> Self {
        Self::from_parts(u64::MAX, place.into())
    }

    /// The place that was given to [`Self::of_other`]; `None` for an id in Restate's form.
    pub(crate) fn other_place(self) -> Option<u32> {
        (self.0[0] == u32::MAX && self.0[1] == u32::MAX).then_some(self.0[5])
    }

    /// A hash of the id, which is the same in every run, to choose what is injected into its journal.
    pub fn salt(self) -> u64 {
        self.0.iter().fold(0xCBF2_9CE4_8422_2325, |hash, word| {
            (hash ^ u64::from(*word)).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(23)
        })
    }

    /// The server's `partition_key`, for an id in Restate's form.
    pub fn partition_key(self) -> u64 {
        u64::from(self.0[0]) << 32 | u64::from(self.0[1])
    }

    /// The id itself; `None` for an id in another form, whose text is not kept here.
    pub(crate) fn id(self) -> Option<InvocationId> {
        if self.other_place().is_some() {
            return None;
        }
        let words = self.0.map(u128::from);
        let uuid = words[2] << 96 | words[3] << 64 | words[4] << 32 | words[5];
        Some(InvocationId::from_numbers(self.partition_key().swap_bytes(), uuid.swap_bytes()))
    }

    fn from_parts(partition: u64, uuid: u128) -> Self {
        let word = |shift: u32| (uuid >> shift) as u32;
        Self([(partition >> 32) as u32, partition as u32, word(96), word(64), word(32), word(0)])
    }
}

/// Decodes base62 digits; `None` where a byte is not a digit, or where the number does not fit.
fn base62(digits: &[u8]) -> Option<u128> {
    // Ten digits fit into a u64. Multiplying 128-bit numbers digit by digit would be three times slower.
    let mut number: u128 = 0;
    for group in digits.chunks(10) {
        let mut part: u64 = 0;
        let mut scale: u64 = 1;
        for byte in group {
            let digit = DIGITS[usize::from(*byte)];
            if digit == 255 {
                return None;
            }
            part = part * 62 + u64::from(digit);
            scale *= 62;
        }
        number = number.checked_mul(scale.into())?.checked_add(part.into())?;
    }
    Some(number)
}

fn push_base62(text: &mut String, mut number: u128, width: usize) {
    let mut digits = [b'0'; UUID_DIGITS];
    for digit in digits[..width].iter_mut().rev() {
        *digit = ALPHABET[(number % 62) as usize];
        number /= 62;
    }
    text.extend(digits[..width].iter().map(|digit| char::from(*digit)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_survive_their_numbers() {
        for text in ["inv_1l3Hc716hrBy2a7ymYunS7YfxrkDUBIRDT", "inv_1000000000000000000000000000000000"] {
            let order = IdOrder::of(text).expect("a Restate id");
            assert_eq!(order.id().expect("in Restate's form").as_str(), text);
        }
    }

    #[test]
    fn the_partition_key_is_the_servers() {
        let order = IdOrder::of("inv_18tkHTJsTJDO29xk95fdasdKJdBzd1oBni").expect("a Restate id");
        assert_eq!(order.partition_key(), 931_338_510_709_090);
    }

    #[test]
    fn other_texts_are_not_restate_ids() {
        let overflowing = format!("inv_1{}", "Z".repeat(33));
        for text in [
            "",
            "inv_1",
            "dp_15dTdZsKywil3SWDO950Zwt",
            "inv_1é",
            overflowing.as_str(),
            "inv_1!3Hc716hrBy2a7ymYunS7YfxrkDUBIRDT",
        ] {
            assert_eq!(InvocationId::numbers(text), None, "{text}");
        }
    }

    #[test]
    fn order_is_that_of_the_bytes() {
        let low = IdOrder::from_parts(1, u128::MAX);
        let high = IdOrder::from_parts(2, 0);
        assert!(low < high && high < IdOrder::of_other(0) && IdOrder::of_other(0) < IdOrder::of_other(1));
        let mut ids: Vec<InvocationId> = (0..100u64)
            .map(|number| InvocationId::from_numbers(number.wrapping_mul(0x9E37_79B9_7F4A_7C15), number.into()))
            .collect();
        ids.sort_by_key(|id| IdOrder::of(id.as_str()));
        assert!(ids.is_sorted_by_key(InvocationId::wire));
    }
}
