// The page as people use it: picking, dropping, the slider, downloads, sizes and colours.
import assert from "node:assert/strict";
import { readFileSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { before, describe, it } from "node:test";
import {
  dist, download, drop, flextok, folder, line, open, photo, photos, pictureOf, scratch, serve, serveAlone, shot, startBrowser,
  suite,
} from "./harness.mjs";

const PHONE = { viewport: { width: 360, height: 740 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true };
const text = (page, id) => page.locator(`#${id}`).textContent();
const readout = async (page) => Number(await text(page, "bytes"));

describe("the page", () => {
  let browser, address;
  const t = suite();
  before(async () => {
    browser = await startBrowser(t);
    address = await serve(t, folder(t));
  });

  it("starts with a photo beside WebP of as many bytes and the original, isolated and without complaints", async (t) => {
    const page = await open(t, browser, address);
    await pictureOf(page, 1024);
    await page.waitForSelector("#webp:not([hidden])");
    assert.equal(await page.getAttribute("#decoded", "aria-label"), "cat.jpg, decoded from 1024 bytes");
    assert.match(await text(page, "status"), /^A sample photo\. /);
    const [bytes] = (await text(page, "webp-label")).match(/[0-9]+/).map(Number);
    assert.ok(bytes > 900 && bytes <= 1024, `${bytes} bytes of WebP`);
    assert.equal(await text(page, "original-label"), "23 kB · 451 × 300 px");
    const original = await page.evaluate(async () => {
      const image = document.getElementById("original");
      await image.decode();
      return [image.naturalWidth, image.naturalHeight, image.checkVisibility(), image.alt];
    });
    assert.deepEqual(original, [451, 300, true, "The original of cat.jpg"]);
    assert.equal(await page.evaluate(() => crossOriginIsolated), true);
    const moved = await page.evaluate(
      () =>
        new Promise((done) => {
          const sum = (list) => done(list.getEntries().reduce((sum, { value }) => sum + value, 0));
          new PerformanceObserver(sum).observe({ type: "layout-shift", buffered: true });
          setTimeout(() => done(0), 500);
        }),
    );
    assert.ok(moved < 0.02, `the layout shifts by ${moved} while it loads`);
    await shot(page, "start");
  });

  it("shows a file of the server, and the sample once more", async (t) => {
    const page = await open(t, browser, address);
    await pictureOf(page);
    await page.waitForFunction(() => [...document.querySelectorAll("#files flextok-image")].every((i) => i.shownUnits));
    assert.equal(await page.locator("#files li").count(), 3);
    await page.click("#files li:nth-child(2) button");
    await page.waitForFunction(() => document.getElementById("decoded").ariaLabel.startsWith("chelsea"));
    await page.waitForFunction(() => document.getElementById("whole").ariaLabel === "chelsea.flxt, decoded from 1024 bytes");
    assert.equal(await text(page, "whole-label"), "1024 bytes");
    assert.deepEqual(await page.locator("#files [aria-current]").allTextContents(), ["chelsea"]);
    await shot(page, "server");
    await page.click("#sample");
    await page.waitForFunction(() => document.getElementById("decoded").ariaLabel.startsWith("cat.jpg"));
    assert.equal(await page.locator("#files [aria-current]").count(), 0);
    assert.equal(await page.locator("#original").isVisible(), true);
  });

  it("works by keyboard alone, and shows where the focus is", async (t) => {
    const page = await open(t, browser, address);
    await pictureOf(page, 1024);
    await page.waitForSelector("#download[href]");
    const stops = [];
    for (let i = 0; i < 14; i++) {
      await page.keyboard.press("Tab");
      stops.push(
        await page.evaluate(() => {
          const element = document.activeElement;
          // The file input itself is hidden; its label stands for it.
          const seen = element.id === "choose" ? element.previousElementSibling : element;
          const { outlineStyle, outlineWidth } = getComputedStyle(seen);
          const { top, bottom } = seen.getBoundingClientRect();
          return [element.id || element.title || element.tagName, `${outlineStyle} ${outlineWidth}`, top >= 0 && bottom <= innerHeight];
        }),
      );
    }
    const files = ["astronaut", "chelsea", "coffee"].map((name) => `${name}.flxt, 1024 bytes`);
    const controls = ["size", "budget", "look", "download", "download-all", "arrive-file", "arrive-rate", "arrive-go", "PRE"];
    assert.deepEqual(stops, ["choose", "sample", ...files, ...controls].map((name) => [name, "solid 3px", true]));
    // From the last one back to the file before the slider, and on with it.
    for (let i = 0; i < 9; i++) await page.keyboard.press("Shift+Tab");
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => document.getElementById("whole").ariaLabel.startsWith("coffee.flxt"));
    await page.keyboard.press("Tab");
    await page.keyboard.press("Home");
    await pictureOf(page, 13);
  });

  it("is carried by the program, file by file", async (t) => {
    const alone = await serveAlone(t, scratch(t));
    const names = readdirSync(dist).filter((name) => !name.startsWith("."));
    assert.ok(names.includes("index.html") && names.includes("flextok_bg.wasm"), `${names}`);
    for (const name of names) {
      const answer = await fetch(`${alone}/${name}`);
      assert.equal(answer.status, 200, `${name}: build the program after the page`);
      assert.ok(readFileSync(join(dist, name)).equals(Buffer.from(await answer.arrayBuffer())), name);
    }
  });

  it("follows the slider by keyboard", async (t) => {
    const page = await open(t, browser, address);
    await pictureOf(page);
    await page.focus("#size");
    const steps = [
      ["Home", 13],
      ["ArrowLeft", 13],
      ["ArrowRight", 14],
      ["ArrowUp", 15],
      ["PageUp", 16],
      ["PageUp", 32],
      ["ArrowDown", 31],
      ["PageDown", 16],
      ["End", 1024],
      ["PageUp", 1024],
      ["PageDown", 512],
    ];
    for (const [key, bytes] of steps) {
      await page.keyboard.press(key);
      await pictureOf(page, bytes);
      assert.equal(await readout(page), bytes, key);
      assert.equal(await page.getAttribute("#size", "aria-valuetext"), `${bytes} of 1024 bytes`);
    }
    const focus = await page.evaluate(() => getComputedStyle(document.getElementById("size")).outlineStyle);
    assert.equal(focus, "solid");
  });

  it("follows the slider by mouse, and the picture changes", async (t) => {
    const page = await open(t, browser, address);
    await pictureOf(page);
    await page.locator("#size").scrollIntoViewIfNeeded();
    const box = await page.locator("#size").boundingBox();
    const pictures = new Set();
    let last = 0;
    await page.mouse.move(box.x + 14, box.y + box.height / 2);
    await page.mouse.down();
    for (const part of [0.02, 0.3, 0.6, 0.97]) {
      await page.mouse.move(box.x + 14 + part * (box.width - 28), box.y + box.height / 2, { steps: 5 });
      // The slider says where it is at once, the picture a moment later, when what it shows has been cut.
      await page.waitForSelector("#download[href]");
      const bytes = await readout(page);
      assert.ok(bytes > last, `${bytes} bytes after ${last}`);
      await pictureOf(page, bytes);
      assert.equal(await text(page, "decoded-label"), `${bytes} bytes`);
      pictures.add(await page.evaluate(() => document.getElementById("decoded").toDataURL()));
      last = bytes;
    }
    await page.mouse.up();
    assert.equal(pictures.size, 4);
    assert.ok(Number(await text(page, "time")) > 0);
  });

  it("paints plain while the slider moves, and the chosen look when it rests", async (t) => {
    const page = await open(t, browser, address);
    const painted = (look, bytes) =>
      page.waitForFunction(([look, bytes]) => {
        const { dataset } = document.getElementById("decoded");
        return dataset.look === look && (!bytes || dataset.bytes === bytes);
      }, [look, bytes]);
    const pixels = () => page.evaluate(() => document.getElementById("decoded").toDataURL());
    await painted("0.5");
    assert.equal(await text(page, "decoded-look"), "balanced");
    assert.match(await text(page, "weights"), /^Model tables 1: 30 kB, .* · decoder: 3\.3 MB, from /);
    const seen = new Set([await pixels()]);
    for (const look of ["plain", "faithful", "sharp"]) {
      await page.selectOption("#look", look);
      await painted(look);
      assert.equal(await text(page, "decoded-look"), look);
      seen.add(await pixels());
    }
    assert.equal(seen.size, 4);
    // What is painted at once is plain; the time is that of what is painted.
    const looks = await page.evaluate(async () => {
      const canvas = document.getElementById("decoded");
      const seen = [];
      new MutationObserver(() => seen.push(canvas.dataset.look)).observe(canvas, { attributeFilter: ["data-look"] });
      const slider = document.getElementById("size");
      for (const value of [100, 300, 500, 700]) {
        slider.value = value;
        slider.dispatchEvent(new Event("input"));
        await new Promise((done) => setTimeout(done, 60));
      }
      const end = performance.now() + 30_000;
      while (seen.at(-1) !== "sharp" && performance.now() < end) await new Promise((done) => setTimeout(done, 50));
      return seen;
    });
    assert.equal(looks[0], "plain");
    assert.equal(looks.at(-1), "sharp");
    assert.ok(Number(await text(page, "time")) > 30);
    await shot(page, "sharp");
    // A second start has both parts from the browser.
    await page.reload();
    await page.waitForFunction(() => /decoder: 3\.3 MB, from this browser’s storage$/.test(document.getElementById("weights").textContent));
    await painted("0.5");
  });

  it("stays plain without its decoder, and says so", async (t) => {
    let missing = true;
    const own = await line(t, address, {
      "/decoder.safetensors": (response) => {
        if (missing) return response.writeHead(404).end();
        response.end(readFileSync(join(dist, "decoder.safetensors")));
      },
    });
    const page = await open(t, browser, own, { expected: ["404"] });
    await pictureOf(page);
    const said = (text) => page.waitForFunction((text) => document.getElementById("weights").textContent.includes(text), text);
    await said("decoder: not there, HTTP status 404; pictures stay plain");
    assert.equal(await page.locator("#status.bad").count(), 0);
    assert.equal(await page.getAttribute("#decoded", "data-look"), "plain");
    await page.focus("#size");
    await page.keyboard.press("PageDown");
    await pictureOf(page, 512);
    missing = false;
    await page.selectOption("#look", "sharp");
    await said("decoder: 3.3 MB, from the server");
    await page.waitForFunction(() => document.getElementById("decoded").dataset.look === "sharp");
  });

  it("takes a dropped photo there and back", async (t) => {
    const page = await open(t, browser, address);
    await pictureOf(page);
    await drop(page, "a photo.png", photo("coffee.png"), "image/png");
    await page.waitForFunction(() => document.getElementById("decoded").ariaLabel.startsWith("a photo.png"));
    const whole = await download(t, page, "#download-all");
    flextok("verify", "--complete", whole);
    // The browser read the same pixels from the PNG as the program does, and made the same file of them.
    const own = `${whole}.own.flxt`;
    flextok("encode", join(photos, "coffee.png"), "-o", own);
    assert.deepEqual(readFileSync(whole), readFileSync(own));

    for (const [key, bytes] of [["Home", 13], ["End", 1024], ["PageDown", 512], ["ArrowLeft", 511]]) {
      await page.focus("#size");
      await page.keyboard.press(key);
      await page.waitForFunction((text) => document.querySelector("#download[href]")?.textContent === text, `Download ${bytes} bytes`);
      const cut = await download(t, page, "#download");
      assert.match(cut, new RegExp(`/a photo-${bytes}\\.flxt$`));
      assert.equal(statSync(cut).size, bytes);
      flextok("verify", "--complete", cut);
    }
    // Another budget is another file of the same photo.
    await page.selectOption("#budget", "4096");
    await page.waitForFunction(() => document.getElementById("all-bytes").textContent === "4096");
    await pictureOf(page, 4096);
    const larger = await download(t, page, "#download-all");
    flextok("encode", "--force", "--bytes", "4096", join(photos, "coffee.png"), "-o", own);
    assert.deepEqual(readFileSync(larger), readFileSync(own));
  });

  it("opens a dropped token file, also a cut one", async (t) => {
    const page = await open(t, browser, address);
    await pictureOf(page);
    const file = Buffer.from(await (await fetch(`${address}/astronaut.flxt`)).arrayBuffer());
    await drop(page, "cut.flxt", file.subarray(0, 60), "");
    await page.waitForFunction(() => document.getElementById("decoded").ariaLabel.startsWith("cut.flxt"));
    await page.focus("#size");
    await page.keyboard.press("End");
    await pictureOf(page, 60);
    assert.equal(await readout(page), 60);
    assert.equal(await text(page, "all-bytes"), "60");
    // And says what is wrong with one that is none, keeping what it shows.
    await drop(page, "bad.flxt", Buffer.from("no picture at all, but long enough"), "");
    await page.waitForSelector("#status.bad");
    assert.match(await text(page, "status"), /^bad\.flxt: /);
    assert.equal(await readout(page), 60);
    await drop(page, "text.png", Buffer.from("no picture"), "image/png");
    await page.waitForFunction(() => document.getElementById("status").textContent.startsWith("text.png: "));
    await page.keyboard.press("Home");
    await pictureOf(page, 13);
  });

  it("takes a chosen photo", async (t) => {
    const page = await open(t, browser, address);
    await pictureOf(page);
    await page.setInputFiles("#choose", join(photos, "seeding.jpg"));
    await page.waitForFunction(() => document.getElementById("decoded").ariaLabel.startsWith("seeding.jpg"));
    assert.match(await text(page, "status"), /^Encoded [0-9]+ × [0-9]+ pixels in [0-9]+ ms/);
  });

  it("keeps the shape of pictures that are too large or too long for the screen", async (t) => {
    const page = await open(t, browser, address);
    await pictureOf(page);
    for (const [width, height] of [[4000, 2500], [1800, 300], [20, 900]]) {
      const made = await page.evaluate(
        async ([width, height]) => {
          const canvas = new OffscreenCanvas(width, height);
          const context = canvas.getContext("2d");
          context.fillStyle = "teal";
          context.fillRect(0, 0, width / 2, height);
          const blob = await canvas.convertToBlob({ type: "image/png" });
          const transfer = new DataTransfer();
          transfer.items.add(new File([blob], `${width}.png`, { type: "image/png" }));
          const pasted = new ClipboardEvent("paste", { clipboardData: transfer, bubbles: true });
          document.body.dispatchEvent(pasted);
        },
        [width, height],
      );
      assert.equal(made, undefined);
      await page.waitForFunction((name) => document.getElementById("decoded").ariaLabel.startsWith(name), `${width}.png`);
      const shown = await page.evaluate(() => {
        const { width, height } = document.getElementById("decoded");
        return { width, height, fit: getComputedStyle(document.getElementById("decoded")).objectFit };
      });
      assert.ok(Math.abs(shown.width / shown.height / (width / height) - 1) < 0.01, JSON.stringify(shown));
      assert.equal(shown.fit, "contain");
      assert.ok(shown.width * shown.height <= 1_510_000);
      assert.ok((await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)) <= 0);
      assert.match(await text(page, "original-label"), new RegExp(`${width} × ${height} px`));
    }
  });

  it("shows WebP in no more bytes, or says why not", async (t) => {
    // The page's policy does not let scripts read the file that it shows; the test has to.
    const page = await open(t, browser, address, { bypassCSP: true });
    await pictureOf(page);
    await page.setInputFiles("#choose", join(photos, "chelsea.png"));
    await page.waitForFunction(() => document.getElementById("decoded").ariaLabel.startsWith("chelsea.png"));
    await page.waitForSelector("#webp:not([hidden])");
    let last = 0;
    for (const key of ["PageDown", "PageUp", "PageDown", "PageDown", "PageDown"]) {
      await page.focus("#size");
      await page.keyboard.press(key);
      const budget = await readout(page);
      const [bytes, width, height] = (await text(page, "webp-label")).match(/[0-9]+/g).map(Number);
      assert.ok(bytes <= budget && bytes > budget * 0.7, `${bytes} bytes for ${budget}`);
      // The label is true of the file that is shown.
      const shown = await page.evaluate(async () => {
        const image = document.getElementById("webp");
        await image.decode();
        const read = await new Promise((done) => {
          const request = new XMLHttpRequest();
          request.responseType = "arraybuffer";
          request.onload = () => done(new Uint8Array(request.response));
          request.open("GET", image.src);
          request.send();
        });
        const name = String.fromCharCode(...read.subarray(8, 12));
        return [read.length, image.naturalWidth, image.naturalHeight, name];
      });
      assert.deepEqual(shown, [bytes, width, height, "WEBP"]);
      assert.notEqual(bytes, last);
      last = bytes;
    }
    await page.keyboard.press("Home");
    assert.equal(await page.locator("#webp").isVisible(), false);
    assert.match(await text(page, "webp-none"), /^WebP cannot be that small: .* has [0-9]+ bytes\.$/);
  });

  for (const [name, options] of [
    ["light", { viewport: { width: 1280, height: 900 } }],
    ["dark", { viewport: { width: 1280, height: 900 }, colorScheme: "dark" }],
    ["phone", PHONE],
    ["phone-dark", { ...PHONE, colorScheme: "dark", reducedMotion: "reduce" }],
  ]) {
    it(`reads well: ${name}`, async (t) => {
      const page = await open(t, browser, address, options);
      await pictureOf(page);
      await page.setInputFiles("#choose", join(photos, "coffee.png"));
      await page.waitForFunction(() => document.getElementById("decoded").ariaLabel.startsWith("coffee.png"));
      await page.waitForSelector("#webp:not([hidden])");
      await pictureOf(page, 1024);
      const width = options.viewport.width;
      assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= width, "it scrolls sideways");
      assert.deepEqual(await page.evaluate(weakTexts), [], "contrast below 4.5");
      const paper = await page.evaluate(() => getComputedStyle(document.body).backgroundColor.match(/\d+/g).map(Number));
      assert.equal(paper.every((value) => value < 60), options.colorScheme === "dark");
      const small = await page.evaluate(() =>
        [...document.querySelectorAll("button, select, input:not(.quiet), a, label.button")]
          .filter((element) => element.checkVisibility() && element.getBoundingClientRect().height < 44)
          .map((element) => element.id || element.textContent),
      );
      assert.deepEqual(small, [], "too small to touch");
      await shot(page, name);
    });
  }

  it("does not jump when another picture of the same shape comes, or the slider moves", async (t) => {
    const page = await open(t, browser, address);
    await pictureOf(page);
    await page.setInputFiles("#choose", join(photos, "coffee.png"));
    await page.waitForFunction(() => document.getElementById("decoded").ariaLabel.startsWith("coffee.png"));
    await page.waitForSelector("#webp:not([hidden])");
    const places = () =>
      page.evaluate(() => [...document.querySelectorAll("section")].map((one) => Math.round(one.getBoundingClientRect().top + scrollY)));
    const before = await places();
    await page.focus("#size");
    for (const key of ["Home", "End", "PageDown"]) {
      await page.keyboard.press(key);
      await page.waitForSelector("#download[href]");
      await pictureOf(page, await readout(page));
      assert.deepEqual(await places(), before, key);
    }
  });

  it("says what it needs where there are no scripts", async (t) => {
    const page = await open(t, browser, address, { javaScriptEnabled: false });
    assert.ok((await page.locator("noscript p").boundingBox()).height > 20);
    assert.equal(await page.locator("main").isVisible(), false);
  });
});

/** Texts whose colour is too close to what is behind them, by the formula of WCAG 2. Runs in the page. */
function weakTexts() {
  const parse = (colour) => colour.match(/[\d.]+/g).map(Number);
  const luminance = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const behind = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const colour = parse(getComputedStyle(one).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  return [...document.querySelectorAll("body *")]
    .filter((element) => element.checkVisibility() && [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim()))
    .map((element) => {
      const [a, b] = [luminance(parse(getComputedStyle(element).color)), luminance(behind(element))];
      return [element.textContent.trim().slice(0, 40), (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)];
    })
    .filter(([, contrast]) => contrast < 4.5);
}
