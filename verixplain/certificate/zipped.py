"""The checker as one file that runs wherever Python and numpy are.

python -m verixplain.certificate.zipped verixplain-checker.pyz
python verixplain-checker.pyz MODEL.onnx X.vxcert
"""

import sys
import tempfile
import zipapp
from pathlib import Path

CHECKER = Path(__file__).parents[1] / "checker"
MAIN = "import sys\n\nfrom verixplain.checker.__main__ import main\n\nsys.exit(main())\n"


def build(target: str | Path) -> Path:
    """Write the checker's sources, and nothing else of this package, into one file."""
    with tempfile.TemporaryDirectory() as folder:
        package = Path(folder, "verixplain", "checker")
        package.mkdir(parents=True)
        (package.parent / "__init__.py").touch()
        for source in sorted(CHECKER.glob("*.py")):
            (package / source.name).write_bytes(source.read_bytes())
        Path(folder, "__main__.py").write_text(MAIN)
        zipapp.create_archive(folder, target, "/usr/bin/env python3")
    return Path(target)


if __name__ == "__main__":
    print(build(sys.argv[1]))
