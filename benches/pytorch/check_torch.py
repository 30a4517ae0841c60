"""Compares the PyTorch rendering with reference dumps.

    python check_torch.py published DIR          # DIR/model.safetensors and the dumps beside it
    python check_torch.py published DIR SUBDIR   # the same checkpoint, dumps of another canvas
    python check_torch.py flat MODEL GOLDEN      # a model with the one-object JSON config
    python check_torch.py variants DIR           # every checkpoint that make_variants.py wrote
"""

import pathlib
import re
import sys

import torch
from safetensors.torch import load_file

import flextok_torch
from golden import image_tensor

TOLERANCE = 1e-4


class Report:
    """Prints one line for each comparison and remembers failures."""

    def __init__(self):
        self.failed = 0
        self.count = 0

    def close(self, name, got, want):
        got = got.reshape(want.shape) if got.numel() == want.numel() else got
        error = (got.double() - want.double()).abs().max().item()
        scale = max(1.0, want.double().abs().max().item())
        self._line(name, error <= TOLERANCE * scale, f"max-abs {error:.2e}, magnitude {scale:.1f}")

    def same(self, name, got, want):
        differ = f"{(got != want).sum().item()} of {want.numel()} differ"
        self._line(name, torch.equal(got, want), differ)

    def _line(self, name, good, detail):
        self.count += 1
        self.failed += not good
        print(f"{'ok  ' if good else 'FAIL'} {name}: {detail}")


def check_encode(report, model, dump):
    model.trace = trace = {}
    image = dump["input_normalised"]
    moments = torch.cat(model.vae.encode(image), 1)
    if "vae_moments" in dump:
        report.close("vae_moments", moments, dump["vae_moments"])
        noise = dump["vae_sample_noise"]
        report.close("sampled", model.latents(image, noise), dump["vae_latents_sampled_scaled"])
        recon = model.decode_latents(dump["vae_latents_scaled_mode"])
        report.close("vae_recon_of_mode", recon, dump["vae_recon_of_mode"])
    latents = model.latents(image)
    report.close("vae_latents_scaled_mode", latents, dump["vae_latents_scaled_mode"])
    z = model.pre_fsq(latents)
    report.close("enc_pre_fsq", z, dump["enc_pre_fsq"])
    codes, ids = model.fsq.quantize(z)
    report.same("tokens", ids, dump["tokens"])
    report.same("fsq_codes", codes, dump["fsq_codes"])
    length = trace["enc_packed_in"].shape[1]
    mask = flextok_torch.prefix_mask(length - model.registers, length)
    report.same("enc_mask", mask, dump["enc_mask"][0, 0, :length, :length].bool())
    for name in trace.keys() & dump.keys():
        report.close(name, trace[name], dump[name][:, : trace[name].shape[1]])
    model.trace = None


def check_velocity(report, model, dump, ids):
    for name in (n for n in dump if n.startswith("v.")):
        k, t, kind = re.fullmatch(r"v\.k(\d+)\.t([\d.]+)\.(cond|uncond)", name).groups()
        c = model.condition(ids[:, : int(k)]) if kind == "cond" else model.null_condition()
        report.close(name, model.velocity(dump["x"], float(t), c), dump[name])
    if any(n.startswith("detail.") for n in dump):
        model.trace = trace = {}
        model.velocity(dump["x"], 0.52, model.condition(ids[:, :17]))
        for name in (n for n in dump if n.startswith("detail.")):
            report.close(name, trace[name.removeprefix("detail.")], dump[name])
        model.trace = None


def guidance(mode):
    return {"guidance": 1.0 if mode == "none" else float(mode[3:]), "apg": mode.startswith("apg")}


def check_trajectories(report, model, dump, ids, steps):
    """Trajectories and the images decoded from their ends."""
    keep = dump["steps_kept"].tolist() if "steps_kept" in dump else [steps]
    for name in sorted(n for n in dump if n.endswith(".x") and ".k" in n):
        mode, k = re.fullmatch(r"(.+)\.k(\d+)\.x", name).groups()
        options = guidance(mode) | {"keep": keep}
        end, kept = model.sample(dump["noise"], ids[:, : int(k)], steps, **options)
        report.close(name, torch.cat(kept), dump[name])
        image = name[:-1] + "image"
        if image in dump:
            report.close(image, model.decode_latents(end), dump[image])


def check_published(report, root, sub=""):
    model = flextok_torch.load(root / "model.safetensors")
    files = {n: load_file(root / sub / f"{n}.safetensors")
             for n in ("encode", "velocity", "trajectories", "images")}
    check_encode(report, model, files["encode"])
    ids = files["encode"]["tokens"]
    check_velocity(report, model, files["velocity"], ids)
    check_trajectories(report, model, files["trajectories"] | files["images"], ids, 25)


def check_flat(report, path, golden):
    model, dump = flextok_torch.load(path), load_file(golden)
    model.trace = {}
    latents = model.latents(image_tensor(dump["image_u8"]))
    report.close("latents", latents, dump["latents"])
    report.close("vae_round_trip", model.decode_latents(latents), dump["vae_round_trip"])
    codes, ids = model.fsq.quantize(model.pre_fsq(latents))
    report.close("patch_embeddings", model.trace["enc_patch_emb_posemb"], dump["patch_embeddings"])
    report.same("codes", codes, dump["codes"])
    report.same("tokens", ids, dump["tokens"])
    for name in sorted(dump):
        if found := re.fullmatch(r"x0\.(?:k(\d+)|uncond)\.t([\d.]+)", name):
            k, t = found.groups()
            c = model.condition(ids[:, : int(k)]) if k else model.null_condition()
            report.close(name, model.network(dump["noise"], float(t), c), dump[name])
        if found := re.fullmatch(r"image\.k(\d+)\.steps(\d+)(?:\.cfg(\d+))?", name):
            k, steps, scale = found.groups()
            image = model.detokenize(dump["noise"], ids[:, : int(k)], steps=int(steps),
                                     guidance=float(scale or 1))
            report.close(name, image, dump[name])


def check_variants(report, root):
    """Reads each variant back through its own files: the dumps belong to what is stored."""
    for directory in sorted(p for p in root.iterdir() if p.is_dir()):
        config = directory / "config.json"
        model = flextok_torch.load(directory / "model.safetensors",
                                   config if config.exists() else None)
        dump = load_file(directory / "golden.safetensors")
        print(f"-- {directory.name}")
        latents = model.latents(image_tensor(dump["image_u8"]))
        report.close("latents", latents, dump["latents"])
        z = model.pre_fsq(latents)
        report.close("pre_fsq", z, dump["pre_fsq"])
        report.same("tokens", model.fsq.quantize(z)[1], dump["tokens"])
        check_velocity(report, model, dump | {"x": dump["noise"]}, dump["tokens"])
        check_trajectories(report, model, dump, dump["tokens"], 5)


def main():
    report = Report()
    kind, *paths = sys.argv[1:] or [""]
    checks = {"published": check_published, "flat": check_flat, "variants": check_variants}
    if kind not in checks or not paths:
        sys.exit(__doc__)
    with torch.inference_mode():
        checks[kind](report, *map(pathlib.Path, paths))
    print(f"{report.count - report.failed} passed, {report.failed} failed")
    sys.exit(report.failed > 0)


if __name__ == "__main__":
    main()
