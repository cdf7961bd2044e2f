import subprocess
import sys
from dataclasses import replace

import numpy as np

from camwatch.engine.scripted import ScriptedAnalyzer
from camwatch.records import Box, Choice, Detection, Face, Frame, Observation, Quality

FACE = Face(
    Detection(Box(1, 2, 30, 40), ((9, 9), (20, 9), (15, 15), (10, 22), (20, 22)), 0.99),
    Quality(38, 50, 0, 0.6),
    None,
    None,
)


def frame(camera: str, seq: int) -> Frame:
    return Frame(camera, seq, 1000.0 + seq, 50.0 + seq, None, np.zeros((48, 64, 3), np.uint8))


def test_it_plays_the_faces_of_each_camera_and_frame_with_the_frames_own_times() -> None:
    script = [Observation("door", 3, 1.0, 2.0, 640, 480, (FACE,))]

    door, garden, later = ScriptedAnalyzer(script).analyze([frame("door", 3), frame("garden", 3), frame("door", 4)])

    assert door.faces == (FACE,)
    assert (door.camera, door.seq, door.captured_at, door.monotonic) == ("door", 3, 1003.0, 53.0)
    assert (door.width, door.height) == (64, 48)
    assert garden.faces == later.faces == ()
    assert (garden.camera, later.seq) == ("garden", 4)


def test_it_withholds_the_embeddings_of_faces_that_are_not_chosen() -> None:
    face = replace(FACE, embedding=np.eye(512, dtype=np.float32)[0], chip=np.zeros((160, 160, 3), np.uint8))
    script = [Observation("door", 3, 1.0, 2.0, 640, 480, (face, face, face))]
    choices = [Choice(1, embed=True), Choice(2, embed=False), Choice(3, embed=False, show=True)]

    [seen] = ScriptedAnalyzer(script).analyze([frame("door", 3)], worth=lambda frame, glimpses: choices)

    assert [(f.follow, f.skipped, f.embedding is None, f.chip is None) for f in seen.faces] == [
        (1, False, False, False),
        (2, True, True, True),
        (3, True, True, False),
    ]


def test_neither_it_nor_the_real_analyzers_module_loads_tensorflow() -> None:
    code = (
        "import sys, camwatch.engine.scripted, camwatch.engine.analyzer, camwatch.engine.photos\n"
        "import camwatch.engine.facenet, camwatch.engine.quality\n"
        "sys.exit(any(name.split('.')[0] in ('tensorflow', 'keras', 'mtcnn', 'face_lib') for name in sys.modules))"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
