// The library in the browser against the program: the same files, the same pictures, and jobs that can be given up.
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { before, describe, it } from "node:test";
import { dist, flextok, folder, line, open, photo, photos, save, scratch, serve, startBrowser, suite } from "./harness.mjs";

const network = resolve(photos, "../data/nano.safetensors");

/** Base64 to bytes and back, in the page. */
const helpers = () => {
  self.toBytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  self.toText = (bytes) => {
    let text = "";
    for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
    return btoa(text);
  };
};

describe("the library", () => {
  let browser, address, path;
  const shared = suite();
  before(async () => {
    browser = await startBrowser(shared, "--host-resolver-rules=MAP plain.test 127.0.0.1");
    path = folder(shared);
    address = await serve(shared, path);
  });

  /** The page, to call the library from. */
  async function blank(t, at = address, options) {
    const page = await open(t, browser, at, options);
    await page.evaluate(helpers);
    return page;
  }

  /** A page where `network` is a codec with a FlexTok network, and `ids` a file of its tokens. */
  async function withNetwork(t, { host = "127.0.0.1", expected } = {}) {
    const file = join(scratch(t), "ids.flxt");
    flextok("encode", "--model", network, join(photos, "coffee.png"), "-o", file);
    const own = await line(t, address, {
      "/network.safetensors": (response) => response.end(readFileSync(network)),
      "/ids.flxt": (response) => response.end(readFileSync(file)),
    });
    const page = await blank(t, own.replace("127.0.0.1", host), { expected });
    await page.evaluate(async () => {
      const { Flextok } = await import("/api.js");
      self.network = new Flextok({ model: "/network.safetensors" });
      self.ids = new Uint8Array(await (await fetch("/ids.flxt")).arrayBuffer());
      self.about = await network.load();
    });
    return page;
  }

  it("makes the files that the program makes", async (t) => {
    const page = await blank(t);
    for (const name of ["astronaut", "chelsea", "coffee"]) {
      const made = await page.evaluate(async (text) => {
        const { encode } = await import("/api.js");
        const { bytes, width, height } = await encode(new Blob([toBytes(text)], { type: "image/png" }));
        return { file: toText(bytes), width, height };
      }, photo(`${name}.png`).toString("base64"));
      const file = save(t, "browser.flxt", made.file);
      assert.deepEqual(readFileSync(file), readFileSync(join(path, `${name}.flxt`)), name);
    }
  });

  it("takes bitmaps and pixels, and budgets", async (t) => {
    const page = await blank(t);
    const sizes = await page.evaluate(async (text) => {
      const { encode, cut, inspect } = await import("/api.js");
      const blob = new Blob([toBytes(text)], { type: "image/png" });
      const bitmap = await createImageBitmap(blob);
      const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d");
      context.drawImage(bitmap, 0, 0);
      const pixels = context.getImageData(0, 0, bitmap.width, bitmap.height);
      const whole = (await encode(blob)).bytes;
      const same = (a, b) => a.length === b.length && a.every((value, i) => value === b[i]);
      const kept = [same(whole, (await encode(bitmap)).bytes), bitmap.width > 0];
      kept.push(same(whole, (await encode(pixels)).bytes), pixels.data.length > 0);
      kept.push(same(whole, (await encode(pixels, { transfer: true })).bytes), pixels.data.length === 0);
      kept.push(same(whole, (await encode(bitmap, { transfer: true })).bytes), bitmap.width === 0);
      const small = (await encode(blob, { bytes: 100 })).bytes;
      const part = await cut(whole, { bytes: 100 });
      kept.push(whole.length === 1024, small.length === 100, part.length === 100, !same(small, part));
      kept.push(same(await cut(whole, { units: (await inspect(part)).bytes_total }), part));
      return kept;
    }, photo("coffee.png").toString("base64"));
    assert.ok(sizes.every(Boolean), `${sizes}`);
  });

  it("makes the pictures that the program makes, above 50 dB", async (t) => {
    const page = await blank(t);
    const scratched = scratch(t);
    const cases = [["astronaut", 1000, "plain"], ["chelsea", 16, "plain"], ["coffee", 1, "plain"], ["coffee", 256, "plain"]];
    cases.push(["coffee", 1, "sharp"], ["chelsea", 600, "0.5"], ["chelsea", 600, "faithful"]);
    for (const [name, units, look] of cases) {
      const file = readFileSync(join(path, `${name}.flxt`)).toString("base64");
      const png = await page.evaluate(
        async ([text, units, look]) => {
          const { decode } = await import("/api.js");
          const picture = await decode(toBytes(text), { units, look });
          if (picture.units !== units) throw new Error(`${picture.units} bytes`);
          const canvas = new OffscreenCanvas(picture.width, picture.height);
          canvas.getContext("2d").putImageData(picture.pixels, 0, 0);
          const blob = await canvas.convertToBlob({ type: "image/png" });
          return toText(new Uint8Array(await blob.arrayBuffer()));
        },
        [file, units, look],
      );
      const own = join(scratched, `${name}-${units}.png`);
      const { cuts } = JSON.parse(flextok("info", "--json", join(path, `${name}.flxt`)));
      const header = cuts[0].prefix_bytes - 1;
      // A check after 64 and 256 bytes.
      const end = header + units + (units > 64 ? 1 : 0) + (units > 256 ? 1 : 0);
      const part = join(scratched, `${name}-${units}.flxt`);
      writeFileSync(part, readFileSync(join(path, `${name}.flxt`)).subarray(0, end));
      flextok("decode", "-q", "--force", "--look", look, part, "-o", own);
      const { psnr } = JSON.parse(flextok("compare", "--json", own, save(t, "browser.png", png)));
      assert.ok(psnr === null || psnr > 50, `${name}, ${units} bytes, ${look}: ${psnr} dB`);
      t.diagnostic(`${name}, ${units} bytes, ${look}: ${psnr ?? "identical,"} dB`);
    }
  });

  it("says what files hold, as the program does", async (t) => {
    const page = await blank(t);
    const own = JSON.parse(flextok("info", "--json", join(path, "chelsea.flxt")));
    const info = await page.evaluate(async () => {
      const { inspect } = await import("/api.js");
      return inspect(await (await fetch("/chelsea.flxt")).blob());
    });
    for (const [key, value] of Object.entries(info)) assert.deepEqual(value, own[key], key);
    assert.deepEqual([info.bytes_have, info.bytes_proven], [1008, 1008]);
  });

  it("keeps the kind of an error", async (t) => {
    const page = await blank(t, address, { expected: ["no.flxt"] });
    const kinds = await page.evaluate(async () => {
      const { FlextokError, decode, encode, cut, inspect, stream } = await import("/api.js");
      const file = new Uint8Array(await (await fetch("/coffee.flxt")).arrayBuffer());
      const other = file.with(6, file[6] ^ 1);
      const corrupt = file.with(100, file[100] ^ 1);
      const kind = (promise) => promise.then(() => "none", (e) => (e instanceof FlextokError ? e.kind : e.name));
      return Promise.all(
        [
          inspect(new Uint8Array([1, 2, 3])),
          inspect(other),
          cut(corrupt, { units: 64 }),
          decode(file, { units: 0 }),
          decode(file, { steps: 3 }),
          encode(new Blob(["text"])),
          stream("/no.flxt"),
          stream(new Uint8Array(file.subarray(0, 12))),
          decode("text"),
        ].map(kind),
      );
    });
    assert.deepEqual(kinds, ["corrupt", "corrupt", "corrupt", "usage", "usage", "image", "http", "corrupt", "TypeError"]);
  });

  it("gives up what is no longer wanted", async (t) => {
    const page = await withNetwork(t);
    const outcome = await page.evaluate(async () => {
      const end = (promise) => promise.then((picture) => picture.units, (error) => error?.kind ?? error?.name ?? error);
      // One that runs, stopped after some of its steps; one that waits; one that was too late from the start.
      let steps = 0;
      const running = new AbortController();
      const first = end(network.decode(ids, { steps: 200, signal: running.signal, onStep: (step) => {
        steps = step;
        if (step === 3) running.abort();
      } }));
      const waiting = new AbortController();
      const second = end(network.decode(ids, { signal: waiting.signal }));
      waiting.abort("not needed");
      const third = end(network.decode(ids, { signal: AbortSignal.abort() }));
      const fourth = end(network.decode(ids, { steps: 50, onStep: (step) => step < 2 }));
      const outcomes = await Promise.all([first, second, third, fourth]);
      // The worker is free again: nothing else ran for 200 steps before this one.
      return [...outcomes, await end(network.decode(ids, { units: 5 })), steps];
    });
    assert.deepEqual(outcome.slice(0, 5), ["AbortError", "not needed", "AbortError", "cancelled", 5]);
    assert.ok(outcome[5] < 200, `${outcome[5]} steps`);
  });

  it("ends a decode with what its onStep throws", async (t) => {
    const page = await withNetwork(t);
    const outcome = await page.evaluate(async () => {
      const onStep = () => {
        throw new Error("enough");
      };
      return network.decode(ids, { steps: 3, onStep }).then(() => "decoded", ({ message }) => message);
    });
    assert.equal(outcome, "enough");
  });

  it("keeps the size of a photo that is too large to be encoded as it is", async (t) => {
    const page = await blank(t);
    const [returned, stored] = await page.evaluate(async () => {
      const { encode, inspect } = await import("/api.js");
      const canvas = new OffscreenCanvas(7000, 5000);
      canvas.getContext("2d").fillRect(0, 0, 3000, 5000);
      const { bytes, width, height } = await encode(canvas.transferToImageBitmap(), { bytes: 400, transfer: true });
      const info = await inspect(bytes);
      return [[width, height], [info.width, info.height, info.bytes]];
    });
    assert.deepEqual(returned, [7000, 5000]);
    assert.deepEqual(stored, [7000, 5000, 400]);
  });

  it("does the newest of a group and drops the rest", async (t) => {
    const page = await blank(t);
    const ends = await page.evaluate(async () => {
      const { decode, load } = await import("/api.js");
      await load();
      const file = new Uint8Array(await (await fetch("/coffee.flxt")).arrayBuffer());
      const requests = Array.from({ length: 12 }, (_, i) => decode(file, { units: i + 1, group: "slider" }));
      const other = decode(file, { units: 200, group: "other" });
      const ends = await Promise.allSettled([...requests, other]);
      return ends.map(({ value, reason }) => value?.units ?? reason.kind);
    });
    // The page itself shares the worker: whether the first one still found it free is left open.
    assert.deepEqual(ends.slice(1), [...Array(10).fill("superseded"), 12, 200]);
    assert.ok([1, "superseded"].includes(ends[0]));
  });

  it("leaves the page alive while it decodes", async (t) => {
    const page = await withNetwork(t);
    const frames = await page.evaluate(async () => {
      // Frames between the steps: a page that computed itself would have none.
      let frames = 0;
      let running = true;
      const frame = () => running && (frames++, requestAnimationFrame(frame));
      requestAnimationFrame(frame);
      await network.decode(ids, { steps: 40 });
      running = false;
      return frames;
    });
    assert.ok(frames >= 10, `${frames} frames`);
  });

  it("fetches each part of the model once", async (t) => {
    const sizes = { "/tables.safetensors": 29_872, "/decoder.safetensors": 3_311_024 };
    const asked = { "/tables.safetensors": [], "/decoder.safetensors": [] };
    let down = false;
    const fault = (path) => async (response, request) => {
      const tag = request.headers["if-none-match"];
      asked[path].push(tag);
      if (down) return response.destroy();
      const answer = await fetch(address + path, { headers: tag ? { "If-None-Match": tag } : {} });
      response.writeHead(answer.status, { ETag: answer.headers.get("etag"), "Cross-Origin-Embedder-Policy": "require-corp" });
      response.end(Buffer.from(await answer.arrayBuffer()));
    };
    const own = await line(t, address, Object.fromEntries(Object.keys(sizes).map((path) => [path, fault(path)])));
    const page = await open(t, browser, own, { expected: ["ERR_EMPTY_RESPONSE", "ERR_CONNECTION"] });
    const loaded = async () => {
      const infos = await page.evaluate(async () => {
        const { load, loadDecoder } = await import("/api.js");
        return [await load(), await loadDecoder()];
      });
      assert.deepEqual(infos.map(({ bytes }) => bytes), Object.values(sizes));
      assert.deepEqual(infos.map(({ learned }) => learned), [false, true]);
      const model = JSON.parse(flextok("model", "--json")).model;
      assert.deepEqual(infos.map(({ name }) => name), [model, model]);
      return infos.map(({ cached }) => cached);
    };
    assert.deepEqual(await loaded(), [false, false]);
    await page.waitForFunction(async () => (await (await caches.open("flextok-model-1")).keys()).length === 2);
    await page.reload();
    assert.deepEqual(await loaded(), [true, true]);
    for (const tags of Object.values(asked)) {
      assert.equal(tags.length, 2);
      assert.ok(tags[1]);
    }
    // Without the line they are still there.
    down = true;
    await page.reload();
    assert.deepEqual(await loaded(), [true, true]);
    // What is kept but is no model is fetched anew.
    down = false;
    await page.evaluate(async () => {
      const cache = await caches.open("flextok-model-1");
      for (const key of await cache.keys()) {
        const { headers } = await cache.match(key);
        await cache.put(key, new Response("broken", { headers }));
      }
    });
    await page.reload();
    assert.deepEqual(await loaded(), [false, false]);
  });

  /** A line on which the decoder's weights wait until they are let go, or are missing. */
  async function withDecoder(t, { missing = false, ...more } = {}) {
    let go;
    const released = new Promise((done) => (go = done));
    const state = { go, missing, asked: 0 };
    state.address = await line(t, address, {
      "/index.json": (response) => response.end("[]"),
      "/decoder.safetensors": async (response) => {
        state.asked++;
        if (state.missing) return response.writeHead(404).end();
        await released;
        response.end(readFileSync(join(dist, "decoder.safetensors")));
      },
      ...more,
    });
    return state;
  }

  it("works without the decoder until it has come", async (t) => {
    const weights = await withDecoder(t);
    const page = await blank(t, weights.address);
    const before = await page.evaluate(async () => {
      const { decode, encode, load } = await import("/api.js");
      self.file = new Uint8Array(await (await fetch("/coffee.flxt")).arrayBuffer());
      self.looks = [];
      const { learned } = await load();
      // Ones that wait for it keep none waiting.
      self.waiting = ["sharp", 0.25].map((look) => decode(file, { look }));
      const gone = decode(file, { look: "sharp", signal: AbortSignal.timeout(50) }).catch(({ name }) => name);
      const older = decode(file, { look: "sharp", group: "one" }).catch(({ kind }) => kind);
      const newer = await decode(file, { group: "one" });
      const plain = await decode(file, { look: "plain" });
      const { bytes } = await encode(plain.pixels, { bytes: 100, canvas: 4 });
      self.plain = plain.pixels.data;
      return [learned, newer.look, plain.look, bytes.length, await older, await gone];
    });
    assert.deepEqual(before, [false, "plain", "plain", 100, "superseded", "TimeoutError"]);
    weights.go();
    const after = await page.evaluate(async () => {
      const { decode, loadDecoder } = await import("/api.js");
      const [sharp, quarter] = await Promise.all(waiting);
      const { cached } = await loadDecoder();
      const differ = (a, b) => a.some((value, at) => value !== b[at]);
      const usual = await decode(file);
      const differing = [differ(sharp.pixels.data, plain), differ(sharp.pixels.data, usual.pixels.data)];
      return [sharp.look, quarter.look, usual.look, (await decode(file, { look: "plain" })).look, cached, ...differing];
    });
    assert.deepEqual(after, [1, 0.25, 0.5, "plain", false, true, true]);
    assert.equal(weights.asked, 1);
  });

  it("stays plain without the decoder, and tries again for who asks for a look", async (t) => {
    const weights = await withDecoder(t, { missing: true });
    const page = await blank(t, weights.address, { expected: ["404"] });
    const attempt = () =>
      page.evaluate(async () => {
        const { decode, loadDecoder } = await import("/api.js");
        const file = new Uint8Array(await (await fetch("/coffee.flxt")).arrayBuffer());
        await loadDecoder().catch(() => {});
        const looks = [undefined, "plain", "sharp", "balanced"];
        return Promise.all(looks.map((look) => decode(file, { look }).then(({ look }) => look, ({ kind, status }) => [kind, status])));
      });
    assert.deepEqual(await attempt(), ["plain", "plain", ["network", 404], ["usage", undefined]]);
    weights.missing = false;
    weights.go();
    assert.deepEqual(await attempt(), [0.5, "plain", 1, ["usage", undefined]]);
  });

  it("has all looks of a whole model, and none other than plain of one without a decoder", async (t) => {
    const whole = readFileSync(resolve(photos, "../../models/builtin.safetensors"));
    const weights = await withDecoder(t, { "/whole.safetensors": (response) => response.end(whole) });
    const page = await blank(t, weights.address);
    const found = await page.evaluate(async () => {
      const { Flextok } = await import("/api.js");
      const file = new Uint8Array(await (await fetch("/coffee.flxt")).arrayBuffer());
      const found = [];
      for (const options of [{ model: "/whole.safetensors" }, { decoder: null }, { model: "/tables.safetensors" }]) {
        const codec = new Flextok(options);
        const { learned } = await codec.load();
        const kind = await codec.loadDecoder().then(({ learned }) => learned, ({ kind }) => kind);
        const looks = [undefined, "plain", "sharp"].map((look) => codec.decode(file, { look }));
        found.push([learned, kind, ...(await Promise.all(looks.map((one) => one.then(({ look }) => look, ({ kind }) => kind))))]);
        codec.close();
      }
      return found;
    });
    assert.deepEqual(found, [[true, true, 0.5, "plain", 1], [false, "model", "plain", "plain", "usage"], [false, "model", "plain", "plain", "usage"]]);
  });

  it("streams each picture plain first, and the last one with its look", async (t) => {
    const weights = await withDecoder(t);
    const page = await blank(t, weights.address);
    const run = (look, go) =>
      page.evaluate(async ([look, go]) => {
        const { loadDecoder, stream } = await import("/api.js");
        if (go) await loadDecoder();
        const pictures = [];
        const onPicture = ({ bitmap, units, look }) => (bitmap.close(), pictures.push([units, look]));
        const { units, refined } = await stream("/coffee.flxt", { look, onPicture });
        const early = pictures.at(-1);
        self.last = refined.then((made) => [made, ...pictures.at(-1)]);
        return [units, early, ...(go ? [await self.last] : [])];
      }, [look, go]);
    assert.deepEqual(await run("sharp"), [1008, [1008, "plain"]]);
    weights.go();
    assert.deepEqual(await page.evaluate(() => last), [true, 1008, 1]);
    assert.deepEqual((await run(undefined, true)).at(-1), [true, 1008, 0.5]);
    assert.deepEqual((await run("plain", true)).at(-1), [false, 1008, "plain"]);
    const refused = await page.evaluate(async () => (await import("/api.js")).stream("/coffee.flxt", { look: "nice" }).catch(({ kind }) => kind));
    assert.equal(refused, "usage");
  });

  it("decodes 256 by 256 pixels with a look in half a second", async (t) => {
    const page = await blank(t);
    const times = await page.evaluate(async () => {
      const { decode, encode, loadDecoder } = await import("/api.js");
      await loadDecoder();
      const times = {};
      const decodes = async (bytes, look) => {
        const list = [];
        for (let run = 0; run < 5; run++) list.push((await decode(bytes, { look })).milliseconds);
        return list;
      };
      for (const [width, height] of [[256, 256], [512, 768]]) {
        const context = new OffscreenCanvas(width, height).getContext("2d");
        for (let at = 0; at < 500; at++) {
          context.fillStyle = `hsl(${(at * 37) % 360} 60% ${(at * 13) % 100}%)`;
          context.fillRect((at * 71) % width, (at * 53) % height, 60, 40);
        }
        const { bytes } = await encode(context.getImageData(0, 0, width, height), { canvas: "own" });
        for (const look of ["sharp", "plain"]) times[`${width}x${height} ${look}`] = await decodes(bytes, look);
      }
      return times;
    });
    for (const [size, list] of Object.entries(times)) t.diagnostic(`${size}: ${list.map(Math.round)} ms`);
    assert.ok(Math.min(...times["256x256 sharp"]) < 500, `${times["256x256 sharp"]} ms`);
  });

  it("works without a cache and without shared memory", async (t) => {
    // Plain http to another name than localhost: no Cache API, no isolation.
    const expected = ["untrustworthy", "Cross-Origin-Opener-Policy"];
    const page = await withNetwork(t, { host: "plain.test", expected });
    const outcome = await page.evaluate(async () => {
      const controller = new AbortController();
      const running = network.decode(ids, { steps: 10, signal: controller.signal, onStep: () => controller.abort() });
      const stopped = await running.catch((error) => error.name);
      const { units } = await network.decode(ids, { units: 7 });
      return [crossOriginIsolated, "caches" in self, about.cached, stopped, units];
    });
    assert.deepEqual(outcome, [false, false, false, "AbortError", 7]);
  });

  it("says that the module is missing, and tries again when asked again", async (t) => {
    let missing = true;
    const own = await line(t, address, {
      "/index.json": (response) => response.end("[]"),
      "/flextok_bg.wasm": async (response) => {
        if (missing) return response.writeHead(404).end();
        const answer = await fetch(`${address}/flextok_bg.wasm`);
        response.writeHead(200, { "Content-Type": "application/wasm" });
        response.end(Buffer.from(await answer.arrayBuffer()));
      },
    });
    const page = await blank(t, own, { expected: ["404", "WebAssembly"] });
    const attempt = () =>
      page.evaluate(async () => {
        const { inspect } = await import("/api.js");
        const file = await (await fetch("/coffee.flxt")).blob();
        return inspect(file).then(({ bytes }) => bytes, ({ kind }) => kind);
      });
    assert.equal(await attempt(), "module");
    await page.waitForSelector("#status:not(:empty)");
    missing = false;
    assert.equal(await attempt(), 1024);
  });

  it("says that a model is missing, and tries again when asked again", async (t) => {
    let missing = true;
    const own = await line(t, address, {
      "/other.safetensors": async (response) => {
        if (missing) return response.writeHead(404).end();
        const answer = await fetch(`${address}/tables.safetensors`);
        response.writeHead(200, { "Content-Length": answer.headers.get("content-length") });
        response.end(Buffer.from(await answer.arrayBuffer()));
      },
      "/text.safetensors": (response) => response.end("not a model"),
    });
    const page = await blank(t, own, { expected: ["404"] });
    const attempt = (model) =>
      page.evaluate(async (model) => {
        const { Flextok } = await import("/api.js");
        self.one ??= {};
        const codec = (self.one[model] ??= new Flextok({ model }));
        const file = await (await fetch("/coffee.flxt")).blob();
        return codec.decode(file, { units: 3 }).then(({ units }) => units, ({ kind, status }) => [kind, status]);
      }, model);
    assert.deepEqual(await attempt("/other.safetensors"), ["network", 404]);
    missing = false;
    assert.equal(await attempt("/other.safetensors"), 3);
    assert.equal((await attempt("/text.safetensors"))[0], "model");
    // A worker that is not there.
    const lost = await page.evaluate(async () => {
      const { Flextok } = await import("/api.js");
      const codec = new Flextok({ worker: "/no-worker.js" });
      const ends = [codec.load(), codec.inspect(new Uint8Array(3))];
      return Promise.all(ends.map((end) => end.catch(({ kind }) => kind)));
    });
    assert.deepEqual(lost, ["worker", "worker"]);
    const closed = await page.evaluate(async () => {
      const codec = self.one["/other.safetensors"];
      const { Flextok } = await import("/api.js");
      const waiting = codec.decode(new Uint8Array(3)).catch(({ kind }) => kind);
      codec.close();
      return [codec instanceof Flextok, await waiting, await codec.load().catch(({ kind }) => kind)];
    });
    assert.deepEqual(closed, [true, "closed", "closed"]);
  });
});
