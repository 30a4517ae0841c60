"""The FlexTok network in PyTorch, written from its inference specification.

A rival to time the Rust engine against and a second opinion to make test data with. It computes in
the type of the weights it is given, works on batches, and never pads sequences (padding
positions attend to nothing, so leaving them out changes no real position).
"""

import ast
import json
import math
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from safetensors import safe_open

from vae_torch import AutoencoderKL, Lapped

SECTIONS = ("vae", "encoder", "decoder", "regularizer")


@dataclass
class Posemb:
    """How a stored position table is read for a grid."""

    kind: str = "sincos"
    max_sizes: tuple = (16, 16)
    scaling: str = "absolute"


@dataclass
class Trunk:
    """One transformer: `heads` follow from the width, hidden widths and biases from the tensors."""

    width: int
    depth: int
    head_dim: int = 64
    qk_norm: bool = True
    mask: str = "full"
    adaln_expansion: int = 0


@dataclass
class Config:
    """Everything about a checkpoint that its tensors do not tell."""

    encoder: Trunk
    decoder: Trunk
    enc_posemb: Posemb
    dec_posemb: Posemb
    patch: tuple = (2, 2)
    levels: tuple = (8, 8, 8, 5, 5, 5)
    scaling_factor: float = 1.0
    max_timestep: float = 1000.0
    frequency_embedding_size: int = 256
    zero_null: bool = False
    null_single_token: bool = False
    omit_dropped: bool = False
    predicts_x0: bool = False
    scales_input: bool = False
    layer_norm_eps: float = 1e-5
    vae: str = "kl"
    vae_options: dict = field(default_factory=dict)


def parse_literal(text):
    """A metadata value: a Python literal, or JSON."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return json.loads(text)


def config_from_published(tree):
    """Reads the published layout: `tree` maps section names to parsed dictionaries."""
    enc, dec = tree["encoder"]["module_dict"], tree["decoder"]["module_dict"]
    if enc["enc_to_latents"]["use_mup_readout"] or dec["dec_to_patches"]["use_mup_readout"]:
        raise ValueError("use_mup_readout needs a base width that the config does not hold")

    def posemb(module):
        return Posemb(module["posemb_type"], tuple(module["max_sizes"]),
                      module.get("posemb_scaling", "absolute"))

    def trunk(module, packer, expansion):
        if not module.get("gated_mlp", True):
            raise ValueError("gated_mlp=False is not described")
        return Trunk(module["dim"], module["depth"], module.get("head_dim", 64),
                     module.get("qk_norm", True), packer.get("mask_mode", "full"), expansion)

    time, null = dec["dec_time_embedder"], dec["dec_latent_dropout"]
    return Config(
        encoder=trunk(enc["enc_transformer"], enc["enc_seq_packer"], 0),
        decoder=trunk(dec["dec_transformer"], dec["dec_seq_packer"],
                      dec["dec_transformer"].get("adaLN_expansion", 1)),
        enc_posemb=posemb(enc["enc_posemb_module"]),
        dec_posemb=posemb(dec["dec_patches_posemb_module"]),
        patch=tuple(enc["enc_patch_emb"]["patch_sizes"]),
        levels=tuple(tree["regularizer"]["levels"]),
        scaling_factor=tree["vae"]["scaling_factor"],
        max_timestep=time.get("max_timestep", 1000.0),
        frequency_embedding_size=time.get("frequency_embedding_size", 256),
        zero_null=null["_target_"].endswith("ZeroNullCond"),
        null_single_token=null.get("replace_with_single_token", False),
    )


def config_from_flat(flat):
    """Reads the one-object JSON config of the models trained for this project."""
    enc, dec, vae = flat["encoder"], flat["decoder"], flat["vae"]
    grid = flat["latent_grid"] // flat["patch_size"]
    table = Posemb("table", (grid, grid))
    return Config(
        encoder=Trunk(enc["width"], enc["depth"], enc["head_dim"], mask=enc["mask"]),
        decoder=Trunk(dec["width"], dec["depth"], dec["head_dim"],
                      adaln_expansion=dec["adaln_expansion"]),
        enc_posemb=table,
        dec_posemb=table,
        patch=(flat["patch_size"],) * 2,
        levels=tuple(flat["fsq_levels"]),
        scaling_factor=vae["scaling_factor"],
        max_timestep=dec["max_timestep"],
        frequency_embedding_size=dec["frequency_embedding_size"],
        null_single_token=dec["unconditional"] == "single_null_token",
        omit_dropped=dec["dropped_registers"] == "omit",
        predicts_x0=dec["prediction"] == "x0",
        scales_input=dec["input_scale"] == "one_minus_t",
        layer_norm_eps=flat["layer_norm_eps"],
        vae=vae["kind"],
        vae_options=vae,
    )


def load(path, config_json=None, channels_last=False):
    """Opens a checkpoint; `config_json` names a `config.json` for files without metadata."""
    with safe_open(path, "pt") as file:
        metadata = file.metadata() or {}
        state = {name: file.get_tensor(name).float() for name in file.keys()}
    if config_json:
        with open(config_json, encoding="utf-8") as file:
            config = config_from_published(json.load(file)["config"])
    elif "config" in metadata:
        config = config_from_flat(json.loads(metadata["config"]))
    else:
        config = config_from_published({key: parse_literal(metadata[key]) for key in SECTIONS})
    return FlexTok(config, state, channels_last)


def patchify(latents, patch):
    """[B,C,H,W] to [B,h,w,p0*p1*C], channel fastest."""
    b, c, height, width = latents.shape
    p0, p1 = patch
    x = latents.reshape(b, c, height // p0, p0, width // p1, p1)
    return x.permute(0, 2, 4, 3, 5, 1).reshape(b, height // p0, width // p1, p0 * p1 * c)


def unpatchify(patches, grid, patch):
    """The inverse of `patchify` for patches [B,P,p0*p1*C] of a grid (h, w)."""
    (h, w), (p0, p1) = grid, patch
    x = patches.reshape(patches.shape[0], h, w, p0, p1, -1)
    return x.permute(0, 5, 1, 3, 2, 4).reshape(x.shape[0], -1, h * p0, w * p1)


def prefix_mask(prefix, length):
    """`causal_last`: everyone sees the prefix, what follows sees only what came before it."""
    position = torch.arange(length)
    return (position < prefix) | (position <= position[:, None])


class Fsq:
    """Finite scalar quantisation; the first channel varies fastest in an id."""

    def __init__(self, levels):
        self.levels = torch.tensor(levels)
        self.half_width = self.levels // 2
        self.half_l = (self.levels.float() - 1) * 1.001 / 2
        self.offset = torch.where(self.levels % 2 == 0, 0.5, 0.0)
        self.shift = torch.atanh(self.offset / self.half_l)
        self.basis = torch.cat([torch.ones(1, dtype=torch.long), self.levels.cumprod(0)[:-1]])

    def bounded(self, z):
        return torch.tanh(z + self.shift) * self.half_l - self.offset

    def quantize(self, z):
        """Codes [..., C] in [-1,1] and ids [...] of head outputs [..., C]."""
        q = self.bounded(z).round()
        return q / self.half_width, ((q.long() + self.half_width) * self.basis).sum(-1)

    def codes(self, ids):
        digits = ids[..., None] // self.basis % self.levels
        return (digits - self.half_width) / self.half_width

    def boundary_distance(self, z):
        """Distance of each head output to the nearest value where its code changes."""
        distance = torch.full_like(z, math.inf)
        for c, levels in enumerate(self.levels.tolist()):
            edges = torch.arange(levels - 1).double() - self.half_width[c] + 0.5
            z_edges = torch.atanh((edges + self.offset[c]) / self.half_l[c]) - self.shift[c]
            distance[..., c] = (z[..., c, None].double() - z_edges).abs().amin(-1).float()
        return distance


class FlexTok:
    """A loaded network. Set `trace` to a dictionary to collect the inner activations."""

    def __init__(self, config, state, channels_last=False):
        self.config = config
        self.state = state
        self.fsq = Fsq(config.levels)
        self.registers = state["encoder.module_dict.enc_register_module.registers"].shape[0]
        vae = AutoencoderKL if config.vae == "kl" else Lapped
        self.vae = vae(state, channels_last, config.vae_options)
        self.trace = None

    def _note(self, name, tensor):
        if self.trace is not None:
            self.trace[name] = tensor.clone()
        return tensor

    def _linear(self, x, name):
        return F.linear(x, self.state[name + ".weight"], self.state.get(name + ".bias"))

    def _norm(self, x):
        return F.layer_norm(x, x.shape[-1:], eps=self.config.layer_norm_eps)

    # -- transformer ---------------------------------------------------------------------------

    def _attention(self, x, name, trunk, mask):
        b, n, width = x.shape
        split = (b, n, width // trunk.head_dim, trunk.head_dim)
        q, k, v = (self._linear(x, f"{name}.{w}").view(split) for w in ("wq", "wk", "wv"))
        if trunk.qk_norm:
            q, k = self._norm(q), self._norm(k)
        q, k, v = (part.transpose(1, 2) for part in (q, k, v))
        y = F.scaled_dot_product_attention(q, k, v, mask, scale=8 / trunk.head_dim)
        return self._linear(y.transpose(1, 2).reshape(b, n, width), name + ".proj")

    def _mlp(self, x, name):
        gate = F.silu(self._linear(x, name + ".fc1"))
        return self._linear(gate.mul_(self._linear(x, name + ".fc3")), name + ".fc2")

    def _encoder_block(self, x, name, trunk, mask):
        x = x + self._attention(self._norm(x), name + ".attn", trunk, mask)
        return x + self._mlp(self._norm(x), name + ".mlp")

    def _decoder_block(self, x, name, trunk, prefix, temb):
        m = self._linear(F.silu(temb), name + ".adaLN_modulation.1")
        m = m.view(m.shape[0], trunk.adaln_expansion, 6, trunk.width)
        gate_msa, gate_mlp, shift_msa, scale_msa, shift_mlp, scale_mlp = m.unbind(2)

        def modulated(shift, scale):
            y = self._norm(x)
            for s, part in enumerate(segments(y, prefix, trunk.adaln_expansion)):
                part.mul_(1 + scale[:, s, None]).add_(shift[:, s, None])
            return y

        def add_gated(gate, y):
            parts = (segments(t, prefix, trunk.adaln_expansion) for t in (x, y))
            for s, (into, part) in enumerate(zip(*parts)):
                into.addcmul_(gate[:, s, None], part)

        y = modulated(shift_msa, scale_msa)
        add_gated(gate_msa, self._attention(y, name + ".attn", trunk, None))
        add_gated(gate_mlp, self._mlp(modulated(shift_mlp, scale_mlp), name + ".mlp"))
        return x

    # -- positions -----------------------------------------------------------------------------

    def _positions(self, name, posemb, grid):
        """The [1,h,w,D] table for a grid."""
        table = self.state[name + ".posembs"]
        if posemb.kind in ("learnable_sum", "learnable_prod"):
            rows = table[0, :, :, : posemb.max_sizes[0], None]
            columns = table[1, :, :, None, : posemb.max_sizes[1]]
            table = rows + columns if posemb.kind == "learnable_sum" else rows * columns
        if posemb.scaling == "interpolate":
            table = F.interpolate(table, grid, mode="bilinear", align_corners=True)
        if grid[0] > table.shape[2] or grid[1] > table.shape[3]:
            raise ValueError(f"grid {grid} exceeds the position table {tuple(table.shape[2:])}")
        return table[:, :, : grid[0], : grid[1]].permute(0, 2, 3, 1)

    def _embed(self, latents, side, patch_emb, posemb_name, posemb):
        """Patch embeddings with positions, [B,P,D], and the grid."""
        name = f"{side}oder.module_dict.{side}_"
        patches = patchify(latents, self.config.patch)
        grid = patches.shape[1:3]
        x = self._note(f"{side}_patch_emb", self._linear(patches, name + patch_emb))
        x = x + self._positions(name + posemb_name, posemb, tuple(grid))
        return self._note(f"{side}_patch_emb_posemb", x).flatten(1, 2), tuple(grid)

    # -- encoder -------------------------------------------------------------------------------

    def latents(self, image, noise=None):
        """Scaled latents of images [B,3,H,W] in [-1,1]: the mode, or a sample for `noise`."""
        mean, logvar = self.vae.encode(image)
        if noise is not None:
            mean = mean + torch.exp(0.5 * logvar.clamp(-30, 20)) * noise
        return mean * self.config.scaling_factor

    def register_outputs(self, latents):
        """Encoder outputs [B,R,D] of the registers."""
        trunk, name = self.config.encoder, "encoder.module_dict."
        x, _ = self._embed(latents, "enc", "patch_emb.patch_proj", "posemb_module",
                           self.config.enc_posemb)
        prefix = x.shape[1]
        registers = self.state[name + "enc_register_module.registers"]
        x = torch.cat([x, registers.expand(x.shape[0], -1, -1)], 1)
        self._note("enc_packed_in", x)
        mask = prefix_mask(prefix, x.shape[1]) if trunk.mask == "causal_last" else None
        for i in range(trunk.depth):
            x = self._encoder_block(x, f"{name}enc_transformer.blocks.{i}", trunk, mask)
            self._note(f"enc_block_{i}", x)
        return self._note("enc_registers_out", x[:, prefix:])

    def pre_fsq(self, latents):
        """Head outputs [B,R,levels] before quantisation."""
        out = self._norm(self.register_outputs(latents))
        return self._linear(out, "encoder.module_dict.enc_to_latents.proj")

    def tokenize(self, image):
        """Ids [B,R] of images [B,3,H,W] in [-1,1], from the posterior's mode."""
        return self.fsq.quantize(self.pre_fsq(self.latents(image)))[1]

    # -- decoder -------------------------------------------------------------------------------

    def condition(self, ids):
        """Conditioning registers [B,R,D] of ids [B,k], or [B,k,D] where dropped are omitted."""
        name = "decoder.module_dict.dec_"
        k = ids.shape[1]
        total = k if self.config.omit_dropped else self.registers
        codes = self._note("fsq_codes_padded", self.fsq.codes(F.pad(ids, (0, total - k))))
        posembs = self.state[name + "registers_posemb_module.posembs"]
        codes = codes.to(posembs.dtype)
        c = self._note("dec_from_latents", self._linear(codes, name + "from_latents.proj"))
        c = c + posembs[0, 0, :, :total].T
        if k < total:
            c[:, k:] = self.state[name + "nested_dropout.dropout_mask_token"]
        return self._note("dec_registers_in", c)

    def null_condition(self):
        """Conditioning registers [1,R or 1,D] of the unconditional pass."""
        count = 1 if self.config.null_single_token else self.registers
        if self.config.zero_null:
            return torch.zeros(1, count, self.config.decoder.width)
        null = self.state["decoder.module_dict.dec_latent_dropout.nullcond"]
        return null.expand(1, count, -1)

    def time_embedding(self, t):
        """Embedding [1,D] of a flow time in [0,1]; the frequencies' longest period is 256."""
        half = self.config.frequency_embedding_size // 2
        frequency = torch.exp(-math.log(256) * torch.arange(half, dtype=torch.float32) / half)
        angle = t * (frequency * (1000 / self.config.max_timestep))
        emb = torch.cat([angle.cos(), angle.sin()])[None]
        name = "decoder.module_dict.dec_time_embedder.mlp."
        emb = emb.to(self.state[name + "0.weight"].dtype)
        return self._linear(F.silu(self._linear(emb, name + "0")), name + "2")

    def network(self, x, t, condition):
        """The decoder's raw output [B,C,H,W]: a velocity, or clean latents for x0 models."""
        trunk, name = self.config.decoder, "decoder.module_dict."
        x = x * (1 - t) if self.config.scales_input else x
        patches, grid = self._embed(x, "dec", "noise_patch_emb.patch_proj",
                                    "patches_posemb_module", self.config.dec_posemb)
        prefix = patches.shape[1]
        h = torch.cat([patches, condition.expand(x.shape[0], -1, -1)], 1)
        self._note("dec_packed_in", h)
        temb = self._note("dec_temb", self.time_embedding(t))
        for i in range(trunk.depth):
            h = self._decoder_block(h, f"{name}dec_transformer.blocks.{i}", trunk, prefix, temb)
            self._note(f"dec_block_{i}", h)
        m = self._linear(F.silu(temb), name + "dec_to_patches.adaLN_modulation.1")
        shift, scale = m[:, None].chunk(2, -1)
        y = self._norm(h[:, :prefix]) * (1 + scale) + shift
        return unpatchify(self._linear(y, name + "dec_to_patches.proj"), grid, self.config.patch)

    def velocity(self, x, t, condition):
        """Velocity [B,C,H,W] of the flow at x [B,C,H,W] and time t."""
        out = self.network(x, t, condition)
        return (x - out) / t if self.config.predicts_x0 else out

    def sample(self, noise, ids, steps=25, guidance=1.0, apg=False, keep=()):
        """Scaled latents after `steps` Euler steps from `noise`, and those after steps `keep`."""
        condition, null = self.condition(ids), self.null_condition()
        x, momentum, kept = noise, torch.zeros_like(noise), []
        for done, i in enumerate(range(steps, 0, -1), 1):
            t = i / steps
            v = self.velocity(x, t, condition)
            if guidance != 1.0:
                u = self.velocity(x, t, null)
                if apg:
                    v, momentum = adaptive_projected(v, u, guidance, momentum)
                else:
                    v = u + guidance * (v - u)
            x = x - (1 / steps) * v
            if done in keep:
                kept.append(x)
        return (x, kept) if keep else x

    def decode_latents(self, latents):
        """Images [B,3,H,W], nominally in [-1,1] but not clamped, of scaled latents."""
        return self.vae.decode(latents / self.config.scaling_factor)

    def detokenize(self, noise, ids, **options):
        return self.decode_latents(self.sample(noise, ids, **options))


def segments(x, prefix, count):
    """Views of the positions that share a modulation."""
    return (x[:, :prefix], x[:, prefix:]) if count == 2 else (x,)


def adaptive_projected(c, u, scale, momentum):
    """One step of adaptive projected guidance; returns the velocity and the new momentum."""
    def norm(t):
        return t.flatten(1).norm(dim=1).view(-1, 1, 1, 1)

    momentum = (c - u) - 0.5 * momentum
    d = (momentum * (2.5 / norm(momentum)).clamp(max=1.0)).double()
    unit = c.double() / norm(c.double()).clamp(min=1e-12)
    parallel = (d * unit).sum((1, 2, 3), keepdim=True) * unit
    return c + (scale - 1) * (d - parallel).to(c.dtype), momentum
