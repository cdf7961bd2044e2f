"""Who takes part in a run, and how much is measured."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from camwatch.errors import InputError
from camwatch.tools.bench.contest import Worker
from camwatch.tools.bench.material import parse_size
from camwatch.tools.bench.work import Unable

EXACT, FAST = "float32", "bfloat16"
"""Precisions that are compared."""
_OTHERS = {"detect", "memory"}  # sections that facenet-pytorch takes part in


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured.

    Attributes:
        rounds: Rounds of each comparison at most.
        seconds: Of each comparison, see `timing.interleaved`.
        sizes: Picture sizes, `640x360`.
        min_faces: Smallest faces in pixels.
        batches: Frames or faces in one call.
        frames: Pictures in one turn; half as many above 640 x 360.
        scene_frames: Frames of a video in one turn of the whole pipeline.
        files: The user's footage.
        note: Told what is being done.
    """

    rounds: int = 5
    seconds: float = 30.0
    sizes: tuple[str, ...] = ("640x360", "1280x720", "1920x1080")
    min_faces: tuple[int, ...] = (20, 40, 60, 80)
    batches: tuple[int, ...] = (1, 8, 16)
    frames: int = 16
    scene_frames: int = 96
    files: tuple[Path, ...] = ()
    note: Callable[[str], None] = field(default=lambda line: None)

    def pictures(self, size: str) -> int:
        """Pictures of a size in one turn."""
        width, height = parse_size(size)
        return self.frames if width * height <= 640 * 360 else max(self.frames // 2, 1)


@dataclass(frozen=True, slots=True)
class Team:
    """Who takes part, loaded and waiting.

    Attributes:
        ours: camwatch, in each runtime and precision asked for; the first is the product as it comes.
        precisions: Loads camwatch in each precision, for as long as faces are embedded.
        mtcnn: The `mtcnn` package and the script.
        rivals: Others that only find faces.
        machine: Measures the machine's rates; None where nobody needs them.
        absent: Who is not there, and why.
    """

    ours: tuple[Worker, ...]
    precisions: Callable[[], AbstractContextManager[Sequence[Worker]]]
    mtcnn: Worker
    rivals: tuple[Worker, ...]
    machine: Worker | None
    absent: Mapping[str, str]


@contextmanager
def team(threads: int, engines: Sequence[Mapping[str, str]], plan: Plan, sections: Sequence[str]) -> Iterator[Team]:
    """Load everybody whom the sections need; all end with the block.

    Args:
        threads: CPU threads of each.
        engines: What `FaceAnalyzer` is told, for each of ours.
        plan: Its files, and whom to tell.
        sections: What will be measured.

    Raises:
        InputError: None of ours, or not `mtcnn`, can take part.
        CamwatchError: Somebody died.
    """
    plan.note(f"loading everybody, threads for each: {threads}")
    absent: dict[str, str] = {}

    def load(stack: ExitStack, contestant: str, options: Mapping[str, str] | None = None) -> list[Worker]:
        name = called(options) if contestant == "camwatch" else contestant
        worker = Worker(name, contestant, threads=threads, files=plan.files, options=options)
        try:
            return [stack.enter_context(worker)]
        except Unable as reason:
            absent[name] = str(reason)
            plan.note(f"{name}: {reason}")
            return []

    @contextmanager
    def precisions() -> Iterator[Sequence[Worker]]:
        told = [{**each, "precision": precision} for each in engines for precision in (EXACT, FAST)]
        with ExitStack() as stack:
            once = {tuple(options.items()): options for options in told}.values()
            yield [worker for options in once for worker in load(stack, "camwatch", options)]

    with ExitStack() as stack:
        ours = [worker for options in engines for worker in load(stack, "camwatch", options)]
        mtcnn = load(stack, "mtcnn")
        if not ours or not mtcnn:
            raise InputError(f"bench: nothing to compare: {'; '.join(absent.values())}")
        rivals = load(stack, "facenet-pytorch") if _OTHERS & set(sections) else []
        machine = load(stack, "machine") if "floor" in sections else []
        yield Team(tuple(ours), precisions, mtcnn[0], tuple(rivals), machine[0] if machine else None, absent)


def called(options: Mapping[str, str] | None) -> str:
    """What results call camwatch with these options."""
    return " ".join(["camwatch", *(options or {}).values()])
