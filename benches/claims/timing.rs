//! Timing: alternating measurements, and the table of required and reached figures.

use std::hint::black_box;
use std::time::{Duration, Instant};

/// A piece of work under measurement.
pub type Side<'a> = &'a mut dyn FnMut();

/// Runs the sides in turn. In each round, each side repeats its work so often that it takes about `least` or longer.
/// Returns the time of one run, by side and round.
pub fn alternate<const N: usize>(rounds: usize, least: Duration, mut sides: [Side<'_>; N]) -> [Vec<f64>; N] {
    let mut repeats = [1u32; N];
    for (side, repeats) in sides.iter_mut().zip(&mut repeats) {
        side();
        let from = Instant::now();
        side();
        let once = from.elapsed().max(Duration::from_nanos(50));
        *repeats = (least.as_nanos() / once.as_nanos()).clamp(1, 1_000_000) as u32;
    }
    let mut times = [const { Vec::new() }; N];
    for _ in 0..rounds {
        for ((side, repeats), times) in sides.iter_mut().zip(repeats).zip(&mut times) {
            let from = Instant::now();
            for _ in 0..repeats {
                black_box(&mut *side)();
            }
            times.push(from.elapsed().as_secs_f64() / f64::from(repeats));
        }
    }
    times
}

pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// How many times as long the first side took, as the median over all rounds.
pub fn ratio(slow: &[f64], fast: &[f64]) -> f64 {
    median(slow.iter().zip(fast).map(|(slow, fast)| slow / fast).collect())
}

#[derive(Default)]
pub struct Table {
    rows: Vec<[String; 4]>,
    missed: usize,
}

impl Table {
    pub fn at_least(&mut self, what: impl Into<String>, asked: f64, reached: f64, unit: &str, detail: String) {
        self.row(what.into(), format!("≥ {asked}{unit}"), format!("{reached:.3}"), unit, detail, reached >= asked);
    }

    pub fn at_most(&mut self, what: impl Into<String>, asked: f64, reached: f64, unit: &str, detail: String) {
        self.row(what.into(), format!("≤ {asked}{unit}"), format!("{reached:.3}"), unit, detail, reached <= asked);
    }

    /// Adds a figure without a requirement.
    pub fn shown(&mut self, what: impl Into<String>, reached: f64, unit: &str, detail: String) {
        self.row(what.into(), String::new(), format!("{reached:.3}"), unit, detail, true);
    }

    fn row(&mut self, what: String, asked: String, reached: String, unit: &str, detail: String, holds: bool) {
        let short = reached.trim_end_matches('0').trim_end_matches('.');
        let digits = if short.len() > 5 {
            reached.parse().map_or(String::new(), |n: f64| format!("{n:.1}"))
        } else {
            short.to_owned()
        };
        let mark = if holds { "" } else { " (missed)" };
        self.missed += usize::from(!holds);
        let row = [what, asked, format!("{digits}{unit}{mark}"), detail];
        println!("| {} |", row.join(" | "));
        self.rows.push(row);
    }

    pub fn print(&self) {
        println!("\n| what | asked | reached | detail |\n|---|---|---|---|");
        for row in &self.rows {
            println!("| {} |", row.join(" | "));
        }
        println!("\n{} figures, {} missed", self.rows.len(), self.missed);
    }
}
