// The worker: holds the WebAssembly module and the model, and does one job at a time. Which one, jobs.js decides.
import { fetchFile } from "./model.js";

// Beyond this a photo is downscaled by the browser before it is encoded: its memory twice over is more than a phone gives a
// page.
const MOST_PIXELS = 24_000_000;

let stop = null;
let module = null;
let codec = null;
const readers = new Map();

self.onmessage = async ({ data: { id, type, payload, ...rest } }) => {
  if (type === "start") {
    stop = rest.stop;
    return;
  }
  if (type === "load") return load(rest.source);
  try {
    const wasm = await loadModule();
    const { result, transfer = [] } = await handlers[type](wasm, payload, id);
    self.postMessage({ id, type: "done", result }, transfer);
  } catch (error) {
    self.postMessage({ id, type: "done", error: plain(error) });
  }
};

/** The module, loaded once; a failure is not kept, so that the next job tries again. */
function loadModule() {
  module ??= startModule().catch((error) => {
    module = null;
    throw Object.assign(new Error(`the WebAssembly module could not be loaded: ${error.message}`), { kind: "module" });
  });
  return module;
}

async function startModule() {
  const wasm = await import("./flextok.js");
  await wasm.default({ module_or_path: new URL("flextok_bg.wasm", import.meta.url) });
  return wasm;
}

/** Fetches what `source` has only the address of, and opens the model. */
async function load({ model, decoder }) {
  try {
    const part = decoder ? "decoder" : "model";
    const report = (progress) => self.postMessage({ type: "progress", progress: { part, ...progress } });
    // Both in parallel.
    const modulePromise = loadModule();
    modulePromise.catch(() => {});
    const url = decoder ?? (typeof model === "string" ? model : undefined);
    const what = decoder ? "the learned decoder" : "the model";
    let file = url ? await fetchFile(url, what, report) : { bytes: model, cached: false };
    const wasm = await modulePromise;
    const start = performance.now();
    const open = () => (decoder ? new wasm.Codec(model, file.bytes) : new wasm.Codec(file.bytes));
    try {
      codec = open();
    } catch (error) {
      if (!file.cached) throw error;
      // What the cache kept is not a model, or not one that this version can use.
      file = await fetchFile(url, what, report, { fresh: true });
      codec = open();
    }
    const { name, tokens, learned } = codec;
    // The second worker prepares its layers before a picture needs them, and the browser compiles what they run.
    if (learned && typeof model !== "string") codec.decode(codec.encode(new Uint8Array(4 * 64 * 64), 64, 64)).free();
    const { bytes, cached } = file;
    const info = { name, tokens, learned, bytes: bytes.length, cached, milliseconds: performance.now() - start };
    // A second worker will open what has tables.
    const needed = !decoder && tokens === undefined;
    self.postMessage({ type: "loaded", info, file: needed ? bytes : undefined }, needed ? [bytes.buffer] : []);
  } catch (error) {
    self.postMessage({ type: "load-failed", error: plain(error) });
  }
}

const handlers = {
  cut: (wasm, { file, units, bytes }) => sent(wasm.cut(file, units, bytes)),
  inspect: (wasm, { file }) => ({ result: wasm.inspect(file) }),
  decode: (wasm, { file, ...options }, id) => picture(wasm, file, options, id),

  async encode(wasm, { source, ...options }) {
    const { data, width, height, original } = await pixels(source);
    const start = performance.now();
    const declared = { originalWidth: original?.width, originalHeight: original?.height };
    const file = codec.encode(data, width, height, { ...options, ...declared });
    const result = { bytes: file, width, height, ...original, milliseconds: performance.now() - start };
    return { result, transfer: [file.buffer] };
  },

  // The push reader of a file that is still on its way.
  feed(wasm, { stream, chunk }) {
    const reader = readers.get(stream) ?? new wasm.Reader();
    readers.set(stream, reader);
    let events = [];
    let error = null;
    try {
      events = reader.feed(chunk);
    } catch (fault) {
      if (isTrap(fault)) throw fault;
      error = plain(fault);
      // The events in the same bytes before the fault.
      events = fault.events ?? [];
    }
    const { units, proven, complete } = reader;
    return { result: { events, error, units, proven, complete } };
  },
  picture: (wasm, { stream, ...options }, id) => picture(wasm, readers.get(stream).bytes(), options, id),
  bytes: (wasm, { stream }) => sent(readers.get(stream)?.bytes() ?? new Uint8Array()),
  close(wasm, { stream }) {
    readers.get(stream)?.free();
    readers.delete(stream);
    return { result: null };
  },
};

const sent = (bytes) => ({ result: bytes, transfer: [bytes.buffer] });

async function picture(wasm, file, { keepCanvas, maxPixels, output, ...options }, id) {
  const start = performance.now();
  const onStep = (step, total) => {
    self.postMessage({ id, type: "step", step, total });
    return !stop || Atomics.load(stop, 0) !== id;
  };
  const less = maxPixels && output === "bitmap" ? reduced(wasm.inspect(file), maxPixels) : undefined;
  const made = codec.decode(file, { ...options, keepCanvas: keepCanvas || Boolean(less?.ofCanvas), onStep });
  const { width, height, units, look, rgba } = made;
  made.free();
  const result = { width, height, units, look, bytes: file.length, milliseconds: performance.now() - start };
  if (output === "bitmap") {
    const bitmap = await createImageBitmap(new ImageData(rgba, width, height), less?.resize);
    return { result: { ...result, width: bitmap.width, height: bitmap.height, bitmap }, transfer: [bitmap] };
  }
  return { result: { ...result, data: rgba }, transfer: [rgba.buffer] };
}

/** How to bring a picture with too many pixels to a smaller size: from its canvas, unless that is filled up to whole blocks. */
function reduced({ width, height, canvas_is_own: own }, most) {
  const factor = Math.sqrt(most / (width * height));
  if (factor >= 1) return undefined;
  const size = (length) => Math.max(1, Math.round(length * factor));
  const resize = { resizeWidth: size(width), resizeHeight: size(height), resizeQuality: "high" };
  return { resize, ofCanvas: !own };
}

/**
 * RGBA of whatever can be encoded: a Blob with a photo in it, an ImageBitmap, or pixels. `original` is the size before
 * it was shrunk, if it was: the file is to say that one.
 */
async function pixels(source) {
  if (source.data) return source;
  let bitmap = source;
  if (source instanceof Blob) {
    try {
      bitmap = await createImageBitmap(source);
    } catch {
      throw Object.assign(new Error("this browser cannot read that file as a picture"), { kind: "image" });
    }
  }
  const shrink = Math.min(1, Math.sqrt(MOST_PIXELS / (bitmap.width * bitmap.height)));
  const width = Math.max(1, Math.floor(bitmap.width * shrink));
  const height = Math.max(1, Math.floor(bitmap.height * shrink));
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, width, height);
  const { data } = context.getImageData(0, 0, width, height);
  const original = shrink < 1 ? { width: bitmap.width, height: bitmap.height } : undefined;
  bitmap.close();
  return { data, width, height, original };
}

const isTrap = (error) => error instanceof WebAssembly.RuntimeError || error instanceof RangeError;

function plain(error) {
  const { status, url } = error;
  const kind = error.kind ?? (isTrap(error) ? "crash" : "internal");
  return { message: error.message ?? String(error), kind, status, url, fatal: isTrap(error) };
}
