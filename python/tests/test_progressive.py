"""Pictures of a file while it arrives."""

import threading
from typing import Any

import flextok
import pytest


def test_the_last_picture_is_that_of_decode(codec: flextok.Codec, tiny: flextok.Codec, photo: Any) -> None:
    for model, data in ((codec, codec.encode(photo, bytes=300)), (tiny, tiny.encode(photo, tokens=8))):
        for step in (1, 7, 1000):
            with flextok.ProgressiveDecoder(model) as decoder:
                assert decoder.header is None and decoder.picture() is None and decoder.complete is None
                for start in range(0, len(data), step):
                    decoder.feed(data[start : start + step])
                last = decoder.finish()
                assert decoder.complete is True
                assert decoder.header is not None and decoder.header["width"] == 120
                assert last.units == decoder.units == decoder.header["units"]
                assert (last.array == model.decode(data)).all()
                assert last.image.size == (120, 90) and last.array is last.array


def test_pictures_come_while_another_thread_feeds(codec: flextok.Codec, photo: Any) -> None:
    data = codec.encode(photo, bytes=400)
    with flextok.ProgressiveDecoder(codec, refresh=1) as decoder:
        arrived = threading.Event()
        units = []

        def show() -> None:
            while (picture := decoder.wait()) is not None:
                units.append(picture.units)
                arrived.set()

        shower = threading.Thread(target=show)
        shower.start()
        decoder.feed(data[:100])
        arrived.wait()
        decoder.feed(data[100:])
        last = decoder.finish()
        shower.join()
    assert units == sorted(units) and units[0] < units[-1] == last.units
    assert last.look == "0.5"


def test_wait_ends(codec: flextok.Codec, photo: Any) -> None:
    decoder = flextok.ProgressiveDecoder(codec, refresh="manual")
    assert decoder.wait(0) is None and decoder.wait(0.01) is None
    assert not decoder.request()
    decoder.feed(codec.encode(photo, bytes=100)[:50])
    assert decoder.request()
    picture = decoder.wait()
    assert picture is not None and picture.look == "plain"
    decoder.finish()
    assert decoder.complete is False
    while decoder.wait() is not None:
        pass
    decoder.close()
    decoder.close()
    for call in (decoder.finish, decoder.wait, lambda: decoder.feed(b"")):
        with pytest.raises(RuntimeError, match="closed"):
            call()


def test_faults(codec: flextok.Codec, tiny: flextok.Codec, photo: Any) -> None:
    data = bytearray(codec.encode(photo, bytes=300))
    data[250] ^= 1
    decoder = flextok.ProgressiveDecoder(codec)
    with pytest.raises(flextok.CorruptError):
        decoder.feed(data)
    with pytest.raises(flextok.CorruptError):
        decoder.feed(b"")
    with pytest.raises(flextok.CorruptError):
        decoder.finish()
    left = decoder.picture()
    assert left is not None and 0 < left.units < 250
    with pytest.raises(flextok.WrongModelError):
        flextok.ProgressiveDecoder(tiny).feed(data)
    with pytest.raises(flextok.CorruptError):
        flextok.ProgressiveDecoder(codec).finish()


def test_options(codec: flextok.Codec, tiny: flextok.Codec, photo: Any) -> None:
    data = codec.encode(photo, bytes=100)
    for refresh in ("powers", "manual", 5, 0.0, 0.5):
        with flextok.ProgressiveDecoder(codec, refresh=refresh, look="plain") as decoder:
            decoder.feed(data)
            assert (decoder.finish().array == codec.decode(data, look="plain")).all()
    for wrong in ("often", 0, -1, -0.5, True, float("nan")):
        with pytest.raises(flextok.UsageError, match="refresh"):
            flextok.ProgressiveDecoder(codec, refresh=wrong)
    with pytest.raises(flextok.UsageError):
        flextok.ProgressiveDecoder(codec, steps=3)
    with pytest.raises(flextok.UsageError, match="warm start"):
        flextok.ProgressiveDecoder(tiny, warm_start=2)
    with pytest.raises(flextok.UsageError, match="timeout"):
        flextok.ProgressiveDecoder(codec).wait(-1)


def test_pictures_can_be_looked_at_while_another_thread_finishes(tiny: flextok.Codec, photo: Any) -> None:
    decoder = flextok.ProgressiveDecoder(tiny, steps=1000)
    decoder.feed(tiny.encode(photo, tokens=16))
    ended: list[Exception] = []

    def finish() -> None:
        try:
            decoder.finish()
        except (flextok.CancelledError, RuntimeError) as error:
            ended.append(error)

    thread = threading.Thread(target=finish)
    thread.start()
    # These return although the last picture is far away, so that it can be given up.
    assert decoder.units == 16
    decoder.picture()
    decoder.close()
    thread.join()
    assert len(ended) == 1
