"""Scans to try the module on, in Slicer's Sample Data."""

from pathlib import Path

import slicer
from slicer.i18n import tr as _

from DMRIPretrainLib.errors import UserError
from DMRIPretrainLib.scene.steps import run_at_once

from .scan_files import openFiles

CATEGORY = "DMRIPretrain"
BRAIN, HARDI = "DMRIPretrainBrain", "StanfordHARDI"
#: A public scan of 150 directions, b = 2000 s/mm², and the checksums that DIPY has for it.
_SERVER = "https://stacks.stanford.edu/file/druid:yx282xq2090/"
_HARDI_FILES = {
    "dwi.nii.gz": "MD5:0b18513b46132b4d1051ed3364f2acbc",
    "dwi.bvals": "MD5:4e08ee9e2b1d2ec3fddb68c70ae23c36",
    "dwi.bvecs": "MD5:4c63a586f29afc6a48a5809524a76cb4",
}


def registerSampleData(resourcePath):
    """Add the scans to the Sample Data module; nothing is loaded or downloaded by that.

    Args:
        resourcePath: returns the path of a file in the module's resources.
    """
    import SampleData

    register = SampleData.SampleDataLogic.registerCustomSampleDataSource
    register(
        category=CATEGORY,
        sampleName=BRAIN,
        thumbnailFileName=resourcePath("SampleData/brain.png"),
        uris=[],
        fileNames=[],
        nodeNames=[],
        customDownloader=lambda source: loadBrain(resourcePath),
    )
    register(
        category=CATEGORY,
        sampleName=HARDI,
        uris=[],
        fileNames=[],
        nodeNames=[],
        customDownloader=lambda source: loadHardi(),
    )


def loadBrain(resourcePath):
    """Load the simulated brain that comes with the module, and its true tissue; needs no packages.

    Returns:
        The nodes of the scan and of the label map.
    """
    scan = slicer.util.loadVolume(resourcePath("SampleData/brain.nrrd"), {"name": "simulated brain"})
    tissue = slicer.util.loadLabelVolume(
        resourcePath("SampleData/brain_tissue.nrrd"), {"name": "simulated brain, true tissue"}
    )
    slicer.util.setSliceViewerLayers(background=scan, foreground=None, label=None, fit=True)
    return [scan, tissue]


def loadHardi():
    """Download a public scan of 88 MB and load it.

    Returns:
        The node of the scan; empty where it could not be loaded, which the user is told.
    """
    import SampleData

    logic = SampleData.SampleDataLogic()
    try:
        image, bval, bvec = (
            Path(logic.downloadFileIntoCache(_SERVER + name, f"StanfordHARDI-{name}", checksum))
            for name, checksum in _HARDI_FILES.items()
        )
        scan = run_at_once(openFiles(slicer.mrmlScene, image, bval, bvec))
    except (UserError, ValueError) as error:  # ValueError: no connection
        slicer.util.errorDisplay(str(error), _("The scan cannot be opened"))
        return []
    scan.SetName("Stanford HARDI")
    slicer.util.setSliceViewerLayers(background=scan, foreground=None, label=None, fit=True)
    return [scan]
