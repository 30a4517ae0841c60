"""Writes random-weight checkpoints in the published layout: the config tree and every tensor.

Weights are scaled so that activations stay of order one through any depth, and so that no part of
the network (a gate, a shift, a position table, a bias) is small enough to be forgotten unnoticed.
"""

import json
import math
from dataclasses import dataclass

import torch
from safetensors.torch import save_file

from flextok_torch import config_from_published
from golden import generator

PROCESSORS = "flextok.model.preprocessors."


@dataclass
class Spec:
    """What may differ between checkpoints; the defaults are those of the published ones."""

    enc_width: int = 768
    enc_depth: int = 12
    dec_width: int = 768
    dec_depth: int = 12
    enc_head_dim: int = 64
    dec_head_dim: int = 64
    enc_mlp_ratio: float = 4.0
    dec_mlp_ratio: float = 4.0
    biases: bool = False
    qk_norm: bool = True
    vae: tuple = (128, 256, 512, 512)
    latent_channels: int = 16
    scaling_factor: float = 0.6
    sample_posterior: bool = False
    patch: tuple = (2, 2)
    registers: int = 256
    levels: tuple = (8, 8, 8, 5, 5, 5)
    posemb: str = "sincos"
    max_sizes: tuple = (16, 16)
    posemb_scaling: str = "absolute"
    enc_mask: str = "causal_last"
    adaln_expansion: int = 2
    max_timestep: float = 1000.0
    frequencies: int = 256
    zero_null: bool = False
    null_single_token: bool = False


def hidden_width(width, ratio):
    return int(2 * int(ratio * width) / 3)


def _op(key_from, key_to, name):
    return {"_target_": "flextok.model.utils.dict_ops.PerSampleOp", "read_key": key_from,
            "write_key": key_to,
            "per_sample_op": {"_target_": f"flextok.model.utils.dict_ops.{name}",
                              "_partial_": True}}


def _posemb(key_from, key_to, dim, sizes, kind, scaling):
    return {"_target_": "flextok.model.utils.posembs.PositionalEmbeddingAdder",
            "read_key": key_from, "write_key": key_to, "dim": dim, "max_sizes": list(sizes),
            "posemb_type": kind, "posemb_scaling": scaling}


def _patch_emb(spec, side, key_from, key_to, dim):
    return {"_target_": PROCESSORS + "patching.PatchEmbedder",
            "input_tensor_list_read_key": key_from, "patches_list_write_key": key_to,
            "n_patches_write_key": f"{side}_n_patches", "channels_in": spec.latent_channels,
            "dim": dim, "patch_sizes": list(spec.patch), "flatten_patches": False}


def _packer(side, keys, mask, more):
    return {"_target_": PROCESSORS + "flex_seq_packing.BlockWiseSequencePacker",
            "input_list_read_keys": keys, "packed_seq_write_key": f"{side}_packed_seq",
            "block_mask_write_key": f"{side}_block_mask",
            "inner_packed_shapes_write_key": f"{side}_ps_inner",
            "outer_packed_shapes_write_key": f"{side}_ps_outer", **more,
            "mask_mode": mask, "pad_to_multiple": 128}


def _unpacker(side, keys):
    return {"_target_": "flextok.model.postprocessors.seq_unpacking.SequenceUnpacker",
            "packed_seq_read_key": f"{side}_packed_seq", "inner_seq_write_keys": keys,
            "inner_packed_shapes_read_key": f"{side}_ps_inner",
            "outer_packed_shapes_read_key": f"{side}_ps_outer"}


def _transformer(spec, side, more):
    """Keys that have their class default are left out, as the published configs do."""
    given = {"head_dim": getattr(spec, f"{side}_head_dim"),
             "mlp_ratio": getattr(spec, f"{side}_mlp_ratio"), "qk_norm": spec.qk_norm,
             "qkv_bias": spec.biases, "proj_bias": spec.biases, "mlp_bias": spec.biases}
    defaults = {"head_dim": 64, "mlp_ratio": 4.0, "qk_norm": True,
                "qkv_bias": False, "proj_bias": False, "mlp_bias": False}
    return {"_target_": "flextok.model.trunks.transformers.FlexTransformer",
            "input_seq_read_key": f"{side}_packed_seq",
            "output_seq_write_key": f"{side}_packed_seq",
            "dim": getattr(spec, f"{side}_width"), "depth": getattr(spec, f"{side}_depth"),
            "block_mask_read_key": f"{side}_block_mask",
            **{key: value for key, value in given.items() if value != defaults[key]},
            **more, "use_act_checkpoint": True}


def _head(kind, dim, more):
    return {"_target_": f"flextok.model.postprocessors.heads.{kind}", "dim": dim, **more,
            "use_mup_readout": False, "weight_init_style": "zero"}


def _encoder(spec):
    patches, registers, dim = "enc_vae_latents_patched", "enc_registers", spec.enc_width
    return {
        "enc_channels_to_last": _op("vae_latents", "vae_latents_bhwc",
                                    "channels_first_to_last"),
        "enc_patch_emb": _patch_emb(spec, "enc", "vae_latents_bhwc", patches, dim),
        "enc_posemb_module": _posemb(patches, patches, dim, spec.max_sizes, spec.posemb,
                                     spec.posemb_scaling),
        "enc_register_module": {
            "_target_": PROCESSORS + "registers.Registers1D",
            "input_tensor_list_read_key": patches,
            "register_sizes_read_write_key": "register_sizes",
            "registers_write_key": registers, "dim": dim, "n_min": spec.registers,
            "n_max": spec.registers, "size_sampling_mode": "uniform", "ordering_mode": "nested"},
        "enc_seq_packer": _packer("enc", [patches, registers], spec.enc_mask, {}),
        "enc_transformer": _transformer(spec, "enc", {}),
        "enc_unpacker": _unpacker("enc", [patches, registers]),
        "enc_to_latents": _head("LinearHead", dim, {
            "read_key": registers, "write_key": registers, "dim_out": len(spec.levels),
            "dtype_override": None}),
    }


def _decoder(spec):
    registers, patches, dim = "dec_registers_proj", "dec_patches", spec.dec_width
    bhwc, null = "vae_latents_noised_bhwc", "ZeroNullCond" if spec.zero_null else "LearnedNullCond"
    single = {"replace_with_single_token": True} if spec.null_single_token else {}
    return {
        "dec_from_latents": {"_target_": PROCESSORS + "linear.LinearLayer",
                             "read_key": "enc_registers_quant", "write_key": registers,
                             "dim_in": len(spec.levels), "dim": dim},
        "dec_registers_posemb_module": _posemb(registers, registers, dim, [spec.registers],
                                               "learnable_sum", "absolute"),
        "dec_nested_dropout": {"_target_": PROCESSORS + "token_dropout.MaskedNestedDropout",
                               "read_write_key": registers, "dim": dim,
                               "size_sampling_mode": "uniform_pow2"},
        "dec_latent_dropout": {"_target_": PROCESSORS + f"nullcond.{null}",
                               "read_write_key": registers, "dim": dim, "dropout_prob": 0.2,
                               **single},
        "dec_noise_channels_to_last": _op("vae_latents_noised", bhwc,
                                          "channels_first_to_last"),
        "dec_noise_patch_emb": _patch_emb(spec, "dec", bhwc, "vae_latents_noised_patched", dim),
        "dec_patches_posemb_module": _posemb("vae_latents_noised_patched", patches, dim,
                                             spec.max_sizes, spec.posemb, spec.posemb_scaling),
        "dec_seq_packer": _packer("dec", [patches, registers], "full",
                                  {"emb_packing_fn_write_key": "emb_packing_fn",
                                   "per_subseq_embs": spec.adaln_expansion > 1}),
        "dec_time_embedder": {"_target_": PROCESSORS + "time_embedding.TimestepEmbedder",
                              "timesteps_read_key": "timesteps",
                              "time_embedding_write_key": "dec_temb", "dim": dim,
                              "frequency_embedding_size": spec.frequencies,
                              "max_timestep": spec.max_timestep},
        "dec_transformer": _transformer(spec, "dec", {
            "adaLN_emb_read_key": "dec_temb", "adaLN_packing_fn_read_key": "emb_packing_fn",
            "adaLN_expansion": spec.adaln_expansion}),
        "dec_unpacker": _unpacker("dec", [patches, registers]),
        "dec_to_patches": _head("ToPatchesLinearHead", dim, {
            "read_key": patches, "write_key": patches, "channels_out": spec.latent_channels,
            "patch_sizes": list(spec.patch), "adaLN_emb_read_key": "dec_temb"}),
        "dec_channels_to_first": _op(patches, "vae_latents_reconst",
                                     "channels_last_to_first"),
    }


def config_tree(spec):
    """The config with the seven top-level keys of the published checkpoints."""
    wrapper = "flextok.model.utils.wrappers.SequentialModuleDictWrapper"
    flow = "flextok.flow_matching."
    return {
        "_target_": "flextok.flextok_wrapper.FlexTok",
        "vae": {"_target_": "flextok.vae_wrapper.StableDiffusionVAE", "images_read_key": "rgb",
                "vae_latents_read_key": "vae_latents_reconst",
                "vae_latents_write_key": "vae_latents",
                "images_reconst_write_key": "rgb_reconst",
                "latent_channels": spec.latent_channels, "scaling_factor": spec.scaling_factor,
                "dtype_override": "fp32", "sample_posterior": spec.sample_posterior,
                "force_vae_encode": True, "frozen": True},
        "encoder": {"_target_": wrapper, "module_dict": _encoder(spec)},
        "decoder": {"_target_": wrapper, "module_dict": _decoder(spec)},
        "regularizer": {"_target_": "flextok.regularizers.quantize_fsq.FSQ",
                        "latents_read_key": "enc_registers",
                        "quants_write_key": "enc_registers_quant",
                        "tokens_write_key": "tokens", "levels": list(spec.levels),
                        "drop_quant_p": 0.0, "packed_call": True},
        "flow_matching_noise_module": {
            "_target_": flow + "noise_modules.MinRFNoiseModule",
            "clean_images_read_key": "vae_latents",
            "noised_images_write_key": "vae_latents_noised", "timesteps_write_key": "timesteps",
            "sigmas_write_key": "sigmas", "ln": False, "stratisfied": False, "mode_scale": 0.25},
        "pipeline": {"_target_": flow + "pipelines.MinRFPipeline", "_partial_": True,
                     "target_sizes_read_key": None, "latents_read_key": "enc_registers_quant",
                     "timesteps_read_key": "timesteps",
                     "noised_images_read_key": "vae_latents_noised",
                     "reconst_write_key": "vae_latents_reconst",
                     "out_channels": spec.latent_channels},
    }


def network_config(spec):
    return config_from_published(config_tree(spec))


class RandomState:
    """Draws tensors in a fixed order from one generator."""

    def __init__(self, spec, seed):
        self.spec, self.g, self.state = spec, generator(seed), {}
        self._encoder()
        self._decoder()
        self._vae()

    def normal(self, name, shape, std, mean=0.0):
        self.state[name] = torch.randn(shape, generator=self.g).mul_(std).add_(mean)

    def linear(self, name, rows, columns, gain=1.0, bias=0.1):
        self.normal(name + ".weight", (rows, columns), gain / math.sqrt(columns))
        if bias:
            self.normal(name + ".bias", (rows,), bias)

    def posembs(self, name, dim):
        kind, (rows, columns) = self.spec.posemb, self.spec.max_sizes
        if kind == "sincos":
            self.state[name + ".posembs"] = sincos_table(dim, rows, columns)
        else:
            mean = 1.0 if kind == "learnable_prod" else 0.0
            self.normal(name + ".posembs", (2, 1, dim, max(rows, columns)), 0.6, mean)

    def blocks(self, name, side, expansion):
        spec, width = self.spec, getattr(self.spec, f"{side}_width")
        hidden = hidden_width(width, getattr(spec, f"{side}_mlp_ratio"))
        bias = 0.1 if spec.biases else 0.0
        for i in range(getattr(spec, f"{side}_depth")):
            block = f"{name}.blocks.{i}"
            for part in ("wq", "wk", "wv", "proj"):
                self.linear(f"{block}.attn.{part}", width, width, 1.0, bias)
            self.linear(block + ".mlp.fc1", hidden, width, 1.0, bias)
            self.linear(block + ".mlp.fc2", width, hidden, 1.0, bias)
            self.linear(block + ".mlp.fc3", hidden, width, 1.0, bias)
            if expansion:
                self.linear(block + ".adaLN_modulation.1", 6 * expansion * width, width, 0.7, 0.3)

    def _encoder(self):
        spec, name = self.spec, "encoder.module_dict.enc_"
        values = spec.patch[0] * spec.patch[1] * spec.latent_channels
        self.linear(name + "patch_emb.patch_proj", spec.enc_width, values)
        self.posembs(name + "posemb_module", spec.enc_width)
        self.normal(name + "register_module.registers", (spec.registers, spec.enc_width), 0.7)
        self.blocks(name + "transformer", "enc", 0)
        self.linear(name + "to_latents.proj", len(spec.levels), spec.enc_width)

    def _decoder(self):
        spec, name, dim = self.spec, "decoder.module_dict.dec_", self.spec.dec_width
        values = spec.patch[0] * spec.patch[1] * spec.latent_channels
        self.linear(name + "from_latents.proj", dim, len(spec.levels))
        self.normal(name + "registers_posemb_module.posembs", (1, 1, dim, spec.registers), 0.5)
        self.normal(name + "nested_dropout.dropout_mask_token", (dim,), 0.7)
        if not spec.zero_null:
            self.normal(name + "latent_dropout.nullcond", (dim,), 0.7)
        self.linear(name + "noise_patch_emb.patch_proj", dim, values)
        self.posembs(name + "patches_posemb_module", dim)
        self.linear(name + "time_embedder.mlp.0", dim, spec.frequencies)
        self.linear(name + "time_embedder.mlp.2", dim, dim)
        self.blocks(name + "transformer", "dec", spec.adaln_expansion)
        self.linear(name + "to_patches.adaLN_modulation.1", 2 * dim, dim, 0.7, 0.3)
        self.linear(name + "to_patches.proj", values, dim)

    def conv(self, name, rows, columns, size=3, gain=1.2):
        std = gain / (size * math.sqrt(columns))
        self.normal(name + ".weight", (rows, columns, size, size), std)
        self.normal(name + ".bias", (rows,), 0.1)

    def group_norm(self, name, channels):
        self.normal(name + ".weight", (channels,), 0.2, 1.0)
        self.normal(name + ".bias", (channels,), 0.2)

    def resnet(self, name, columns, rows):
        self.group_norm(name + ".norm1", columns)
        self.conv(name + ".conv1", rows, columns)
        self.group_norm(name + ".norm2", rows)
        self.conv(name + ".conv2", rows, rows)
        if rows != columns:
            self.conv(name + ".conv_shortcut", rows, columns, 1, 1.0)

    def mid(self, name, channels):
        self.resnet(name + ".resnets.0", channels, channels)
        self.group_norm(name + ".attentions.0.group_norm", channels)
        for part in ("to_q", "to_k", "to_v", "to_out.0"):
            self.linear(f"{name}.attentions.0.{part}", channels, channels)
        self.resnet(name + ".resnets.1", channels, channels)

    def _vae(self):
        widths, latent = self.spec.vae, self.spec.latent_channels
        enc, dec = "vae.vae.encoder.", "vae.vae.decoder."
        self.conv(enc + "conv_in", widths[0], 3)
        for b, (columns, rows) in enumerate(zip(widths[:1] + widths[:-1], widths)):
            self.resnet(f"{enc}down_blocks.{b}.resnets.0", columns, rows)
            self.resnet(f"{enc}down_blocks.{b}.resnets.1", rows, rows)
            if b < 3:
                self.conv(f"{enc}down_blocks.{b}.downsamplers.0.conv", rows, rows, gain=1.0)
        self.mid(enc + "mid_block", widths[3])
        self.group_norm(enc + "conv_norm_out", widths[3])
        self.conv(enc + "conv_out", 2 * latent, widths[3], gain=1.5)
        self.conv("vae.vae.quant_conv", 2 * latent, 2 * latent, 1, 1.0)
        self.conv("vae.vae.post_quant_conv", latent, latent, 1, 1.0)
        self.conv(dec + "conv_in", widths[3], latent)
        self.mid(dec + "mid_block", widths[3])
        reverse = widths[::-1]
        for b, (columns, rows) in enumerate(zip(reverse[:1] + reverse[:-1], reverse)):
            for r in range(3):
                self.resnet(f"{dec}up_blocks.{b}.resnets.{r}", columns if r == 0 else rows, rows)
            if b < 3:
                self.conv(f"{dec}up_blocks.{b}.upsamplers.0.conv", rows, rows, gain=1.0)
        self.group_norm(dec + "conv_norm_out", widths[0])
        self.conv(dec + "conv_out", 3, widths[0], gain=0.8)


def sincos_table(dim, rows, columns):
    """The fixed table [1,D,rows,columns] as the published code makes it."""
    flat = torch.arange(rows * columns, dtype=torch.float64)
    omega = 10000 ** (-torch.arange(dim // 4, dtype=torch.float64) / (dim // 4))
    a, b = ((part[:, None] * omega) for part in (flat.div(columns, rounding_mode="floor"),
                                                 flat % columns))
    table = torch.cat([a.sin(), a.cos(), b.sin(), b.cos()], 1).float()
    return table.T.reshape(1, dim, rows, columns).contiguous()


def settle_head(model, latents, dtype, margin, seed):
    """Redraws rows of the encoder's head until no FSQ input of this image is near a boundary.

    Ids of a random network are then the same for every implementation whose head outputs agree
    to within `margin`. The rows are rounded to `dtype`, the type they will be stored in.
    """
    name, g = "encoder.module_dict.enc_to_latents.proj", generator(seed)
    weight, bias = model.state[name + ".weight"], model.state[name + ".bias"]
    out = model._norm(model.register_outputs(latents))
    for row in range(weight.shape[0]):
        for _ in range(10_000):
            z = out @ weight[row] + bias[row]
            full = torch.zeros(*z.shape, weight.shape[0])
            full[..., row] = z
            if model.fsq.boundary_distance(full)[..., row].min() >= margin:
                break
            draw = torch.randn(weight.shape[1] + 1, generator=g)
            weight[row] = (draw[:-1] / math.sqrt(weight.shape[1])).to(dtype).float()
            bias[row] = (draw[-1] * 0.1).to(dtype).float()
        else:
            raise ValueError(f"no head row keeps {margin} from every boundary")


def write(path, spec, state, as_json=False, config_json=None):
    """Saves a checkpoint; the config goes into the metadata or, if named, into `config_json`."""
    tree = config_tree(spec)
    if config_json:
        with open(config_json, "w", encoding="utf-8") as file:
            json.dump({"config": tree}, file, indent=1)
            file.write("\n")
        metadata = {"format": "pt"}
    else:
        encode = json.dumps if as_json else str
        metadata = {key: encode(value) for key, value in tree.items()}
    save_file({name: t.contiguous() for name, t in state.items()}, path, metadata)
    sort_header(path)


def sort_header(path):
    """Rewrites a file's header with sorted keys: the order of the metadata is otherwise random."""
    with open(path, "r+b") as file:
        size = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(size))
        text = json.dumps(header, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
        padded = text.encode().ljust(size)
        if len(padded) != size:
            raise ValueError(f"{path}: sorted header has {len(padded)} bytes instead of {size}")
        file.seek(8)
        file.write(padded)
