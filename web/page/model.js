// The files of a model: each fetched once, kept in the Cache API where available, and revalidated by ETag on each start.

const CACHE = "flextok-model-1";

/**
 * The file at `url`, as `{bytes, cached}`. `what` it is, messages say. `report` is called with `{loaded, total, cached}`; `total` is undefined where the
 * server does not send it. The cached file is used when the server confirms it, or cannot be reached.
 */
export async function fetchFile(url, what, report, { fresh = false } = {}) {
  const cache = await openCache();
  const kept = fresh ? undefined : await cache?.match(url).catch(() => undefined);
  let response;
  try {
    response = await request(url, kept);
  } catch (error) {
    if (!kept) throw fault(`${what} could not be fetched: ${error.message}`, { url });
    response = undefined;
  }
  // If the server is unreachable or fails, use the cached file.
  if (kept && (!response || response.status === 304 || response.status >= 500)) {
    const bytes = new Uint8Array(await kept.arrayBuffer());
    report({ loaded: bytes.length, total: bytes.length, cached: true });
    return { bytes, cached: true };
  }
  if (!response.ok) {
    throw fault(`${what} could not be fetched: HTTP status ${response.status}`, { url, status: response.status });
  }
  const bytes = await readAll(response, what, report, url);
  keep(cache, url, response, bytes);
  return { bytes, cached: false };
}

// In private windows, on plain HTTP from another machine and with cookies disabled, it is missing or may not be used.
async function openCache() {
  try {
    return await self.caches?.open(CACHE);
  } catch {
    return undefined;
  }
}

function request(url, kept) {
  if (!kept) return fetch(url);
  const headers = {};
  const tag = kept.headers.get("ETag");
  const date = kept.headers.get("Last-Modified");
  if (tag) headers["If-None-Match"] = tag;
  else headers["If-Modified-Since"] = date;
  // The browser's own cache stays out of it: it would turn a 304 into a 200 with a body to read again.
  return fetch(url, { headers, cache: "no-store" });
}

async function readAll(response, what, report, url) {
  // The length of an encoded body is not that of the file.
  const encoded = response.headers.get("Content-Encoding");
  const total = encoded ? undefined : Number(response.headers.get("Content-Length")) || undefined;
  const chunks = [];
  let loaded = 0;
  report({ loaded, total, cached: false });
  try {
    const reader = response.body.getReader();
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      chunks.push(next.value);
      loaded += next.value.length;
      report({ loaded, total, cached: false });
    }
  } catch (error) {
    throw fault(`the connection failed after ${loaded} bytes of ${what}: ${error.message}`, { url });
  }
  const bytes = new Uint8Array(loaded);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}

/** Keeps a file that can be revalidated later; without a validator it would be fetched again anyway. */
function keep(cache, url, response, bytes) {
  const headers = {};
  for (const name of ["ETag", "Last-Modified", "Content-Type"]) {
    const value = response.headers.get(name);
    if (value) headers[name] = value;
  }
  if (!headers.ETag && !headers["Last-Modified"]) return;
  // Not awaited, and a full disk is not an error.
  cache?.put(url, new Response(bytes, { headers })).catch(() => {});
}

const fault = (message, details) => Object.assign(new Error(message), { kind: "network", ...details });
