"""Pictures to tokens with Ray Data: a folder of images, or of tar shards, in; Parquet out.

    python ray_tokens.py photos tokens --model model.safetensors
    python ray_tokens.py shards tokens --model model.safetensors --shards
"""

import argparse
import os

import flextok
import flextok.tables
import pyarrow as pa
import ray

# Shares of a core: what reads and writes needs some beside the actors, or Ray waits for ever.
ACTOR, FILES = 0.75, 0.25
IMAGES = ["bmp", "gif", "jpg", "jpeg", "jxl", "png", "qoi", "tga", "tif", "tiff", "webp"]


def column(member: str) -> str:
    """The picture of a sample of a shard becomes its column `bytes`; its other members are left out."""
    start, _, kind = member.rpartition(".")
    return f"{start}.bytes" if kind.lower() in IMAGES and "." not in os.path.basename(start) else member


class Tokenize:
    """An actor, which opens the model once. There is one on each core, so that it has one thread."""

    def __init__(self, model: str, folder: str, tokens: int | None) -> None:
        self.codec = flextok.Codec(model, threads=1)
        self.folder = os.path.abspath(folder)
        self.tokens = tokens

    def __call__(self, batch: pa.Table) -> pa.Table:
        ids, files = [], []
        for row in batch.to_pylist():
            name = os.path.relpath(row["path"], self.folder)
            if "__key__" in row:
                name = f"{name.removesuffix('.tar')}/{row['__key__'].removeprefix('./')}"
            ids.append(name)
            files.append(row["bytes"])
        rows = flextok.tables.rows(self.codec, ids, files, tokens=self.tokens)
        return pa.table(rows, schema=flextok.tables.schema(self.codec, tokens=self.tokens))


def tokenize(
    folder: str, out: str, model: str, *, shards: bool = False, tokens: int | None = None, actors: int | None = None
) -> None:
    """Writes the tokens of the pictures beneath a folder into Parquet files in the folder `out`, which is new or empty."""
    if os.path.isdir(out) and os.listdir(out):
        raise SystemExit(f"{out} is not empty, and rows would be there twice; name another folder")
    if not ray.is_initialized():
        ray.init()
    actors = actors or int(ray.cluster_resources()["CPU"])
    if shards:
        pictures = ray.data.read_webdataset(
            folder,
            decoder=None,
            filerename=column,
            fileselect=["*.bytes"],
            include_paths=True,
            file_extensions=["tar"],
            num_cpus=FILES,
        )
    else:
        pictures = ray.data.read_binary_files(folder, include_paths=True, file_extensions=IMAGES, num_cpus=FILES)
    rows = pictures.map_batches(
        Tokenize,
        fn_constructor_args=(os.path.abspath(model), folder, tokens),
        batch_format="pyarrow",
        batch_size=16,
        compute=ray.data.ActorPoolStrategy(size=actors),
        num_cpus=ACTOR,
    )
    rows.write_parquet(os.path.abspath(out), ray_remote_args={"num_cpus": FILES})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("out")
    parser.add_argument("--model", required=True)
    parser.add_argument("--shards", action="store_true")
    parser.add_argument("--tokens", type=int)
    parser.add_argument("--actors", type=int)
    tokenize(**vars(parser.parse_args()))
