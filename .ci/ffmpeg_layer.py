"""Builds ffmpeg-layer.zip, a Lambda layer with a static ffmpeg for arm64:

    python3 .ci/ffmpeg_layer.py target/ffmpeg-layer.zip

The program is the static build of ffmpeg 7.0.2 by John Van Sickle, as the package imageio-ffmpeg 0.6.0 of PyPI carries it. It is
under the GNU General Public License 3 (it was configured with --enable-gpl --enable-version3); its sources are at
https://johnvansickle.com/ffmpeg/release-source/ and https://ffmpeg.org/releases/ffmpeg-7.0.2.tar.xz. The layer stays in your
own account: whoever gives it to others has to offer the sources with it (section 6 of the licence). A layer's notice says so.
"""
import hashlib
import pathlib
import subprocess
import sys
import tempfile
import zipfile

PACKAGE = "imageio-ffmpeg==0.6.0"
SHA256 = "1d47bebd83d2c5fc770720d211855f208af8a596c82d17730aa51e815cdee6dc"
PROGRAM = "imageio_ffmpeg/binaries/ffmpeg-linux-aarch64-v7.0.2"
NOTICE = __doc__.split("\n\n")[2] + "\nThe text of the licence: https://www.gnu.org/licenses/gpl-3.0.txt\n"


def main(to):
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
        subprocess.run([*pip, "--platform=manylinux2014_aarch64", "--dest", folder, PACKAGE], check=True)
        [wheel] = pathlib.Path(folder).glob("*.whl")
        if hashlib.sha256(wheel.read_bytes()).hexdigest() != SHA256:
            sys.exit(f"{wheel.name} is not the package that this was made for")
        program = zipfile.ZipFile(wheel).read(PROGRAM)
    to.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED) as layer:
        for name, content, mode in [("bin/ffmpeg", program, 0o755), ("ffmpeg-NOTICE.txt", NOTICE.encode(), 0o644)]:
            entry = zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0))  # a fixed time: the same zip each time
            entry.external_attr = mode << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            layer.writestr(entry, content)
    print(f"{to}: {to.stat().st_size / 1e6:.1f} MB, {len(program) / 1e6:.1f} MB unpacked")


if len(sys.argv) != 2:
    sys.exit(__doc__)
main(pathlib.Path(sys.argv[1]))
