"""What the recipes for Ray and Spark cost beside a bare loop over the same files, in one run.

    python python/benches/overhead.py [--pictures 400] [--model tests/data/nano.safetensors]

Each reads image files, tokenizes and writes Parquet, with one thread in one worker. Each runs with 16 pictures and with all of
them, in turn, for some rounds, of which the quickest count, since other work on the machine only adds time: the difference is the
time of a picture, the rest the fixed cost of a run. Starting Ray or Spark itself is counted apart.
Needs `ray[data]`, `pyspark` and Java; what is missing is left out.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import flextok
import flextok.tables
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

ROOT = Path(__file__).parents[2]
FEW = 16


def bare(folder: Path, out: Path, model: str) -> None:
    codec = flextok.Codec(model, threads=1)
    files = sorted(folder.iterdir())
    out.mkdir()
    with pq.ParquetWriter(out / "tokens.parquet", flextok.tables.schema(codec)) as writer:
        for start in range(0, len(files), 16):
            some = files[start : start + 16]
            rows = flextok.tables.rows(codec, [file.name for file in some], [file.read_bytes() for file in some])
            writer.write_table(pa.table(rows, schema=writer.schema))


def with_ray() -> Callable[[Path, Path, str], None]:
    import ray
    import ray_tokens

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, object_store_memory=200 << 20)
    ray.data.DataContext.get_current().enable_progress_bars = False
    return lambda folder, out, model: ray_tokens.tokenize(str(folder), str(out), model, actors=1)


def with_spark() -> Callable[[Path, Path, str], None]:
    import spark_tokens
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master("local[1]").config("spark.ui.enabled", False)
    session = builder.config("spark.sql.execution.arrow.maxRecordsPerBatch", 16).getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    return lambda folder, out, model: spark_tokens.tokenize(session, str(folder), str(out), model, partitions=1)


def write_pictures(folder: Path, count: int) -> None:
    """Parts of a photo, 128x128 pixels each."""
    folder.mkdir()
    photo = flextok.load(ROOT / "tests/photos/coffee.png")
    places = np.random.default_rng(0).integers(0, (400 - 128, 600 - 128), (count, 2))
    for i, (y, x) in enumerate(places):
        Image.fromarray(photo[y : y + 128, x : x + 128]).save(folder / f"{i:05}.png")


def rows_of(out: Path) -> int:
    table = pq.read_table(out)
    assert not any(table["error"].to_pylist())
    return table.num_rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--model", default=str(ROOT / "tests/data/nano.safetensors"))
    options = parser.parse_args()
    sys.path.insert(0, str(ROOT / "python/examples"))
    # Workers of both look there.
    os.environ["PYTHONPATH"] = sys.path[0]
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    with tempfile.TemporaryDirectory() as scratch:
        few, all_of_them = Path(scratch, "few"), Path(scratch, "all")
        write_pictures(few, FEW)
        write_pictures(all_of_them, options.pictures)
        runs, starts = {"bare loop": bare}, {"bare loop": 0.0}
        for name, prepare in (("Ray", with_ray), ("Spark", with_spark)):
            began = time.perf_counter()
            try:
                runs[name] = prepare()
            except ImportError as error:
                print(f"{name} is left out: {error}")
            else:
                starts[name] = time.perf_counter() - began
        seconds: dict[tuple[str, Path], list[float]] = {}
        # The first round also loads what later ones find.
        for turn in range(options.rounds + 1):
            for name, run in runs.items():
                for folder in (few, all_of_them):
                    out = Path(scratch, f"{name}-{turn}-{folder.name}")
                    began = time.perf_counter()
                    run(folder, out, options.model)
                    if turn > 0:
                        seconds.setdefault((name, folder), []).append(time.perf_counter() - began)
                    assert rows_of(out) == len(list(folder.iterdir()))
        print("| | start, s | fixed cost of a run, s | ms a picture |\n|---|---|---|---|")
        for name in runs:
            small, large = min(seconds[name, few]), min(seconds[name, all_of_them])
            each = (large - small) / (options.pictures - FEW)
            print(f"| {name} | {starts[name]:.1f} | {max(0, small - FEW * each):.1f} | {1000 * each:.1f} |")


if __name__ == "__main__":
    main()
