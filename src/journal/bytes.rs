//! The first difference: the first place at which two byte slices differ, found about as fast as `memcmp` runs.

/// Slice equality (`memcmp`) is the fastest way to see that long slices are equal, but it does not say where they
/// differ. So it compares blocks of this size, small enough that a block that differs is still in the first-level cache
/// when it is searched.
const BLOCK: usize = 4 << 10;

/// Within the block that differs, slice equality then compares parts of this size.
const PART: usize = 512;

/// Within the part that differs, the place is found in steps of this size, which is known at compile time.
const STEP: usize = 64;

/// Slices up to this size are searched in steps at once: short slices mostly differ, so that comparing whole blocks
/// first would be wasted.
const SHORT: usize = 1 << 10;

/// The index of the first byte at which two slices of the same length differ.
#[inline]
pub(crate) fn first_difference(a: &[u8], b: &[u8]) -> Option<usize> {
    debug_assert_eq!(a.len(), b.len());
    if a.len() <= SHORT { in_steps(a, b) } else { in_blocks(a, b) }
}

fn in_blocks(a: &[u8], b: &[u8]) -> Option<usize> {
    let block = first_chunk_that_differs(a, b, BLOCK)?;
    let (a, b) = (&a[block..], &b[block..]);
    let (a, b) = (&a[..a.len().min(BLOCK)], &b[..b.len().min(BLOCK)]);
    let part = first_chunk_that_differs(a, b, PART)?;
    in_steps(&a[part..], &b[part..]).map(|place| block + part + place)
}

/// The start of the first chunk that is not equal on both sides.
fn first_chunk_that_differs(a: &[u8], b: &[u8], size: usize) -> Option<usize> {
    a.chunks(size).zip(b.chunks(size)).position(|(a, b)| a != b).map(|at| at * size)
}

fn in_steps(a: &[u8], b: &[u8]) -> Option<usize> {
    let (steps, rest) = a.as_chunks::<STEP>();
    let (their_steps, their_rest) = b.as_chunks::<STEP>();
    for (at, (mine, theirs)) in steps.iter().zip(their_steps).enumerate() {
        if let Some(place) = in_one_step(mine, theirs) {
            return Some(at * STEP + place);
        }
    }
    match (a.last_chunk::<STEP>(), b.last_chunk::<STEP>()) {
        // The last step may overlap the one before it.
        (Some(end), Some(their_end)) => in_one_step(end, their_end).map(|place| a.len() - STEP + place),
        _ => in_words(rest, their_rest),
    }
}

#[inline]
fn in_one_step(a: &[u8; STEP], b: &[u8; STEP]) -> Option<usize> {
    // There is no early exit, so that the compiler emits vector code.
    if a.iter().zip(b).fold(0, |differing, (a, b)| differing | (a ^ b)) == 0 {
        return None;
    }
    in_words(a, b)
}

fn in_words(a: &[u8], b: &[u8]) -> Option<usize> {
    let (words, rest) = a.as_chunks::<8>();
    let (their_words, their_rest) = b.as_chunks::<8>();
    for (at, (mine, theirs)) in words.iter().zip(their_words).enumerate() {
        let differing = u64::from_le_bytes(*mine) ^ u64::from_le_bytes(*theirs);
        if differing != 0 {
            return Some(at * 8 + differing.trailing_zeros() as usize / 8);
        }
    }
    rest.iter().zip(their_rest).position(|(a, b)| a != b).map(|place| words.len() * 8 + place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_difference_is_found_wherever_it_is() {
        for length in [0, 1, 7, 8, 63, 64, 65, 511, 512, 513, 4095, 4608, 4609, 5000, 20_000] {
            let recorded: Vec<u8> = (0..length).map(|at| (at * 7) as u8).collect();
            assert_eq!(first_difference(&recorded, &recorded.clone()), None, "{length}");
            for at in (0..length).step_by(1 + length / 97) {
                let mut replayed = recorded.clone();
                replayed[at] ^= 0x10;
                *replayed.last_mut().unwrap() ^= 0x01;
                assert_eq!(first_difference(&recorded, &replayed), Some(at), "{at} of {length}");
            }
        }
    }
}
