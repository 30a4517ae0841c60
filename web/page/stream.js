// A file that is decoded while it arrives: reads a body chunk by chunk, requests better and better pictures, and keeps what
// has arrived when the connection or the file breaks off.
import { FlextokError, own } from "./jobs.js";
import { checkLook } from "./look.js";

/** See `Flextok.stream` in api.d.ts. */
export async function readStream(jobs, learned, source, options = {}) {
  const { signal, look } = options;
  signal?.throwIfAborted();
  checkLook(look);
  // Where it could not be fetched before, it is tried again for whoever asks for it, once.
  if (look !== undefined && look !== "plain") learned.load(signal).catch(() => {});
  const stream = new Stream(jobs, learned, options);
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
  #learned;
  #options;
  #units = 0;
  #proven = 0;
  #received = 0;
  #due = 1;
  #complete = false;
  #error = null;
  #requested = 0;
  #picture = null;
  #pictureError = null;
  // Of the newest picture: whether it has got its look, and what gives that up.
  #refined = Promise.resolve(false);
  #newer = new AbortController();

  constructor(jobs, learned, options) {
    this.id = jobs.newStream();
    this.#jobs = jobs;
    this.#learned = learned;
    this.#options = options;
  }

  async read(body) {
    const { signal, units: most = Infinity } = this.#options;
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
        if (this.#units >= most) {
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
    const { signal, units: most = Infinity, onHeader } = this.#options;
    const report = await this.#jobs.run("feed", { stream: this.id, chunk: own(chunk) }, { signal });
    for (const event of report.events) {
      if (event.type !== "header") continue;
      this.header = event;
      onHeader?.(event);
    }
    this.#units = Math.min(report.units, most);
    this.#proven = Math.min(report.proven, most);
    this.#complete ||= report.complete;
    if (report.error) {
      const { message, kind } = report.error;
      this.#error = new FlextokError(message, kind);
      return;
    }
    // Without a model, further requests would fail too.
    if (this.#units >= this.#due && !this.#pictureError) {
      this.#due = this.#nextDue();
      this.#request(this.#units);
    }
  }

  /** Units that the picture after this one is due at: a network's decode takes long, that of a coded payload no time. */
  #nextDue() {
    if (this.header.payload === "ids") return 2 ** (Math.floor(Math.log2(this.#units)) + 1);
    // All pictures together take at most about nine times as long as the last one.
    return this.#units + Math.max(1, Math.floor(this.#units / 8));
  }

  #request(units) {
    const { signal, steps, seed, onPicture } = this.#options;
    // Plain first, which takes no time.
    const look = this.#isCoded ? "plain" : this.#options.look;
    const payload = { stream: this.id, ...this.#choices, units, steps, seed, look };
    this.#requested = units;
    this.#newer.abort(new FlextokError("newer bytes came", "superseded"));
    this.#newer = new AbortController();
    const { signal: newer } = this.#newer;
    this.#refined = Promise.resolve(false);
    // A newer one replaces one that waits. None is given up on the way: the worker takes no bytes while it decodes.
    const job = this.#jobs.run("picture", payload, { heavy: true, group: this.id, signal });
    this.#picture = job.then(
      (picture) => {
        onPicture?.(picture);
        if (this.#requested === units && !newer.aborted) this.#refined = this.#refine(units, newer).catch(() => false);
      },
      (error) => {
        if (error?.kind !== "superseded") this.#pictureError = error;
      },
    );
  }

  get #isCoded() {
    return this.header.payload === "coded";
  }

  get #choices() {
    const { keepCanvas, maxPixels, output = "bitmap" } = this.#options;
    return { keepCanvas, maxPixels, output };
  }

  /** The same picture with its look, unless newer bytes come meanwhile. Returns whether it was made. */
  async #refine(units, newer) {
    const { signal: own, look, onPicture } = this.#options;
    if (!this.#isCoded || look === "plain") return false;
    const signal = own ? AbortSignal.any([own, newer]) : newer;
    // Now: the reader will be closed before a decoder that is still on its way has come.
    const file = await this.#jobs.run("bytes", { stream: this.id }, { signal });
    const jobs = await this.#learned.coming(signal);
    if (!jobs) return false;
    const payload = { file, ...this.#choices, units, look };
    const picture = await jobs.run("decode", payload, { heavy: true, signal });
    onPicture?.(picture);
    return true;
  }

  async finish() {
    const { signal } = this.#options;
    if (this.#units === 0) {
      throw this.#error ?? new FlextokError(`the file ends after ${this.#received} bytes, before its first byte of payload`, "corrupt");
    }
    // A fault takes back what was behind the last checksum: what is shown in the end is what is left.
    const takenBack = this.#error?.kind === "corrupt";
    if (!this.#pictureError && (this.#requested !== this.#units || takenBack)) this.#request(this.#units);
    await this.#picture;
    signal?.throwIfAborted();
    if (this.#pictureError) throw this.#pictureError;
    const bytes = await this.#jobs.run("bytes", { stream: this.id }, { signal });
    const state = this.#complete && !this.#error ? "complete" : "truncated";
    const [units, proven, refined] = [this.#units, this.#proven, this.#refined];
    return { state, units, proven, header: this.header, bytes, error: this.#error, refined };
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
