// <flextok-image> on slow, failing and lying lines.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, it } from "node:test";
import { broken, dist, flextok, folder, line, open, photo, save, serve, shot, startBrowser, suite } from "./harness.mjs";

/**
 * Makes an element in the page, lets it load and returns all that it told, with PSNR of each picture. `breaks` is the number
 * of bytes after which its line is to break.
 */
async function watch({ attributes, photo, breaks, until = ["flextok-complete", "flextok-error"] }) {
  await customElements.whenDefined("flextok-image");
  const image = document.createElement("flextok-image");
  const breaking = async (address, options) => {
    const response = await fetch(address, options);
    const reader = response.body.getReader();
    let taken = 0;
    // Asked for more, and only then: what came before has been taken.
    const pull = async (controller) => {
      if (taken === breaks) await fetch(`${address}/broken`);
      const { done, value } = await reader.read();
      if (done) return controller.close();
      taken += value.length;
      controller.enqueue(value);
    };
    return new Response(new ReadableStream({ pull }, { highWaterMark: 0 }), response);
  };
  if (breaks !== undefined) image.fetch = breaking;
  const events = [];
  const pictures = [];
  const pixels = () => {
    const { naturalWidth: width, naturalHeight: height, canvas } = image;
    const context = new OffscreenCanvas(width, height).getContext("2d");
    context.drawImage(canvas, 0, 0, width, height);
    return context.getImageData(0, 0, width, height).data;
  };
  const ended = new Promise((done) => {
    for (const type of ["flextok-header", "flextok-picture", "flextok-complete", "flextok-error"]) {
      image.addEventListener(type, ({ detail }) => {
        const { error, ...rest } = detail;
        const box = image.getBoundingClientRect();
        events.push({ type, ...rest, kind: error?.kind, status: error?.status, box: [box.width, box.height] });
        if (type === "flextok-picture") pictures.push(pixels());
        if (until.includes(type)) done();
      });
    }
  });
  for (const [name, value] of Object.entries(attributes)) image.setAttribute(name, value);
  document.body.prepend(image);
  await ended;
  const psnr = (a, b) => {
    let sum = 0;
    for (let i = 0; i < a.length; i++) sum += (a[i] - b[i]) ** 2;
    // Opacity is the same everywhere: three of four bytes count.
    return 10 * Math.log10((255 ** 2 * a.length * 0.75) / Math.max(sum, 1e-9));
  };
  const last = pictures.at(-1);
  const toLast = pictures.slice(0, -1).map((picture) => psnr(picture, last));
  let toPhoto = [];
  if (photo) {
    const blob = new Blob([Uint8Array.from(atob(photo), (c) => c.charCodeAt(0))]);
    const bitmap = await createImageBitmap(blob);
    const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d");
    context.drawImage(bitmap, 0, 0);
    const { data } = context.getImageData(0, 0, bitmap.width, bitmap.height);
    toPhoto = pictures.map((picture) => psnr(picture, data));
  }
  const { state, shownUnits, bytes } = image;
  const role = [image.getAttribute("role"), image.getAttribute("aria-label")];
  return { events, toLast, toPhoto, state, shownUnits, bytes: bytes && [...bytes], role };
}

const rising = (values) => values.every((value, i) => i === 0 || value > values[i - 1]);
const of = (watched, type) => watched.events.filter((event) => event.type === type);

describe("<flextok-image>", () => {
  let browser, address, slow, path;
  const shared = suite();
  before(async () => {
    browser = await startBrowser(shared);
    path = folder(shared);
    address = await serve(shared, path);
    slow = await serve(shared, path, "--rate", "100");
  });

  it("improves while a file comes over a slow line", async (t) => {
    // An empty index keeps the page from decoding files of its own.
    const page = await open(t, browser, await line(t, slow, { "/index.json": (response) => response.end("[]") }));
    await page.evaluate(async () => (await import("/api.js")).load());
    const watched = await page.evaluate(watch, {
      attributes: { src: "/coffee.flxt", alt: "A cup of coffee" },
      photo: photo("coffee.png").toString("base64"),
    });
    // Some come once more with their look, whose errors are its own matter.
    const plain = of(watched, "flextok-picture").map(({ look }) => look === "plain");
    const pictures = of(watched, "flextok-picture").filter((_, at) => plain[at]);
    watched.toPhoto = watched.toPhoto.filter((_, at) => plain[at]);
    t.diagnostic(`${pictures.map(({ units }) => units)} bytes of payload: ${watched.toPhoto.map((db) => db.toFixed(2))} dB`);
    assert.ok(pictures.length >= 8, `${pictures.length} pictures`);
    assert.ok(rising(pictures.map(({ units }) => units)));
    // Bytes that came while a picture waited for its turn are there for it and for the next one.
    assert.ok(pictures.every(({ bytes }, at) => at === 0 || bytes >= pictures[at - 1].bytes));
    // A few bytes more can make it a little worse; twice as many cannot.
    const doublings = [0, 8, 16, 32, 64, 128, 256, 512, 1008].map((least) => pictures.findIndex(({ units }) => units >= least));
    const steps = [...new Set(doublings)].map((at) => watched.toPhoto[at]);
    assert.ok(rising(steps), `${steps} dB against the photo`);
    assert.ok(watched.toPhoto.at(-1) > watched.toPhoto[0] + 4, `${watched.toPhoto} dB against the photo`);
    assert.deepEqual(of(watched, "flextok-complete").map(({ state, units, bytes }) => [state, units, bytes]), [["complete", 1008, 1024]]);
    assert.equal(watched.events[0].type, "flextok-header");
    assert.deepEqual(watched.bytes, [...readFileSync(join(path, "coffee.flxt"))]);
    assert.deepEqual(watched.role, ["img", "A cup of coffee"]);
    // From the header on it has the room that it has in the end.
    assert.deepEqual(new Set(watched.events.map(({ box }) => `${box}`)).size, 1);
    assert.ok(watched.events[0].box[1] > 0);
    await shot(page, "element");
  });

  it("paints plain at once, and once more with its look when the decoder comes", async (t) => {
    let go;
    const released = new Promise((done) => (go = done));
    let missing = false;
    const own = await line(t, address, {
      "/index.json": (response) => response.end("[]"),
      "/decoder.safetensors": async (response) => {
        if (missing) return response.writeHead(404).end();
        await released;
        response.end(readFileSync(join(dist, "decoder.safetensors")));
      },
    });
    const page = await open(t, browser, own, { expected: ["404"] });
    /** Looks of three elements when their files are complete, or in the end, where they change. */
    const add = async () => {
      await customElements.whenDefined("flextok-image");
      const made = (look) => {
        const image = document.createElement("flextok-image");
        image.look = look;
        image.src = "/coffee.flxt";
        image.pixels = () => {
          const context = new OffscreenCanvas(600, 400).getContext("2d");
          context.drawImage(image.canvas, 0, 0);
          return context.getImageData(0, 0, 600, 400).data;
        };
        const complete = new Promise((done) => image.addEventListener("flextok-complete", done, { once: true }));
        document.body.append(image);
        return complete.then(() => image);
      };
      self.images = await Promise.all([undefined, "sharp", "plain", "nonsense"].map(made));
      self.before = images.map((image) => image.pixels());
      return images.map(({ state, shownLook }) => [state, shownLook]);
    };
    assert.deepEqual(await page.evaluate(add), Array(4).fill(["complete", "plain"]));
    go();
    const after = await page.evaluate(async () => {
      const changing = [0, 1, 3].map((at) => new Promise((done) => images[at].addEventListener("flextok-picture", done, { once: true })));
      await Promise.all(changing);
      const changed = images.map((image, at) => image.pixels().some((value, index) => value !== before[at][index]));
      return images.map(({ state, shownLook, look }, at) => [state, look, shownLook, changed[at]]);
    });
    assert.deepEqual(after, [
      ["complete", undefined, 0.5, true],
      ["complete", "sharp", 1, true],
      ["complete", "plain", "plain", false],
      ["complete", undefined, 0.5, true],
    ]);
    // Without it, in a page that has not kept it, they are complete all the same.
    missing = true;
    await page.evaluate(async () => caches.delete("flextok-model-1"));
    await page.reload();
    assert.deepEqual(await page.evaluate(add), Array(4).fill(["complete", "plain"]));
  });

  it("reads no further than it is told to", async (t) => {
    const page = await open(t, browser, slow);
    const watched = await page.evaluate(watch, { attributes: { src: "/chelsea.flxt", units: 5 } });
    assert.deepEqual([watched.state, watched.shownUnits], ["complete", 5]);
    assert.ok(watched.bytes.length < 100, `${watched.bytes.length} bytes`);
  });

  it("keeps what came before the line broke", async (t) => {
    const file = readFileSync(join(path, "coffee.flxt"));
    // Bytes of payload in so many of the file, as the program counts them.
    const unitsIn = (count) => {
      if (count <= 12) return 0;
      const part = save(t, "part.flxt", file.subarray(0, count).toString("base64"));
      return JSON.parse(flextok("info", "--json", part)).bytes_have;
    };
    const counts = [0, 5, 11, 12, 13, 14, 20, 75, 76, 77, 78, 268, 269, 270, 271, 272, 600, 1021, 1022, 1023];
    const cuts = counts.map((count) => [count, unitsIn(count)]);
    const faults = Object.assign({}, ...counts.map((count) => broken(`/cut-${count}.flxt`, file, count)));
    const page = await open(t, browser, await line(t, address, faults), { expected: ["ERR_CONTENT_LENGTH_MISMATCH"] });
    for (const [count, units] of cuts) {
      const watched = await page.evaluate(watch, { attributes: { src: `/cut-${count}.flxt`, alt: "Coffee" }, breaks: count });
      const [end] = of(watched, "flextok-error");
      assert.deepEqual([end.kind, end.units], ["network", units], `${count} bytes`);
      assert.deepEqual([watched.state, watched.shownUnits], [units ? "truncated" : "failed", units], `${count} bytes`);
      if (units) assert.deepEqual(watched.bytes, [...file.subarray(0, count)]);
      else assert.equal(of(watched, "flextok-picture").length, 0);
    }
  });

  it("shows a truncated file without complaint", async (t) => {
    const file = readFileSync(join(path, "coffee.flxt")).subarray(0, 60);
    const page = await open(t, browser, await line(t, address, { "/short.flxt": (response) => response.end(file) }));
    const watched = await page.evaluate(watch, { attributes: { src: "/short.flxt" } });
    assert.deepEqual(of(watched, "flextok-complete").map(({ state, units, bytes }) => [state, units, bytes]), [["truncated", 48, 60]]);
  });

  it("takes back what a checksum disproves", async (t) => {
    const file = readFileSync(join(path, "coffee.flxt"));
    const flipped = (at) => file.map((byte, i) => (i === at ? byte ^ 1 : byte));
    const faults = {
      "/payload.flxt": (response) => response.end(flipped(100)),
      "/header.flxt": (response) => response.end(flipped(5)),
      "/none.flxt": (response) => response.end("<!doctype html><title>Not a picture, whatever its name says</title>"),
      "/empty.flxt": (response) => response.end(),
      "/longer.flxt": (response) => response.end(Buffer.concat([file, Buffer.from("more")])),
    };
    const page = await open(t, browser, await line(t, address, faults), { expected: ["404"] });
    const ends = {};
    for (const name of ["payload", "header", "none", "empty", "longer", "missing"]) {
      const watched = await page.evaluate(watch, { attributes: { src: `/${name}.flxt`, alt: "Coffee" } });
      const [{ kind, status, units }] = of(watched, "flextok-error");
      ends[name] = [kind, status ?? units, watched.state, watched.shownUnits];
    }
    assert.deepEqual(ends, {
      payload: ["corrupt", 64, "truncated", 64],
      header: ["corrupt", 0, "failed", 0],
      none: ["corrupt", 0, "failed", 0],
      empty: ["corrupt", 0, "failed", 0],
      longer: ["corrupt", 1008, "truncated", 1008],
      missing: ["http", 404, "failed", 0],
    });
  });

  it("follows its attributes and leaves with the document", async (t) => {
    const closed = [];
    const own = await line(t, address, {
      "/endless.flxt": (response) => {
        response.write(readFileSync(join(path, "chelsea.flxt")).subarray(0, 40));
        response.on("close", () => closed.push(response.writableFinished));
      },
    });
    const page = await open(t, browser, own);
    const first = await page.evaluate(watch, { attributes: { src: "/endless.flxt", alt: "" }, until: ["flextok-picture"] });
    assert.deepEqual([first.state, first.shownUnits, first.role[0]], ["partial", 28, "presentation"]);
    // Another file: the first is given up, and only the second is heard of.
    const heard = await page.evaluate(async () => {
      const image = document.querySelector("flextok-image");
      const heard = [];
      for (const type of ["flextok-picture", "flextok-complete", "flextok-error"]) {
        image.addEventListener(type, ({ detail }) => heard.push([type, detail.units]));
      }
      const complete = new Promise((done) => image.addEventListener("flextok-complete", done, { once: true }));
      image.src = "/coffee.flxt";
      image.alt = "Coffee";
      image.units = 9;
      await complete;
      return [heard.at(-1), image.naturalWidth, image.getAttribute("role"), image.getAttribute("aria-label")];
    });
    assert.deepEqual(heard, [["flextok-complete", 9], 600, "img", "Coffee"]);
    assert.deepEqual(closed, [false]);
    // Removed while it loads.
    const after = await page.evaluate(async () => {
      const image = document.querySelector("flextok-image");
      const header = new Promise((done) => image.addEventListener("flextok-header", done, { once: true }));
      image.removeAttribute("units");
      image.src = "/endless.flxt";
      await header;
      let heard = 0;
      for (const type of ["flextok-picture", "flextok-complete", "flextok-error"]) image.addEventListener(type, () => heard++);
      image.remove();
      // A decode later, whatever was on its way has come.
      const { decode } = await import("/api.js");
      await decode(await (await fetch("/coffee.flxt")).blob());
      return heard;
    });
    assert.equal(after, 0);
    assert.deepEqual(closed, [false, false]);
    // And back again.
    await page.evaluate(async () => {
      const image = document.createElement("flextok-image");
      image.src = "/coffee.flxt";
      document.body.append(image);
      image.remove();
      const complete = new Promise((done) => image.addEventListener("flextok-complete", done, { once: true }));
      document.body.append(image);
      await complete;
      image.removeAttribute("src");
      await new Promise((done) => setTimeout(done));
      if (image.state !== "empty") throw new Error(image.state);
    });
  });

  it("paints the last picture once when the line breaks", async (t) => {
    const file = readFileSync(join(path, "coffee.flxt"));
    const own = await line(t, address, { "/index.json": (response) => response.end("[]"), ...broken("/half.flxt", file, 300) });
    const page = await open(t, browser, own, { expected: ["ERR_", "half.flxt"] });
    await page.evaluate(async () => (await import("/api.js")).load());
    const watched = await page.evaluate(watch, { attributes: { src: "/half.flxt" }, breaks: 300 });
    const units = of(watched, "flextok-picture").filter(({ look }) => look === "plain").map((event) => event.units);
    assert.ok(units.length > 0);
    assert.equal(new Set(units).size, units.length, `${units}`);
    assert.deepEqual(of(watched, "flextok-error").map((event) => event.units), [units.at(-1)]);
  });

  it("says of what is no address that it could not be fetched", async (t) => {
    const page = await open(t, browser, await line(t, address, { "/index.json": (response) => response.end("[]") }));
    const watched = await page.evaluate(watch, { attributes: { src: "http://" } });
    assert.deepEqual(of(watched, "flextok-error").map(({ kind, units }) => [kind, units]), [["network", 0]]);
    assert.equal(await page.evaluate(() => document.querySelector("flextok-image").src), "http://");
  });

  it("has the size that an <img> of the picture has", async (t) => {
    const page = await open(t, browser, await line(t, address, { "/index.json": (response) => response.end("[]") }), { bypassCSP: true });
    const cases = await page.evaluate(async () => {
      const canvas = new OffscreenCanvas(600, 400);
      canvas.getContext("2d");
      const picture = URL.createObjectURL(await canvas.convertToBlob());
      await customElements.whenDefined("flextok-image");
      const box = (element, style) => {
        const { width, height } = element.getBoundingClientRect();
        // Of an image without a place on the page, browsers disagree on these two.
        const sizes = style === "display: none" ? [] : [element.width, element.height];
        return [width, height, ...sizes].map(Math.round);
      };
      const found = [];
      const styles = ["", "width: 300px", "height: 100px", "max-width: 100%", "max-width: 100%; height: auto", "width: 100%; height: auto"];
      styles.push("max-height: 50px", "width: 90px; height: 90px", "border: 3px solid; padding: 5px; width: 300px", "aspect-ratio: 1; width: 80px");
      styles.push("box-sizing: border-box; padding: 5px; width: 300px", "display: block", "display: block; height: 100px", "display: none");
      for (const attributes of [{}, { width: "300" }, { height: "100" }, { width: "300", height: "300" }, { width: "50%" }, { width: "-3", height: "x" }]) {
        for (const style of styles) {
          const pair = [];
          for (const [name, src] of [["img", picture], ["flextok-image", "/coffee.flxt"]]) {
            const frame = document.createElement("div");
            frame.style.width = "500px";
            const element = document.createElement(name);
            for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
            element.style.cssText = style;
            frame.append(element);
            document.body.append(frame);
            // Before it arrives, an image with both attributes has its room as well.
            const before = "width" in attributes && "height" in attributes ? box(element, style).slice(0, 2) : null;
            const events = name === "img" ? ["load"] : ["flextok-complete"];
            const done = new Promise((end) => element.addEventListener(events[0], end, { once: true }));
            element.setAttribute("src", src);
            await done;
            pair.push([before, box(element, style), Math.round(frame.getBoundingClientRect().height)]);
            frame.remove();
          }
          found.push([JSON.stringify(attributes), style, ...pair]);
        }
      }
      return found;
    });
    assert.equal(cases.length, 84);
    for (const [attributes, style, img, own] of cases) assert.deepEqual(own, img, `${attributes} ${style}`);
  });

  it("waits with loading=lazy until it comes near, as <img> does", async (t) => {
    const asked = [];
    const page = await open(t, browser, await line(t, address, {
      "/index.json": (response) => response.end("[]"),
      "/far.flxt": (response) => (asked.push("far"), response.end(readFileSync(join(path, "coffee.flxt")))),
    }));
    const states = await page.evaluate(async () => {
      await customElements.whenDefined("flextok-image");
      const add = (top) => {
        const image = document.createElement("flextok-image");
        image.style.cssText = `position: absolute; top: ${top}px`;
        [image.width, image.height] = [300, 200];
        image.loading = "lazy";
        image.src = "/far.flxt";
        document.body.append(image);
        return image;
      };
      const complete = (image) => new Promise((done) => image.addEventListener("flextok-complete", done, { once: true }));
      const near = add(100);
      const [far, further] = [add(20_000), add(40_000)];
      await complete(near);
      // Two frames later, an observer would have told.
      for (let i = 0; i < 4; i++) await new Promise(requestAnimationFrame);
      const waiting = [far.state, further.state, far.loading];
      const shown = complete(far);
      scrollTo(0, 20_000);
      await shown;
      // What waits need not wait any longer once it is not lazy.
      const hurried = complete(further);
      further.loading = "eager";
      await hurried;
      return [...waiting, far.state, further.state];
    });
    assert.deepEqual(states, ["loading", "loading", "lazy", "complete", "complete"]);
    assert.equal(asked.length, 3);
  });
});
