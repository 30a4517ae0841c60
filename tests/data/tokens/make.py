"""Makes pyarrow.parquet: what another program's writer makes of tokens, with snappy, dictionaries, several row groups and
columns that may be null. Run with pyarrow 26.0.1 and numpy: python make.py pyarrow.parquet"""

import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

rng = np.random.default_rng(7)
tokens = [None if i % 13 == 5 else rng.integers(0, 64000, 8).tolist() for i in range(40)]
table = pa.table(
    {
        "id": pa.array([f"set/{i:03}.jpg" for i in range(40)], pa.string()),
        "tokens": pa.array(tokens, pa.list_(pa.uint16())),
        "width": pa.array([None if t is None else 48 + i for i, t in enumerate(tokens)], pa.uint32()),
        "height": pa.array([None if t is None else 32 for t in tokens], pa.uint32()),
        "error": pa.array(["not an image" if t is None else None for t in tokens], pa.string()),
    }
).replace_schema_metadata({"flextok.tokens": "8"})
pq.write_table(table, sys.argv[1], compression="snappy", use_dictionary=True, row_group_size=16, data_page_size=64)
