"""Uploading an export to a Hugging Face hub, or to another server that speaks its language
(HF_ENDPOINT), by huggingface_hub."""

from __future__ import annotations

from pathlib import Path

from acclimate.errors import EngineError


def push(export: Path, repository: str, card: str, endpoint: str, *, public: bool = False) -> str:
    """Put a folder, or a file and its card, into a repository as one commit; the commit's address.

    The repository is made, private unless `public`, where it is not there. Raises EngineError where
    the hub refuses or cannot be reached; the export stays.
    """
    from huggingface_hub import CommitOperationAdd, HfApi
    from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError

    files = (
        [export] if export.is_file() else sorted(one for one in export.rglob("*") if one.is_file())
    )
    root = export.parent if export.is_file() else export
    operations = [
        CommitOperationAdd(file.relative_to(root).as_posix(), str(file)) for file in files
    ]
    if export.is_file():
        operations.append(CommitOperationAdd("README.md", card.encode()))
    api = HfApi(endpoint=endpoint, library_name="acclimate")
    try:
        api.create_repo(repository, private=not public, exist_ok=True)
        done = api.create_commit(
            repository, operations, commit_message=f"Upload {export.name} with Acclimate"
        )
    # A large file that fails is a RuntimeError, an address of another host a ValueError.
    except (HfHubHTTPError, LocalTokenNotFoundError, OSError, RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())[:300]
        raise EngineError(
            f"{endpoint} did not take {export.name} into '{repository}': {reason}",
            hint=f"Log in by `hf auth login` or HF_TOKEN, with the right to write. The export is "
            f"in {export}.",
            retryable=True,
        ) from error
    return str(done.commit_url)
