// Types of api.js and flextok-image.js.

/**
 * `kind`: one of the codec's (`usage`, `corrupt`, `unsupported`, `model`, `limit`, `image`, `io`, `cancelled`,
 * `resources`, `device`) or one of this module's: `network`, `http` (with `status`), `module` (the WebAssembly could not
 * be loaded), `worker`, `crash` (the next job starts afresh), `superseded`, `closed`, `internal`.
 */
export class FlextokError extends Error {
  constructor(message: string, kind: string, details?: object);
  readonly kind: string;
  readonly status?: number;
  readonly url?: string;
}

/** A `.flxt` file. It is copied, not taken away. */
export type FileSource = Uint8Array | ArrayBuffer | Blob;

/** What can be encoded: a photo as a file (in any type that the browser reads), a bitmap or pixels. */
export type PictureSource = Blob | ImageBitmap | ImageData;

export interface ModelInfo {
  /** What files of this model name it by; a file made by another model is refused. */
  name: string;
  /** The most tokens that a file can have; undefined for a model with a coded payload, as the built-in one. */
  tokens?: number;
  /** Whether the model's file has a learned decoder inside, and so looks other than `plain`. */
  learned: boolean;
  /** Size of the file: of the model, or of the decoder. */
  bytes: number;
  /** Whether it came from the browser's storage. */
  cached: boolean;
  /** Time to prepare it, without the fetch. */
  milliseconds: number;
}

export interface Progress {
  /** The model, or its learned decoder where that is a file of its own. */
  part: "model" | "decoder";
  loaded: number;
  /** Unknown where the server does not say. */
  total?: number;
  cached: boolean;
}

export interface JobOptions {
  /** Rejects at once with the signal's reason. A job that runs stops after its next step where memory can be shared
   * (a cross-origin isolated page); else it runs to its end unheard. */
  signal?: AbortSignal;
  /** A newer request of the same group replaces one that still waits, which rejects as `superseded`. */
  group?: unknown;
}

/**
 * How a coded payload becomes a picture: `plain`, the digits alone, which takes a few milliseconds; or by the learned decoder,
 * `faithful` (least squared error), `sharp`, or a number between, from 0 (faithful) to 1 (sharp), also as a text.
 */
export type Look = "plain" | "faithful" | "sharp" | number | `${number}`;

export interface DecodeOptions extends JobOptions {
  /** Use at most this many units of payload: bytes of a coded one, or tokens of each canvas. Default: all available. */
  units?: number;
  /** For FlexTok models; the built-in model refuses it. */
  steps?: number;
  /** For FlexTok models; the built-in model refuses it. */
  seed?: number;
  /** The canvas as it is, not resized to the size of the picture. */
  keepCanvas?: boolean;
  /** For models with a coded payload. Any but `plain` waits until the learned decoder has been fetched, without keeping other
   * jobs waiting, and tries once more if it could not be. Default: 0.5 if the decoder is there by now, else `plain`. */
  look?: Look;
  /** Called after each step from 1 to `total`; returning false cancels, and the decode rejects with anything it throws. */
  onStep?: (step: number, total: number) => boolean | void;
}

export interface DecodedPicture {
  width: number;
  height: number;
  /** Units of payload that it was made of: bytes of a coded one, or tokens of each canvas. */
  units: number;
  /** The look that it has. */
  look: "plain" | number;
  /** Bytes of the file that were there. */
  bytes: number;
  milliseconds: number;
}
export interface PixelPicture extends DecodedPicture {
  pixels: ImageData;
}
export interface BitmapPicture extends DecodedPicture {
  /** The receiver closes it. */
  bitmap: ImageBitmap;
}

export interface EncodeOptions extends JobOptions {
  /** The most bytes that the file may have. Default: 1024, or all tokens. */
  bytes?: number;
  /** Tokens of the file, for FlexTok models: 1 to the model's number. */
  tokens?: number;
  /** Choose the canvas for a later cut to this many bytes, for coded payloads. Default: for all of the file. */
  cutAt?: number;
  /** The picture's own size, or this many blocks of 32 pixels along the long side, 1 to 255; for coded payloads. Default: what
   * suits the bytes. */
  canvas?: "own" | number;
  /** Hand a bitmap's or an ImageData's memory over instead of copying it; it is of no use to the caller afterwards. */
  transfer?: boolean;
}
export interface EncodedPicture {
  bytes: Uint8Array<ArrayBuffer>;
  /** Size of the picture, as the file says it; beyond 24 megapixels a photo or bitmap is shrunk before it is encoded. */
  width: number;
  height: number;
  milliseconds: number;
}

export interface CutOptions {
  /** Units of payload to keep: bytes of a coded one, or tokens of each canvas. */
  units?: number;
  /** The most bytes that the file may have. */
  bytes?: number;
  signal?: AbortSignal;
}

/** As `flextok info --json` prints it. */
export type FileInfo = {
  width: number;
  height: number;
  model: string;
  state: "complete" | "truncated";
  bytes: number;
  /** Bytes of a prefix with so much payload, and of a complete file cut to it: for each number of tokens, or for powers of two
   * of bytes of payload and for all of them. */
  cuts: { tokens?: number; payload_bytes: number; prefix_bytes: number; complete_bytes: number }[];
} & (
  | {
      payload: "coded";
      /** Width and height in pixels. */
      canvas: [number, number];
      /** Whether the canvas is the picture in its own size, filled up to whole blocks. */
      canvas_is_own: boolean;
      bytes_have: number;
      bytes_total: number;
      bytes_proven: number;
    }
  | {
      payload: "ids";
      canvases: number;
      codebook_size: number;
      tokens_per_canvas: number;
      tokens_have: number;
      tokens_total: number;
      tokens_proven: number;
    }
);

export interface Header {
  width: number;
  height: number;
  model: string;
  payload: "coded" | "ids";
  /** Units of payload of the whole file: bytes of a coded one, or tokens of each canvas. */
  units: number;
  /** Bytes of payload of a unit. */
  unitBytes: number;
}

export interface StreamOptions {
  signal?: AbortSignal;
  /** Stop reading after this many units of payload: bytes of a coded one, or tokens of each canvas. */
  units?: number;
  /** For FlexTok models; the built-in model refuses it. */
  steps?: number;
  /** For FlexTok models; the built-in model refuses it. */
  seed?: number;
  keepCanvas?: boolean;
  /** A larger picture is returned in its own aspect ratio but with about this many pixels, which costs less time and memory. */
  maxPixels?: number;
  /** As of `decode`. Each picture comes plain first, and once more with its look if no newer bytes have come until then.
   * Default: 0.5 where there is a learned decoder. */
  look?: Look;
  output?: "bitmap";
  onHeader?: (header: Header) => void;
  /** Called with better and better pictures: of a coded payload every few bytes, of tokens when they have doubled; and at the
   * end. With a look, the last one may come after the result: see `refined`. */
  onPicture?: (picture: BitmapPicture) => void;
}

export interface StreamResult {
  /** `complete`: the whole file, or all requested units. */
  state: "complete" | "truncated";
  /** Units of payload of the last picture. */
  units: number;
  /** Units that a checksum covers. */
  proven: number;
  header: Header;
  /** The file as far as it came; of a corrupt one, what is proven by its checksums. */
  bytes: Uint8Array<ArrayBuffer>;
  /** Why it is truncated, if it is not simply shorter than it could be: a failed connection, a corrupt byte. */
  error: FlextokError | null;
  /** Fulfils once the last picture has come with its look too (true), or it is clear that it will not: it is to be plain, the
   * decoder could not be fetched, or the signal gave it up. Never rejects. */
  refined: Promise<boolean>;
}

/**
 * A codec with a model of its own, and two workers: one for all that needs no more than the model's tables, and, where there is
 * a learned decoder, one for the looks.
 */
export class Flextok extends EventTarget {
  /**
   * Default: `tables.safetensors`, `decoder.safetensors` and `worker.js` next to `api.js`. `decoder` is the file of a learned
   * decoder, for a model whose own file has only tables; for another `model`, or with null, there is none.
   */
  constructor(options?: { model?: string | URL; decoder?: string | URL | null; worker?: string | URL });
  /** Fetches and prepares the model now; `decode` and `encode` do so when they need it. Then the learned decoder is fetched in
   * the background. */
  load(options?: { signal?: AbortSignal }): Promise<ModelInfo>;
  /** Fulfils once the looks other than `plain` are there. Fetches the decoder once more if it could not be; of a model that has
   * none it rejects, with the kind `model`. */
  loadDecoder(options?: { signal?: AbortSignal }): Promise<ModelInfo>;
  decode(source: FileSource, options: DecodeOptions & { output: "bitmap"; maxPixels?: number }): Promise<BitmapPicture>;
  decode(source: FileSource, options?: DecodeOptions & { output?: "pixels" }): Promise<PixelPicture>;
  encode(source: PictureSource, options?: EncodeOptions): Promise<EncodedPicture>;
  /** A complete file with less payload. Needs no model. */
  cut(source: FileSource, options: CutOptions): Promise<Uint8Array<ArrayBuffer>>;
  /** Needs no model. */
  inspect(source: FileSource, options?: { signal?: AbortSignal }): Promise<FileInfo>;
  /** Decodes a file while it arrives. Rejects if no payload came; after that, what went wrong is in `error`. */
  stream(
    source: string | URL | Response | ReadableStream<Uint8Array> | FileSource,
    options?: StreamOptions,
  ): Promise<StreamResult>;
  /** Ends the workers. */
  close(): void;
  addEventListener(
    type: "progress",
    listener: (event: CustomEvent<Progress>) => void,
    options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
}

/** The codec that the functions below and `<flextok-image>` use; created on first use. */
export function shared(): Flextok;
export const load: Flextok["load"];
export const loadDecoder: Flextok["loadDecoder"];
export const decode: Flextok["decode"];
export const encode: Flextok["encode"];
export const cut: Flextok["cut"];
export const inspect: Flextok["inspect"];
export const stream: Flextok["stream"];
