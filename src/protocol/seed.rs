//! The random seed of an invocation. The server stores it in no table, so it is derived from the id.

use std::hash::Hasher;

use siphasher::sip::SipHasher13;

/// The seed that servers send by default: SipHash-1-3 with zero keys, over the id hashed as `[u8; 24]`, length first.
/// This is the algorithm of Rust's `DefaultHasher` as of 2026, which may change, so a crate pins it here.
pub fn default_seed(id: &[u8; 24]) -> u64 {
    let mut hasher = SipHasher13::new();
    hasher.write_u64(id.len() as u64);
    hasher.write(id);
    hasher.finish()
}

/// The seed that servers send with `unique_random_seeds`: the halves of the id's last 16 bytes, read in big-endian
/// order, mixed with the creation time in milliseconds.
pub fn unique_seed(id: &[u8; 24], created_at_ms: u64) -> u64 {
    let half = |at: usize| u64::from_be_bytes(id[at..at + 8].try_into().expect("eight bytes"));
    let (high, low) = (half(8), half(16));
    finalise(high ^ low.rotate_left(21) ^ created_at_ms.rotate_left(43))
}

/// All seeds that the server may have sent for an invocation. `created_at` is the text of the column in `sys_invocation`.
pub fn possible_seeds(id: &[u8; 24], created_at: Option<&str>) -> Vec<u64> {
    let unique = created_at.and_then(milliseconds).map(|created| unique_seed(id, created));
    [Some(default_seed(id)), unique].into_iter().flatten().collect()
}

/// The finaliser of SplitMix64.
pub(super) fn finalise(mut mixed: u64) -> u64 {
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

/// Milliseconds since 1970, read from RFC 3339 as the server writes it (`2026-11-22T12:34:56.789Z`) or from a number.
pub fn milliseconds(created_at: &str) -> Option<u64> {
    if let Ok(number) = created_at.parse() {
        return Some(number);
    }
    let time = created_at.parse::<jiff::Timestamp>().ok()?;
    u64::try_from(time.as_millisecond()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        assert_eq!(milliseconds("1795355369464"), Some(1_795_355_369_464));
        assert_eq!(milliseconds("2026-11-22T12:00:00.5Z"), Some(1_795_348_800_500));
        assert_eq!(milliseconds("yesterday"), None);
    }
}
