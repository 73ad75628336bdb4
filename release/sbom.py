"""The bill of materials of a release: what it is, and what it needs, as CycloneDX 1.6 (JSON).

1. Each library that the wheel asks for is in it, directly or through another, with the version that
   the release was tried with (that of the environment that builds), its license and what it needs.
2. One that only an extra asks for is optional; the property `sipparty:requirement` of a direct one
   has the range of versions that will do, and the extras that ask for it.
3. The same wheel, sources and environment give the same bytes; what is written is valid by the
   schema, or `ValueError` is raised.
"""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from importlib.metadata import Distribution, PackageNotFoundError, PathDistribution, distribution
from pathlib import Path
from zipfile import Path as ZipPath

from cyclonedx.factory.license import LicenseFactory
from cyclonedx.model import (
    ExternalReference,
    ExternalReferenceType,
    HashAlgorithm,
    HashType,
    Property,
    XsUri,
)
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentScope, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

__all__ = ["closure", "needs", "opened", "write"]


def opened(wheel: Path) -> Distribution:
    """Return what a wheel says of itself."""
    name, version = wheel.name.split("-")[:2]
    return PathDistribution(ZipPath(wheel, f"{name}-{version}.dist-info/"))


def needs(found: Distribution, extras: Iterable[str] = ()) -> Iterator[Requirement]:
    """What a distribution asks for on this machine, without extras and with those."""
    for text in found.requires or ():
        one = Requirement(text)
        if one.marker is None or any(one.marker.evaluate({"extra": e}) for e in ("", *extras)):
            yield one


def closure(found: Distribution, extras: Iterable[str] = ()) -> dict[str, Distribution]:
    """Return all that a distribution needs, directly or not, by its canonical name.

    Raises:
        ValueError: Something is not installed.
    """
    result: dict[str, Distribution] = {}
    own = canonicalize_name(found.metadata["Name"])
    todo = [(found, frozenset(extras))]
    seen = set(todo)
    while todo:
        for one in needs(*todo.pop()):
            name = canonicalize_name(one.name)
            if name == own:
                there = found
            else:
                try:
                    there = result.setdefault(name, distribution(one.name))
                except PackageNotFoundError:
                    raise ValueError(f"{one.name} is not installed; run make setup.") from None
            if (next_one := (there, frozenset(one.extras))) not in seen:
                seen.add(next_one)
                todo.append(next_one)
    return result


def _license(found: Distribution) -> str:
    """The license's expression or name; some have its whole text where the name belongs."""
    metadata = found.metadata
    named = (metadata.get("License-Expression") or metadata.get("License") or "").strip()
    if named and "\n" not in named:
        return named
    marks = metadata.get_all("Classifier") or ()
    names = [mark.rpartition(" :: ")[2] for mark in marks if mark.startswith("License ::")]
    return " ".join(names) or "unknown"


def _component(found: Distribution, kind: ComponentType, **more: object) -> Component:
    metadata = found.metadata
    name, version = canonicalize_name(metadata["Name"]), found.version
    purl = PackageURL("pypi", None, name, version)
    return Component(
        name=name,
        type=kind,
        version=version,
        bom_ref=str(purl),
        purl=purl,
        description=metadata.get("Summary"),
        licenses=[LicenseFactory().make_from_string(_license(found))],
        **more,  # type: ignore[arg-type]
    )


def _hash(path: Path) -> HashType:
    return HashType(
        alg=HashAlgorithm.SHA_256, content=hashlib.sha256(path.read_bytes()).hexdigest()
    )


def write(source: Path, wheel: Path) -> Path:
    """Write the bill of materials beside a wheel and the source distribution that it is from.

    Returns:
        Its path.

    Raises:
        ValueError: Something that is needed is not installed, or the result is not valid.
    """
    found = opened(wheel)
    extras = found.metadata.get_all("Provides-Extra") or []
    bom = Bom(serial_number=uuid.uuid5(uuid.NAMESPACE_URL, _hash(wheel).content))
    bom.metadata.timestamp = datetime.fromtimestamp(int(os.environ["SOURCE_DATE_EPOCH"]), UTC)
    root = _component(found, ComponentType.LIBRARY)
    for path in (source, wheel):
        kind = ExternalReferenceType.DISTRIBUTION
        root.external_references.add(
            ExternalReference(type=kind, url=XsUri(path.name), hashes=[_hash(path)])
        )
    bom.metadata.component = root
    everything = closure(found, extras)
    required = closure(found)
    components = {}
    for key, one in everything.items():
        scope = ComponentScope.REQUIRED if key in required else ComponentScope.OPTIONAL
        components[key] = _component(one, ComponentType.LIBRARY, scope=scope)
        bom.components.add(components[key])
    for one in map(Requirement, found.requires or ()):
        if component := components.get(canonicalize_name(one.name)):
            component.properties.add(Property(name="sipparty:requirement", value=str(one)))
    bom.register_dependency(root, _of(components, needs(found, extras)))
    for key, one in everything.items():
        bom.register_dependency(components[key], _of(components, needs(one)))
    text = JsonV1Dot6(bom).output_as_string(indent=2)
    if (error := JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)) is not None:
        raise ValueError(f"The bill of materials is not valid: {str(error.data).splitlines()[0]}")
    path = wheel.with_name("-".join(wheel.name.split("-")[:2]) + ".cdx.json")
    path.write_text(text + "\n")
    return path


def _of(components: dict[str, Component], wanted: Iterable[Requirement]) -> list[Component]:
    names = {canonicalize_name(one.name) for one in wanted}
    return [component for name, component in components.items() if name in names]
