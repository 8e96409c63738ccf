"""Uploading an exported folder to a repository of the Hugging Face hub."""

from __future__ import annotations

from pathlib import Path

from huggingface_hub import HfApi, get_token
from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import disable_progress_bars, validate_repo_id

from ftcli.errors import UsageError


def check_repository(name: str) -> None:
    """Make sure that a name is one of a repository, and that there is a token to write to it with.

    Raises:
        UsageError: it is none, or there is none.
    """
    try:
        validate_repo_id(name)
    except HFValidationError as error:
        raise UsageError(f"--push {name}: {error}", hint="--push USER/NAME") from None
    if get_token() is None:
        raise UsageError(f"--push {name}: there is no token to write with", hint="log in: hf auth login; or HF_TOKEN")


def upload(folder: Path, name: str) -> str:
    """Upload a folder's files as one commit; a repository that does not exist is made, as a private one.

    Returns:
        Where the commit is.

    Raises:
        UsageError: the hub can't be reached, or refuses.
    """
    disable_progress_bars()
    hub = HfApi(library_name="ftcli")
    try:
        hub.create_repo(name, private=True, exist_ok=True)
        return hub.upload_folder(repo_id=name, folder_path=folder, commit_message="Upload with ftcli").commit_url
    except Exception as error:  # those of its HTTP client, which is another from version to version, are among them
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        hint = f"the export itself is whole; `hf upload {name} {folder} .` tries again"
        raise UsageError(f"can't upload {folder} to {name}: {reason}", hint=hint) from error
