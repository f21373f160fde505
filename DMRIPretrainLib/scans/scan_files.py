"""Which files make up a scan, and tables that list many."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import UserError
from .fsl import find_side_file
from .gradient_table import DEFAULT_B0_THRESHOLD
from .load import find_scan, load_scan
from .mask import find_mask
from .nifti import NIFTI_SUFFIXES
from .scan import Scan

#: Columns of a table that say which files make up a scan.
SCAN_COLUMNS = ("scan", "mask", "bval", "bvec")


@dataclass(frozen=True)
class ScanFiles:
    """One scan on disk.

    Attributes:
        name: for messages.
        scan: DWI file or folder.
        mask: brain mask; None to find or compute one.
        bval: b-value file; None to find it beside the scan.
        bvec: b-vector file; None to find it beside the scan.
    """

    name: str
    scan: Path
    mask: Path | None = None
    bval: Path | None = None
    bvec: Path | None = None

    def paths(self) -> list[Path]:
        """All files that are read.

        Raises:
            UserError: if one of them cannot be found.
        """
        if not self.scan.exists():
            raise UserError(f"{self.scan}: no such file; check the path")
        scan = find_scan(self.scan) if self.scan.is_dir() else self.scan
        files = [scan]
        if scan.name.endswith(NIFTI_SUFFIXES):
            files += [self.bval or find_side_file(scan, "bval"), self.bvec or find_side_file(scan, "bvec")]
        mask = self.mask or find_mask(scan)
        return [*files, mask] if mask else files

    def load(self, b0_threshold: float = DEFAULT_B0_THRESHOLD) -> Scan:
        """Read and check the scan and fill its mask.

        Raises:
            UserError: if a file cannot be used.
        """
        return load_scan(self.scan, bval=self.bval, bvec=self.bvec, mask=self.mask, b0_threshold=b0_threshold)


@dataclass(frozen=True)
class TableRow:
    """A line of a table of scans.

    Attributes:
        line: its number in the file, from 1.
        values: what stands in each column, stripped; empty cells are left out.
        folder: what paths are relative to.
    """

    line: int
    values: dict[str, str]
    folder: Path

    def path(self, column: str) -> Path | None:
        """The path in a column; None where there is none."""
        return self.folder / self.values[column] if column in self.values else None

    def scan_files(self) -> ScanFiles:
        """The files of the scan of this line."""
        mask, bval, bvec = (self.path(column) for column in SCAN_COLUMNS[1:])
        scan = self.folder / self.values["scan"]
        return ScanFiles(f"{scan.parent.name}/{scan.name}", scan, mask, bval, bvec)


def read_scan_table(path: Path, columns: Sequence[str] = SCAN_COLUMNS) -> list[TableRow]:
    """The lines of a CSV table of scans, each of which has at least a ``scan``.

    Args:
        path: table with a header line; paths in it are relative to its folder.
        columns: all columns that are known; of them only ``scan`` must be there.

    Raises:
        UserError: if the table cannot be read, lacks the column ``scan``, has unknown ones, or a line is wrong.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            rows, found = list(reader), reader.fieldnames or []
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path}: expected a CSV table of scans, found none that can be read ({error})") from error
    unknown = [column for column in found if column not in columns]
    if "scan" not in found or unknown:
        what = f"unknown columns {', '.join(unknown)}" if unknown else f"columns {', '.join(found) or 'none'}"
        others = ", ".join(column for column in columns if column != "scan")
        raise UserError(f"{path}: expected the column scan, and of the others only {others}; found {what}")
    return [_checked_row(path, row, line) for line, row in enumerate(rows, start=2)]


def _checked_row(table: Path, row: dict[str, str | None], line: int) -> TableRow:
    if None in row:
        raise UserError(f"{table}: expected as many cells as columns in line {line}, found more; quote commas")
    values = {column: cell.strip() for column, cell in row.items() if cell and cell.strip()}
    if "scan" not in values:
        raise UserError(f"{table}: expected a scan in line {line}, found none; fill it in or delete the line")
    return TableRow(line, values, table.parent)
