// What WebP makes of a photo in a few bytes: many sizes at many qualities, of which those are kept that no
// smaller file comes closer to the photo than. In a worker of its own, so that neither the page nor the codec waits.

// Long sides in pixels. Shrinking first is what makes WebP good at this: of the whole photo it could not keep the file
// this small at any quality.
const SIDES = [
  ...[2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 24, 28, 32, 36, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384],
  ...[448, 512, 640, 768, 896, 1024, 1280, 1536],
];
const QUALITIES = [0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9];
// WebP at its coarsest writes about this many pixels in a byte; sides beyond are not tried.
const PIXELS_A_BYTE = 120;
// The photo is compared in about the size of the largest candidates, within these bounds.
const REFERENCE = [160, 640];

let newest = 0;

self.onmessage = async ({ data: { id, photo, most } }) => {
  newest = id;
  try {
    const found = await search(id, photo, most);
    if (found) self.postMessage({ id, ...found });
  } catch (error) {
    self.postMessage({ id, error: error.message });
  }
};

async function search(id, photo, most) {
  const bitmap = await createImageBitmap(photo);
  const largest = Math.sqrt(PIXELS_A_BYTE * most);
  const medium = scaled(bitmap, Math.max(320, largest));
  bitmap.close();
  const reference = pixels(scaled(medium, Math.min(REFERENCE[1], Math.max(REFERENCE[0], largest))));
  const all = [];
  for (const side of SIDES.filter((side) => side <= Math.max(192, largest))) {
    const canvas = scaled(medium, side);
    for (const quality of QUALITIES) {
      const written = await canvas.convertToBlob({ type: "image/webp", quality });
      if (id !== newest) return null;
      if (written.type !== "image/webp") return { supported: false };
      const blob = await bare(written);
      const { width, height } = canvas;
      const candidate = { blob, bytes: blob.size, width, height, quality };
      // The smallest of all is kept in any case, to say how small that is.
      if (blob.size > most && all.length > 0) break;
      candidate.error = await difference(blob, reference);
      all.push(candidate);
    }
  }
  return { supported: true, candidates: front(all) };
}

/**
 * The same WebP without the colour profile that browsers add: about 500 bytes that only say sRGB, which is the
 * default without them too.
 */
async function bare(blob) {
  const bytes = new Uint8Array(await blob.arrayBuffer());
  const view = new DataView(bytes.buffer);
  const text = (at) => String.fromCharCode(...bytes.subarray(at, at + 4));
  for (let at = 12; at + 8 <= bytes.length; ) {
    // A chunk is its name, its length and its bytes, filled up to an even number.
    const end = at + 8 + view.getUint32(at + 4, true);
    const next = end + (end % 2);
    if (text(at) === "VP8 " || text(at) === "VP8L") {
      const head = bytes.slice(0, 12);
      new DataView(head.buffer).setUint32(4, 4 + next - at, true);
      return new Blob([head, bytes.subarray(at, next)], { type: "image/webp" });
    }
    at = next;
  }
  return blob;
}

function front(all) {
  all.sort((a, b) => a.bytes - b.bytes || a.error - b.error);
  let best = Infinity;
  return all.filter(({ error }) => {
    if (error >= best) return false;
    best = error;
    return true;
  });
}

async function difference(blob, reference) {
  const bitmap = await createImageBitmap(blob);
  const { data } = pixels(draw(bitmap, reference.width, reference.height));
  bitmap.close();
  let sum = 0;
  for (let i = 0; i < data.length; i++) sum += (data[i] - reference.data[i]) ** 2;
  return sum;
}

function scaled(image, side) {
  const factor = Math.min(1, side / Math.max(image.width, image.height));
  const size = (length) => Math.max(1, Math.round(length * factor));
  return draw(image, size(image.width), size(image.height));
}

function draw(image, width, height) {
  const canvas = new OffscreenCanvas(width, height);
  // Opaque: a plane for transparency would cost bytes as well.
  const context = canvas.getContext("2d", { alpha: false, willReadFrequently: true });
  context.imageSmoothingQuality = "high";
  // As the codec puts transparent pixels on white.
  context.fillStyle = "white";
  context.fillRect(0, 0, width, height);
  context.drawImage(image, 0, 0, width, height);
  return canvas;
}

const pixels = (canvas) => canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
