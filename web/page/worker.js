// The worker: holds the WebAssembly module and the model, and does one job at a time. Which one, jobs.js decides.
import { fetchModel } from "./model.js";

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
  if (type === "load") return load(rest.url);
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

async function load(url) {
  try {
    const report = (progress) => self.postMessage({ type: "progress", progress });
    // Both in parallel: the module is small compared with the model.
    const modulePromise = loadModule();
    modulePromise.catch(() => {});
    let model = await fetchModel(url, report);
    const wasm = await modulePromise;
    const start = performance.now();
    try {
      codec = new wasm.Codec(model.bytes);
    } catch (error) {
      if (!model.cached) throw error;
      // What the cache kept is not a model, or not one that this version can use.
      model = await fetchModel(url, report, { fresh: true });
      codec = new wasm.Codec(model.bytes);
    }
    const { name, tokens } = codec;
    const info = { name, tokens, bytes: model.bytes.length, cached: model.cached };
    self.postMessage({ type: "loaded", info: { ...info, milliseconds: performance.now() - start } });
  } catch (error) {
    self.postMessage({ type: "load-failed", error: plain(error) });
  }
}

const handlers = {
  cut: (wasm, { file, units, bytes }) => sent(wasm.cut(file, units, bytes)),
  inspect: (wasm, { file }) => ({ result: wasm.inspect(file) }),
  decode: (wasm, { file, ...options }, id) => picture(wasm, file, options, id),

  async encode(wasm, { source, tokens, bytes }) {
    const { data, width, height, original } = await pixels(source);
    const start = performance.now();
    const file = codec.encode(data, width, height, tokens, bytes, original?.width, original?.height);
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

async function picture(wasm, file, { units, steps, seed, keepCanvas, maxPixels, output }, id) {
  const start = performance.now();
  const onStep = (step, total) => {
    self.postMessage({ id, type: "step", step, total });
    return !stop || Atomics.load(stop, 0) !== id;
  };
  const less = maxPixels && output === "bitmap" ? reduced(wasm.inspect(file), maxPixels) : undefined;
  const made = codec.decode(file, units, steps, seed, keepCanvas || Boolean(less?.ofCanvas), onStep);
  const { width, height, units: used, rgba } = made;
  made.free();
  const result = { width, height, units: used, bytes: file.length, milliseconds: performance.now() - start };
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
