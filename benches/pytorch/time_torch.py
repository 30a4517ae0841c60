"""Times the d12-d12 network with random weights in PyTorch, on the CPU, in f32 or as a whole in bf16.

Prints one JSON object with medians in milliseconds. `--write-checkpoint PATH` instead writes such a
network in the published layout, so that another implementation can be timed on the same weights,
and `--golden PATH` with it writes ids, velocities and an image to compare with.
"""

import argparse
import json
import os
import platform
import statistics
import time

import torch
from safetensors.torch import save_file

import golden
import layout
from flextok_torch import FlexTok

SEED = 12
CANVAS = 256
TOKENS = 16
DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16}


def median_ms(reps, work):
    """Median wall time of `reps` runs after one run to warm up."""
    samples = []
    for rep in range(reps + 1):
        start = time.perf_counter()
        work()
        if rep:
            samples.append((time.perf_counter() - start) * 1000)
    return round(statistics.median(samples), 1)


def build(dtype=torch.float32, channels_last=False, precision=torch.float32):
    """The specification, and the network of weights that `dtype` holds, computing in `precision`."""
    spec = layout.Spec()
    state = layout.RandomState(spec, SEED).state
    state = {name: tensor.to(dtype).to(precision) for name, tensor in state.items()}
    return spec, FlexTok(layout.network_config(spec), state, channels_last)


def write_checkpoint(path, dtype, golden_path):
    spec, model = build(dtype)
    image = golden.synthetic_image(CANVAS, CANVAS, SEED)
    latents = model.latents(golden.image_tensor(image))
    layout.settle_head(model, latents, dtype, margin=2e-3, seed=SEED)
    layout.write(path, spec, {name: t.to(dtype) for name, t in model.state.items()})
    if golden_path:
        save_file(golden.dump(model, image, SEED + 1, [TOKENS, 256], [1.0, 0.52],
                              trajectory_k=TOKENS), golden_path)


def measure(reps, channels_last, precision, skip):
    """The timings. The decoder's two passes run one after the other at full length."""
    model = build(channels_last=channels_last, precision=precision)[1]
    image = golden.image_tensor(golden.synthetic_image(CANVAS, CANVAS, SEED)).to(precision)
    latents = model.latents(image)
    noise = torch.randn(latents.shape, generator=golden.generator(SEED + 1)).to(precision)
    all_ids = model.tokenize(image)
    ids = all_ids[:, :TOKENS]
    condition = model.condition(ids)

    def decode(ids):
        model.detokenize(noise, ids, steps=25, guidance=7.5, apg=True)

    whole = max(1, reps // 3)
    work = {
        "decoder_step": (reps, lambda: model.velocity(noise, 0.52, condition)),
        "vae_decode": (reps, lambda: model.decode_latents(latents)),
        "vae_encode": (reps, lambda: model.latents(image)),
        "tokenize": (reps, lambda: model.tokenize(image)),
        "tokenize_8_pictures": (reps, lambda: model.tokenize(image.expand(8, -1, -1, -1))),
        "decode_16_tokens_25_steps_apg": (whole, lambda: decode(ids)),
        "decode_256_tokens_25_steps_apg": (whole, lambda: decode(all_ids)),
    }
    return {name: median_ms(*job) for name, job in work.items() if name not in skip}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--reps", type=int, default=5, help="runs per median (default 5)")
    parser.add_argument("--threads", type=int, default=2, help="PyTorch threads (default 2)")
    parser.add_argument("--precision", choices=["f32", "bf16"], default="f32",
                        help="type of weights and activations (default f32)")
    parser.add_argument("--skip", nargs="*", default=[], help="timings to leave out")
    parser.add_argument("--contiguous", action="store_true",
                        help="VAE in channels-first memory order instead of channels-last")
    parser.add_argument("--write-checkpoint", metavar="PATH", help="write the network and stop")
    parser.add_argument("--dtype", choices=DTYPES, default="f32", help="type of written tensors")
    parser.add_argument("--golden", metavar="PATH", help="also write dumps of that network")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    with torch.inference_mode():
        if args.write_checkpoint:
            write_checkpoint(args.write_checkpoint, DTYPES[args.dtype], args.golden)
            return
        load = os.getloadavg()[0]
        medians = measure(args.reps, not args.contiguous, DTYPES[args.precision], args.skip)
    print(json.dumps({
        "network": f"d12-d12, random weights, {args.precision}, 256x256 canvas",
        "median_ms": medians,
        "reps": args.reps,
        "load_average_before": round(load, 2),
        "threads": torch.get_num_threads(),
        "vae_memory_format": "contiguous" if args.contiguous else "channels_last",
        "torch": torch.__version__,
        "python": platform.python_version(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
    }, indent=1))


if __name__ == "__main__":
    main()
