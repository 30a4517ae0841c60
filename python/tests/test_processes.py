"""Threads, processes and signals."""

import multiprocessing
import os
import pickle
import signal
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any

import flextok
import numpy as np
import pytest
from conftest import TINY


def test_threads_share_a_codec(tiny: flextok.Codec, photo: Any) -> None:
    pictures = [photo[i:] for i in range(8)]
    expected = [tiny.encode(one, tokens=4) for one in pictures]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda one: tiny.encode(one, tokens=4), pictures)) == expected


def test_others_run_while_it_works(tiny: flextok.Codec) -> None:
    # The callback is called on a thread of the codec: it would wait for ever if the caller kept the interpreter.
    steps = []
    tiny.detokenize([1, 2, 3], steps=3, on_step=lambda step, total: steps.append((step, total)))
    assert steps == [(1, 3), (2, 3), (3, 3)]
    with ThreadPoolExecutor(1) as pool:
        pool.submit(tiny.detokenize, [1], steps=2, on_step=lambda *step: steps.append(step)).result()
    assert steps[3:] == [(1, 2), (2, 2)]


def test_callbacks_end_a_decode(tiny: flextok.Codec) -> None:
    with pytest.raises(flextok.CancelledError, match="after 2 of 9 steps"):
        tiny.detokenize([1], steps=9, on_step=lambda step, total: step < 2)
    with pytest.raises(ZeroDivisionError):
        tiny.detokenize([1], steps=9, on_step=lambda step, total: 1 / 0)


def test_ctrl_c_ends_a_decode(tiny: flextok.Codec) -> None:
    steps = []

    def interrupt(step: int, total: int) -> None:
        steps.append(step)
        if step == 2:
            signal.raise_signal(signal.SIGINT)

    # A shell's jobs in the background ignore the signal, and so would Python.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            tiny.detokenize([1], steps=1000, on_step=interrupt)
    finally:
        signal.signal(signal.SIGINT, before)
    assert 2 <= len(steps) < 1000
    assert len(tiny.detokenize([1], steps=1)) == 1


def test_pickles(codec: flextok.Codec, photo: Any) -> None:
    for original in (codec, flextok.Codec(TINY, threads=1, mmap=False, limits={"pixels": 20_000})):
        copy = pickle.loads(pickle.dumps(original))
        assert repr(copy) == repr(original)
        assert copy.encode(photo) == original.encode(photo)
    with pytest.raises(flextok.LimitError):
        copy.encode(np.zeros((200, 200, 3), np.uint8))


def encode(codec: flextok.Codec, picture: Any) -> bytes:
    return codec.encode(picture, bytes=100)


def test_spawned_processes(codec: flextok.Codec, photo: Any) -> None:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        assert pool.submit(encode, codec, photo).result() == encode(codec, photo)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore:.*fork")
def test_forked_processes(codec: flextok.Codec, tiny: flextok.Codec, photo: Any) -> None:
    data = encode(codec, photo)
    decoder = flextok.ProgressiveDecoder(codec)
    decoder.feed(data)
    tokens = tiny.tokenize(photo, tokens=2)
    child = os.fork()
    if child == 0:
        # Whatever happens, this process must not go on with the tests; a hang ends it, too.
        signal.alarm(60)
        failed = True
        try:
            same = encode(codec, photo) == data and (tiny.tokenize(photo, tokens=2) == tokens).all()
            try:
                decoder.finish()
            except RuntimeError as error:
                failed = not same or "forked" not in str(error)
            del decoder
        finally:
            os._exit(failed)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert (decoder.finish().array == codec.decode(data)).all()
