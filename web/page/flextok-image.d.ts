// Types of flextok-image.js: `<flextok-image src alt tokens steps seed width height>`.
import type { Flextok, FlextokError } from "./api.js";

export interface FlextokImageEvents {
  /** The header has arrived: the size of the picture is known. */
  "flextok-header": CustomEvent<{ width: number; height: number; tokens: number; model: string }>;
  /** A picture was painted, decoded from `tokens` tokens in `bytes` bytes. */
  "flextok-picture": CustomEvent<{
    tokens: number;
    bytes: number;
    width: number;
    height: number;
    milliseconds: number;
  }>;
  /** The file ended as it should, or was cut somewhere: each load ends with this event or the next. */
  "flextok-complete": CustomEvent<{ state: "complete" | "truncated"; tokens: number; bytes: number }>;
  /** A fault; `tokens` are still shown, 0 if nothing is. */
  "flextok-error": CustomEvent<{ error: FlextokError; tokens: number }>;
}

export class FlextokImage extends HTMLElement {
  src: string;
  alt: string;
  /** Read and show at most this many tokens. */
  tokens: number | undefined;
  steps: number | undefined;
  readonly state: "empty" | "loading" | "partial" | "complete" | "truncated" | "failed";
  readonly shownTokens: number;
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
