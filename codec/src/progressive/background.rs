//! The state shared by the feeding thread, the decoding thread and waiting callers, and the decoding thread's loop.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::job::Key;
use super::{PictureJob, ProgressiveOptions, ProgressivePicture, Refresh};
use crate::{CancelToken, Error};

/// The shared state. Its lock is held briefly, never while a picture is decoded.
#[derive(Debug)]
pub(super) struct Shared {
    board: Mutex<Board>,
    changed: Condvar,
    /// Least time between the beginnings of two decodes.
    interval: Duration,
}

#[derive(Debug)]
struct Board {
    /// The newest snapshot to decode, and whether the caller requested it rather than the refresh policy.
    pending: Option<(PictureJob, bool)>,
    running: Option<Running>,
    picture: Option<Arc<ProgressivePicture>>,
    /// The snapshot that `picture` was decoded from.
    shown: Option<Key>,
    /// Pictures made so far.
    made: u64,
    /// Most units that a picture may show: fewer than were received once a fault was found after them.
    most: u64,
    /// The error of the latest decode, if it failed.
    failure: Option<Arc<Error>>,
    /// No snapshot will follow.
    sealed: bool,
    /// No one needs pictures any more.
    closed: bool,
    worker_gone: bool,
}

#[derive(Debug)]
struct Running {
    key: Key,
    cancel: CancelToken,
    /// Whether the previous decode was cancelled, so that this one must run to its end.
    spared: bool,
}

impl Board {
    fn is_idle(&self) -> bool {
        self.worker_gone || (self.pending.is_none() && self.running.is_none())
    }

    /// Whether no picture will come any more.
    fn is_over(&self) -> bool {
        self.closed || self.worker_gone || (self.sealed && self.is_idle())
    }
}

impl Shared {
    pub(super) fn new(options: &ProgressiveOptions) -> Self {
        let interval = match options.refresh {
            Refresh::Interval(interval) => interval,
            _ => Duration::ZERO,
        };
        let board = Board {
            pending: None,
            running: None,
            picture: None,
            shown: None,
            made: 0,
            most: u64::MAX,
            failure: None,
            sealed: false,
            closed: false,
            worker_gone: false,
        };
        Self {
            board: Mutex::new(board),
            changed: Condvar::new(),
            interval,
        }
    }

    /// Nothing that could panic happens under the lock, so that what it guards is sound in any case.
    fn lock(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, board: MutexGuard<'a, Board>) -> MutexGuard<'a, Board> {
        let woken = self.changed.wait(board);
        woken.unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_for<'a>(&self, board: MutexGuard<'a, Board>, time: Duration) -> MutexGuard<'a, Board> {
        let woken = self.changed.wait_timeout(board, time);
        woken.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Replaces the pending snapshot with a newer one, and cancels the running decode if it is obsolete. A snapshot
    /// that is already decoded or being decoded is not decoded again.
    pub(super) fn post(&self, job: Option<PictureJob>, requested: bool) {
        let Some(job) = job else { return };
        let mut board = self.lock();
        let key = job.key();
        match &board.running {
            Some(running) if running.cancel.is_cancelled() => {}
            Some(running) if running.key == key => return,
            Some(running) if is_obsolete(running, &job) => running.cancel.cancel(),
            Some(_) => {}
            None if board.shown == Some(key) => return,
            None => {}
        }
        let requested = requested
            || board
                .pending
                .as_ref()
                .is_some_and(|&(_, requested)| requested);
        board.pending = Some((job, requested));
        self.changed.notify_all();
    }

    /// Withdraws every picture of more than `units`, decoded, running or pending, after a fault behind these.
    pub(super) fn retract(&self, units: u64) {
        let mut board = self.lock();
        board.most = units;
        board.pending.take_if(|(job, _)| job.units() > units);
        if board.picture.take_if(|shown| shown.units > units).is_some() {
            board.shown = None;
        }
        if let Some(running) = &board.running
            && running.key.units > units
        {
            running.cancel.cancel();
        }
        self.changed.notify_all();
    }

    /// No snapshot will follow.
    pub(super) fn seal(&self) {
        self.lock().sealed = true;
        self.changed.notify_all();
    }

    /// No one needs pictures any more: the worker ends.
    pub(super) fn close(&self) {
        let mut board = self.lock();
        board.closed = true;
        board.pending = None;
        if let Some(running) = &board.running {
            running.cancel.cancel();
        }
        self.changed.notify_all();
    }

    pub(super) fn picture(&self) -> Option<Arc<ProgressivePicture>> {
        self.lock().picture.clone()
    }

    pub(super) fn is_worker_gone(&self) -> bool {
        self.lock().worker_gone
    }

    /// Waits until no decode is pending or running; returns the error of the latest decode, if it failed.
    pub(super) fn wait_for_end(&self) -> Option<Arc<Error>> {
        let mut board = self.lock();
        while !board.is_idle() {
            board = self.wait(board);
        }
        board.failure.clone()
    }

    /// How long a pending snapshot has to wait, where the last decode began at `last`.
    fn rest(&self, (job, requested): &(PictureJob, bool), last: Option<Instant>) -> Duration {
        if *requested || job.is_last() {
            return Duration::ZERO;
        }
        let since = last.map_or(Duration::MAX, |last| last.elapsed());
        self.interval.saturating_sub(since)
    }

    /// Waits for the next snapshot that is due; `None` once the decoder is closed.
    fn next(&self, last: Option<Instant>, spared: bool) -> Option<(PictureJob, CancelToken)> {
        let mut board = self.lock();
        loop {
            if board.closed {
                return None;
            }
            let Some(pending) = &board.pending else {
                board = self.wait(board);
                continue;
            };
            let rest = self.rest(pending, last);
            if !rest.is_zero() {
                board = self.wait_for(board, rest);
                continue;
            }
            let (job, _) = board.pending.take()?;
            let cancel = CancelToken::new();
            board.running = Some(Running {
                key: job.key(),
                cancel: cancel.clone(),
                spared,
            });
            return Some((job, cancel));
        }
    }

    /// Shows the draft of the running decode. Returns whether that is enough, since a newer snapshot is due and the decode may
    /// be cancelled.
    fn show(&self, draft: ProgressivePicture, last: Instant) -> bool {
        let mut board = self.lock();
        if draft.units <= board.most {
            board.picture = Some(Arc::new(draft));
            board.shown = None;
            board.made += 1;
        }
        self.changed.notify_all();
        let spared = board.running.as_ref().is_some_and(|running| running.spared);
        board.pending.as_ref().is_some_and(|pending| {
            (pending.0.is_last() || !spared) && self.rest(pending, Some(last)).is_zero()
        })
    }

    /// Records the result of the running decode.
    fn done(&self, result: Result<ProgressivePicture, Error>, obsolete: bool) {
        let mut board = self.lock();
        let made = board.running.take().map(|running| running.key);
        match result {
            // It was withdrawn too late to be stopped.
            Ok(picture) if picture.units > board.most => {}
            Ok(picture) => {
                board.picture = Some(Arc::new(picture));
                board.shown = made;
                board.made += 1;
                board.failure = None;
            }
            // It was cancelled for a newer one, or nobody waits for it.
            Err(_) if obsolete => {}
            Err(error) => board.failure = Some(Arc::new(error)),
        }
        self.changed.notify_all();
    }
}

/// Whether a running decode should be cancelled for a newer snapshot.
fn is_obsolete(running: &Running, newer: &PictureJob) -> bool {
    let twice = running.key.units.saturating_mul(2);
    newer.is_last() || (!running.spared && newer.units() >= twice)
}

/// The decoding thread.
pub(super) fn work(shared: &Shared) {
    /// Wakes all waiters, however the thread ends.
    struct Farewell<'a>(&'a Shared);
    impl Drop for Farewell<'_> {
        fn drop(&mut self) {
            let mut board = self.0.lock();
            board.worker_gone = true;
            board.running = None;
            if std::thread::panicking() {
                board.failure = Some(Arc::new(Error::Panicked));
            }
            self.0.changed.notify_all();
        }
    }
    let _farewell = Farewell(shared);
    let (mut last, mut spared) = (None, false);
    while let Some((job, cancel)) = shared.next(last, spared) {
        let begun = Instant::now();
        if let Some(draft) = job.draft()
            && let Ok(draft) = draft.run_until(None, Some(&cancel))
            && shared.show(draft, begun)
        {
            cancel.cancel();
        }
        let previous = shared.picture();
        let result = job.run_until(previous.as_deref(), Some(&cancel));
        let callers = job.options.decode.cancel.as_ref();
        let obsolete = result.is_err()
            && cancel.is_cancelled()
            && !callers.is_some_and(CancelToken::is_cancelled);
        spared = obsolete;
        // A cancelled decode does not delay the next.
        if !obsolete {
            last = Some(begun);
        }
        shared.done(result, obsolete);
    }
}

/// The pictures of a [`ProgressiveDecoder`](super::ProgressiveDecoder), seen from another thread.
///
/// Each clone keeps its own position; pictures that a clone does not fetch before the next one are skipped.
#[derive(Debug, Clone)]
pub struct Pictures {
    shared: Arc<Shared>,
    seen: u64,
}

impl Pictures {
    pub(super) fn of(shared: &Arc<Shared>) -> Self {
        Self {
            shared: Arc::clone(shared),
            seen: 0,
        }
    }

    /// The latest picture, if there is one, whether it was seen or not. Returns at once.
    #[must_use]
    pub fn latest(&self) -> Option<Arc<ProgressivePicture>> {
        self.shared.picture()
    }

    /// The latest picture if this handle has not returned it yet. Returns at once.
    pub fn try_next(&mut self) -> Option<Arc<ProgressivePicture>> {
        let shared = Arc::clone(&self.shared);
        self.unseen(&shared.lock())
    }

    /// Waits for a picture that this handle has not returned yet: `None` when no more will come, because the
    /// input ended and all is decoded or because the decoder was dropped.
    ///
    /// # Errors
    /// [`Error::Background`] with the error of the last decode, if no picture will come because of it.
    pub fn wait(&mut self) -> Result<Option<Arc<ProgressivePicture>>, Error> {
        self.wait_until(None)
    }

    /// As [`Pictures::wait`], but no longer than `time`; `None` then, too.
    ///
    /// # Errors
    /// As [`Pictures::wait`].
    pub fn wait_for(&mut self, time: Duration) -> Result<Option<Arc<ProgressivePicture>>, Error> {
        self.wait_until(Instant::now().checked_add(time))
    }

    /// Waits until then, or for ever.
    fn wait_until(
        &mut self,
        end: Option<Instant>,
    ) -> Result<Option<Arc<ProgressivePicture>>, Error> {
        let shared = Arc::clone(&self.shared);
        let mut board = shared.lock();
        loop {
            if let Some(picture) = self.unseen(&board) {
                return Ok(Some(picture));
            }
            if board.is_over() {
                let failure = board.failure.clone();
                return failure.map_or(Ok(None), |error| Err(Error::Background(error)));
            }
            board = match end.map(|end| end.saturating_duration_since(Instant::now())) {
                None => shared.wait(board),
                Some(Duration::ZERO) => return Ok(None),
                Some(rest) => shared.wait_for(board, rest),
            };
        }
    }

    fn unseen(&mut self, board: &Board) -> Option<Arc<ProgressivePicture>> {
        if board.made == self.seen {
            return None;
        }
        self.seen = board.made;
        board.picture.clone()
    }
}
