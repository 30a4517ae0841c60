"""Pictures to tokens with Spark: a folder of images in, Parquet out.

    spark-submit spark_tokens.py photos tokens --model model.safetensors
"""

import argparse
import os
from collections.abc import Iterator
from urllib.parse import unquote, urlsplit

import flextok
import flextok.tables
import pandas as pd
from pyspark.sql import SparkSession

# Spark has no unsigned numbers: tokens are at most 65535.
SCHEMA = "id string, tokens array<int>, width int, height int, error string"
IMAGES = "*.{bmp,gif,jpg,jpeg,jxl,png,qoi,tga,tif,tiff,webp}"


def tokenize(
    spark: SparkSession, folder: str, out: str, model: str, *, tokens: int | None = None, partitions: int = 4
) -> None:
    """Writes the tokens of the pictures beneath a folder into Parquet files in the folder `out`."""
    root, model = os.path.abspath(folder), os.path.abspath(model)

    def rows(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        # Once for all batches of a partition. Spark runs one worker on each core, so that it has one thread.
        codec = flextok.Codec(model, threads=1)
        for batch in batches:
            ids = [os.path.relpath(unquote(urlsplit(path).path), root) for path in batch["path"]]
            table = flextok.tables.rows(codec, ids, batch["content"], tokens=tokens)
            yield pd.DataFrame(table, dtype=object)

    files = spark.read.format("binaryFile").option("recursiveFileLookup", True).option("pathGlobFilter", IMAGES)
    pictures = files.load(root).select("path", "content").repartition(partitions)
    pictures.mapInPandas(rows, SCHEMA).write.parquet(os.path.abspath(out))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("out")
    parser.add_argument("--model", required=True)
    parser.add_argument("--tokens", type=int)
    parser.add_argument("--partitions", type=int, default=4)
    options = vars(parser.parse_args())
    # Batches as small as the network takes pictures at a time, instead of 10 000 rows.
    session = SparkSession.builder.config("spark.sql.execution.arrow.maxRecordsPerBatch", 16).getOrCreate()
    tokenize(session, **options)
