// <flextok-image src="photo.flxt" alt="…">: a picture that appears after the first bytes and sharpens as more arrive.
// Size and loading are those of <img>. Attributes, properties and events are described in flextok-image.d.ts.
import { FlextokError, shared } from "./api.js";
import { isLearned } from "./look.js";

// Larger pictures are painted with this many pixels and enlarged by the browser, at a small part of the memory.
const MOST_PIXELS = 1_500_000;
// With loading="lazy" a file is fetched when it is so far from the window.
const NEAR = "1250px";

const common = new CSSStyleSheet();
common.replaceSync(`
  :host { display: inline-block; width: max-content; overflow: hidden; contain: size; contain-intrinsic-size: 0 0; }
  :host([hidden]) { display: none; }
  canvas { display: block; width: 100%; height: 100%; object-fit: inherit; object-position: inherit; }
  p { display: none; margin: 0; padding: 0.5em; font: inherit; overflow-wrap: anywhere; }
  :host(:state(failed)) { contain: none; }
  :host(:state(failed)) canvas { display: none; }
  :host(:state(failed)) p { display: block; }
`);

export class FlextokImage extends HTMLElement {
  static observedAttributes = ["src", "alt", "units", "look", "width", "height", "loading"];
  // Tells those that wait for it that they are in the window, or will be soon.
  static #nearby = new IntersectionObserver(
    (entries) => entries.filter((entry) => entry.isIntersecting).forEach(({ target }) => target.#begin()),
    { rootMargin: NEAR, scrollMargin: NEAR },
  );

  #canvas = document.createElement("canvas");
  #instead = document.createElement("p");
  #box = new CSSStyleSheet();
  #internals = this.attachInternals();
  #controller = null;
  #due = false;
  #waits = false;
  #state = "empty";
  #header = null;
  #shown = 0;
  #look = null;
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
    else if (name === "loading") this.#hurry();
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
  get loading() {
    return this.getAttribute("loading")?.toLowerCase() === "lazy" ? "lazy" : "eager";
  }
  set loading(value) {
    this.setAttribute("loading", value);
  }
  get units() {
    const value = Number.parseInt(this.getAttribute("units"), 10);
    return value > 0 ? value : undefined;
  }
  set units(value) {
    if (value === undefined || value === null) this.removeAttribute("units");
    else this.setAttribute("units", value);
  }
  get look() {
    const value = this.getAttribute("look") ?? undefined;
    // As of other attributes, what is not allowed means the default.
    return value === "plain" || isLearned(value) ? value : undefined;
  }
  set look(value) {
    if (value === undefined || value === null) this.removeAttribute("look");
    else this.setAttribute("look", value);
  }
  get width() {
    return this.#rendered("width") ?? this.naturalWidth;
  }
  set width(value) {
    this.setAttribute("width", value);
  }
  get height() {
    return this.#rendered("height") ?? this.naturalHeight;
  }
  set height(value) {
    this.setAttribute("height", value);
  }

  /** `empty`, `loading`, `partial`, `complete`, `truncated` or `failed`. */
  get state() {
    return this.#state;
  }
  /** Units of payload of the picture that is shown, 0 before the first. */
  get shownUnits() {
    return this.#shown;
  }
  /** Its look: `plain`, a number, or null before the first. */
  get shownLook() {
    return this.#look;
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
    this.#waits = false;
    FlextokImage.#nearby.unobserve(this);
  }

  // Several attributes that are set one after another make one load.
  #restart() {
    this.#abort("another source was set");
    if (this.#due) return;
    this.#due = true;
    queueMicrotask(() => {
      if (this.#due && this.isConnected) this.#prepare();
      this.#due = false;
    });
  }

  #prepare() {
    this.#bytes = null;
    if (!this.hasAttribute("src")) return this.#clear("empty");
    this.#setState("loading");
    if (this.loading === "eager") return this.#load();
    this.#waits = true;
    FlextokImage.#nearby.observe(this);
  }

  /** Loads what waited until it was near. */
  #begin() {
    FlextokImage.#nearby.unobserve(this);
    if (this.#waits && this.isConnected) this.#load();
    this.#waits = false;
  }

  /** As for <img>, what waits need not do so any longer once it is no longer lazy. */
  #hurry() {
    if (this.loading === "eager") this.#begin();
  }

  async #load() {
    const controller = new AbortController();
    this.#controller = controller;
    const { signal } = controller;
    try {
      const result = await this.codec.stream(await this.#open(signal), {
        signal,
        units: this.units,
        look: this.look,
        maxPixels: MOST_PIXELS,
        onHeader: (header) => this.#onHeader(header),
        onPicture: (picture) => this.#onPicture(picture, signal),
      });
      this.#bytes = result.bytes;
      this.#setState(result.state);
      const { state, units, error } = result;
      if (error) this.#emit("flextok-error", { error, units });
      else this.#emit("flextok-complete", { state, units, bytes: result.bytes.length });
      // Until then it can be given up.
      await result.refined;
    } catch (error) {
      if (signal.aborted) return;
      // Without payload there is nothing to show; a picture of another file is not it.
      this.#clear("failed");
      this.#emit("flextok-error", { error, units: 0 });
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
    const { width, height, model, payload, units } = header;
    this.#emit("flextok-header", { width, height, model, payload, units });
  }

  #onPicture({ bitmap, units, look, bytes, milliseconds }, signal) {
    if (signal.aborted) return bitmap.close();
    const { width, height } = bitmap;
    if (this.#canvas.width !== width || this.#canvas.height !== height) {
      this.#canvas.width = width;
      this.#canvas.height = height;
    }
    this.#canvas.getContext("bitmaprenderer").transferFromImageBitmap(bitmap);
    this.#shown = units;
    this.#look = look;
    if (this.#state === "loading") this.#setState("partial");
    this.#emit("flextok-picture", { units, look, bytes, width, height, milliseconds });
  }

  #clear(state) {
    this.#wipe();
    this.#header = null;
    this.#setBox();
    this.#setState(state);
  }

  #wipe() {
    this.#shown = 0;
    this.#look = null;
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

  /**
   * The size as that of <img>: what the attributes say, else what the page's styles make of the picture's own size, which
   * the header tells. Before it has arrived, both attributes together tell its shape.
   */
  #setBox() {
    const [width, height] = [dimension(this, "width"), dimension(this, "height")];
    const size = this.#header ?? { width: pixels(width), height: pixels(height) };
    const rules = [];
    if (width) rules.push(`width: ${width};`);
    if (height) rules.push(`height: ${height};`);
    if (this.#header) rules.push(`contain-intrinsic-size: ${size.width}px ${size.height}px;`);
    if (size.width > 0 && size.height > 0) rules.push(`aspect-ratio: auto ${size.width} / ${size.height};`);
    this.#box.replaceSync(`:host { ${rules.join(" ")} }`);
  }

  /** The picture's width or height on the page in CSS pixels, or undefined if it has no place there. */
  #rendered(side) {
    if (this.getClientRects().length === 0) return undefined;
    return Math.round(this.#canvas.getBoundingClientRect()[side]);
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

/** A length or percentage as HTML reads it from such attributes: "300", "300px" and "50%", not "-1". */
function dimension(element, name) {
  const [, value, percent] = /^\s*\+?(\d+(?:\.\d*)?)(%?)/.exec(element.getAttribute(name) ?? "") ?? [];
  return value && `${Number(value)}${percent || "px"}`;
}

const pixels = (length) => (length?.endsWith("px") ? Number.parseFloat(length) : 0);

if (!customElements.get("flextok-image")) customElements.define("flextok-image", FlextokImage);
