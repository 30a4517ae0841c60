// The stage: one picture, decoded from as many bytes as the slider says, next to a WebP of the same size and the original.
import { FlextokError, cut, decode, encode, inspect, load, loadDecoder, stream } from "./api.js";
import { WebpRival } from "./webp.js";

const $ = (id) => document.getElementById(id);
// More than the frame shows.
const MOST_PIXELS = 1_500_000;
// So long has nothing been chosen when the slider rests, in milliseconds.
const REST = 150;
// Extreme formats get bars instead of a page-high frame.
const RATIOS = [0.7, 2];
// Bytes that a file starts at: all of them would show the same picture twice.
const FIRST_OF_FILE = 256;

/** Dispatches `open` with the address of each new picture, undefined where it has none. */
export class Stage extends EventTarget {
  #slider = $("size");
  #webp = new WebpRival();
  // What is shown: {name, file, info, photo, url}; photo is null where only the file is available.
  #shown = null;
  #opening = null;
  // The most bytes that the decoded picture may have, as a file of its own.
  #bytes = 0;
  // Where the slider was last moved to, in bytes, Infinity at its end; null before. It stays for the next picture, as far as
  // that goes, and is not forgotten over one that is smaller.
  #wanted = null;
  #urls = new Map();
  // Of each canvas: what makes its picture once more, with a look, and what gives that up.
  #refine = new Map();
  #refining = new Map();
  // Whether looks other than plain will be there. Asked for anew only when one is chosen, not at each rest of the slider.
  #hasDecoder = null;

  constructor() {
    super();
    $("look").addEventListener("change", () => this.#lookAgain());
    this.#slider.addEventListener("input", () => this.#move(this.#bytesAt(this.#slider.value), false));
    this.#slider.addEventListener("keydown", (event) => this.#key(event));
    $("budget").addEventListener("change", () => this.#encodeAgain());
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

  /** Opens a photo, or the one that a promise is for. `about` it, the status says when it is shown. */
  openPhoto(source, name, about) {
    return this.#open(name, async (signal) => {
      this.note("Encoding …");
      const photo = await source;
      const budget = Number($("budget").value);
      const { bytes, width, height, milliseconds } = await encode(photo, { bytes: budget, signal });
      const done = about ?? `Encoded ${width} × ${height} pixels in ${Math.round(milliseconds)} ms.`;
      return { file: bytes, photo, done };
    });
  }

  /** Encodes the photo that is shown, if it is one, for another number of bytes, and shows all of them. */
  #encodeAgain() {
    const { photo, name } = this.#shown;
    this.#wanted = Infinity;
    if (photo) this.openPhoto(photo, name);
  }

  openFile(source, name) {
    return this.#open(name, async () => ({ file: new Uint8Array(await source.arrayBuffer()), photo: null }));
  }

  openUrl(url, name) {
    return this.#open(name, async (signal) => {
      this.note("Loading …");
      const response = await fetched(url, signal);
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
    $("stage").classList.add("busy");
    try {
      const { file: given, photo, url, done } = await read(signal);
      const { file, info, fault } = await examine(given, signal);
      signal.throwIfAborted();
      this.#shown = { name, file, photo, url, info };
      this.#setUp();
      this.dispatchEvent(new CustomEvent("open", { detail: { url } }));
      $("stage").classList.remove("busy");
      await this.#choose(this.#within(this.#wanted ?? (photo ? Infinity : FIRST_OF_FILE)));
      if (!signal.aborted) this.note(done ?? describe(info, fault));
      // Without an original to compare with, show the decode of the whole file.
      if (!photo) await this.#paint("whole", file, file);
    } catch (error) {
      if (signal.aborted) return undefined;
      this.#complain(name, error);
      return error;
    } finally {
      if (this.#opening === opening) {
        this.#opening = null;
        $("stage").classList.remove("busy");
      }
    }
  }

  #complain(name, error) {
    $("status").classList.add("bad");
    $("status").textContent = `${name}: ${error.message}`;
  }

  // Bytes of the smallest and of the largest file that can be cut from the one that is shown.
  get #least() {
    return this.#shown.info.cuts[0].complete_bytes;
  }
  get #most() {
    return this.#shown.info.cuts.at(-1).complete_bytes;
  }
  #within(bytes) {
    return Math.min(this.#most, Math.max(this.#least, bytes));
  }

  /** Everything that depends on the picture but not on the slider. */
  #setUp() {
    const { name, file, photo, info } = this.#shown;
    this.#setShape(info.width, info.height, !photo);
    for (const id of ["decoded", "whole"]) this.#wipe(id);
    $("time").textContent = "–";
    $("all-bytes").textContent = this.#most;
    this.#slider.disabled = false;
    $("encode-for").hidden = !photo;
    // A FlexTok network has only one.
    $("look-for").hidden = info.payload !== "coded";
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
    this.#refining.get(id)?.abort();
    this.#refine.delete(id);
    canvas.getContext("bitmaprenderer").transferFromImageBitmap(null);
    canvas.setAttribute("aria-label", "No picture yet");
    delete canvas.dataset.bytes;
    delete canvas.dataset.look;
    $(`${id}-label`).textContent = "";
    $(`${id}-look`).textContent = "";
  }

  #setShape(width, height, alone) {
    const ratio = Math.min(RATIOS[1], Math.max(RATIOS[0], width / height));
    $("stage").style.setProperty("--ratio", ratio);
    $("stage").classList.toggle("alone", alone);
    $("decoded-none").hidden ||= alone;
  }

  #drawTicks() {
    const ticks = [this.#least];
    // None so close to an end that their numbers would touch.
    for (let bytes = 2; bytes < 0.75 * this.#most; bytes *= 2) {
      if (bytes > 1.3 * this.#least) ticks.push(bytes);
    }
    if (this.#most > this.#least) ticks.push(this.#most);
    $("ticks").replaceChildren(
      ...ticks.map((bytes, index) => {
        const tick = document.createElement("span");
        tick.textContent = bytes;
        tick.style.setProperty("--at", this.#positionOf(bytes) / 1000);
        // On narrow screens every other number is left out; the ends stay.
        tick.classList.toggle("minor", (ticks.length - 1 - index) % 2 === 1 && index > 0);
        return tick;
      }),
    );
  }

  // The scale is logarithmic: where few bytes are, each of them matters.
  #positionOf(bytes) {
    const all = Math.log(this.#most / this.#least);
    return all > 0 ? (1000 * Math.log(bytes / this.#least)) / all : 1000;
  }
  #bytesAt(position) {
    return Math.round(this.#least * (this.#most / this.#least) ** (position / 1000));
  }

  #key(event) {
    if (!this.#shown || event.ctrlKey || event.metaKey || event.altKey) return;
    const now = this.#bytes;
    const wanted = {
      ArrowRight: now + 1,
      ArrowUp: now + 1,
      ArrowLeft: now - 1,
      ArrowDown: now - 1,
      PageUp: 2 ** Math.floor(Math.log2(now) + 1),
      PageDown: 2 ** Math.ceil(Math.log2(now) - 1),
      Home: this.#least,
      End: this.#most,
    }[event.key];
    if (wanted === undefined) return;
    event.preventDefault();
    this.#move(this.#within(wanted));
  }

  /** As the slider is moved, to this many bytes. */
  #move(bytes, moveSlider = true) {
    this.#wanted = bytes === this.#most ? Infinity : bytes;
    return this.#choose(bytes, moveSlider);
  }

  /** Shows the picture of at most this many bytes. */
  async #choose(bytes, moveSlider = true) {
    this.#bytes = bytes;
    const { file, name } = this.#shown;
    if (moveSlider) this.#slider.value = this.#positionOf(bytes);
    this.#slider.style.setProperty("--at", this.#slider.value / 1000);
    this.#slider.setAttribute("aria-valuetext", `${bytes} of ${this.#most} bytes`);
    $("bytes").textContent = bytes;
    this.#showWebp();
    this.#refining.get("decoded")?.abort();
    // Until the cut is ready, the link must not lead to a file other than its label names.
    $("download").removeAttribute("href");
    try {
      const part = await cut(file, { bytes });
      if (bytes !== this.#bytes || file !== this.#shown.file) return;
      this.#offer(part, name);
      await this.#paint("decoded", file, part);
    } catch (error) {
      // A newer choice or another picture has its own outcome.
      if (error.kind !== "superseded" && file === this.#shown.file) this.#complain(name, error);
    }
  }

  /** Shows a part of a file on a canvas: plain at once, and with its look when nothing newer has come for a moment. */
  async #paint(id, file, part) {
    this.#refining.get(id)?.abort();
    const coded = this.#shown.info.payload === "coded";
    const show = async (look, options) => {
      const picture = await decode(part, { maxPixels: MOST_PIXELS, output: "bitmap", look, ...options });
      if (file !== this.#shown.file || options.signal?.aborted) return picture.bitmap.close();
      this.#put(id, picture, part.length);
    };
    this.#refine.set(id, (look, signal) => show(look, { signal }));
    await show(coded ? "plain" : undefined, { group: id });
    if (coded && file === this.#shown.file) this.#rest(id);
  }

  /** Gives what a canvas shows the look that is chosen. */
  async #rest(id) {
    this.#refining.get(id)?.abort();
    const look = $("look").value;
    const { file, name } = this.#shown;
    const controller = new AbortController();
    const { signal } = controller;
    this.#refining.set(id, controller);
    try {
      if (look !== "plain") {
        await new Promise((done) => setTimeout(done, REST));
        this.#hasDecoder ??= loadDecoder().then(() => true, () => false);
        if (!(await this.#hasDecoder)) return;
      }
      if (signal.aborted || $(id).dataset.look === look) return;
      await this.#refine.get(id)?.(look, signal);
    } catch (error) {
      if (!signal.aborted && file === this.#shown.file) this.#complain(name, error);
    }
  }

  async #lookAgain() {
    if (!(await this.#hasDecoder)) this.#hasDecoder = null;
    for (const id of this.#refine.keys()) this.#rest(id);
  }

  #put(id, { bitmap, width, height, look, milliseconds }, bytes) {
    const { name } = this.#shown;
    const canvas = $(id);
    canvas.width = width;
    canvas.height = height;
    canvas.getContext("bitmaprenderer").transferFromImageBitmap(bitmap);
    canvas.setAttribute("aria-label", `${name}, decoded from ${bytes} bytes`);
    canvas.dataset.bytes = bytes;
    canvas.dataset.look = nameOf(look);
    $(`${id}-label`).textContent = `${bytes} bytes`;
    const coded = this.#shown.info.payload === "coded";
    $(`${id}-look`).textContent = coded ? $("look").querySelector(`[value="${nameOf(look)}"]`).label.toLowerCase() : "";
    const none = $(`${id}-none`);
    if (none) none.hidden = true;
    if (id === "decoded") $("time").textContent = milliseconds < 9.5 ? milliseconds.toFixed(1) : Math.round(milliseconds);
  }

  /** Sets the download link to a part of the file. */
  #offer(part, name) {
    // Checks stand between the bytes, so that not each number of bytes makes a file.
    $("bytes").textContent = part.length;
    const link = $("download");
    this.#setUrl("download", new Blob([part], { type: "image/vnd.flextok" }));
    link.download = `${stem(name)}-${part.length}.flxt`;
    link.textContent = `Download ${part.length} bytes`;
  }

  #showWebp() {
    if (!this.#shown?.photo || !this.#webp.ready) return;
    const budget = this.#bytes;
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

/** The response to a request, if it is a good one. */
export async function fetched(url, signal) {
  const response = await fetch(url, { signal });
  if (!response.ok) throw new FlextokError(`it could not be fetched: HTTP status ${response.status}`, "http");
  return response;
}

/** Inspects a file: all of it, or of a corrupt one the part that its checksums prove, with the fault. */
async function examine(given, signal) {
  const [{ name }, { file, fault }] = await Promise.all([load({ signal }), readable(given, signal)]);
  const info = await inspect(file, { signal });
  if (info.model !== name) {
    throw new FlextokError(`it was made by the model ${info.model}, but this page has ${name}`, "model");
  }
  if (info.cuts.length === 0) throw new FlextokError("it ends before its first byte of payload", "corrupt");
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

function describe(info, fault) {
  const { state } = info;
  const ids = info.payload === "ids";
  const count = ids ? `${info.tokens_have} of ${info.tokens_total} tokens` : `${info.bytes_have} of ${info.bytes_total} bytes of payload`;
  return `${count}: ${fault ? fault.message : state}.`;
}

/** How the choice of looks names one. */
const nameOf = (look) => ({ 0: "faithful", 1: "sharp" })[look] ?? String(look);

const stem = (name) => name.replace(/^.*\//, "").replace(/\.[^.]*$/, "") || "picture";
const count = (bytes) => (bytes < 10_000 ? `${bytes} bytes` : `${Math.round(bytes / 1000)} kB`);
