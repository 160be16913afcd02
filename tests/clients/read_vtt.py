"""Reads a WebVTT file from the standard input with webvtt-py; prints its cues: start and end in seconds, text."""
import io
import json
import sys

import webvtt


def seconds(time: str) -> float:
    hours, minutes, rest = time.split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(rest)


file = webvtt.from_buffer(io.StringIO(sys.stdin.read()), format="vtt")
print(json.dumps([[seconds(cue.start), seconds(cue.end), cue.text] for cue in file]))
