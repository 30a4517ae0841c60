// The page's side of webp-worker.js: the best WebP of a photo within a budget.

export class WebpRival {
  #worker = null;
  #id = 0;
  #found = null;

  /** Looks for candidates of up to `most` bytes and calls `done` when they are ready. Without a `photo` (null) there are none. */
  prepare(photo, most, done) {
    this.#found = null;
    const id = ++this.#id;
    if (!photo) return;
    this.#worker ??= new Worker(new URL("webp-worker.js", import.meta.url), { type: "module", name: "webp" });
    const finish = (found) => {
      if (id !== this.#id) return;
      this.#found = found;
      done();
    };
    const worker = this.#worker;
    worker.onmessage = ({ data }) => data.id === id && finish(data);
    worker.onerror = (event) => {
      event.preventDefault();
      // A worker whose script did not come answers nothing, ever: the next photo gets a new one.
      worker.terminate();
      if (worker === this.#worker) this.#worker = null;
      finish({ error: event.message || "its script could not be loaded" });
    };
    this.#worker.postMessage({ id, photo, most });
  }

  get ready() {
    return this.#found !== null;
  }

  /** `{best}`, or `{smallest}` if even that is too large, or `{why}` if there is no candidate. */
  within(budget) {
    const { supported, candidates, error } = this.#found;
    if (error) return { why: `WebP could not be tried: ${error}` };
    if (!supported) return { why: "This browser cannot write WebP." };
    // In order of size, each closer to the photo than the one before.
    const best = candidates.findLast(({ bytes }) => bytes <= budget);
    return best ? { best } : { smallest: candidates[0] };
  }
}
