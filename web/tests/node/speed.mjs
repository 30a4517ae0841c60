// Prints how long things take: `node web/tests/node/speed.mjs`. Processor time of this thread and its compilers, the
// best and the first of several runs, in milliseconds. It checks nothing: machines differ.

import { readFileSync } from "node:fs";
import { codec, decoderBytes, drawn, flextok, network, tablesBytes, wasmFile } from "./setup.mjs";

function time(name, work, runs = 7) {
  const times = [];
  let result;
  for (let run = 0; run < runs; run++) {
    const [wall, cpu] = [performance.now(), process.cpuUsage().user];
    result = work();
    times.push([performance.now() - wall, (process.cpuUsage().user - cpu) / 1000]);
  }
  const column = (index) => [times[0][index], Math.min(...times.map((pair) => pair[index]))];
  const text = [...column(0), ...column(1)].map((value) => value.toFixed(0).padStart(8));
  console.log(name.padEnd(34), ...text);
  return result;
}

console.log("".padEnd(34), ...["first", "best", "cpu", "cpu"].map((text) => text.padStart(8)));
const bytes = readFileSync(wasmFile);
time("compile the module", () => new WebAssembly.Module(bytes), 3);
time("open the model", () => new flextok.Codec(tablesBytes, decoderBytes).free(), 3);
for (const [width, height] of [[256, 256], [512, 768]]) {
  const file = codec().encode(drawn(width, height).rgba, width, height, { canvas: "own" });
  // The first decode prepares the layers.
  const model = new flextok.Codec(tablesBytes, decoderBytes);
  for (const look of ["sharp", "plain"]) time(`decode ${width}x${height}, ${look}`, () => model.decode(file, { look }).free());
  model.free();
}
const { width, height, rgba } = drawn(1600, 1200);
for (const bytes of [64, 1024, 16_384]) {
  const file = time(`encode 1600x1200, ${bytes} bytes`, () => codec().encode(rgba, width, height, { bytes }));
  time(`decode canvas, ${bytes} bytes`, () => codec().decode(file, { keepCanvas: true }).free());
  time(`decode to 1600x1200, ${bytes} bytes`, () => codec().decode(file).free());
}
const tokens = time("encode 1600x1200, 256 tokens", () => network().encode(rgba, width, height), 3);
time("decode canvas, 256 tokens, 1 step", () => network().decode(tokens, { steps: 1, keepCanvas: true }).free(), 3);
