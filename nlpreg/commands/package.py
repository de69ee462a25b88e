"""`nlpreg package`: package a trained model as a wheel."""

import argparse
import base64
import hashlib
import os
import re
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

from nlpreg.commands.model_card import ARCHIVE_NAME, CARD_NAME, ModelCard, archive_in, run_metrics, usage
from nlpreg.commands.options import arguments_for, check_archive
from nlpreg.commands.report.run_record import read_run_json
from nlpreg.commands.subcommand import Subcommand
from nlpreg.common.checks import ConfigurationError
from nlpreg.version import VERSION

_VERSION = re.compile(r"\d+(\.\d+)*((a|b|rc)\d+)?(\.post\d+)?(\.dev\d+)?")
# The same time in every file, so that equal models give equal wheels.
_TIME = (1980, 1, 1, 0, 0, 0)


@Subcommand.register("package")
class Package(Subcommand):
    """Write a wheel with an archive, a model card and a function `load`.

    After `pip install`, NAME.load() in Python returns the predictor of the model. pip installs nlpreg with it.

    examples:
      nlpreg package out/ --name my_tagger --license apache-2.0
      pip install my_tagger-0.1.0-py3-none-any.whl
      python -c "import my_tagger; print(my_tagger.load().predict('The dog ate the apple')['tags'])"
    """

    requires_plugins: ClassVar[bool] = False

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the arguments of the command."""
        parser.add_argument(
            "archive_file",
            metavar="ARCHIVE",
            help="a model.tar.gz (path or URL), or the folder of a run that has ended",
        )
        parser.add_argument(
            "-n", "--name", required=True, metavar="NAME", help="of the package, as in import NAME"
        )
        parser.add_argument("--version", default="0.1.0", metavar="VERSION", help="of the package")
        parser.add_argument("-o", "--output-dir", default=".", metavar="DIR", help="folder for the wheel")
        parser.add_argument("--license", metavar="NAME", help="license of the model, such as apache-2.0")
        parser.add_argument("--description", default="", metavar="TEXT", help="a sentence about the model")
        parser.add_argument(
            "--requires",
            action="append",
            default=[],
            metavar="REQUIREMENT",
            help="another package that the model needs, such as a plugin or 'nlpreg[transformers]'; may be repeated",
        )
        parser.set_defaults(func=package_from_args)

    def validate(self, args: argparse.Namespace) -> None:
        """Check names and paths before slow imports."""
        _check_names(args.name, args.version)
        check_archive(args.archive_file)


def package_from_args(args: argparse.Namespace) -> None:
    """Write the wheel, and print its path."""
    print(package_model(args.archive_file, **arguments_for(package_model, args)))


def package_model(
    archive: str | os.PathLike[str],
    name: str,
    version: str = "0.1.0",
    output_dir: str | os.PathLike[str] = ".",
    license: str | None = None,
    description: str = "",
    requires: Sequence[str] = (),
) -> str:
    """Write a wheel of a trained model.

    Args:
        archive: a `model.tar.gz`, or the folder of a run. The model card shows the metrics of the run in whose folder it is.
        name: of the package and its module.
        version: of the package.
        output_dir: folder for the wheel; created if it does not exist.
        license: of the model.
        description: a sentence about the model.
        requires: further packages that the model needs.

    Returns:
        The path of the wheel.

    Raises:
        ConfigurationError: the name or the version is invalid, or the run has not finished.
        ArchiveError: the archive is damaged.
    """
    from nlpreg.common.file_utils import cached_path
    from nlpreg.common.files import atomic_write
    from nlpreg.models.archival import extracted_archive

    _check_names(name, version)
    path = cached_path(archive)
    if os.path.isdir(path):
        path = archive_in(path)
    with extracted_archive(path) as unpacked:  # raises an error if the archive is damaged
        config, meta = read_run_json(unpacked, "config.json"), read_run_json(unpacked, "meta.json")
    file_name = f"{name}-{version}-py3-none-any.whl"
    use = usage(f"pip install {file_name}", name, f"{name}.load()")
    card = ModelCard(name, config, run_metrics(path), meta, license, use, description)
    os.makedirs(output_dir, exist_ok=True)
    wheel = os.path.join(output_dir, file_name)
    files = _contents(name, version, card, requires)
    with atomic_write(wheel) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        record = []
        with open(path, "rb") as model:
            content = model.read()
        for member, text in [(f"{name}/{ARCHIVE_NAME}", content), *files]:
            # the archive is already compressed
            kind = zipfile.ZIP_STORED if member.endswith(ARCHIVE_NAME) else zipfile.ZIP_DEFLATED
            _add(packed, member, text, kind)
            digest = base64.urlsafe_b64encode(hashlib.sha256(text).digest()).rstrip(b"=").decode()
            record.append(f"{member},sha256={digest},{len(text)}\n")
        member = f"{name}-{version}.dist-info/RECORD"
        _add(packed, member, "".join([*record, f"{member},,\n"]).encode(), zipfile.ZIP_DEFLATED)
    return wheel


def _contents(
    name: str, version: str, card: ModelCard, requires: Sequence[str]
) -> Iterator[tuple[str, bytes]]:
    """Name and content of each file of the wheel except the archive and RECORD."""
    template = (Path(__file__).parent / "packaged_model.py.txt").read_text(encoding="utf-8")
    module = template.format(title=name, name=name, version=version, archive=ARCHIVE_NAME)
    summary = " ".join(card.description.split()) or f"{name}, a model trained with nlpreg"
    metadata = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", f"Summary: {summary}"]
    metadata += [f"License: {card.license}"] if card.license else []
    metadata += ["Requires-Python: >=3.10", f"Requires-Dist: nlpreg (>={VERSION})"]
    metadata += [f"Requires-Dist: {requirement}" for requirement in requires]
    metadata += ["Description-Content-Type: text/markdown", "", card.body()]
    info = f"{name}-{version}.dist-info"
    yield f"{name}/__init__.py", module.encode()
    yield f"{name}/{CARD_NAME}", card.text().encode()
    yield f"{info}/METADATA", "\n".join(metadata).encode()
    yield (
        f"{info}/WHEEL",
        b"Wheel-Version: 1.0\nGenerator: nlpreg\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    )
    yield f"{info}/top_level.txt", f"{name}\n".encode()


def _add(packed: zipfile.ZipFile, member: str, content: bytes, kind: int) -> None:
    entry = zipfile.ZipInfo(member, _TIME)
    entry.external_attr = 0o644 << 16
    packed.writestr(entry, content, kind)


def _check_names(name: str, version: str) -> None:
    """Reject invalid module names and versions.

    Raises:
        ConfigurationError: one of them is invalid.
    """
    # pip normalizes other names, which would then not match the file name
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or "__" in name or name.endswith("_") or name == "nlpreg":
        raise ConfigurationError(
            f"--name: expected a name that can be imported, of lower-case letters, digits and single underscores, got {name!r}"
        )
    if not _VERSION.fullmatch(version):
        raise ConfigurationError(f"--version: expected a version such as 1.0.2, got {version!r}")
