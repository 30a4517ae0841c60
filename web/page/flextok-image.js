// <flextok-image src="photo.flxt" alt="…">: a picture that appears after the first bytes and sharpens as more arrive.
// Attributes, properties and events are described in api.d.ts.
import { FlextokError, shared } from "./api.js";

// Larger pictures are painted with this many pixels and enlarged by the browser: the detail of a canvas of the model is in
// them, at a small part of the memory.
const MOST_PIXELS = 1_500_000;

const common = new CSSStyleSheet();
common.replaceSync(`
  :host { display: inline-block; max-width: 100%; vertical-align: bottom; overflow: hidden; }
  :host([hidden]) { display: none; }
  canvas { display: block; width: 100%; height: 100%; object-fit: inherit; object-position: inherit; }
  p { display: none; margin: 0; padding: 0.5em; font: inherit; overflow-wrap: anywhere; }
  :host(:state(failed)) canvas { display: none; }
  :host(:state(failed)) p { display: block; }
`);

export class FlextokImage extends HTMLElement {
  static observedAttributes = ["src", "alt", "tokens", "steps", "seed", "width", "height"];

  #canvas = document.createElement("canvas");
  #instead = document.createElement("p");
  #box = new CSSStyleSheet();
  #internals = this.attachInternals();
  #controller = null;
  #due = false;
  #state = "empty";
  #header = null;
  #shown = 0;
  #bytes = null;
  #codec = null;

  /** How the file is fetched: as `fetch`, for pages that need other credentials, headers or a slower line. */
  fetch = null;

  constructor() {
    super();
    const root = this.attachShadow({ mode: "open" });
    root.adoptedStyleSheets = [common, this.#box];
    this.#instead.setAttribute("aria-hidden", "true");
    root.append(this.#canvas, this.#instead);
    this.#setBox();
  }

  connectedCallback() {
    this.#describe();
    this.#restart();
  }

  disconnectedCallback() {
    this.#abort("the element was removed from the document");
    this.#due = false;
  }

  attributeChangedCallback(name, before, after) {
    if (before === after) return;
    if (name === "alt") this.#describe();
    else if (name === "width" || name === "height") this.#setBox();
    else if (this.isConnected) this.#restart();
  }

  get src() {
    const value = this.getAttribute("src");
    if (value === null) return "";
    // As <img> does: an invalid URL is returned unchanged.
    return URL.canParse(value, document.baseURI) ? new URL(value, document.baseURI).href : value;
  }
  set src(value) {
    this.setAttribute("src", value);
  }
  get alt() {
    return this.getAttribute("alt") ?? "";
  }
  set alt(value) {
    this.setAttribute("alt", value);
  }
  get tokens() {
    return number(this, "tokens");
  }
  set tokens(value) {
    reflect(this, "tokens", value);
  }
  get steps() {
    return number(this, "steps");
  }
  set steps(value) {
    reflect(this, "steps", value);
  }

  /** `empty`, `loading`, `partial`, `complete`, `truncated` or `failed`. */
  get state() {
    return this.#state;
  }
  /** Tokens of the picture that is shown, 0 before the first. */
  get shownTokens() {
    return this.#shown;
  }
  /** Size of the original picture, 0 before the header. */
  get naturalWidth() {
    return this.#header?.width ?? 0;
  }
  get naturalHeight() {
    return this.#header?.height ?? 0;
  }
  /** The file as far as it came, once the load has ended. */
  get bytes() {
    return this.#bytes;
  }
  /** The canvas that is painted on; to be read, not to be changed. */
  get canvas() {
    return this.#canvas;
  }
  get codec() {
    return this.#codec ?? shared();
  }
  set codec(value) {
    this.#codec = value;
    if (this.isConnected) this.#restart();
  }

  /** Fetches the file once more. */
  reload() {
    if (this.isConnected) this.#restart();
  }

  #abort(why) {
    this.#controller?.abort(new DOMException(why, "AbortError"));
    this.#controller = null;
  }

  // Several attributes that are set one after another make one load.
  #restart() {
    this.#abort("another source was set");
    if (this.#due) return;
    this.#due = true;
    queueMicrotask(() => {
      if (this.#due && this.isConnected) this.#load();
      this.#due = false;
    });
  }

  async #load() {
    this.#bytes = null;
    if (!this.hasAttribute("src")) return this.#clear("empty");
    const controller = new AbortController();
    this.#controller = controller;
    const { signal } = controller;
    this.#setState("loading");
    try {
      const result = await this.codec.stream(await this.#open(signal), {
        signal,
        tokens: this.tokens,
        steps: this.steps,
        seed: number(this, "seed"),
        maxPixels: MOST_PIXELS,
        onHeader: (header) => this.#onHeader(header),
        onPicture: (picture) => this.#onPicture(picture, signal),
      });
      this.#bytes = result.bytes;
      this.#setState(result.state);
      const { state, tokens, error } = result;
      if (error) this.#emit("flextok-error", { error, tokens });
      else this.#emit("flextok-complete", { state, tokens, bytes: result.bytes.length });
    } catch (error) {
      if (signal.aborted) return;
      // Without a token there is nothing to show; a picture of another file is not it.
      this.#clear("failed");
      this.#emit("flextok-error", { error, tokens: 0 });
    } finally {
      if (this.#controller === controller) this.#controller = null;
    }
  }

  async #open(signal) {
    const { src } = this;
    if (!this.fetch) return src;
    try {
      return await this.fetch(src, { signal });
    } catch (error) {
      throw new FlextokError(`${src} could not be fetched: ${error.message}`, "network", { url: src });
    }
  }

  #onHeader(header) {
    const old = this.#header;
    this.#header = header;
    if (old && (old.width !== header.width || old.height !== header.height)) this.#wipe();
    this.#setBox();
    const { width, height, tokens, model } = header;
    this.#emit("flextok-header", { width, height, tokens, model });
  }

  #onPicture({ bitmap, tokens, bytes, milliseconds }, signal) {
    if (signal.aborted) return bitmap.close();
    const { width, height } = bitmap;
    if (this.#canvas.width !== width || this.#canvas.height !== height) {
      this.#canvas.width = width;
      this.#canvas.height = height;
    }
    this.#canvas.getContext("bitmaprenderer").transferFromImageBitmap(bitmap);
    this.#shown = tokens;
    this.#setState("partial");
    this.#emit("flextok-picture", { tokens, bytes, width, height, milliseconds });
  }

  #clear(state) {
    this.#wipe();
    this.#header = null;
    this.#setBox();
    this.#setState(state);
  }

  #wipe() {
    this.#shown = 0;
    this.#canvas.getContext("bitmaprenderer").transferFromImageBitmap(null);
  }

  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail, bubbles: true, composed: true }));
  }

  #setState(state) {
    try {
      this.#internals.states.delete(this.#state);
      this.#internals.states.add(state);
    } catch {
      // Browsers before 2024 have no states of this form; the property exists all the same.
    }
    this.#state = state;
  }

  /** Reserves space for the picture before it arrives: as in the attributes, else as in the header. */
  #setBox() {
    const width = number(this, "width") ?? this.#header?.width;
    const height = number(this, "height") ?? this.#header?.height;
    const ratio = width && height ? `aspect-ratio: ${width} / ${height};` : "";
    this.#box.replaceSync(`:host { ${width ? `width: ${width}px;` : ""} ${ratio} }`);
  }

  #describe() {
    const alt = this.getAttribute("alt");
    this.#instead.textContent = alt ?? "";
    // As for <img>: an empty text is for decoration.
    this.setAttribute("role", alt === "" ? "presentation" : "img");
    if (alt) this.setAttribute("aria-label", alt);
    else this.removeAttribute("aria-label");
  }
}

function number(element, name) {
  const value = Number.parseInt(element.getAttribute(name), 10);
  return value > 0 || (name === "seed" && value === 0) ? value : undefined;
}

function reflect(element, name, value) {
  if (value === undefined || value === null) element.removeAttribute(name);
  else element.setAttribute(name, value);
}

if (!customElements.get("flextok-image")) customElements.define("flextok-image", FlextokImage);
