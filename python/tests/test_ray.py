"""The recipe for Ray, on four actors of a local Ray."""

import importlib
import io
import os
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import flextok
import flextok.tables
import pytest
from conftest import PHOTOS, ROOT, TINY
from PIL import Image

pq = pytest.importorskip("pyarrow.parquet")
# What Ray itself warns of is not ours.
pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture(scope="module")
def recipe() -> Iterator[Any]:
    ray = pytest.importorskip("ray")
    # Reports to its makers, and a dashboard, are of no use here.
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    # Where this process and the workers, which inherit the variable, find the recipe.
    sys.path.insert(0, str(ROOT / "python/examples"))
    os.environ["PYTHONPATH"] = sys.path[0]
    ray.init(num_cpus=4, include_dashboard=False, log_to_driver=False, object_store_memory=100 << 20)
    yield importlib.import_module("ray_tokens")
    ray.shutdown()
    del os.environ["PYTHONPATH"]
    sys.path.pop(0)


def pictures() -> dict[str, bytes]:
    """Crops of photos by their names, in two formats; two are damaged."""
    made = {}
    for photo in ("coffee.png", "chelsea.png"):
        with Image.open(PHOTOS / photo) as image:
            for i in range(10):
                file = io.BytesIO()
                image.crop((9 * i, 5 * i, 9 * i + 90 + i, 5 * i + 70)).save(file, "JPEG" if i % 2 else "PNG")
                made[f"{photo[:3]}/{i:02}.{'jpg' if i % 2 else 'png'}"] = file.getvalue()
    made["cof/10.png"] = b"no picture"
    made["che/10.png"] = made["che/00.png"][:300]
    return made


def bare(files: dict[str, bytes]) -> list[dict[str, Any]]:
    """The rows of a loop without Ray, by id."""
    codec, rows = flextok.Codec(TINY), []
    for name, file in sorted(files.items()):
        row = dict.fromkeys(("tokens", "width", "height", "error")) | {"id": name}
        try:
            picture = flextok.load(file)
            row |= {"tokens": codec.tokenize(picture, tokens=8)[0].tolist()}
            row |= {"width": picture.shape[1], "height": picture.shape[0]}
        except flextok.Error as error:
            row |= {"error": str(error)}
        rows.append(row)
    return rows


def written(out: Path) -> list[dict[str, Any]]:
    table = pq.read_table(out)
    codec = flextok.Codec(TINY)
    wanted = flextok.tables.schema(codec, tokens=8)
    assert [field.name for field in table.schema] == ["id", "tokens", "width", "height", "error"]
    assert table.schema.remove_metadata().equals(wanted.remove_metadata())
    for file in out.glob("*.parquet"):
        about = pq.read_schema(file).metadata
        assert about[b"flextok.model"] == b"cb0ce66e" and about[b"flextok.tokens"] == b"8"
    rows: list[dict[str, Any]] = table.to_pylist()
    return sorted(rows, key=lambda row: row["id"])


def test_images(recipe: Any, tmp_path: Path) -> None:
    files = pictures()
    for name, content in files.items():
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (tmp_path / "photos" / "notes.txt").write_text("no picture, and not named like one")
    recipe.tokenize(str(tmp_path / "photos"), str(tmp_path / "out"), str(TINY), tokens=8, actors=4)
    expected = bare(files)
    assert sum(row["error"] is not None for row in expected) == 2
    assert written(tmp_path / "out") == expected


def test_shards(recipe: Any, tmp_path: Path) -> None:
    files, expected = pictures(), {}
    (tmp_path / "shards").mkdir()
    for shard in ("cof", "che"):
        with tarfile.open(tmp_path / f"shards/{shard}.tar", "w") as tar:
            for name, content in files.items():
                if not name.startswith(shard):
                    continue
                key = name.removeprefix(f"{shard}/").partition(".")[0]
                for member, data in ((f"in/{name[4:]}", content), (f"in/{key}.txt", b"a caption")):
                    entry = tarfile.TarInfo(member)
                    entry.size = len(data)
                    tar.addfile(entry, io.BytesIO(data))
                expected[f"{shard}/in/{key}"] = content
    recipe.tokenize(str(tmp_path / "shards"), str(tmp_path / "out"), str(TINY), shards=True, tokens=8, actors=4)
    assert written(tmp_path / "out") == bare(expected)


def test_rows_go_on_after_a_picture_that_fails() -> None:
    small = flextok.Codec(TINY, limits={"pixels": 6600})
    files = {name: file for name, file in pictures().items() if name.startswith("cof")}
    rows = flextok.tables.rows(small, files, files.values(), tokens=8)
    by_loop = {row["id"]: row for row in bare(files)}
    for i, name in enumerate(rows["id"]):
        if (rows["width"][i] or 0) * (rows["height"][i] or 0) == 0:
            assert rows["error"][i] and rows["tokens"][i] is None
        else:
            assert rows["tokens"][i].tolist() == by_loop[name]["tokens"] and rows["error"][i] is None
    assert 2 < sum(error is not None for error in rows["error"]) < len(files)
    assert all("of the batch" not in (error or "") for error in rows["error"])
    with pytest.raises(flextok.UsageError):
        flextok.tables.rows(flextok.Codec(), ["a"], [files["cof/00.png"]])


def test_impossible_options_are_raised() -> None:
    codec = flextok.Codec(TINY)
    photo = (PHOTOS / "coffee.png").read_bytes()
    with pytest.raises(flextok.UsageError, match="allowed: 1 to"):
        flextok.tables.rows(codec, ["a"], [photo], tokens=100_000)
