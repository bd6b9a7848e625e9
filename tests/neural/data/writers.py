"""Writers of tiny files in the official formats of the data sets."""

import gzip
import pickle
import struct

import numpy as np
from PIL import Image


class Python2Pickler(pickle._Pickler):
    """Writes all text and bytes as Python 2 wrote its strings, which is what the files of CIFAR hold."""

    dispatch = dict(pickle._Pickler.dispatch)

    def save_string(self, value):
        raw = value.encode() if isinstance(value, str) else value
        self.write(pickle.BINSTRING + struct.pack("<i", len(raw)) + raw)
        self.memoize(value)

    dispatch[bytes] = dispatch[str] = save_string


def write_python2(path, content):
    """Pickle as numpy did under Python 2: its old module name, flags of data types as integers."""
    with path.open("wb") as file:
        Python2Pickler(file, protocol=2).dump(content)
    raw = path.read_bytes().replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n")
    path.write_bytes(raw.replace(b"\x89\x88\x87", b"K\x00K\x01\x87"))


def write_cifar_file(path, rng, n, labels):
    data = rng.integers(256, size=(n, 3072), dtype=np.uint8)
    found = {key: rng.integers(classes, size=n).tolist() for key, classes in labels.items()}
    if "coarse_labels" in found:
        found["coarse_labels"] = [fine // 5 for fine in found["fine_labels"]]
    content = {b"batch_label": b"a batch", b"data": data, b"filenames": [b"a.png"] * n}
    write_python2(path, content | {key.encode(): values for key, values in found.items()})
    return data, found


def write_mnist(at, rng, sizes=(7, 4), suffix=""):
    at.mkdir(exist_ok=True)
    written = []
    for part, n in zip(("train", "t10k"), sizes, strict=True):
        images = rng.integers(256, size=(n, 28, 28), dtype=np.uint8)
        labels = rng.integers(10, size=n, dtype=np.uint8)
        files = {
            f"{part}-images-idx3-ubyte{suffix}": struct.pack(">IIII", 2051, n, 28, 28) + images.tobytes(),
            f"{part}-labels-idx1-ubyte{suffix}": struct.pack(">II", 2049, n) + labels.tobytes(),
        }
        for name, raw in files.items():
            (at / name).write_bytes(gzip.compress(raw) if suffix else raw)
        written.append((images, labels))
    return written


def write_picture(path, rng, size=(64, 64), mode="RGB", **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (size[1], size[0], 3) if mode == "RGB" else (size[1], size[0])
    Image.fromarray(rng.integers(256, size=shape, dtype=np.uint8), mode).save(path, **options)
