//! Connection slots: while all are taken, the connection that has been idle longest is evicted, so that neither idle
//! nor half-sent requests keep others out.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, Semaphore, watch};

/// All slots.
#[derive(Debug)]
pub(crate) struct Slots {
    free: Semaphore,
    idle: Mutex<IdleConnections>,
}

/// Connections without a whole request, in the order in which they became idle.
#[derive(Debug, Default)]
struct IdleConnections {
    next: u64,
    /// By their tickets, of which the lowest has waited longest.
    queue: BTreeMap<u64, Arc<Notify>>,
    /// No connection was idle when a slot was needed: the next one to become idle is evicted.
    eviction_pending: bool,
}

/// The slot of one connection; dropping it frees it.
#[derive(Debug)]
pub(crate) struct Slot {
    slots: Arc<Slots>,
    phase: watch::Sender<Phase>,
    eviction: Arc<Notify>,
    /// Whether bytes of the next request have arrived.
    begun: AtomicBool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Without a whole request, with this ticket.
    Idle(u64),
    Responding,
    /// The answer has been made, but not been written.
    Flushing,
}

/// Held by an answer until all of it was taken, or given up.
#[derive(Debug)]
pub(crate) struct Responding(Arc<Slot>);

impl Slots {
    /// So many slots, at least one.
    pub(crate) fn new(count: usize) -> Self {
        Self {
            free: Semaphore::new(count.clamp(1, Semaphore::MAX_PERMITS)),
            idle: Mutex::default(),
        }
    }

    /// Takes a slot, if need be that of another connection, and else waits for one. Only one task
    /// may do so at a time.
    pub(crate) async fn acquire(self: Arc<Self>) -> Slot {
        if let Ok(permit) = self.free.try_acquire() {
            permit.forget();
        } else {
            self.evict();
            // It is never closed.
            if let Ok(permit) = self.free.acquire().await {
                permit.forget();
            }
            self.lock().eviction_pending = false;
        }
        let eviction = Arc::default();
        let ticket = self.enqueue(&eviction);
        Slot {
            slots: self,
            phase: watch::Sender::new(Phase::Idle(ticket)),
            eviction,
            begun: AtomicBool::new(false),
        }
    }

    /// Evicts the connection that has been idle longest.
    fn evict(&self) {
        let mut idle = self.lock();
        match idle.queue.pop_first() {
            Some((_, eviction)) => eviction.notify_one(),
            None => idle.eviction_pending = true,
        }
    }

    fn enqueue(&self, eviction: &Arc<Notify>) -> u64 {
        let mut idle = self.lock();
        let ticket = idle.next;
        idle.next += 1;
        if std::mem::take(&mut idle.eviction_pending) {
            eviction.notify_one();
        } else {
            idle.queue.insert(ticket, Arc::clone(eviction));
        }
        ticket
    }

    fn lock(&self) -> MutexGuard<'_, IdleConnections> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    /// Marks the connection as busy with a request.
    pub(crate) fn respond(self: &Arc<Self>) -> Responding {
        self.begun.store(false, Ordering::Relaxed);
        let before = self.phase.send_replace(Phase::Responding);
        if let Phase::Idle(ticket) = before {
            let was_idle = self.slots.lock().queue.remove(&ticket);
            if was_idle.is_none() {
                // It was just evicted and closes after this answer; that may take long, so evict another one.
                self.slots.evict();
            }
        }
        Responding(Arc::clone(self))
    }

    /// Records that bytes arrived.
    pub(crate) fn bytes_received(&self) {
        self.begun.store(true, Ordering::Relaxed);
    }

    /// Records that all output was written.
    pub(crate) fn flushed(&self) {
        if *self.phase.borrow() == Phase::Flushing {
            let ticket = self.slots.enqueue(&self.eviction);
            self.phase.send_replace(Phase::Idle(ticket));
        }
    }

    /// Whether part of a request has arrived, but not all of it.
    pub(crate) fn has_partial_request(&self) -> bool {
        let idle = matches!(*self.phase.borrow(), Phase::Idle(_));
        idle && self.begun.load(Ordering::Relaxed)
    }

    /// Completes when another connection needs the slot.
    pub(crate) async fn evicted(&self) {
        self.eviction.notified().await;
    }

    /// Completes when no request is being answered.
    pub(crate) async fn idle(&self) {
        let mut phase = self.phase.subscribe();
        let idle = phase.wait_for(|phase| matches!(phase, Phase::Idle(_)));
        // The sender lives as long as this does.
        drop(idle.await);
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Phase::Idle(ticket) = *self.phase.borrow() {
            self.slots.lock().queue.remove(&ticket);
        }
        self.slots.free.add_permits(1);
    }
}

impl Drop for Responding {
    fn drop(&mut self) {
        self.0.phase.send_replace(Phase::Flushing);
    }
}
