//! Where two runs of bytes differ, at the speed of comparing them.

/// The library's own routine is the fastest at saying that long runs are the same, and says no more; behind a run of this
/// size its bytes are still near.
const BLOCK: usize = 4 << 10;

/// So it is asked again about the parts of a block that differs.
const PART: usize = 512;

/// The place in a part is found in steps of this size, which are compiled in.
const STEP: usize = 64;

/// Runs up to this size are gone through once, in steps: what comes out of comparing them first is mostly that they differ.
const SHORT: usize = 1 << 10;

/// The first place at which two runs of the same length differ.
#[inline]
pub(crate) fn first_difference(a: &[u8], b: &[u8]) -> Option<usize> {
    debug_assert_eq!(a.len(), b.len());
    if a.len() <= SHORT { within(a, b) } else { within_blocks(a, b) }
}

fn within_blocks(a: &[u8], b: &[u8]) -> Option<usize> {
    let block = first_chunk_that_differs(a, b, BLOCK)?;
    let (a, b) = (&a[block..], &b[block..]);
    let (a, b) = (&a[..a.len().min(BLOCK)], &b[..b.len().min(BLOCK)]);
    let part = first_chunk_that_differs(a, b, PART)?;
    within(&a[part..], &b[part..]).map(|place| block + part + place)
}

/// Where it begins.
fn first_chunk_that_differs(a: &[u8], b: &[u8], size: usize) -> Option<usize> {
    a.chunks(size).zip(b.chunks(size)).position(|(a, b)| a != b).map(|at| at * size)
}

fn within(a: &[u8], b: &[u8]) -> Option<usize> {
    let (steps, rest) = a.as_chunks::<STEP>();
    let (their_steps, their_rest) = b.as_chunks::<STEP>();
    for (at, (mine, theirs)) in steps.iter().zip(their_steps).enumerate() {
        if let Some(place) = within_step(mine, theirs) {
            return Some(at * STEP + place);
        }
    }
    match (a.last_chunk::<STEP>(), b.last_chunk::<STEP>()) {
        // The last step may hold bytes of the one before it again.
        (Some(end), Some(their_end)) => within_step(end, their_end).map(|place| a.len() - STEP + place),
        _ => by_words(rest, their_rest),
    }
}

#[inline]
fn within_step(a: &[u8; STEP], b: &[u8; STEP]) -> Option<usize> {
    // No early exit, so that this becomes vector code.
    if a.iter().zip(b).fold(0, |differing, (a, b)| differing | (a ^ b)) == 0 {
        return None;
    }
    by_words(a, b)
}

fn by_words(a: &[u8], b: &[u8]) -> Option<usize> {
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
