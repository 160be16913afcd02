#!/usr/bin/env bash
# In ffmpeg, leaving the sound out (`-an`) changes the times of the pictures, if the file is MPEG-TS or MPEG-PS.
#
# Package: ffmpeg 9.0.2 as imageio-ffmpeg 0.8.1 (PyPI) carries it; Debian 12's 5.1.9 does the same. Source
#   https://git.ffmpeg.org/ffmpeg.git.
# Documented: "As an output option, disables audio recording i.e. automatic selection or mapping of any audio stream."
#   (ffmpeg(1), `-an`). Nothing about the times of other streams.
# Expected: in a file whose sound begins 1 s before its picture, the first picture stands at about 1 s, with `-an` and
#   without.
# Seen: with `-an`, or with `-map 0:v`, it stands at 0 for MPEG-TS and MPEG-PS, and at 1 s for Matroska. Of formats whose
#   times may jump (AVFMT_TS_DISCONT), ffmpeg takes the first time of the streams that are *used* for the file's origin,
#   of all others that of the whole file. It says "Correcting start time of Input #0" at the level `verbose`.
#   ffprobe, which uses all streams, tells the file's own origin (`start_time`).
# Way round: `-copyts`, and subtract the `start_time` that ffprobe tells of the format.
#
# Output: for each format the first picture's time in seconds, rounded, with the sound and without.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check imageio-ffmpeg==0.8.1
ffmpeg=$("$folder/venv/bin/python" -c 'import imageio_ffmpeg; print(imageio_ffmpeg.get_ffmpeg_exe())')
first() { # a file and options: the time of the first picture
    "$ffmpeg" -nostdin -i "$1" "${@:2}" -vf showinfo -f null - 2>&1 | sed -n 's/.* n: *0 .*pts_time:\([-0-9.]*\).*/\1/p' | xargs printf '%.0f'
}
got=$("$ffmpeg" -version | head -n 1 | cut -d ' ' -f 1-3
    for format in mpegts vob matroska; do
        "$ffmpeg" -nostdin -v error -f lavfi -i testsrc=size=320x240:rate=25:duration=2 \
            -f lavfi -i sine=duration=3 -filter_complex '[0:v]setpts=PTS+1/TB[v]' -map '[v]' -map 1:a \
            -fps_mode passthrough -c:v mpeg2video -c:a mp2 -f "$format" "$folder/$format"
        echo "$format: $(first "$folder/$format") $(first "$folder/$format" -an)"
    done)
want='ffmpeg version n9.0.2-17-g2a571b6068-20260930
mpegts: 1 0
vob: 1 0
matroska: 1 1'
echo "$got"
[ "$got" = "$want" ] || { echo "this changed: expected"; echo "$want"; exit 1; }
