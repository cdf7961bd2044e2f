"""Trained models and network weights: damaged, and made up with their checksums right."""

import io
import json
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from camwatch.engine.frozen_graph import ROOT, read_frozen_graph
from camwatch.engine.graph_messages import _graph_class
from camwatch.engine.inception_resnet import BOTTLENECK, layers
from camwatch.engine.weights import mtcnn_weights
from camwatch.identification.classifier import Classifier, _digest
from tests.badinput.kind import Kind, WrongAnswerError
from tests.badinput.mutants import mutants

WIDTH = 512
PROBE = np.eye(1, WIDTH, dtype=np.float32)


def classifier() -> Classifier:
    """A small good model."""
    rows = np.eye(3, WIDTH)
    return Classifier(("Ann", "Bob", "Cy"), "net", rows, np.zeros(3), rows.astype(np.float32), 0.5, 0.5, 9)


@cache
def saved() -> bytes:
    """As a file."""
    about = _about(classifier())
    model = classifier()
    arrays = {"weights": model.weights, "bias": model.bias, "templates": model.templates}
    return archive({**arrays, "about": np.array(json.dumps({**about, "sha256": _digest(arrays, about)}))})


def _about(model: Classifier) -> dict[str, Any]:
    return {
        "version": 1,
        "network": "net",
        "classes": list(model.classes),
        "temperature": model.temperature,
        "threshold": model.threshold,
        "images": model.images,
    }


def archive(arrays: dict[str, Any], *, squeeze: bool = True) -> bytes:
    """Arrays as an `.npz` file."""
    content = io.BytesIO()
    (np.savez_compressed if squeeze else np.savez)(content, **arrays)
    return content.getvalue()


def repacked(data: bytes, change: Callable[[str, bytes], bytes], how: int = zipfile.ZIP_DEFLATED) -> bytes:
    """An archive with changed members and right checksums."""
    content = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(content, "w", how) as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))
    return content.getvalue()


def members(data: bytes) -> Callable[[Random], bytes]:
    """A source of archives whose members are mutants, most of them in their `.npy` header."""

    def draw(random: Random) -> bytes:
        def change(_: str, content: bytes) -> bytes:
            mutate = mutants([content], words=HEADERS)
            return mutate(random) if random.random() < 0.5 else content

        how = random.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
        return repacked(data, change, how)

    return draw


HEADERS = [
    *(b"(", b")", b"'descr': '|O'", b"'<f8'", b"(1000000000, 1000000000)", b"(-1,)", b"(99999999999999999999,)", b"9L"),
    *(b"True", b"[" * 500, b"'''", b"\\", b"{1: 2}", b"\0", b"'|V0'", b"'<U9999999'", b"[('a', '<f4')]", b"None"),
]


BOMB = b"a bomb"
"""Stands for `bomb()`, which takes a second to make."""


@cache
def bomb(size: int = 600 << 20) -> bytes:
    """A small archive that unpacks to so many zero bytes."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        head = io.BytesIO()
        np.lib.format.write_array_header_1_0(head, {"descr": "|u1", "fortran_order": False, "shape": (size,)})
        with file.open("weights.npy", "w", force_zip64=True) as member:
            member.write(head.getvalue())
            for _ in range(size >> 24):
                member.write(bytes(1 << 24))
    return content.getvalue()


def signed(random: Random) -> bytes:
    """A model that is not right but for its checksum."""
    model = classifier()
    arrays: dict[str, Any] = {"weights": model.weights, "bias": model.bias, "templates": model.templates}
    about = _about(model)
    odd: list[Any] = [None, -1, 0, 1e308, float("nan"), "x", [], {}, True, 10**400, ["Ann"], [1, 2, 3], ["a", "a", "a"]]
    for _ in range(random.randrange(1, 3)):
        what = random.random()
        if what < 0.4:
            about[random.choice(list(about))] = random.choice(odd)
        elif what < 0.5:
            about.pop(random.choice(list(about)), None)
        elif what < 0.6:
            arrays.pop(random.choice(list(arrays)), None)
        elif arrays:
            name = random.choice(list(arrays))
            arrays[name] = random.choice(
                [
                    np.zeros((3, 5)),
                    np.zeros(0),
                    np.array("text"),
                    np.full((3, WIDTH), np.nan),
                    np.zeros((3, WIDTH), "c16"),
                    np.zeros((2, WIDTH)),
                    np.zeros(3, [("a", "f4")]),
                    np.zeros((3, WIDTH), np.int8),
                    np.full((3, WIDTH), 1e300),
                ]
            )
    try:
        about["sha256"] = _digest(arrays, about)
    except ValueError:
        about["sha256"] = "0"
    return archive({**arrays, "about": np.array(json.dumps(about))})


def _classifier(folder: Path) -> Callable[[bytes], None]:
    def read(data: bytes) -> None:
        path = folder / "model.npz"
        path.write_bytes(bomb() if data == BOMB else data)
        [said] = Classifier.load(path, network="net").classify(PROBE)
        if not (isinstance(said.person, str) and 0 <= said.confidence <= 1 and -1.01 <= said.score <= 1.01):
            raise WrongAnswerError(f"{said}")

    return read


@cache
def graph(*, whole: bool) -> bytes:
    """A frozen graph: each array has its shape and one value, which stands for all; the first layers, or all."""
    made = _graph_class()()

    def constant(name: str, shape: tuple[int, ...], value: float) -> None:
        node = made.node.add(name=name, op="Const")
        tensor = node.attributes.add(key="value").value.tensor
        tensor.dtype = 1
        tensor.floats.append(value)
        for side in shape:
            tensor.tensor_shape.dim.add(size=side)

    for spec in list(layers())[: None if whole else 4]:
        name = f"{ROOT}/{spec.name}"
        constant(f"{name}/weights", spec.shape, 0.01)
        out = spec.shape[-1]
        for what, value in (("beta", 0.1), ("moving_mean", 0.0), ("moving_variance", 1.0)):
            constant(f"{name}/BatchNorm/{what}", (out,), value)
        if spec.name != BOTTLENECK:
            node = made.node.add(name=f"{name}/Conv2D", op="Conv2D", input=["x", f"{name}/weights"])
            node.attributes.add(key="strides").value.list.i.extend([1, spec.stride, spec.stride, 1])
            node.attributes.add(key="padding").value.s = spec.padding.encode()
        if spec.block is not None:
            constant(f"{ROOT}/{spec.block}/scale", (), 0.17)
            made.node.add(name=f"{ROOT}/{spec.block}/mul", op="Mul", input=["y", f"{ROOT}/{spec.block}/scale"])
    return bytes(made.SerializeToString())


def _weights(folder: Path) -> Callable[[bytes], None]:
    specs = {spec.name: spec.shape for spec in layers()}

    def read(data: bytes) -> None:
        path = folder / "graph.pb"
        path.write_bytes(data)
        for name in ("pnet", "rnet", "onet"):
            (folder / f"{name}.lz4").write_bytes(data)
        found = read_frozen_graph(path).layers
        if {name: layer.weights.shape for name, layer in found.items()} != specs:
            raise WrongAnswerError("layers of another shape")
        mtcnn_weights(folder)
        raise WrongAnswerError("weights that were never pinned")

    return read


KINDS = (
    Kind(
        "classifier",
        _classifier,
        {
            "mutants": mutants([saved()], words=[b"PK\1\2", b"PK\5\6", b"PK\3\4"]),
            "members": members(saved()),
            "signed": signed,
        },
        {"good": saved(), "nothing": b"", "a bomb": BOMB, "text": b"hello"},
        share=4,
    ),
    Kind(
        "network weights",
        _weights,
        {"mutants": mutants([graph(whole=False)]), "whole mutants": mutants([graph(whole=True)])},
        {"whole": graph(whole=True), "nothing": b"", "text": b"hello"},
        share=1.5,
        megabytes=900,
    ),
)
