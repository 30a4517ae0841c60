// A file that is decoded while it arrives: reads a body chunk by chunk, requests a picture whenever the tokens have
// doubled, and keeps what has arrived when the connection or the file breaks off.
import { FlextokError, own, superseded } from "./jobs.js";

/** See `Flextok.stream` in api.d.ts. */
export async function readStream(jobs, source, options = {}) {
  const { signal } = options;
  signal?.throwIfAborted();
  const stream = new Stream(jobs, options);
  try {
    await stream.read(await open(source, signal));
    return await stream.finish();
  } finally {
    // Also after an abort; a queue that was closed has no reader left.
    jobs.run("close", { stream: stream.id }).catch(() => {});
  }
}

class Stream {
  header = null;
  #jobs;
  #options;
  #tokens = 0;
  #proven = 0;
  #received = 0;
  #due = 1;
  #complete = false;
  #error = null;
  #requested = 0;
  #picture = null;
  #pictureError = null;
  // What stops the picture on the way, and whether the one before it was stopped.
  #running = null;
  #gaveUp = false;

  constructor(jobs, options) {
    this.id = jobs.newStream();
    this.#jobs = jobs;
    this.#options = options;
  }

  async read(body) {
    const { signal, tokens: most = Infinity } = this.#options;
    const reader = body.getReader();
    const abort = () => reader.cancel(signal.reason).catch(() => {});
    signal?.addEventListener("abort", abort, { once: true });
    try {
      while (!this.#error) {
        const next = await this.#next(reader);
        signal?.throwIfAborted();
        if (!next || next.done) break;
        this.#received += next.value.length;
        await this.#feed(next.value);
        if (this.#tokens >= most) {
          this.#complete = true;
          break;
        }
      }
    } finally {
      signal?.removeEventListener("abort", abort);
      reader.cancel().catch(() => {});
    }
  }

  async #next(reader) {
    try {
      return await reader.read();
    } catch (error) {
      this.#options.signal?.throwIfAborted();
      const after = `after ${this.#received} bytes`;
      this.#error = new FlextokError(`the connection failed ${after}: ${error.message}`, "network");
      return null;
    }
  }

  async #feed(chunk) {
    const { signal, tokens: most = Infinity, onHeader } = this.#options;
    const report = await this.#jobs.run("feed", { stream: this.id, chunk: own(chunk) }, { signal });
    for (const event of report.events) {
      if (event.type === "proven") this.#proven = event.layers;
      if (event.type !== "header") continue;
      this.header = event;
      onHeader?.(event);
    }
    this.#tokens = Math.min(report.layers, most);
    this.#complete ||= report.complete;
    if (report.error) {
      const { message, kind } = report.error;
      this.#error = new FlextokError(message, kind);
      return;
    }
    // Without a model, further requests for each token would fail too.
    if (this.#tokens >= this.#due && !this.#pictureError) {
      this.#due = 2 ** (Math.floor(Math.log2(this.#tokens)) + 1);
      this.#request(this.#tokens, this.#tokens >= Math.min(most, this.header.tokens));
    }
  }

  #request(tokens, last = false) {
    const { signal, steps, seed, keepCanvas, maxPixels, output = "bitmap", onPicture } = this.#options;
    const payload = { stream: this.id, tokens, steps, seed, keepCanvas, maxPixels, output };
    this.#requested = tokens;
    // A picture on the way gives way to one of at least twice the tokens, but not twice in a row: on a fast line none
    // would ever be done. The last one is always waited for.
    // Where the worker cannot be stopped, cancelling would gain nothing.
    const giveUp = globalThis.crossOriginIsolated && this.#running && (last || !this.#gaveUp);
    if (giveUp) this.#running.abort(superseded());
    this.#gaveUp = Boolean(giveUp);
    const running = new AbortController();
    this.#running = running;
    const either = signal ? AbortSignal.any([signal, running.signal]) : running.signal;
    const job = this.#jobs.run("picture", payload, { heavy: true, group: this.id, signal: either });
    this.#picture = job
      .then(
        (picture) => onPicture?.(picture),
        (error) => {
          if (error?.kind !== superseded().kind) this.#pictureError = error;
        },
      )
      .finally(() => {
        if (this.#running === running) this.#running = null;
      });
  }

  async finish() {
    const { signal } = this.#options;
    if (this.#tokens === 0) {
      throw this.#error ?? new FlextokError(`the file ends after ${this.#received} bytes, before its first token`, "corrupt");
    }
    // A fault takes back what was behind the last checkpoint: what is shown in the end is what is left.
    const takenBack = this.#error?.kind === "corrupt";
    if (!this.#pictureError && (this.#requested !== this.#tokens || takenBack)) this.#request(this.#tokens, true);
    await this.#picture;
    signal?.throwIfAborted();
    if (this.#pictureError) throw this.#pictureError;
    const bytes = await this.#jobs.run("bytes", { stream: this.id }, { signal });
    const state = this.#complete && !this.#error ? "complete" : "truncated";
    return { state, tokens: this.#tokens, proven: this.#proven, header: this.header, bytes, error: this.#error };
  }
}

/** The body of whatever a file can come from. */
async function open(source, signal) {
  if (source instanceof ReadableStream) return source;
  if (source instanceof Blob) return source.stream();
  if (source instanceof Uint8Array || source instanceof ArrayBuffer) return new Blob([source]).stream();
  if (source instanceof Response) return body(source);
  let response;
  try {
    response = await fetch(source, { signal });
  } catch (error) {
    signal?.throwIfAborted();
    throw new FlextokError(`${source} could not be fetched: ${error.message}`, "network", { url: String(source) });
  }
  return body(response);
}

function body(response) {
  const { url, status } = response;
  if (!response.ok) {
    throw new FlextokError(`${url || "the file"} could not be fetched: HTTP status ${status}`, "http", { url, status });
  }
  return response.body ?? new Blob([]).stream();
}
