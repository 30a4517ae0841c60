// One worker and the queue before it. The queue is on this side, so that a job that still waits can be dropped
// without the worker, which receives no messages while it computes.

/** An error of the codec, of the network or of the worker; `kind` says which. */
export class FlextokError extends Error {
  constructor(message, kind, details = {}) {
    super(message);
    this.name = "FlextokError";
    this.kind = kind;
    Object.assign(this, details);
  }
}

/** The error that a dropped request ends with: a newer one of its group superseded it. */
export const superseded = () => new FlextokError("superseded by a newer request", "superseded");

/** The same bytes with no others around them: a message carries the whole buffer that a view looks into. */
export const own = (bytes) => (bytes.byteLength === bytes.buffer.byteLength ? bytes : bytes.slice());

/**
 * Runs jobs in a worker, one at a time. Light jobs (bytes only) go before heavy ones (the model); heavy ones wait for
 * the model, which is fetched when the first of them comes. `source` says what it is: `model`, an address or bytes, and
 * `decoder`, the address of a learned decoder to open with it. `onLoaded` is given what is known of it, and its bytes.
 */
export class Jobs {
  #workerUrl;
  #source;
  #onProgress;
  #onLoaded;
  #worker = null;
  #queue = [];
  #running = null;
  #lastId = 0;
  #closed = false;
  #model = { state: "absent", waiting: [] };
  // Where memory can be shared, the number of the job to stop; the worker looks at it after each step.
  #stop = null;

  constructor(workerUrl, source, onProgress, onLoaded) {
    this.#workerUrl = workerUrl;
    this.#source = source;
    this.#onProgress = onProgress;
    this.#onLoaded = onLoaded;
  }

  /** Of the model: `absent`, `loading` or `ready`. */
  get state() {
    return this.#model.state;
  }

  /** A number that no other stream of this queue has. */
  newStream() {
    return ++this.#lastId;
  }

  /** The model's description, once it is loaded. */
  load(signal) {
    signal?.throwIfAborted();
    if (this.#closed) return Promise.reject(closed());
    if (this.#model.state === "ready") return Promise.resolve(this.#model.info);
    return new Promise((resolve, reject) => {
      const abort = () => reject(signal.reason);
      signal?.addEventListener("abort", abort, { once: true });
      const done = () => signal?.removeEventListener("abort", abort);
      this.#model.waiting.push({
        resolve: (info) => (done(), resolve(info)),
        reject: (error) => (done(), reject(error)),
      });
      this.#startLoading();
    });
  }

  /**
   * Runs one job. `group`: a newer job of the same group replaces one that still waits. `onStep` may return
   * false to cancel.
   */
  run(type, payload, { heavy = false, group, signal, onStep, transfer = [] } = {}) {
    return new Promise((resolve, reject) => {
      if (this.#closed) return reject(closed());
      if (signal?.aborted) return reject(signal.reason);
      const job = { id: ++this.#lastId, type, payload, heavy, group, onStep, transfer, reject };
      const abort = () => this.#cancel(job, signal.reason);
      signal?.addEventListener("abort", abort, { once: true });
      job.settle = (finish, value) => {
        if (job.settled) return;
        job.settled = true;
        signal?.removeEventListener("abort", abort);
        finish(value);
      };
      job.resolve = (value) => job.settle(resolve, value);
      job.reject = (error) => job.settle(reject, error);
      if (group !== undefined) this.supersede(group);
      this.#queue.push(job);
      this.#pump();
    });
  }

  /** Drops the jobs of a group that still wait. */
  supersede(group) {
    for (const old of this.#queue.filter((other) => other.group === group)) this.#cancel(old, superseded());
  }

  /** Ends the worker; whatever waits or runs is rejected. */
  close() {
    this.#closed = true;
    this.#fail(closed());
  }

  #cancel(job, reason) {
    const index = this.#queue.indexOf(job);
    if (index >= 0) this.#queue.splice(index, 1);
    if (this.#running === job && this.#stop) Atomics.store(this.#stop, 0, job.id);
    // The caller does not wait for the worker to notice; what it still delivers is thrown away.
    job.reject(reason);
  }

  #pump() {
    if (this.#running || this.#queue.length === 0) return;
    let index = this.#queue.findIndex((job) => !job.heavy);
    if (index < 0) {
      if (this.#model.state !== "ready") return this.#startLoading();
      index = 0;
    }
    const [job] = this.#queue.splice(index, 1);
    this.#running = job;
    try {
      this.#start().postMessage({ id: job.id, type: job.type, payload: job.payload }, job.transfer);
    } catch (error) {
      // What cannot be sent, for instance a bitmap that was transferred before.
      this.#running = null;
      job.reject(error);
      this.#pump();
    }
  }

  #start() {
    if (this.#worker) return this.#worker;
    const worker = new Worker(this.#workerUrl, { type: "module", name: "flextok" });
    worker.onmessage = ({ data }) => worker === this.#worker && this.#receive(data);
    worker.onerror = (event) => {
      event.preventDefault();
      const what = event.message || "its script could not be loaded";
      if (worker === this.#worker) this.#fail(new FlextokError(`the worker failed: ${what}`, "worker"));
    };
    if (globalThis.crossOriginIsolated) this.#stop = new Int32Array(new SharedArrayBuffer(4));
    worker.postMessage({ type: "start", stop: this.#stop });
    this.#worker = worker;
    return worker;
  }

  #startLoading() {
    if (this.#model.state !== "absent") return;
    this.#model.state = "loading";
    this.#start().postMessage({ type: "load", source: this.#source });
  }

  #receive(message) {
    switch (message.type) {
      case "progress":
        return this.#onProgress(message.progress);
      case "loaded":
        return this.#loaded(message);
      case "load-failed":
        return this.#loadFailed(revive(message.error));
      case "step":
        return this.#step(message);
      default:
        return this.#done(message);
    }
  }

  #loaded({ info, file }) {
    const { waiting } = this.#model;
    this.#model = { state: "ready", info, waiting: [] };
    this.#onLoaded?.(info, file);
    for (const one of waiting) one.resolve(info);
    this.#pump();
  }

  #loadFailed(error) {
    const { waiting } = this.#model;
    // Cleared, so that the next request tries again.
    this.#model = { state: "absent", waiting: [] };
    for (const one of waiting) one.reject(error);
    for (const job of this.#queue.filter((one) => one.heavy)) this.#cancel(job, error);
    this.#pump();
  }

  #step({ id, step, total }) {
    const job = this.#running;
    if (job?.id !== id || job.settled) return;
    try {
      if (job.onStep?.(step, total) === false) throw new FlextokError("cancelled by onStep", "cancelled");
    } catch (error) {
      this.#cancel(job, error);
    }
  }

  #done({ id, result, error }) {
    const job = this.#running;
    if (job?.id !== id) return;
    this.#running = null;
    if (error?.fatal) {
      // A module that trapped may have broken its own memory.
      job.reject(revive(error));
      return this.#fail(revive(error));
    }
    if (job.settled) result?.bitmap?.close();
    else if (error) job.reject(revive(error));
    else job.resolve(result);
    this.#pump();
  }

  /** Gives the worker up. The next job starts a new one. */
  #fail(error) {
    this.#worker?.terminate();
    this.#worker = null;
    const jobs = this.#running ? [this.#running, ...this.#queue] : [...this.#queue];
    const { waiting } = this.#model;
    this.#running = null;
    this.#queue = [];
    this.#model = { state: "absent", waiting: [] };
    for (const one of [...jobs, ...waiting]) one.reject(error);
  }
}

const closed = () => new FlextokError("this codec was closed", "closed");

function revive({ message, kind, fatal, ...details }) {
  return new FlextokError(message, kind, details);
}
