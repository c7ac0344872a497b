//! In-order execution: works on items on many threads, and takes the results in the order of the items.

use std::collections::BTreeMap;
use std::sync::mpsc::{self, Receiver};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Does the work on all threads of the pool, and hands the results to `sink` in the order of the items while later
/// items are in progress. Workers get ahead of the sink by a few items per thread at most, which bounds memory. The run
/// ends when `sink` returns `false`; the result says whether it got through all items.
///
/// The thread that runs `sink` also works, and looks for results between two items of its own. So no thread has to be
/// woken for each result, which would cost as much as a small item.
pub(super) fn in_order<T: Sync, R: Send>(
    items: &[T],
    work: impl Fn(&T) -> R + Sync,
    sink: impl FnMut(R) -> bool + Send,
) -> bool {
    let work = &work;
    let threads = rayon::current_num_threads();
    let queue = &WorkQueue::new(items.len(), threads * ITEMS_AHEAD_PER_THREAD);
    rayon::scope(|scope| {
        let (send, receive) = mpsc::channel();
        for _ in 1..threads {
            let send = send.clone();
            scope.spawn(move |_| {
                let _closer = queue.close_on_drop();
                while let Some(at) = queue.wait_for_next() {
                    // The receiver is gone if the sink asked for no more results.
                    let _ = send.send((at, work(&items[at])));
                }
            });
        }
        drop(send);
        let _closer = queue.close_on_drop();
        OrderedSink { sink, waiting: BTreeMap::new(), receive }.run(items, work, queue)
    })
}

/// For each thread, this many items may be in progress or done before the sink has taken the ones before them.
const ITEMS_AHEAD_PER_THREAD: usize = 4;

/// Passes results to the sink in the order of the items.
struct OrderedSink<S, R> {
    sink: S,
    /// Results by item, which wait for the result of an earlier item.
    waiting: BTreeMap<usize, R>,
    receive: Receiver<(usize, R)>,
}

impl<S: FnMut(R) -> bool, R> OrderedSink<S, R> {
    fn run<T>(mut self, items: &[T], work: impl Fn(&T) -> R, queue: &WorkQueue) -> bool {
        let mut taken = 0;
        loop {
            self.waiting.extend(self.receive.try_iter());
            while let Some(result) = self.waiting.remove(&taken) {
                taken += 1;
                if !(self.sink)(result) {
                    return false;
                }
                queue.set_taken(taken);
            }
            if taken == items.len() {
                return true;
            }
            let (at, result) = match queue.try_next() {
                Some(at) => (at, work(&items[at])),
                None => match self.receive.recv() {
                    Ok(received) => received,
                    // A worker panicked; the scope raises the panic again.
                    Err(_) => return false,
                },
            };
            self.waiting.insert(at, result);
        }
    }
}

/// Hands out the items in order, but not too far ahead of the sink.
struct WorkQueue {
    len: usize,
    max_ahead: usize,
    state: Mutex<QueueState>,
    changed: Condvar,
}

#[derive(Default)]
struct QueueState {
    /// The next item to hand out.
    next: usize,
    /// Number of results that the sink has taken.
    taken: usize,
    /// Whether a worker waits for the sink.
    has_waiting: bool,
    closed: bool,
}

impl WorkQueue {
    fn new(len: usize, max_ahead: usize) -> Self {
        Self { len, max_ahead, state: Mutex::default(), changed: Condvar::new() }
    }

    /// The next item, unless it is too far ahead or there are no more.
    fn try_next(&self) -> Option<usize> {
        self.claim(&mut self.lock())
    }

    /// Waits until the next item is not too far ahead; `None` if there are no more.
    fn wait_for_next(&self) -> Option<usize> {
        let mut state = self.lock();
        loop {
            if let Some(at) = self.claim(&mut state) {
                return Some(at);
            }
            if state.closed || state.next == self.len {
                return None;
            }
            state.has_waiting = true;
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn claim(&self, state: &mut QueueState) -> Option<usize> {
        let at = state.next;
        if state.closed || at == self.len || at >= state.taken + self.max_ahead {
            return None;
        }
        state.next += 1;
        Some(at)
    }

    /// Notes how many results the sink has taken. Wakes the waiting workers once enough items are free again, so that
    /// they do not wake for one item each.
    fn set_taken(&self, taken: usize) {
        let mut state = self.lock();
        state.taken = taken;
        if state.has_waiting && state.next <= taken + self.max_ahead / 2 {
            state.has_waiting = false;
            self.changed.notify_all();
        }
    }

    /// Closes the queue when the guard is dropped, and wakes the waiting workers. Each thread holds such a guard: it
    /// exits when no items are left, when the sink asks for no more, or in a panic, and then no other has to wait.
    fn close_on_drop(&self) -> CloseOnDrop<'_> {
        CloseOnDrop(self)
    }

    /// Ignores poisoning, because no code panics while it holds the lock.
    fn lock(&self) -> MutexGuard<'_, QueueState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct CloseOnDrop<'a>(&'a WorkQueue);

impl Drop for CloseOnDrop<'_> {
    fn drop(&mut self) {
        self.0.lock().closed = true;
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
        assert!(*ahead.lock().unwrap() <= 3 * ITEMS_AHEAD_PER_THREAD);
    }

    #[test]
    fn a_panic_ends_the_run_on_all_threads() {
        let items: Vec<usize> = (0..1000).collect();
        for at in [0, 1, 500] {
            let work = |item: &usize| assert_ne!(*item, at);
            let run = || pool(3).install(|| in_order(&items, work, |()| true));
            assert!(std::panic::catch_unwind(run).is_err(), "{at}");
        }
    }
}
