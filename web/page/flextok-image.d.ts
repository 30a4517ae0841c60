// Types of flextok-image.js: `<flextok-image src alt width height loading units look>`.
import type { Flextok, FlextokError, Look } from "./api.js";

export interface FlextokImageEvents {
  /** The header has arrived: the size of the picture is known. */
  "flextok-header": CustomEvent<{ width: number; height: number; model: string; payload: "coded" | "ids"; units: number }>;
  /** A picture was painted, decoded from `units` of payload (bytes of a coded one, or tokens) in `bytes` of the file. Of a coded
   * payload it is plain first, and painted again with its look if no newer bytes have come until then; the last one always, once
   * the learned decoder is there, which may be after `flextok-complete`. */
  "flextok-picture": CustomEvent<{
    units: number;
    look: "plain" | number;
    bytes: number;
    width: number;
    height: number;
    milliseconds: number;
  }>;
  /** The file ended as it should, or was cut somewhere: each load ends with this event or the next. */
  "flextok-complete": CustomEvent<{ state: "complete" | "truncated"; units: number; bytes: number }>;
  /** A fault; so many units are still shown, 0 if nothing is. */
  "flextok-error": CustomEvent<{ error: FlextokError; units: number }>;
}

export class FlextokImage extends HTMLElement {
  src: string;
  alt: string;
  /** As of `<img>`: the size on the page in CSS pixels; setting it sets the attribute. */
  width: number;
  height: number;
  /** As of `<img>`: a lazy one is fetched when it comes near the window. */
  loading: "eager" | "lazy";
  /** Read and show at most this many units of payload: bytes of a coded one, or tokens of each canvas. */
  units: number | undefined;
  /** As of `decode`. Undefined: the default look. */
  look: Look | undefined;
  readonly state: "empty" | "loading" | "partial" | "complete" | "truncated" | "failed";
  readonly shownUnits: number;
  /** The look of the picture that is shown, null before the first. */
  readonly shownLook: "plain" | number | null;
  readonly naturalWidth: number;
  readonly naturalHeight: number;
  readonly bytes: Uint8Array | null;
  readonly canvas: HTMLCanvasElement;
  codec: Flextok;
  fetch: ((url: string, options: { signal: AbortSignal }) => Promise<Response>) | null;
  reload(): void;
  addEventListener<K extends keyof FlextokImageEvents>(
    type: K,
    listener: (event: FlextokImageEvents[K]) => void,
    options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject,
    options?: boolean | AddEventListenerOptions,
  ): void;
}

declare global {
  interface HTMLElementTagNameMap {
    "flextok-image": FlextokImage;
  }
}
