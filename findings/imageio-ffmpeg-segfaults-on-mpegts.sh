#!/usr/bin/env bash
# The ffmpeg of imageio-ffmpeg ends with a segmentation fault on MPEG-TS files, also on those that it made itself.
#
# Package: imageio-ffmpeg 0.6.0 (PyPI), whose wheel for Linux carries the static build 7.0.2 of johnvansickle.com; source
#   https://github.com/imageio/imageio-ffmpeg. Its versions 0.4.8 to 0.5.1 (ffmpeg 4.2.2) do the same.
# Documented: the wheel's program is one "that should work for most users" (README), and ffmpeg reads MPEG-TS.
# Expected: exit status 0, and the picture.
# Seen: exit status 139 (SIGSEGV) as soon as the file is opened. The demuxer turns the names in the stream's service
#   description table into UTF-8 with iconv; the program is linked statically with glibc, whose iconv loads the modules
#   of the machine's own, other glibc (here Debian 12, 2.36). ffmpeg's muxer writes such a table into each file.
# Way round: an environment with `GCONV_PATH=/nonexistent`, so that no module is found; or a build that is not static.
#
# Output: the program's version, then the exit status for MP4, MPEG-TS, and MPEG-TS with GCONV_PATH.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check imageio-ffmpeg==0.6.0
ffmpeg=$("$folder/venv/bin/python" -c 'import imageio_ffmpeg; print(imageio_ffmpeg.get_ffmpeg_exe())')
picture=(-nostdin -v error -f lavfi -i testsrc=size=320x240:rate=25:duration=1 -c:v mpeg2video)
"$ffmpeg" "${picture[@]}" "$folder/own.mp4"
"$ffmpeg" "${picture[@]}" "$folder/own.ts"
# in a shell of its own, whose word about the signal is not shown
read_whole() { bash -c '"$0" -nostdin -v error -i "$1" -f null -; exit $?' "$ffmpeg" "$1" >/dev/null 2>&1 && echo 0 || echo $?; }
got=$("$ffmpeg" -version | head -n 1 | cut -d ' ' -f 1-3
    echo "mp4: $(read_whole "$folder/own.mp4")"
    echo "ts: $(read_whole "$folder/own.ts")"
    echo "ts, GCONV_PATH: $(GCONV_PATH=/nonexistent read_whole "$folder/own.ts")")
want='ffmpeg version 7.0.2-static
mp4: 0
ts: 139
ts, GCONV_PATH: 0'
echo "$got"
[ "$got" = "$want" ] || { echo "this changed: expected"; echo "$want"; exit 1; }
