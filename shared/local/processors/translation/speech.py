"""What is said in a video or a recording, and when; and the same in another language. Programs do the work."""

import os
import re
import subprocess
from itertools import accumulate
from shutil import which

FFMPEG = os.environ.get("FFMPEG", "ffmpeg")
MODES = {"es": "eng-spa", "ca": "eng-cat", "gl": "en-gl"}  # of apertium, from English
PAUSE_MS, CUE_MS, CUE_CHARACTERS = 300, 6_000, 76  # where a cue ends


class Failure(Exception):
    """Why a job fails: a code of the contract, and a message."""


def missing():
    """A part that is not installed, if there is one."""
    programs = [it for it in (FFMPEG, "pocketsphinx_continuous", "apertium") if not which(it)]
    modes = [] if programs else run(["apertium", "-l"]).stdout.split()
    return next(iter(programs or [f"apertium mode {it}" for it in MODES.values() if it not in modes]), None)


def run(command, text=None):
    """A program that has ended. None takes longer than the hour that a job has."""
    return subprocess.run(command, input=text, capture_output=True, encoding="utf-8", errors="replace", timeout=3_600)


def utterances(media, sound):
    """The utterances of a file: lists of words with times and confidences. This writes `sound`, a .wav file: the recogniser
    takes the head of a file with any other name for sound."""
    options = ["-vn", "-ac", "1", "-ar", "16000", "-c:a", "pcm_s16le"]
    read = run([FFMPEG, "-nostdin", "-v", "error", "-protocol_whitelist", "file", "-i", media, *options, sound])
    if "does not contain any stream" in read.stderr:
        raise Failure("no_audio", "there is no sound")
    if read.returncode != 0:
        raise Failure("media_unreadable", read.stderr.replace(f"{media}: ", "").strip().split("\n")[-1])
    found = []
    heard = run(["pocketsphinx_continuous", "-infile", sound, "-time", "yes", "-logfn", os.devnull])
    for line in heard.stdout.splitlines():
        word = re.fullmatch(r"([^(]+)\S* ([\d.]+) ([\d.]+) ([\d.]+)", line)
        if not word:  # the text of an utterance, whose words follow
            found.append([])
        elif not line.startswith(("<", "[", "++")):  # silence, noise
            start, end, confidence = map(float, word.group(2, 3, 4))
            times = {"s": round(start * 1000), "e": round(end * 1000), "c": min(confidence, 1)}
            found[-1].append({"w": word[1], **times})
    if not any(found):
        raise Failure("no_speech", "nothing is said")
    return [it for it in found if it]


def cues(words):
    """The cues of an utterance."""
    parts = []
    for it in words:
        last = parts[-1] if parts else {"s": 0, "e": -CUE_MS, "text": ""}
        text = f"{last['text']} {it['w']}"
        if it["s"] - last["e"] < PAUSE_MS and it["e"] - last["s"] <= CUE_MS and len(text) <= CUE_CHARACTERS:
            last.update(e=it["e"], text=text)
        else:
            parts.append({"s": it["s"], "e": it["e"], "text": it["w"]})
    return parts


def translate(said, language):
    """The cues of utterances in another language. Sentences are translated, in one run if that gives as many as it got."""
    sentences = [f"{' '.join(word['w'] for word in it).capitalize()}." for it in said]
    command = ["apertium", "-u", MODES[language]]
    done = run(command, "\n\n".join(sentences)).stdout.strip().split("\n\n")
    if len(done) != len(sentences):
        done = [run(command, it).stdout for it in sentences]
    return sum(map(spread, done, map(cues, said)), [])


def spread(sentence, parts):
    """The words of a translated sentence over the times of its cues, in proportion to the lengths of their texts."""
    words, lengths = sentence.split(), [len(it["text"]) for it in parts]
    ends = [round(len(words) * it / sum(lengths)) for it in accumulate(lengths)]
    texts = [" ".join(words[start:end]) for start, end in zip([0, *ends], ends)]
    return [{**part, "text": text} for part, text in zip(parts, texts) if text]
