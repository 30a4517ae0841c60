// flextok for web pages: decode, encode, cut and inspect .flxt files. All work is done in a worker; see api.d.ts.
import { FlextokError, Jobs, own } from "./jobs.js";
import { readStream } from "./stream.js";

export { FlextokError };

/** A codec with its own worker and model. Most pages need only the one that `shared()` gives. */
export class Flextok extends EventTarget {
  #jobs;

  constructor({ model = new URL("model.safetensors", import.meta.url), worker = new URL("worker.js", import.meta.url) } = {}) {
    super();
    const report = (detail) => this.dispatchEvent(new CustomEvent("progress", { detail }));
    this.#jobs = new Jobs(worker, new URL(model, document.baseURI), report);
  }

  load({ signal } = {}) {
    return this.#jobs.load(signal);
  }

  async decode(source, options = {}) {
    const { units, steps, seed, keepCanvas, maxPixels, output = "pixels", signal, group, onStep } = options;
    const payload = { file: await asBytes(source), units, steps, seed, keepCanvas, maxPixels, output };
    const picture = await this.#jobs.run("decode", payload, { heavy: true, signal, group, onStep });
    if (output === "bitmap") return picture;
    const { data, ...rest } = picture;
    return { ...rest, pixels: new ImageData(data, picture.width, picture.height) };
  }

  async encode(source, { tokens, bytes, signal, group, transfer = false } = {}) {
    const handed = await asPicture(source, transfer);
    const list = handed instanceof ImageBitmap ? [handed] : handed instanceof Blob ? [] : [handed.data.buffer];
    return this.#jobs.run("encode", { source: handed, tokens, bytes }, { heavy: true, signal, group, transfer: list });
  }

  async cut(source, { units, bytes, signal } = {}) {
    return this.#jobs.run("cut", { file: await asBytes(source), units, bytes }, { signal });
  }

  async inspect(source, { signal } = {}) {
    return this.#jobs.run("inspect", { file: await asBytes(source) }, { signal });
  }

  stream(source, options) {
    return readStream(this.#jobs, source, options);
  }

  close() {
    this.#jobs.close();
  }
}

let common;
/** The codec that the functions below and `<flextok-image>` use. */
export const shared = () => (common ??= new Flextok());
export const load = (options) => shared().load(options);
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
