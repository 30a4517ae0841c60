//! The places of connections: while all are taken, the connection that has waited longest for a
//! request gives up its own, so that neither idle nor half-sent requests keep others out.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, Semaphore, watch};

use crate::followed::Follower;

/// All places.
#[derive(Debug)]
pub(crate) struct Places {
    free: Semaphore,
    waiting: Mutex<Waiting>,
}

/// Connections without a request.
#[derive(Debug, Default)]
struct Waiting {
    next: u64,
    /// By their tickets, of which the lowest has waited longest.
    queue: BTreeMap<u64, Arc<Notify>>,
    /// Nobody was waiting when a place was needed: the next one that would wait goes instead.
    wanted: bool,
}

/// The place of one connection; dropping it frees it.
#[derive(Debug)]
pub(crate) struct Place {
    places: Arc<Places>,
    phase: watch::Sender<Phase>,
    leave: Arc<Notify>,
    /// Whether anything of the next request has come.
    begun: AtomicBool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// For a whole request, with this ticket.
    Waiting(u64),
    Answering,
    /// The answer has been made, but not been written.
    Flushing,
}

/// Held by an answer until all of it was taken, or given up.
#[derive(Debug)]
pub(crate) struct Answering(Arc<Place>);

impl Places {
    /// So many places, at least one.
    pub(crate) fn new(count: usize) -> Self {
        Self {
            free: Semaphore::new(count.clamp(1, Semaphore::MAX_PERMITS)),
            waiting: Mutex::default(),
        }
    }

    /// Takes a place, if need be that of another connection, and else waits for one. Only one task
    /// may do so at a time.
    pub(crate) async fn take(self: Arc<Self>) -> Place {
        if let Ok(permit) = self.free.try_acquire() {
            permit.forget();
        } else {
            self.clear();
            // It is never closed.
            if let Ok(permit) = self.free.acquire().await {
                permit.forget();
            }
            self.lock().wanted = false;
        }
        let leave = Arc::default();
        let ticket = self.enqueue(&leave);
        Place {
            places: self,
            phase: watch::Sender::new(Phase::Waiting(ticket)),
            leave,
            begun: AtomicBool::new(false),
        }
    }

    /// Sends away who has waited longest.
    fn clear(&self) {
        let mut waiting = self.lock();
        match waiting.queue.pop_first() {
            Some((_, leave)) => leave.notify_one(),
            None => waiting.wanted = true,
        }
    }

    fn enqueue(&self, leave: &Arc<Notify>) -> u64 {
        let mut waiting = self.lock();
        let ticket = waiting.next;
        waiting.next += 1;
        if std::mem::take(&mut waiting.wanted) {
            leave.notify_one();
        } else {
            waiting.queue.insert(ticket, Arc::clone(leave));
        }
        ticket
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Notes that a request is there.
    pub(crate) fn answer(self: &Arc<Self>) -> Answering {
        self.begun.store(false, Ordering::Relaxed);
        let before = self.phase.send_replace(Phase::Answering);
        if let Phase::Waiting(ticket) = before {
            let waited = self.places.lock().queue.remove(&ticket);
            if waited.is_none() {
                // It was to go just now. It goes after the answer; that may take long, so another has to.
                self.places.clear();
            }
        }
        Answering(Arc::clone(self))
    }

    /// Notes that bytes came in.
    pub(crate) fn received(&self) {
        self.begun.store(true, Ordering::Relaxed);
    }

    /// Notes that all that was to be written was.
    pub(crate) fn flushed(&self) {
        if *self.phase.borrow() == Phase::Flushing {
            let ticket = self.places.enqueue(&self.leave);
            self.phase.send_replace(Phase::Waiting(ticket));
        }
    }

    /// Whether there is a part of a request, but no whole one.
    pub(crate) fn has_part(&self) -> bool {
        let waits = matches!(*self.phase.borrow(), Phase::Waiting(_));
        waits && self.begun.load(Ordering::Relaxed)
    }

    /// Is ready when another connection needs the place.
    pub(crate) async fn unwanted(&self) {
        self.leave.notified().await;
    }

    /// Is ready when no request is being answered.
    pub(crate) async fn waits(&self) {
        let mut phase = self.phase.subscribe();
        let waits = phase.wait_for(|phase| matches!(phase, Phase::Waiting(_)));
        // The sender lives as long as this does.
        drop(waits.await);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Phase::Waiting(ticket) = *self.phase.borrow() {
            self.places.lock().queue.remove(&ticket);
        }
        self.places.free.add_permits(1);
    }
}

impl Follower for Answering {}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.phase.send_replace(Phase::Flushing);
    }
}
