//! Where two runs of bytes differ, at the speed of comparing them.

/// Compared at once by the library's own routine, which is the fastest on long runs.
const LONG: usize = 4 << 10;

/// Shorter runs, and the place in a long one, are found in steps of this size, which are compiled in.
const STEP: usize = 64;

/// The first place at which two runs of the same length differ.
pub(crate) fn first_difference(a: &[u8], b: &[u8]) -> Option<usize> {
    debug_assert_eq!(a.len(), b.len());
    // What differs at all differs early, often.
    let mut at = 0;
    let mut block = LONG / 8;
    while a.len() - at > block {
        let (mine, theirs) = (&a[at..at + block], &b[at..at + block]);
        if (block < LONG || mine != theirs)
            && let Some(place) = within(mine, theirs)
        {
            return Some(at + place);
        }
        at += block;
        block = LONG;
    }
    within(&a[at..], &b[at..]).map(|place| at + place)
}

fn within(a: &[u8], b: &[u8]) -> Option<usize> {
    let (steps, rest) = a.as_chunks::<STEP>();
    let (their_steps, their_rest) = b.as_chunks::<STEP>();
    for (at, (mine, theirs)) in steps.iter().zip(their_steps).enumerate() {
        if mine != theirs {
            return by_words(mine, theirs).map(|place| at * STEP + place);
        }
    }
    by_words(rest, their_rest).map(|place| steps.len() * STEP + place)
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
        for length in [0, 1, 7, 8, 63, 64, 65, 511, 512, 513, 4095, 5000, 20_000] {
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
