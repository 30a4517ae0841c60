// Uses the API as its types describe it; checked by the compiler, never run.
import { type FlextokError, Flextok, cut, decode, encode, inspect, load, loadDecoder, shared, stream } from "../page/api.js";
import type { FlextokImage } from "../page/flextok-image.js";

export async function usage(photo: Blob, canvas: HTMLCanvasElement) {
  const { signal } = new AbortController();
  shared().addEventListener("progress", ({ detail }) => detail.loaded / (detail.total ?? detail.loaded));
  const model: string = (await load({ signal })).name;
  const { bytes } = await encode(photo, { bytes: 200, signal });
  await encode(photo, { canvas: "own", cutAt: 100 });
  const learned: boolean = (await loadDecoder({ signal })).learned;
  const look: "plain" | number = (await decode(bytes, { look: "0.3" })).look;
  // @ts-expect-error: no look has this name.
  await decode(bytes, { look: "balanced" });
  const small: Uint8Array = await cut(bytes, { units: 4 });
  const pixels: ImageData = (await decode(small, { units: 2, onStep: (step, total) => step < total })).pixels;
  const bitmap: ImageBitmap = (await decode(small, { output: "bitmap", group: canvas })).bitmap;
  const info = await inspect(bytes);
  const have: number = info.payload === "coded" ? info.bytes_have : info.tokens_have;
  const last = info.cuts.at(-1)?.complete_bytes;
  const { state, error, refined } = await stream("photo.flxt", {
    units: 64,
    look: 0.5,
    onHeader: ({ width, height, payload, units }) => void [width, height, payload, units],
    onPicture: (picture) => canvas.getContext("bitmaprenderer")?.transferFromImageBitmap(picture.bitmap),
  });
  const kind: string | undefined = (error as FlextokError | null)?.kind;
  // @ts-expect-error: a path is not a file.
  await inspect("photo.flxt");
  // @ts-expect-error: pixels are what was asked for.
  (await decode(bytes)).bitmap;
  new Flextok({ model: "other.safetensors", decoder: null }).close();
  const made: boolean = await refined;
  return { learned, look, made, model, pixels, bitmap, have, last, state, kind };
}

export function element(): FlextokImage {
  const image = document.createElement("flextok-image");
  image.units = 16;
  image.look = "faithful";
  image.loading = "lazy";
  image.width = 300;
  image.fetch = (url, { signal }) => fetch(url, { signal, credentials: "omit" });
  image.addEventListener("flextok-picture", ({ detail }) => detail.units + detail.bytes);
  image.addEventListener("flextok-error", ({ detail }) => detail.error.kind);
  // @ts-expect-error: it is read-only.
  image.state = "complete";
  return image;
}
