//! Work on many threads, results in order.

use std::collections::BTreeMap;
use std::sync::mpsc::{self, Receiver};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Does the work on all threads of the pool and hands the results to `sink` in the items' order, while later ones are
/// under way; they get ahead of it by a few items per thread at most, which bounds memory. `false` from `sink` ends it.
///
/// The thread that runs `sink` works as well, and looks for results between two items of its own: nobody is woken for
/// an item, which would cost as much as a small one.
pub(super) fn in_order<T: Sync, R: Send>(
    items: &[T],
    work: impl Fn(&T) -> R + Sync,
    sink: impl FnMut(R) -> bool + Send,
) -> bool {
    let work = &work;
    let threads = rayon::current_num_threads();
    let places = &Places::new(items.len(), threads * AHEAD);
    rayon::scope(|scope| {
        let (send, receive) = mpsc::channel();
        for _ in 1..threads {
            let send = send.clone();
            scope.spawn(move |_| {
                let _leave = places.leave_at_end();
                while let Some(at) = places.wait_for_next() {
                    // Nobody receives it if the sink wanted no more.
                    let _ = send.send((at, work(&items[at])));
                }
            });
        }
        drop(send);
        let _leave = places.leave_at_end();
        Sink { sink, early: BTreeMap::new(), receive }.run(items, work, places)
    })
}

/// So many items for each thread may be under way or done before the sink has taken those before them.
const AHEAD: usize = 4;

/// The side that takes results, one after the other.
struct Sink<S, R> {
    sink: S,
    /// Results that came before their turn.
    early: BTreeMap<usize, R>,
    receive: Receiver<(usize, R)>,
}

impl<S: FnMut(R) -> bool, R> Sink<S, R> {
    fn run<T>(mut self, items: &[T], work: impl Fn(&T) -> R, places: &Places) -> bool {
        let mut taken = 0;
        loop {
            self.early.extend(self.receive.try_iter());
            while let Some(result) = self.early.remove(&taken) {
                taken += 1;
                if !(self.sink)(result) {
                    return false;
                }
                places.take(taken);
            }
            if taken == items.len() {
                return true;
            }
            let (at, result) = match places.next() {
                Some(at) => (at, work(&items[at])),
                None => match self.receive.recv() {
                    Ok(received) => received,
                    // A worker panicked, which the scope passes on.
                    Err(_) => return false,
                },
            };
            self.early.insert(at, result);
        }
    }
}

/// Which item is worked on next.
struct Places {
    len: usize,
    ahead: usize,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    next: usize,
    taken: usize,
    waiting: bool,
    ended: bool,
}

impl Places {
    fn new(len: usize, ahead: usize) -> Self {
        Self { len, ahead, state: Mutex::default(), changed: Condvar::new() }
    }

    /// The next place, unless it is too far ahead or there are no more.
    fn next(&self) -> Option<usize> {
        self.claim(&mut self.lock())
    }

    /// The next place, as soon as it is not too far ahead; `None` if there are no more.
    fn wait_for_next(&self) -> Option<usize> {
        let mut state = self.lock();
        loop {
            if let Some(at) = self.claim(&mut state) {
                return Some(at);
            }
            if state.ended || state.next == self.len {
                return None;
            }
            state.waiting = true;
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn claim(&self, state: &mut State) -> Option<usize> {
        let at = state.next;
        if state.ended || at == self.len || at >= state.taken + self.ahead {
            return None;
        }
        state.next += 1;
        Some(at)
    }

    /// So many results have been taken. Those who wait go on once there is work for a while.
    fn take(&self, taken: usize) {
        let mut state = self.lock();
        state.taken = taken;
        if state.waiting && state.next <= taken + self.ahead / 2 {
            state.waiting = false;
            self.changed.notify_all();
        }
    }

    /// Who leaves, leaves because nothing is left to do, because the sink wants no more, or in a panic: no reason for
    /// others to wait.
    fn leave_at_end(&self) -> Leave<'_> {
        Leave(self)
    }

    /// Nothing panics while it is held.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Leave<'a>(&'a Places);

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        self.0.lock().ended = true;
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(threads: usize) -> rayon::ThreadPool {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap()
    }

    #[test]
    fn results_come_in_order_and_end_where_the_sink_says() {
        let items: Vec<usize> = (0..1000).collect();
        let work = |item: &usize| {
            if item.is_multiple_of(7) {
                std::thread::yield_now();
            }
            *item
        };
        for threads in [1, 2, 5] {
            pool(threads).install(|| {
                let mut taken = Vec::new();
                assert!(in_order(&items, work, |item| {
                    taken.push(item);
                    true
                }));
                assert_eq!(taken, items);
                taken.clear();
                assert!(!in_order(&items, work, |item| {
                    taken.push(item);
                    item < 99
                }));
                assert_eq!(taken, items[..100]);
                assert!(in_order(&items[..0], work, |_| unreachable!()));
            });
        }
    }

    #[test]
    fn a_slow_sink_holds_the_others_back() {
        let items: Vec<usize> = (0..200).collect();
        let (taken, ahead) = (Mutex::new(0), Mutex::new(0));
        pool(3).install(|| {
            in_order(
                &items,
                |item| {
                    let mut ahead = ahead.lock().unwrap();
                    *ahead = (*ahead).max(item - *taken.lock().unwrap());
                },
                |()| {
                    std::thread::sleep(std::time::Duration::from_micros(50));
                    *taken.lock().unwrap() += 1;
                    true
                },
            )
        });
        assert!(*ahead.lock().unwrap() <= 3 * AHEAD);
    }

    #[test]
    fn a_panic_ends_it_for_all() {
        let items: Vec<usize> = (0..1000).collect();
        for at in [0, 1, 500] {
            let work = |item: &usize| assert_ne!(*item, at);
            let run = || pool(3).install(|| in_order(&items, work, |()| true));
            assert!(std::panic::catch_unwind(run).is_err(), "{at}");
        }
    }
}
