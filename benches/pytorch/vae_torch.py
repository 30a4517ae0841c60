"""The two image autoencoders in front of the network: AutoencoderKL and the lapped transform."""

import torch
import torch.nn.functional as F

GROUPS = 32
EPS = 1e-6


class AutoencoderKL:
    """The convolutional autoencoder; every width is taken from the tensors."""

    def __init__(self, state, channels_last=False, _options=None):
        prefix = "vae.vae."
        self.format = torch.channels_last if channels_last else torch.contiguous_format
        self.state = {
            name[len(prefix):]: w.contiguous(memory_format=self.format) if w.dim() == 4 else w
            for name, w in state.items() if name.startswith(prefix)
        }

    def _conv(self, x, name, **options):
        return F.conv2d(x, self.state[name + ".weight"], self.state[name + ".bias"], **options)

    def _linear(self, x, name):
        return F.linear(x, self.state[name + ".weight"], self.state[name + ".bias"])

    def _norm(self, x, name):
        weight, bias = self.state[name + ".weight"], self.state[name + ".bias"]
        return F.group_norm(x, GROUPS, weight, bias, EPS)

    def _norm_silu_conv(self, x, norm, conv):
        return self._conv(F.silu(self._norm(x, norm), inplace=True), conv, padding=1)

    def _resnet(self, x, name):
        h = self._norm_silu_conv(x, name + ".norm1", name + ".conv1")
        h = self._norm_silu_conv(h, name + ".norm2", name + ".conv2")
        if name + ".conv_shortcut.weight" in self.state:
            x = self._conv(x, name + ".conv_shortcut")
        return h.add_(x)

    def _attention(self, x, name):
        b, c, height, width = x.shape
        tokens = self._norm(x, name + ".group_norm").flatten(2).transpose(1, 2)[:, None]
        q, k, v = (self._linear(tokens, f"{name}.to_{part}") for part in "qkv")
        y = self._linear(F.scaled_dot_product_attention(q, k, v), name + ".to_out.0")
        return x + y[:, 0].transpose(1, 2).reshape(b, c, height, width)

    def _mid(self, x, side):
        x = self._resnet(x, f"{side}.mid_block.resnets.0")
        x = self._attention(x, f"{side}.mid_block.attentions.0")
        return self._resnet(x, f"{side}.mid_block.resnets.1")

    def encode(self, image):
        """Mean and log-variance [B,C,H/8,W/8] of images [B,3,H,W]."""
        x = self._conv(image.contiguous(memory_format=self.format), "encoder.conv_in", padding=1)
        for b in range(4):
            name = f"encoder.down_blocks.{b}"
            for r in range(2):
                x = self._resnet(x, f"{name}.resnets.{r}")
            if b < 3:
                x = self._conv(F.pad(x, (0, 1, 0, 1)), name + ".downsamplers.0.conv", stride=2)
        x = self._mid(x, "encoder")
        x = self._norm_silu_conv(x, "encoder.conv_norm_out", "encoder.conv_out")
        return self._conv(x, "quant_conv").contiguous().chunk(2, 1)

    def decode(self, latents):
        """Images [B,3,8H,8W] of unscaled latents [B,C,H,W]."""
        x = self._conv(latents.contiguous(memory_format=self.format), "post_quant_conv")
        x = self._mid(self._conv(x, "decoder.conv_in", padding=1), "decoder")
        for b in range(4):
            name = f"decoder.up_blocks.{b}"
            for r in range(3):
                x = self._resnet(x, f"{name}.resnets.{r}")
            if b < 3:
                x = F.interpolate(x, scale_factor=2, mode="nearest")
                x = self._conv(x, name + ".upsamplers.0.conv", padding=1)
        return self._norm_silu_conv(x, "decoder.conv_norm_out", "decoder.conv_out").contiguous()


class Lapped:
    """An overlapping linear transform: a strided convolution and its transposed counterpart."""

    def __init__(self, state, _channels_last, options):
        self.analysis = state["vae.analysis.weight"]
        self.synthesis = state["vae.synthesis.weight"]
        self.stride, self.pad = options["stride"], options["pad"]

    def encode(self, image):
        """Latents as mean; the transform has no spread, so exp(0.5 logvar) is 0."""
        padded = F.pad(image, (self.pad,) * 4, mode="reflect")
        mean = F.conv2d(padded, self.analysis, stride=self.stride)
        return mean, torch.full_like(mean, -torch.inf)

    def decode(self, latents):
        image = F.conv_transpose2d(latents, self.synthesis, stride=self.stride)
        return image[:, :, self.pad:-self.pad, self.pad:-self.pad]
