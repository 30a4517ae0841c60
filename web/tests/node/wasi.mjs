// Runs a test program of cargo's that was built for wasm32-wasip1, so that the engine's own tests try the kernels for
// simd128 too:
//
//   rustup target add wasm32-wasip1
//   RUSTFLAGS="-C target-feature=+simd128" CARGO_TARGET_WASM32_WASIP1_RUNNER="node $PWD/web/tests/node/wasi.mjs" \
//     cargo test --release --target wasm32-wasip1 -p flextok-compute --lib

import { readFileSync } from "node:fs";
import { WASI } from "node:wasi";

const [program, ...options] = process.argv.slice(2);
// Proptest writes a failing case beside the source; nothing else touches files.
const wasi = new WASI({ version: "preview1", args: [program, ...options], preopens: { "/": "/" } });
const { instance } = await WebAssembly.instantiate(readFileSync(program), wasi.getImportObject());
process.exitCode = wasi.start(instance);
