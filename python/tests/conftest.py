"""Photos, models and files of the repository for all tests."""

from pathlib import Path

import flextok
import numpy as np
import numpy.typing as npt
import pytest

ROOT = Path(__file__).parents[2]
PHOTOS = ROOT / "tests/photos"
TINY = ROOT / "tests/data/tiny"
NANO = ROOT / "tests/data/nano.safetensors"


@pytest.fixture(scope="session")
def codec() -> flextok.Codec:
    """The embedded model."""
    return flextok.Codec()


@pytest.fixture(scope="session")
def tiny() -> flextok.Codec:
    """A FlexTok network."""
    return flextok.Codec(TINY)


@pytest.fixture(scope="session")
def photo() -> npt.NDArray[np.uint8]:
    """A part of a photo, [90, 120, 3]."""
    return np.ascontiguousarray(flextok.load(PHOTOS / "coffee.png")[100:190, 200:320])
