"""The ``SampleData`` module: data sets that a module registers. Nothing is downloaded."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass
class SampleDataSource:
    """A registered data set."""

    category: str
    sampleName: str
    uris: Any = None
    fileNames: Any = None
    nodeNames: Any = None
    checksums: Any = None
    loadFiles: Any = None
    loadFileType: Any = None
    thumbnailFileName: str | None = None
    customDownloader: Any = None


#: Category -> data sets.
registered: dict[str, list[SampleDataSource]] = {}


class SampleDataLogic:
    """Registers data sets."""

    @staticmethod
    def registerCustomSampleDataSource(
        category: str = "Custom",
        sampleName: str | None = None,
        uris: Any = None,
        fileNames: Any = None,
        nodeNames: Any = None,
        customDownloader: Any = None,
        thumbnailFileName: str | None = None,
        loadFileType: Any = "VolumeFile",
        loadFiles: Any = None,
        loadFileProperties: Any = None,
        checksums: Any = None,
    ) -> None:
        """One more data set in the Sample Data module."""
        if sampleName is None:
            raise ValueError("a sample data set needs a name")
        if uris is not None and fileNames is None:
            raise ValueError(f"{sampleName}: fileNames must be given beside uris")
        if thumbnailFileName is not None and not Path(thumbnailFileName).is_file():
            raise FileNotFoundError(thumbnailFileName)
        source = SampleDataSource(
            category,
            sampleName,
            uris,
            fileNames,
            nodeNames,
            checksums,
            loadFiles,
            loadFileType,
            thumbnailFileName,
            customDownloader,
        )
        others = [known for known in registered.get(category, []) if known.sampleName != sampleName]
        registered[category] = [*others, source]


def downloadSample(sampleName: str) -> Any:
    """Slicer takes no notice of a ``customDownloader`` here, and the host has no network."""
    raise AssertionError(f"the sample {sampleName} would be downloaded, and tests have no network")


def press(sampleName: str) -> Any:
    """What a click on a data set in the Sample Data module does; for tests, Slicer has no such function.

    Returns:
        What its ``customDownloader`` returned.
    """
    for sources in registered.values():
        for source in sources:
            if source.sampleName == sampleName and source.customDownloader is not None:
                return source.customDownloader(source)
    raise AssertionError(f"there is no sample {sampleName} that needs no download")
