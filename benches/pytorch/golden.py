"""Deterministic inputs and the stage dumps that other implementations are compared with."""

import torch
import torch.nn.functional as F

GUIDANCE = {"none": {}, "cfg1.5": {"guidance": 1.5}, "apg7.5": {"guidance": 7.5, "apg": True}}


def generator(seed):
    return torch.Generator().manual_seed(seed)


def synthetic_image(height, width, seed):
    """A u8 picture [H,W,3]: smooth blobs with a little grain."""
    g = generator(seed)
    coarse = torch.rand(1, 3, 5, 5, generator=g) * 200
    smooth = F.interpolate(coarse, (height, width), mode="bicubic", align_corners=True)
    grain = torch.rand(1, 3, height, width, generator=g) * 60
    return (smooth + grain).clamp(0, 255).to(torch.uint8)[0].permute(1, 2, 0).contiguous()


def image_tensor(image_u8):
    """[H,W,3] u8 to [1,3,H,W] f32 in [-1,1], as the published preprocessing does."""
    x = image_u8.permute(2, 0, 1)[None].float() / 255
    return (x - 0.5) / 0.5


def dump(model, image_u8, noise_seed, keeps, times, trajectory_k, steps=5, image_mode="apg7.5"):
    """Every stage of `model` for one image; the velocities are those at x = noise."""
    latents = model.latents(image_tensor(image_u8))
    z = model.pre_fsq(latents)
    ids = model.fsq.quantize(z)[1]
    noise = torch.randn(latents.shape, generator=generator(noise_seed))
    out = {"image_u8": image_u8, "latents": latents, "pre_fsq": z, "tokens": ids, "noise": noise}
    for t in times:
        for k in keeps:
            out[f"v.k{k}.t{t:.2f}.cond"] = model.velocity(noise, t, model.condition(ids[:, :k]))
        out[f"v.k{keeps[0]}.t{t:.2f}.uncond"] = model.velocity(noise, t, model.null_condition())
    for mode, options in GUIDANCE.items():
        x = model.sample(noise, ids[:, :trajectory_k], steps, **options)
        out[f"{mode}.k{trajectory_k}.x"] = x
        if mode == image_mode:
            out[f"{mode}.k{trajectory_k}.image"] = model.decode_latents(x)
    return {name: tensor.contiguous() for name, tensor in out.items()}
