"""What camwatch is compared with: the `mtcnn` package, the research script made of it, and facenet-pytorch.

Imports of the packages stand inside, as each contestant has a process of its own.
"""

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from camwatch.engine.alignment import chip
from camwatch.engine.weights import FACENET, check, facenet_graph_path
from camwatch.records import Box, Picture
from camwatch.tools.bench.material import chips_of, crowds, scene, scenes, shown_in
from camwatch.tools.bench.work import Prepared, Task, Unable, batches

THRESHOLDS = (0.6, 0.7, 0.8)
"""Face probabilities of the three networks, those of `mtcnn` 1.0.0, for all."""

Face = tuple[float, float, float, float, float]


class Script:
    """The research script's way: `mtcnn` for each picture, then one face at a time through the frozen graph.

    The pyramid of `mtcnn` 1.0.0 is mended: levels under 12 pixels are left out. As published it finds no face at all
    where `min_face_size` is above 20, and that would be fast.
    """

    def __init__(self, threads: int, files: Sequence[Path]) -> None:
        """Load `mtcnn`; the graph is loaded by the first task that embeds."""
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(min(threads, 2))
        tf.config.set_visible_devices([], "GPU")
        from mtcnn import MTCNN
        from mtcnn.stages import stage_pnet

        stage_pnet.build_scale_pyramid = mended(stage_pnet.build_scale_pyramid)
        self._tf, self._threads, self._files = tf, threads, files
        self._mtcnn = MTCNN()
        self._session: Any = None

    def prepare(self, task: Task) -> Prepared:
        """See `Contestant`."""
        match task["kind"]:
            case "detect":
                return self._detecting(task)
            case "embed":
                return self._embedding(task)
            case "pipeline":
                shown = scene(scenes(self._files)[task["scene"]], task["frames"])
                return self._loop(shown, task["min_face"])
            case "crowd":
                return self._loop(crowds(task, self._files), task["min_face"])
            case "work":
                return self._crops(task)
        raise Unable(f"mtcnn does not do {task['kind']}")

    def find(self, picture: Picture, min_face: int) -> list[Face]:
        """Faces of one picture."""
        return [_face(face) for face in self._mtcnn.detect_faces(picture, min_face_size=min_face)]

    def embed(self, chip_: Picture) -> NDArray[np.float32]:
        """(512,) of one chip (160, 160, 3)."""
        if self._session is None:
            self._session = self._load_graph()
        scaled = (chip_[None].astype(np.float32) - 127.5) / 128
        rows = self._session.run("embeddings:0", {"face:0": scaled})
        return np.asarray(rows, np.float32).reshape(-1)

    def _detecting(self, task: Task) -> Prepared:
        shown = shown_in(task, self._files)
        batch, min_face = task["batch"], task["min_face"]

        def one_by_one() -> list[list[Face]]:
            return [self.find(picture, min_face) for picture in shown]

        def together() -> list[list[Face]]:
            found: list[list[Face]] = []
            for part in batches(len(shown), batch):
                answer = self._mtcnn.detect_faces(shown[part], min_face_size=min_face)
                found += [[_face(face) for face in faces] for faces in answer]
            return found

        return Prepared(one_by_one if batch == 1 else together, len(shown))

    def _embedding(self, task: Task) -> Prepared:
        if task["batch"] != 1:
            raise Unable("the packaged graph takes one face at a time")
        chips = chips_of(task, self._files)

        def run() -> list[list[float]]:
            return [self.embed(each).tolist() for each in chips]

        return Prepared(run, len(chips))

    def _loop(self, shown: Sequence[Picture], min_face: int) -> Prepared:
        def run() -> dict[str, int]:
            faces = 0
            for picture in shown:
                for face in self.find(picture, min_face):
                    self.embed(chip(picture, Box(*face[:4])))
                    faces += 1
            return {"frames": len(shown), "faces": faces, "embedded": faces}

        return Prepared(run, len(shown))

    def _crops(self, task: Task) -> Prepared:
        """How many candidates R-Net and O-Net look at: the second and third stage are watched."""
        shown = shown_in(task, self._files)

        def run() -> dict[str, float]:
            seen = [0, 0]
            stages = self._mtcnn._stages

            def watched(stage: Any, number: int) -> Any:
                def call(*, bboxes_batch: Any, **rest: Any) -> Any:
                    seen[number] += len(bboxes_batch)
                    return stage(bboxes_batch=bboxes_batch, **rest)

                return call

            self._mtcnn._stages = [stages[0], watched(stages[1], 0), watched(stages[2], 1)]
            try:
                for picture in shown:
                    self.find(picture, task["min_face"])
            finally:
                self._mtcnn._stages = stages
            return {
                "rnet_crops": seen[0] / len(shown),
                "onet_crops": seen[1] / len(shown),
                "facenet_flops": self._facenet_flops(),
            }

        return Prepared(run, len(shown))

    def _facenet_flops(self) -> float:
        """Floating-point operations for one face, counted in the packaged graph."""
        if self._session is None:
            self._session = self._load_graph()
        total = 0.0
        for operation in self._session.graph.get_operations():
            if operation.type in ("Conv2D", "MatMul"):
                kernel, out = operation.inputs[1].shape.as_list(), operation.outputs[0].shape.as_list()
                total += 2.0 * np.prod(kernel) * np.prod(out[1:3] if operation.type == "Conv2D" else [1])
        return total

    def _load_graph(self) -> Any:
        v1 = self._tf.compat.v1
        path = facenet_graph_path()
        content = path.read_bytes()
        check(path, content, FACENET.sha256)
        definition, graph = v1.GraphDef(), v1.Graph()
        definition.ParseFromString(content)
        with graph.as_default():
            # one face, as the graph's own constants want it
            faces = v1.placeholder(self._tf.float32, (1, 160, 160, 3), name="face")
            v1.import_graph_def(definition, input_map={"input": faces}, name="")
        config = v1.ConfigProto(
            intra_op_parallelism_threads=self._threads, inter_op_parallelism_threads=min(self._threads, 2)
        )
        return v1.Session(graph=graph, config=config)


class FacenetPytorch:
    """The MTCNN of facenet-pytorch; thresholds as the others have them."""

    def __init__(self, threads: int, files: Sequence[Path]) -> None:
        """Load it, where it is installed."""
        try:
            import torch
            from facenet_pytorch import MTCNN
            from facenet_pytorch.models import mtcnn as of_class
            from facenet_pytorch.models.utils import detect_face as of_networks
        except ImportError as error:
            raise Unable(f"not installed ({error.name or 'torch'})") from error
        torch.set_num_threads(threads)
        torch.set_num_interop_threads(1)
        for module in (of_class, of_networks):
            module.np = _RaggedNumpy("numpy")
        self._torch, self._files = torch, files
        self._class: Any = MTCNN

    def prepare(self, task: Task) -> Prepared:
        """See `Contestant`."""
        if task["kind"] != "detect":
            raise Unable("only finding faces is compared with facenet-pytorch")
        shown = shown_in(task, self._files)
        network = self._class(min_face_size=task["min_face"], thresholds=list(THRESHOLDS), keep_all=True)
        batch = task["batch"]

        def run() -> list[list[Face]]:
            found: list[list[Face]] = []
            with self._torch.inference_mode():
                for part in batches(len(shown), batch):
                    boxes, scores = network.detect(np.stack(shown[part]))
                    found += [_rows(*each) for each in zip(boxes, scores, strict=True)]
            return found

        return Prepared(run, len(shown))


class _RaggedNumpy(ModuleType):
    """numpy as facenet-pytorch 2.5.3 expects it: lists of different lengths become arrays of objects."""

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)

    @staticmethod
    def array(values: Any, *args: Any, **options: Any) -> Any:
        """np.array, with the old leniency."""
        try:
            return np.array(values, *args, **options)
        except ValueError:
            out = np.empty(len(values), object)
            out[:] = values
            return out


def mended(build: Any) -> Any:
    """The package's pyramid without the levels that its first network cannot look at."""

    def pyramid(width: int, height: int, **options: Any) -> NDArray[np.float64]:
        scales = np.asarray(build(width, height, **options))
        return np.asarray(scales[np.floor(min(width, height) * scales) >= 12])

    return pyramid


def _face(told: Any) -> Face:
    x, y, width, height = (float(value) for value in told["box"])
    return x, y, x + width, y + height, float(told["confidence"])


def _rows(boxes: Any, scores: Any) -> list[Face]:
    """None where there is no face."""
    if boxes is None:
        return []
    rows = zip(np.asarray(boxes, np.float64).tolist(), scores, strict=True)
    return [(x1, y1, x2, y2, float(score)) for (x1, y1, x2, y2), score in rows if score is not None]


def limit_threads(threads: int) -> None:
    """OpenCV, of which everybody makes use."""
    cv2.setNumThreads(threads)
