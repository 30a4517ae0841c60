// What the tests of the module share: the module and its model, the program to compare with, and pictures.
//
// FLEXTOK_PAGE names the folder that web/build.sh made (web/dist), FLEXTOK the program (target/release/flextok).

import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { inflateSync } from "node:zlib";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const dist = resolve(process.env.FLEXTOK_PAGE ?? join(root, "web/dist"));
const program = resolve(process.env.FLEXTOK ?? join(root, "target/release/flextok"));

/** A file that has to be there; how to make it, if it is not. */
function there(path, how) {
  if (!existsSync(path)) throw new Error(`${path} is not there: ${how}`);
  return path;
}

there(join(dist, "flextok.js"), "make it with web/build.sh, or name its folder in FLEXTOK_PAGE");
export const wasmFile = join(dist, "flextok_bg.wasm");
export const tablesBytes = readFileSync(join(dist, "tables.safetensors"));
export const decoderBytes = readFileSync(join(dist, "decoder.safetensors"));
export const flextok = await import(pathToFileURL(join(dist, "flextok.js")));
await flextok.default({ module_or_path: readFileSync(wasmFile) });

let opened;
/** The built-in model in the module, without its learned decoder, opened once. */
export const codec = () => (opened ??= new flextok.Codec(tablesBytes));
let openedLearned;
/** The whole of it, opened once. */
export const learned = () => (openedLearned ??= new flextok.Codec(tablesBytes, decoderBytes));

/** A small FlexTok network: its file, and the network in the module, opened once. */
export const networkFile = join(root, "tests/data/nano.safetensors");
let openedNetwork;
export const network = () => (openedNetwork ??= new flextok.Codec(readFileSync(networkFile)));

const scratch = mkdtempSync(join(tmpdir(), "flextok-web-"));
process.on("exit", () => rmSync(scratch, { recursive: true, force: true }));

/** Runs the program and gives back what it prints. */
function run(...options) {
  there(program, "make it with cargo build --release, or name it in FLEXTOK");
  return execFileSync(program, options, { stdio: ["ignore", "pipe", "inherit"] });
}

/** Runs the program with a file as its input and gives back its output file of the other name. */
export function cli(input, bytes, output, command, ...options) {
  const [from, to] = [join(scratch, input), join(scratch, output)];
  writeFileSync(from, bytes);
  run(command, from, "-o", to, "--force", ...options);
  return readFileSync(to);
}

/** What `flextok info --json` says of a file. */
export function info(bytes) {
  const path = join(scratch, "info.flxt");
  writeFileSync(path, bytes);
  return JSON.parse(run("info", "--json", path));
}

/** Runs of integers that are the same everywhere: mulberry32. */
export function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let value = Math.imul(state ^ (state >>> 15), state | 1);
    value ^= value + Math.imul(value ^ (value >>> 7), value | 61);
    return (value ^ (value >>> 14)) >>> 0;
  };
}

/** A picture with gradients, an edge and texture; `alpha` makes some of it transparent. */
export function drawn(width, height, alpha = false) {
  const next = random(width * 65_536 + height);
  const rgba = new Uint8Array(width * height * 4);
  for (let at = 0; at < width * height; at++) {
    const [x, y] = [at % width, Math.floor(at / width)];
    const texture = next() & 15;
    rgba[4 * at] = ((x * 200) / width + texture) | 0;
    rgba[4 * at + 1] = x * height > y * width ? 220 - texture : 40 + texture;
    rgba[4 * at + 2] = ((y * 230) / height) | 0;
    rgba[4 * at + 3] = alpha ? (x * 255) / Math.max(1, width - 1) : 255;
  }
  return { width, height, rgba };
}

/** A TGA file of a picture, with its alpha. */
export function tga({ width, height, rgba }) {
  const header = Buffer.alloc(18);
  header[2] = 2;
  header.writeUInt16LE(width, 12);
  header.writeUInt16LE(height, 14);
  header[16] = 32;
  header[17] = 0x28; // eight bits of alpha, rows from the top
  const pixels = Buffer.from(rgba);
  for (let at = 0; at < pixels.length; at += 4) [pixels[at], pixels[at + 2]] = [pixels[at + 2], pixels[at]];
  return Buffer.concat([header, pixels]);
}

/** The picture of a PPM file as the program writes it. */
export function ppm(bytes) {
  const header = /^P6\s+(\d+)\s+(\d+)\s+255\s/.exec(bytes.subarray(0, 64).toString("latin1"));
  const [width, height] = [Number(header[1]), Number(header[2])];
  return { width, height, rgba: opaque(bytes.subarray(header[0].length), width * height) };
}

/** A photo of tests/photos: its file, and its pixels. Eight-bit RGB without interlacing is all that is read. */
export function photo(name) {
  const file = readFileSync(join(root, "tests/photos", name));
  const [width, height] = [file.readUInt32BE(16), file.readUInt32BE(20)];
  if (file.subarray(24, 29).join() !== "8,2,0,0,0") throw new Error(`${name} is another kind of PNG`);
  const data = [];
  for (let at = 8; at < file.length; at += 12 + file.readUInt32BE(at)) {
    if (file.toString("latin1", at + 4, at + 8) === "IDAT") data.push(file.subarray(at + 8, at + 8 + file.readUInt32BE(at)));
  }
  return { file, width, height, rgba: opaque(unfilter(inflateSync(Buffer.concat(data)), width * 3, height), width * height) };
}

function unfilter(lines, row, height) {
  const out = Buffer.alloc(row * height);
  for (let y = 0; y < height; y++) {
    const filter = lines[y * (row + 1)];
    for (let x = 0; x < row; x++) {
      const at = y * row + x;
      const left = x < 3 ? 0 : out[at - 3];
      const up = y === 0 ? 0 : out[at - row];
      const corner = x < 3 || y === 0 ? 0 : out[at - row - 3];
      out[at] = lines[y * (row + 1) + 1 + x] + [0, left, up, (left + up) >> 1, paeth(left, up, corner)][filter];
    }
  }
  return out;
}

function paeth(left, up, corner) {
  const guess = left + up - corner;
  const [a, b, c] = [left, up, corner].map((value) => Math.abs(guess - value));
  return a <= b && a <= c ? left : b <= c ? up : corner;
}

function opaque(rgb, pixels) {
  const rgba = new Uint8Array(pixels * 4).fill(255);
  for (let at = 0; at < pixels; at++) rgba.set(rgb.subarray(3 * at, 3 * at + 3), 4 * at);
  return rgba;
}

/** PSNR in dB of two pictures of one size. */
export function psnr(a, b) {
  if (a.width !== b.width || a.height !== b.height) throw new Error("pictures of different sizes");
  let sum = 0;
  for (let at = 0; at < a.rgba.length; at++) sum += (a.rgba[at] - b.rgba[at]) ** 2;
  return sum === 0 ? Infinity : 10 * Math.log10((255 ** 2 * a.width * a.height * 3) / sum);
}

/** A decoded picture as a plain object; its memory in the module is given back. */
export function decoded(picture) {
  const { width, height, rgba, units, look } = picture;
  picture.free();
  return { width, height, rgba, units, look };
}
