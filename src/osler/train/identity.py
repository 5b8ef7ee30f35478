"""Which base weights exactly: the digests that a gate's verdict is bound to."""

from pathlib import Path

from osler.errors import EnvironmentLacks
from osler.models.config import ModelConfig
from osler.runs.files import digest_folder, sha256_file
from osler.runs.folder import stage_files
from osler.train.architecture import model_folder
from osler.train.result import base_folder


def base_digests(train_folder: Path, model: ModelConfig) -> dict[str, str]:
    """Digest by file name of the base that a run was trained on.

    A scratch base has those that its stage recorded; a local folder is read (about a second per GB); a hub model has the names
    of its blobs in the local cache, which are digests already.

    Args:
        train_folder: folder of the finished train stage.

    Raises:
        EnvironmentLacks: the hub model is not in the local cache.
    """
    base = base_folder(train_folder, model)
    if model.base.startswith("scratch:"):
        return {name: digest for name, digest in stage_files(train_folder).items() if name.startswith("base/")}
    if isinstance(base, Path):
        return digest_folder(base)
    folder = model_folder(base, model.revision)
    if folder is None:
        raise EnvironmentLacks(
            f"{base} at {model.revision} is not in the local Hugging Face cache, so it cannot be told which weights the run used. "
            "Load it once with a network, or set model.base to a local folder and run again."
        )
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    # Where the cache has no links (Windows without developer mode), the files themselves are read.
    return {p.relative_to(folder).as_posix(): p.resolve().name if p.is_symlink() else sha256_file(p) for p in paths}
