"""Makes small random checkpoints that differ from the published ones in what the config allows.

    python make_variants.py [OUT]        # default: tests/data/variants of this repository

Each directory holds `model.safetensors` (with `config.json` where the metadata has no config) and
`golden.safetensors`, dumps made from the stored weights in f32 arithmetic:
`image_u8` [H,W,3], `latents` (scaled, the posterior's mode), `pre_fsq`, `tokens`, `noise`,
`v.k{k}.t{t}.{cond|uncond}` at x = noise, `{none|cfg1.5|apg7.5}.k{k}.x` (after 5 Euler steps) and
the `.image` decoded from one of them. FSQ inputs keep 1e-3 from every boundary.
"""

import pathlib
import sys
from dataclasses import dataclass

import torch
from safetensors.torch import save_file

import golden
import layout
from flextok_torch import FlexTok

SMALL = {"enc_width": 64, "enc_depth": 1, "dec_width": 64, "dec_depth": 1, "vae": (32, 32, 32, 32)}
MARGIN = 1e-3
TIMES = [1.0, 0.52]


@dataclass
class Variant:
    """A checkpoint's spec, storage and the canvas (height, width) of its dumps.

    `vector_dtype` stores biases and norms, so that a file can mix types as converted ones do.
    """

    spec: layout.Spec
    canvas: tuple
    dtype: torch.dtype
    vector_dtype: torch.dtype
    keeps: tuple
    config: str = "python"


VARIANTS = {
    # One modulation for patches and registers, times fed to the frequencies times 1000, a crop of
    # non-square tables, unequal widths, a posterior that must not be sampled.
    "adaln1_rect_tables": Variant(
        layout.Spec(**SMALL | {"dec_width": 128}, dec_mlp_ratio=2.0, adaln_expansion=1,
                    max_timestep=1.0, max_sizes=(14, 20), scaling_factor=0.18215,
                    sample_posterior=True),
        (64, 96), torch.bfloat16, torch.bfloat16, (17, 3, 256)),
    # Tables as row plus column vectors stored [2,1,D,max(max_sizes)], no mask in the encoder, odd
    # hidden widths, 4x4 patches, every bias, no norm on queries and keys, 8 latent channels; bf16
    # matrices with f32 vectors, and the config beside the file.
    "learnable_sum_full_mask_biases": Variant(
        layout.Spec(**SMALL, posemb="learnable_sum", max_sizes=(3, 5), enc_mask="full",
                    enc_mlp_ratio=3.0, dec_mlp_ratio=3.3, patch=(4, 4), qk_norm=False, biases=True,
                    latent_channels=8, registers=100, max_timestep=10.0),
        (64, 96), torch.bfloat16, torch.float32, (17, 1, 100), "file"),
    # Tables as products, zeros for the unconditional pass, other levels, fewer registers, and a
    # narrower time embedding; the config's values are JSON.
    "learnable_prod_zero_null": Variant(
        layout.Spec(**SMALL | {"enc_depth": 2}, posemb="learnable_prod", max_sizes=(8, 5),
                    zero_null=True, frequencies=128, levels=(8, 5, 5, 5), registers=64,
                    scaling_factor=1.0),
        (64, 48), torch.float16, torch.float16, (5, 1, 64), "json"),
    # A 3x5 grid resized from 2x4 tables, narrow heads, one register in the unconditional pass.
    "interpolate_single_null": Variant(
        layout.Spec(**SMALL | {"enc_width": 96}, enc_head_dim=32, dec_head_dim=32,
                    max_sizes=(2, 4), posemb_scaling="interpolate", null_single_token=True),
        (48, 80), torch.float16, torch.float16, (17, 2, 256)),
}


def make(out, name, variant, seed):
    """Writes one variant's directory."""
    spec, directory = variant.spec, out / name
    directory.mkdir(parents=True, exist_ok=True)

    def stored(tensor):
        return tensor.to(variant.vector_dtype if tensor.dim() == 1 else variant.dtype)

    state = layout.RandomState(spec, seed).state
    state = {key: stored(tensor).float() for key, tensor in state.items()}
    model = FlexTok(layout.network_config(spec), state)
    image = golden.synthetic_image(*variant.canvas, seed)
    latents = model.latents(golden.image_tensor(image))
    layout.settle_head(model, latents, variant.dtype, MARGIN, seed)
    dumps = golden.dump(model, image, seed + 1, variant.keeps, TIMES,
                        trajectory_k=variant.keeps[0])
    distance = model.fsq.boundary_distance(dumps["pre_fsq"]).min().item()
    layout.write(directory / "model.safetensors", spec,
                 {key: stored(tensor) for key, tensor in state.items()},
                 as_json=variant.config == "json",
                 config_json=directory / "config.json" if variant.config == "file" else None)
    save_file(dumps, directory / "golden.safetensors")
    for path in directory.iterdir():
        path.chmod(0o644)  # safetensors files are made private to their owner
    size = sum(path.stat().st_size for path in directory.iterdir())
    print(f"{name}: {size / 1e6:.2f} MB, FSQ inputs at least {distance:.1e} from a boundary")


def main():
    root = pathlib.Path(__file__).resolve().parents[2] / "tests/data/variants"
    out = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else root
    # One thread: sums are then taken in one order, and two runs write the same bytes.
    torch.set_num_threads(1)
    with torch.inference_mode():
        for seed, (name, variant) in enumerate(VARIANTS.items(), 100):
            make(out, name, variant, seed)


if __name__ == "__main__":
    main()
