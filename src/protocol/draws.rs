//! A draw: one random number of `ctx.rand`, which the TypeScript SDK (1.8 and newer) derives from the random seed.
//!
//! The SDK fills the state of xoshiro256++ from the seed through SplitMix64. A UUID takes two draws of 64 bits, in
//! little-endian order; `random()` takes one draw and uses 53 of its bits.

/// The first draws of one seed.
#[derive(Clone, Debug)]
pub struct Draws(Vec<u64>);

/// Values are searched among this many draws.
const MAX_DRAWS: usize = 4096;

impl Draws {
    /// The first draws of a seed.
    pub fn of(seed: u64) -> Self {
        let mut mixed = seed;
        let mut state: [u64; 4] = std::array::from_fn(|_| {
            mixed = mixed.wrapping_add(0x9E37_79B9_7F4A_7C15);
            super::seed::finalise(mixed)
        });
        Self((0..MAX_DRAWS).map(|_| next(&mut state)).collect())
    }

    /// The number of the draw, counted from 1, with which this UUID starts.
    pub fn of_uuid(&self, uuid: u128) -> Option<usize> {
        let uuid = uuid.to_be_bytes();
        let pairs = self.0.windows(2).position(|pair| {
            let mut bytes = [0; 16];
            bytes[..8].copy_from_slice(&pair[0].to_le_bytes());
            bytes[8..].copy_from_slice(&pair[1].to_le_bytes());
            bytes[6] = bytes[6] & 0x0F | 0x40;
            bytes[8] = bytes[8] & 0x3F | 0x80;
            bytes == uuid
        });
        pairs.map(|at| at + 1)
    }

    /// The number of the draw, counted from 1, for which `random()` returns this number.
    pub fn of_number(&self, number: f64) -> Option<usize> {
        const USED: u64 = (1 << 53) - 1;
        self.0.iter().position(|draw| (draw & USED) as f64 / (1u64 << 53) as f64 == number).map(|at| at + 1)
    }
}

/// One step of xoshiro256++.
fn next(state: &mut [u64; 4]) -> u64 {
    let result = state[0].wrapping_add(state[3]).rotate_left(23).wrapping_add(state[0]);
    let shifted = state[1] << 17;
    state[2] ^= state[0];
    state[3] ^= state[1];
    state[1] ^= state[2];
    state[0] ^= state[3];
    state[2] ^= shifted;
    state[3] = state[3].rotate_left(45);
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::InvocationId;
    use crate::protocol::default_seed;

    /// The TypeScript SDK drew the first UUID on a real server; the second one starts one draw later.
    #[test]
    fn draws_are_those_of_the_sdk() {
        let id = InvocationId::new("inv_1foAirY4KKzi54m4wifTz0wiGVUARkAHA5").wire().unwrap();
        let draws = Draws::of(default_seed(&id));
        assert_eq!(draws.of_uuid(0x9a3f8092_b542_45a7_b8ac_29b42cfdd5f1), Some(1));
        assert_eq!(draws.of_uuid(0x78ac29b4_2cfd_45f1_a8af_9c15670fcd8d), Some(2));
        assert_eq!(draws.of_uuid(0x78ac29b4_2cfd_45f1_a8af_9c15670fcd8e), None);
        assert_eq!(draws.of_number(0.5), None);
    }
}
