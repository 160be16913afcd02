"""OpenCV's face detector (the Haar cascade that comes with the package) on a stream of PGM pictures, for comparison.

Reads pictures from standard input, and writes one line of JSON: pictures, those with a face, faces, and the processor's
seconds for the detector alone. opencv-python-headless 5 has no cascades any more: take a version below.
"""

import json
import sys
import time

import cv2
import numpy


def pictures(stream):
    while stream.readline() == b"P5\n":
        width, height = map(int, stream.readline().split())
        stream.readline()  # the greatest value
        yield numpy.frombuffer(stream.read(width * height), numpy.uint8).reshape(height, width)


def main():
    cascade = cv2.CascadeClassifier(cv2.data.haarcascades + "haarcascade_frontalface_default.xml")
    count = with_face = faces = 0
    seconds = 0.0
    for picture in pictures(sys.stdin.buffer):
        began = time.process_time()
        found = cascade.detectMultiScale(picture, scaleFactor=1.1, minNeighbors=5, minSize=(40, 40))
        seconds += time.process_time() - began
        count, with_face, faces = count + 1, with_face + (len(found) > 0), faces + len(found)
    print(json.dumps({"pictures": count, "with_face": with_face, "faces": faces, "cpu_seconds": seconds}))


main()
