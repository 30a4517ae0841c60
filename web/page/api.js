// flextok for web pages: decode, encode, cut and inspect .flxt files. All work is done in workers; see api.d.ts.
import { FlextokError, Jobs, own, superseded } from "./jobs.js";
import { Learned, isLearned } from "./look.js";
import { readStream } from "./stream.js";

export { FlextokError };

const beside = (name) => new URL(name, import.meta.url);

/** A codec with its own workers and model. Most pages need only the one that `shared()` gives. */
export class Flextok extends EventTarget {
  #jobs;
  #learned;
  // The newest request of each group: one may wait for the model before it can queue, behind those that came later.
  #newest = new Map();

  constructor({ model, decoder, worker = beside("worker.js") } = {}) {
    super();
    const report = (detail) => this.dispatchEvent(new CustomEvent("progress", { detail }));
    const address = (url) => String(new URL(url, document.baseURI));
    // Another model's decoder would not fit.
    if (decoder === undefined && model === undefined) decoder = beside("decoder.safetensors");
    const source = { model: address(model ?? beside("tables.safetensors")) };
    this.#jobs = new Jobs(worker, source, report, (info, file) => this.#learned.begin(info, file));
    this.#learned = new Learned(this.#jobs, worker, decoder && address(decoder), report);
  }

  load({ signal } = {}) {
    return this.#jobs.load(signal);
  }

  loadDecoder({ signal } = {}) {
    return this.#learned.load(signal);
  }

  async decode(source, options = {}) {
    const { units, steps, seed, keepCanvas, maxPixels, look, output = "pixels", signal, group, onStep } = options;
    const picture = await this.#inGroup(group, async (enter) => {
      const payload = { file: await asBytes(source), units, steps, seed, keepCanvas, maxPixels, look, output };
      const jobs = isLearned(look) ? await this.#learned.jobs(signal) : look === undefined ? this.#best : this.#jobs;
      enter();
      return jobs.run("decode", payload, { heavy: true, signal, group, onStep });
    });
    if (output === "bitmap") return picture;
    const { data, ...rest } = picture;
    return { ...rest, pixels: new ImageData(data, picture.width, picture.height) };
  }

  /** Where pictures get the default look, as soon as there is more than plain. */
  get #best() {
    return this.#learned.ready ?? this.#jobs;
  }

  async encode(source, options = {}) {
    const { tokens, bytes, cutAt, canvas, signal, group, transfer = false } = options;
    return this.#inGroup(group, async (enter) => {
      const handed = await asPicture(source, transfer);
      const list = handed instanceof ImageBitmap ? [handed] : handed instanceof Blob ? [] : [handed.data.buffer];
      const payload = { source: handed, tokens, bytes, cutAt, canvas };
      enter();
      return this.#jobs.run("encode", payload, { heavy: true, signal, group, transfer: list });
    });
  }

  /** Does `work`, which calls `enter` before it queues: that drops what waits of the group, or itself if it is no longer the newest. */
  async #inGroup(group, work) {
    if (group === undefined) return work(() => {});
    const ticket = {};
    this.#newest.set(group, ticket);
    try {
      return await work(() => {
        if (this.#newest.get(group) !== ticket) throw superseded();
        for (const queue of [this.#jobs, this.#learned]) queue.supersede(group);
      });
    } finally {
      if (this.#newest.get(group) === ticket) this.#newest.delete(group);
    }
  }

  async cut(source, { units, bytes, signal } = {}) {
    return this.#jobs.run("cut", { file: await asBytes(source), units, bytes }, { signal });
  }

  async inspect(source, { signal } = {}) {
    return this.#jobs.run("inspect", { file: await asBytes(source) }, { signal });
  }

  stream(source, options) {
    return readStream(this.#jobs, this.#learned, source, options);
  }

  close() {
    this.#jobs.close();
    this.#learned.close();
  }
}

let common;
/** The codec that the functions below and `<flextok-image>` use. */
export const shared = () => (common ??= new Flextok());
export const load = (options) => shared().load(options);
export const loadDecoder = (options) => shared().loadDecoder(options);
export const decode = (source, options) => shared().decode(source, options);
export const encode = (source, options) => shared().encode(source, options);
export const cut = (source, options) => shared().cut(source, options);
export const inspect = (source, options) => shared().inspect(source, options);
export const stream = (source, options) => shared().stream(source, options);

async function asBytes(source) {
  if (source instanceof Uint8Array) return own(source);
  if (source instanceof ArrayBuffer) return new Uint8Array(source);
  if (source instanceof Blob) return new Uint8Array(await source.arrayBuffer());
  throw new TypeError("a .flxt file is a Uint8Array, an ArrayBuffer or a Blob");
}

/** What can be sent to the worker: the source itself where it may be handed over or is only a reference, else a copy. */
async function asPicture(source, transfer) {
  if (source instanceof Blob) return source;
  if (source instanceof ImageBitmap) return transfer ? source : createImageBitmap(source);
  if (source instanceof ImageData) {
    const { data, width, height } = source;
    return { data: transfer ? data : data.slice(), width, height };
  }
  throw new TypeError("a picture is a Blob, an ImageBitmap or an ImageData");
}
