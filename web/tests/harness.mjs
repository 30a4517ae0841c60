// What the tests share: the real program as server and as judge, a browser, and a line that can be made to fail.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, request } from "node:http";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { after } from "node:test";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const here = dirname(fileURLToPath(import.meta.url));
const program = resolve(process.env.FLEXTOK ?? join(here, "../../target/release/flextok"));
export const dist = resolve(process.env.FLEXTOK_PAGE ?? join(here, "../dist"));
const shots = process.env.FLEXTOK_SCREENSHOTS;

export const photos = resolve(here, "../../tests/photos");
export const photo = (name) => readFileSync(join(photos, name));

const undone = new WeakMap();

/** For what all tests of a suite share: as the context of a test, it takes what to do after them. */
export function suite() {
  const t = { after };
  // Now: what is to be done after the suite would be done after the hook if it were named there first.
  afterwards(t, () => {});
  return t;
}

/** Does `one` after the test or suite, the last named first: a page is closed before the server that it asks. */
function afterwards(t, one) {
  let undo = undone.get(t);
  if (!undo) {
    undone.set(t, (undo = []));
    t.after(async () => {
      const faults = [];
      for (const one of undo.reverse()) await Promise.resolve().then(one).catch((fault) => faults.push(fault));
      if (faults.length) throw faults[0];
    });
  }
  undo.push(one);
}

/** A directory that goes with the test. */
export function scratch(t) {
  const path = mkdtempSync(join(tmpdir(), "flextok-page-"));
  afterwards(t, () => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** Runs the program and returns what it prints. */
export function flextok(...args) {
  return execFileSync(program, [...args], { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"], maxBuffer: 1 << 28 });
}

/** A folder with three photos, each encoded by the program in 1024 bytes. */
export function folder(t) {
  const path = scratch(t);
  for (const name of ["astronaut", "chelsea", "coffee"]) {
    flextok("encode", join(photos, `${name}.png`), "-o", join(path, `${name}.flxt`));
  }
  return path;
}

/** Starts `flextok serve` with the page of `dist` on a free port and returns its address. */
export const serve = (t, path, ...options) => serveAlone(t, path, "--page", dist, ...options);

/** As `serve`, with the page that the program carries. */
export async function serveAlone(t, path, ...options) {
  const child = spawn(program, ["serve", path, "--port", "0", ...options]);
  afterwards(t, () => child.kill("SIGTERM"));
  let said = "";
  return new Promise((found, failed) => {
    const listen = (chunk) => {
      said += chunk;
      const address = /http:\/\/[0-9.]+:[1-9][0-9]*/.exec(said);
      if (address) found(address[0]);
    };
    child.stdout.on("data", listen);
    child.stderr.on("data", listen);
    child.on("error", failed);
    child.on("exit", (code) => failed(new Error(`flextok serve ended with ${code}: ${said}`)));
  });
}

/**
 * The same server behind a line that can fail: `faults` has for a path a function that answers in the server's place,
 * given the response to write to. Returns its address.
 */
export async function line(t, address, faults) {
  const proxy = createServer((incoming, outgoing) => {
    const fault = faults[incoming.url.split("?")[0]];
    if (fault) return fault(outgoing, incoming);
    const { method, headers, url } = incoming;
    const onward = request(address + url, { method, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode, answer.headers);
      answer.pipe(outgoing);
    });
    onward.on("error", () => outgoing.destroy());
    incoming.pipe(onward);
  });
  afterwards(t, () => (proxy.closeAllConnections(), proxy.close()));
  await new Promise((listening) => proxy.listen(0, "127.0.0.1", listening));
  return `http://127.0.0.1:${proxy.address().port}`;
}

/**
 * Faults of a line that breaks after `count` of the bytes that it promised, as `path`. When a line breaks, a browser forgets
 * what the page has not read yet; so this one waits until the page says at `/broken` that it has.
 */
export function broken(path, bytes, count) {
  let response;
  return {
    [path]: (answer) => {
      response = answer;
      response.writeHead(200, { "Content-Type": "image/vnd.flextok", "Content-Length": bytes.length });
      response.flushHeaders();
      response.write(bytes.subarray(0, count));
    },
    [`${path}/broken`]: (answer) => {
      response.destroy();
      answer.end();
    },
  };
}

/** A browser for all tests of a file. */
export async function startBrowser(t, ...more) {
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: [
      ...["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"],
      ...["--disable-background-networking", "--disable-component-update", "--disable-sync", ...more],
    ],
  });
  afterwards(t, () => browser.close());
  return browser;
}

/** A page that must not complain. Expected complaints are named: texts that occur in them. */
export async function open(t, browser, address, { expected = [], ...options } = {}) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  // For a machine that is busy with other things; nothing is measured by it.
  page.setDefaultTimeout(90_000);
  const complaints = [];
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) complaints.push(`${message.text()} ${message.location().url}`);
  });
  afterwards(t, async () => {
    await context.close();
    const unexpected = complaints.filter((text) => !expected.some((part) => text.includes(part)));
    assert.deepEqual(unexpected, [], "the page complained");
  });
  await page.goto(address);
  return page;
}

/** Waits for the stage to show a picture of so many bytes (default: any). */
export async function pictureOf(page, bytes) {
  await page.waitForFunction((wanted) => {
    const shown = document.getElementById("decoded").dataset.bytes;
    return shown !== undefined && (wanted === undefined || Number(shown) === wanted);
  }, bytes);
}

/** Files that are dropped on the page, as the browser would deliver them. */
export async function drop(page, name, bytes, type) {
  const transfer = await page.evaluateHandle(
    ([name, text, type]) => {
      const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
      const transfer = new DataTransfer();
      transfer.items.add(new File([bytes], name, { type }));
      return transfer;
    },
    [name, bytes.toString("base64"), type],
  );
  for (const event of ["dragenter", "dragover", "drop"]) await page.dispatchEvent("body", event, { dataTransfer: transfer });
}

/** Clicks a download link and returns the path of what it gave. */
export async function download(t, page, selector) {
  const coming = page.waitForEvent("download");
  await page.click(selector);
  const got = await coming;
  const path = join(scratch(t), got.suggestedFilename());
  await got.saveAs(path);
  return path;
}

/** Bytes that came out of the page as base64, as a file. */
export function save(t, name, base64) {
  const path = join(scratch(t), name);
  writeFileSync(path, Buffer.from(base64, "base64"));
  return path;
}

/** A picture of the page, where they are asked for. */
export async function shot(page, name, options) {
  if (!shots) return;
  mkdirSync(shots, { recursive: true });
  await page.screenshot({ path: join(shots, `${name}.png`), fullPage: true, ...options });
}
