// Looks of a decoded picture, and the second worker, which makes those other than plain. So nothing that needs only the tables
// waits for the network, nor for its weights.
import { FlextokError, Jobs } from "./jobs.js";

const NAMES = ["faithful", "sharp"];

/** Whether a look is the learned decoder's. */
export const isLearned = (look) =>
  NAMES.includes(look) || (["number", "string"].includes(typeof look) && look !== "" && look >= 0 && look <= 1);

/** Throws if it is no look at all. */
export function checkLook(look) {
  if (look === undefined || look === "plain" || isLearned(look)) return;
  const allowed = "plain, faithful, sharp, or a number from 0 (faithful) to 1 (sharp)";
  throw new FlextokError(`\`${look}\` is not a look; allowed: ${allowed}`, "usage");
}

/** The learned decoder of the model that `tables` has, fetched once that has loaded. */
export class Learned {
  #tables;
  #workerUrl;
  #decoderUrl;
  #onProgress;
  #jobs = null;

  constructor(tables, workerUrl, decoderUrl, onProgress) {
    this.#tables = tables;
    this.#workerUrl = workerUrl;
    this.#decoderUrl = decoderUrl;
    this.#onProgress = onProgress;
  }

  /** Begins to fetch it, for a model that has loaded: what it is, and its file. */
  begin({ tokens, learned }, model) {
    if (this.#jobs || tokens !== undefined || !(learned || this.#decoderUrl)) return;
    // A whole model has its decoder inside.
    const source = learned ? { model } : { model, decoder: String(this.#decoderUrl) };
    this.#jobs = new Jobs(this.#workerUrl, source, this.#onProgress);
    this.load().catch(() => {});
  }

  /** What is known of it once it is there. A fetch that failed is tried again. */
  async load(signal) {
    const jobs = await this.jobs(signal);
    if (jobs === this.#tables) throw new FlextokError("this model has no learned decoder", "model");
    return jobs.load(signal);
  }

  /** Where jobs with its looks are done, once there is one; a model without a learned decoder refuses them itself. */
  async jobs(signal) {
    if (!this.#jobs) await this.#tables.load(signal);
    return this.#jobs ?? this.#tables;
  }

  /** Where they are done, if that can be now. */
  get ready() {
    return this.#jobs?.state === "ready" ? this.#jobs : null;
  }

  /** Where they are done, once the fetch that runs has succeeded, or null; starts none. */
  async coming(signal) {
    if (this.#jobs?.state === "loading") await this.#jobs.load(signal).catch(() => signal?.throwIfAborted());
    return this.ready;
  }

  /** As `Jobs.supersede`. */
  supersede(group) {
    this.#jobs?.supersede(group);
  }

  close() {
    this.#jobs?.close();
  }
}
