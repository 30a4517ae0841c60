// The stage: one picture, decoded from as many bytes as the slider says, next to a WebP of the same size and the original.
import { FlextokError, cut, decode, encode, inspect, load, stream } from "./api.js";
import { WebpRival } from "./webp.js";

const $ = (id) => document.getElementById(id);
// More than the frame shows, and far more than the model knows.
const MOST_PIXELS = 1_500_000;
// Extreme formats get bars instead of a page-high frame.
const RATIOS = [0.7, 2];

/** Dispatches `open` with the address of each new picture, undefined where it has none. */
export class Stage extends EventTarget {
  #slider = $("size");
  #webp = new WebpRival();
  // What is shown: {name, file, cuts, info, photo, url}; photo is null where only the tokens are available.
  #shown = null;
  #opening = null;
  #tokens = 64;
  #urls = new Map();

  constructor() {
    super();
    this.#slider.addEventListener("input", () => this.#choose(this.#tokensAt(this.#slider.value), false));
    this.#slider.addEventListener("keydown", (event) => this.#key(event));
  }

  get empty() {
    return !this.#shown && !this.#opening;
  }

  /** Where the shown file came from, undefined for others than the server's. */
  get url() {
    return this.#shown?.url;
  }

  /** Shows a status message, unless an error is shown: that stays until the next picture. */
  note(text) {
    if (!$("status").classList.contains("bad")) $("status").textContent = text;
  }

  /** Reserves space for one of the server's files before it arrives. */
  expect({ width, height }) {
    this.#setShape(width, height, true);
  }

  openPhoto(photo, name) {
    return this.#open(name, async (signal) => {
      this.note("Encoding …");
      const { bytes, width, height, milliseconds } = await encode(photo, { signal });
      const done = `Encoded ${width} × ${height} pixels in ${Math.round(milliseconds)} ms.`;
      return { file: bytes, photo, done };
    });
  }

  openFile(source, name) {
    return this.#open(name, async () => ({ file: new Uint8Array(await source.arrayBuffer()), photo: null }));
  }

  openUrl(url, name) {
    return this.#open(name, async (signal) => {
      const response = await fetch(url, { signal });
      if (!response.ok) throw new Error(`${name} could not be fetched: HTTP status ${response.status}`);
      return { file: new Uint8Array(await response.arrayBuffer()), photo: null, url };
    });
  }

  /** Shows the result of `read`. Returns the error that prevented it, or undefined. */
  async #open(name, read) {
    this.#opening?.abort();
    const opening = new AbortController();
    this.#opening = opening;
    const { signal } = opening;
    // The texts about the previous picture do not apply to this one.
    $("status").classList.remove("bad");
    $("status").textContent = "";
    try {
      const { file: given, photo, url, done } = await read(signal);
      const { file, info, fault } = await examine(given, signal);
      signal.throwIfAborted();
      this.#shown = { name, file, photo, url, info, cuts: info.cuts };
      this.#setUp();
      this.dispatchEvent(new CustomEvent("open", { detail: { url } }));
      await this.#choose(Math.min(this.#tokens, this.#most));
      if (!signal.aborted) this.note(done ?? describe(info, fault));
      // Without an original to compare with, show the decode of the whole file.
      if (!photo) await this.#paint("whole", file, this.#most, `${file.length} bytes`);
    } catch (error) {
      if (signal.aborted) return undefined;
      this.#complain(name, error);
      return error;
    } finally {
      if (this.#opening === opening) this.#opening = null;
    }
  }

  #complain(name, error) {
    $("status").classList.add("bad");
    $("status").textContent = `${name}: ${error.message}`;
  }

  get #most() {
    return this.#shown.cuts.length;
  }

  /** Everything that depends on the picture but not on the slider. */
  #setUp() {
    const { name, file, photo, info } = this.#shown;
    this.#setShape(info.width, info.height, !photo);
    for (const id of ["decoded", "whole"]) this.#wipe(id);
    $("time").textContent = "–";
    $("all-tokens").textContent = this.#most;
    this.#slider.disabled = false;
    this.#drawTicks();
    this.#setUrl("download-all", new Blob([file], { type: "image/vnd.flextok" }));
    $("download-all").download = `${stem(name)}.flxt`;
    $("download-all").textContent = `the whole file, ${file.length} bytes`;
    this.#show("original", photo, photo ? `The original of ${name}` : "");
    $("original-label").textContent = photo ? `${count(photo.size)} · ${info.width} × ${info.height} px` : "";
    $("webp-none").textContent = "Looking for the best WebP …";
    this.#show("webp", null);
    $("webp-label").textContent = "";
    this.#webp.prepare(photo, file.length, () => this.#showWebp());
  }

  /** Removes the picture of another file, until there is one of this file or in case there will be none. */
  #wipe(id) {
    const canvas = $(id);
    canvas.getContext("bitmaprenderer").transferFromImageBitmap(null);
    canvas.setAttribute("aria-label", "No picture yet");
    delete canvas.dataset.tokens;
    $(`${id}-label`).textContent = "";
  }

  #setShape(width, height, alone) {
    const ratio = Math.min(RATIOS[1], Math.max(RATIOS[0], width / height));
    $("stage").style.setProperty("--ratio", ratio);
    $("stage").classList.toggle("alone", alone);
    $("decoded-none").hidden ||= alone;
  }

  #drawTicks() {
    const ticks = [];
    for (let tokens = 1; tokens < this.#most; tokens *= 2) ticks.push(tokens);
    ticks.push(this.#most);
    $("ticks").replaceChildren(
      ...ticks.map((tokens, index) => {
        const tick = document.createElement("span");
        tick.textContent = this.#bytesOf(tokens);
        tick.style.setProperty("--at", this.#positionOf(tokens) / 1000);
        // On narrow screens every other number is left out; the ends stay.
        tick.classList.toggle("minor", (ticks.length - 1 - index) % 2 === 1 && index > 0);
        return tick;
      }),
    );
  }

  #bytesOf(tokens) {
    return this.#shown.cuts[tokens - 1].complete_bytes;
  }

  // The scale is logarithmic in tokens: where few bytes are, each of them matters.
  #positionOf(tokens) {
    return this.#most > 1 ? (1000 * Math.log(tokens)) / Math.log(this.#most) : 1000;
  }
  #tokensAt(position) {
    return Math.round(this.#most ** (position / 1000));
  }

  #key(event) {
    if (!this.#shown || event.ctrlKey || event.metaKey || event.altKey) return;
    const now = this.#tokens;
    const wanted = {
      ArrowRight: now + 1,
      ArrowUp: now + 1,
      ArrowLeft: now - 1,
      ArrowDown: now - 1,
      PageUp: 2 ** Math.floor(Math.log2(now) + 1),
      PageDown: 2 ** Math.ceil(Math.log2(now) - 1),
      Home: 1,
      End: this.#most,
    }[event.key];
    if (wanted === undefined) return;
    event.preventDefault();
    this.#choose(Math.min(this.#most, Math.max(1, wanted)));
  }

  /** Shows the picture of this number of tokens. */
  async #choose(tokens, moveSlider = true) {
    this.#tokens = tokens;
    const bytes = this.#bytesOf(tokens);
    const { file, name } = this.#shown;
    const position = this.#positionOf(tokens);
    if (moveSlider) this.#slider.value = position;
    this.#slider.style.setProperty("--at", this.#slider.value / 1000);
    this.#slider.setAttribute("aria-valuetext", `${bytes} bytes, ${tokens} of ${this.#most} tokens`);
    $("bytes").textContent = bytes;
    $("tokens").textContent = tokens;
    this.#showWebp();
    try {
      await Promise.all([this.#decode(file, tokens, bytes), this.#offer(file, tokens, bytes, name)]);
    } catch (error) {
      // A newer choice or another picture has its own outcome.
      if (error.kind !== "superseded" && file === this.#shown.file) this.#complain(name, error);
    }
  }

  async #decode(file, tokens, bytes) {
    const milliseconds = await this.#paint("decoded", file, tokens, `${bytes} bytes`);
    if (milliseconds !== undefined) $("time").textContent = Math.round(milliseconds);
  }

  /** Decodes to a canvas, unless another file is shown by then, and says how long it took. */
  async #paint(id, file, tokens, label) {
    const { name } = this.#shown;
    const picture = await decode(file, { tokens, maxPixels: MOST_PIXELS, output: "bitmap", group: id });
    if (file !== this.#shown.file) return void picture.bitmap.close();
    const canvas = $(id);
    canvas.width = picture.width;
    canvas.height = picture.height;
    canvas.getContext("bitmaprenderer").transferFromImageBitmap(picture.bitmap);
    canvas.setAttribute("aria-label", `${name}, decoded from ${tokens} ${tokens === 1 ? "token" : "tokens"}`);
    canvas.dataset.tokens = tokens;
    $(`${id}-label`).textContent = label;
    const none = $(`${id}-none`);
    if (none) none.hidden = true;
    return picture.milliseconds;
  }

  /** Sets the download link to the file cut to this number of tokens. */
  async #offer(file, tokens, bytes, name) {
    const link = $("download");
    // Until the cut is ready, the link must not lead to a file other than its label names.
    link.removeAttribute("href");
    const part = await cut(file, { tokens });
    if (tokens !== this.#tokens || file !== this.#shown.file) return;
    this.#setUrl("download", new Blob([part], { type: "image/vnd.flextok" }));
    link.download = `${stem(name)}-${tokens}.flxt`;
    link.textContent = `Download ${bytes} bytes`;
  }

  #showWebp() {
    if (!this.#shown?.photo || !this.#webp.ready) return;
    const budget = this.#bytesOf(this.#tokens);
    const { best, smallest, why } = this.#webp.within(budget);
    this.#show("webp", best?.blob ?? null, best ? `${this.#shown.name} as WebP of ${best.bytes} bytes` : "");
    $("webp-label").textContent = best ? `${best.bytes} bytes · ${best.width} × ${best.height} px, enlarged` : "";
    if (best) return;
    $("webp-none").textContent =
      why ??
      `WebP cannot be that small: its smallest file of this photo, ${smallest.width} × ${smallest.height} pixels, has ${smallest.bytes} bytes.`;
  }

  #show(id, blob, alt = "") {
    const image = $(id);
    image.alt = alt;
    image.hidden = !blob;
    $(`${id}-none`).hidden = Boolean(blob);
    if (blob) this.#setUrl(id, blob);
  }

  /** Sets a link or an image to the URL of a blob and revokes the previous one. */
  #setUrl(id, blob) {
    const element = $(id);
    const last = this.#urls.get(id);
    if (last?.blob === blob) return void (element[element instanceof HTMLImageElement ? "src" : "href"] = last.url);
    const url = URL.createObjectURL(blob);
    this.#urls.set(id, { blob, url });
    element[element instanceof HTMLImageElement ? "src" : "href"] = url;
    element.removeAttribute("aria-disabled");
    if (last) URL.revokeObjectURL(last.url);
  }
}

/** Inspects a file: all of it, or of a corrupt one the part that its checksums prove, with the fault. */
async function examine(given, signal) {
  const [{ fingerprint }, { file, fault }] = await Promise.all([load({ signal }), readable(given, signal)]);
  const info = await inspect(file, { signal });
  if (info.model !== fingerprint) {
    throw new FlextokError(`it was made by the model ${info.model}, but this page has ${fingerprint}`, "model");
  }
  if (info.cuts.length === 0) throw new FlextokError("it ends before its first token", "corrupt");
  return { file, info, fault };
}

async function readable(file, signal) {
  try {
    await inspect(file, { signal });
    return { file };
  } catch (error) {
    if (error.kind !== "corrupt") throw error;
    // The reader keeps what is before the fault.
    const onPicture = ({ bitmap }) => bitmap.close();
    const { bytes } = await stream(file, { signal, onPicture });
    return { file: bytes, fault: error };
  }
}

function describe({ state, tokens_have: have, tokens_per_canvas: each, canvases = 1 }, fault) {
  const count = `${have} of ${each * canvases} tokens`;
  return `${count}: ${fault ? fault.message : state}.`;
}

const stem = (name) => name.replace(/^.*\//, "").replace(/\.[^.]*$/, "") || "picture";
const count = (bytes) => (bytes < 10_000 ? `${bytes} bytes` : `${Math.round(bytes / 1000)} kB`);
