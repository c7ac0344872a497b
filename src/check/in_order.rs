//! Work on many threads, results in order.

use std::collections::BTreeMap;
use std::sync::mpsc;

/// Does the work on all threads and hands the results to `sink` in the items' order, while later ones are under way;
/// they get ahead of it by a few items per thread at most, which bounds memory. `false` from `sink` ends it.
pub(super) fn in_order<T: Sync, R: Send>(
    items: &[T],
    work: impl Fn(&T) -> R + Sync,
    mut sink: impl FnMut(R) -> bool,
) -> bool {
    let (send, receive) = mpsc::channel();
    let work = &work;
    rayon::in_place_scope(|scope| {
        let mut rest = items.iter().enumerate();
        let mut spawn_next = || {
            if let Some((at, item)) = rest.next() {
                let send = send.clone();
                scope.spawn(move |_| {
                    // Nobody receives it if the sink wanted no more.
                    let _ = send.send((at, work(item)));
                });
            }
        };
        (0..rayon::current_num_threads() * 4).for_each(|_| spawn_next());
        let mut early = BTreeMap::new();
        for next in 0..items.len() {
            let result = loop {
                if let Some(result) = early.remove(&next) {
                    break result;
                }
                let (at, result) = receive_next(&receive);
                early.insert(at, result);
            };
            spawn_next();
            if !sink(result) {
                return false;
            }
        }
        true
    })
}

/// Waits for the next result; where this is one of the pool's own threads, it works in the meantime.
fn receive_next<R>(receive: &mpsc::Receiver<R>) -> R {
    loop {
        if let Ok(result) = receive.try_recv() {
            return result;
        }
        if rayon::yield_now() != Some(rayon::Yield::Executed) {
            return receive.recv().expect("in_order holds a sender of its own");
        }
    }
}
