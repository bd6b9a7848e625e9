"""Pictures of every depth and mode, folders with other things in them, and files made to do harm."""

import pickle
import tarfile
import zipfile

import datasets
import numpy as np
import pytest
import torch
from PIL import Image

from neural.data.datasets import CIFAR10, MNIST, STL10, HuggingFace, ImageFolder, TinyImageNet
from neural.data.files import (
    PICTURES,
    Source,
    list_folders,
    list_pictures,
    read_csv,
    read_pictures,
    read_stl10,
    read_table,
)

SOURCE = Source("get it from the teacher")
RAMP = np.arange(256, dtype=np.uint8).reshape(16, 16)


@pytest.fixture
def rng(seed):
    return np.random.default_rng([seed, 8])


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


def read_one(path, size=16):
    return read_pictures([path], size, SOURCE)[0].permute(1, 2, 0).numpy()


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_sixteen_bits_are_scaled_to_eight(tmp_path, name):
    """65535 is white: 257 v is the 16-bit number of the grey v. Clipping would make all but v = 0 white."""
    Image.fromarray(RAMP.astype(np.uint16) * 257).save(tmp_path / name)
    got = read_one(tmp_path / name)
    assert np.array_equal(got, np.repeat(RAMP[:, :, None], 3, axis=2))


@pytest.mark.parametrize(("dtype", "mode"), [(np.float32, "F"), (np.int32, "I")])
def test_samples_of_unknown_range_are_refused(tmp_path, dtype, mode):
    Image.fromarray(RAMP.astype(dtype) / dtype(255)).save(
        tmp_path / "a.tif"
    ) if mode == "F" else Image.fromarray(RAMP.astype(dtype)).save(tmp_path / "a.tif")
    with pytest.raises(
        ValueError, match=rf"a.tif .*32-bit numbers \(mode {mode}\), save it with 8 or 16 bits"
    ):
        read_one(tmp_path / "a.tif")


def test_what_is_transparent_becomes_white_whatever_colour_hides_there(tmp_path):
    pixels = np.zeros((16, 16, 4), dtype=np.uint8)
    pixels[:8] = [10, 20, 30, 255]
    pixels[8:] = [200, 0, 0, 0]
    Image.fromarray(pixels).save(tmp_path / "a.png")
    palette = Image.fromarray(np.repeat([0, 1], 128).reshape(16, 16).astype(np.uint8), "L").convert("P")
    palette.putpalette([10, 20, 30, 200, 0, 0])
    palette.save(tmp_path / "b.png", transparency=1)
    got = read_one(tmp_path / "a.png")
    assert np.all(got[:8] == [10, 20, 30]) and np.all(got[8:] == 255)
    with Image.open(tmp_path / "b.png") as saved:
        hidden = np.asarray(saved.convert("RGBA"))[..., 3] == 0
    assert hidden.any() and np.all(read_one(tmp_path / "b.png")[hidden] == 255)


@pytest.mark.parametrize("name", ["a.jpg", "a.tif", "a.png"])
def test_a_picture_is_turned_upright(tmp_path, name):
    sideways = np.zeros((16, 16, 3), dtype=np.uint8)
    sideways[:, :8] = 255  # left half white
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise: the left half is the top
    Image.fromarray(sideways).save(tmp_path / name, exif=exif)
    got = read_one(tmp_path / name)
    assert got[:7].min() > 240 and got[9:].max() < 15


@pytest.mark.parametrize("ending", sorted(PICTURES))
def test_every_ending_that_is_listed_can_be_read(tmp_path, ending):
    kind = {".jfif": "JPEG", ".jpe": "JPEG", ".pnm": "PPM"}.get(ending)
    content = np.full((16, 16, 3), 200, dtype=np.uint8)
    picture = Image.fromarray(content)
    (picture.convert("1") if ending == ".pbm" else picture).save(tmp_path / f"a{ending.upper()}", kind)
    (found,) = list_pictures(tmp_path, SOURCE)
    assert abs(int(read_one(found)[8, 8, 0]) - (255 if ending == ".pbm" else 200)) < 6


def test_hidden_folders_are_no_classes_and_what_is_left_out_is_named(tmp_path):
    for split in ("train", "test"):
        for name in ("cat", "dog", ".ipynb_checkpoints", "@eaDir", "__MACOSX"):
            (tmp_path / split / name).mkdir(parents=True)
            Image.fromarray(RAMP).save(tmp_path / split / name / "1.png")
    with pytest.warns(
        UserWarning, match="left out 3 that are not read: .ipynb_checkpoints, @eaDir, __MACOSX"
    ):
        train, _ = ImageFolder(str(tmp_path), size=16).build(np.random.default_rng(0))
    assert train.labels["class"].tolist() == [0, 1]
    at = tmp_path / "train" / "cat"
    (at / "more").mkdir()
    (at / "notes.txt").touch()
    (at / "scan.dcm").touch()
    with pytest.warns(UserWarning, match="cat: left out 3 that are not read: more, notes.txt, scan.dcm"):
        assert [file.name for file in list_pictures(at, SOURCE)] == ["1.png"]
    assert [folder.name for folder in list_folders(tmp_path)] == ["test", "train"]


def test_an_enormous_picture_is_named(tmp_path, monkeypatch):
    Image.fromarray(RAMP).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(ValueError, match=r"a.png is damaged or mislabelled .*256 pixels"):
        read_one(tmp_path / "a.png")


@pytest.mark.parametrize("read", [read_table, lambda path, source: read_csv(path, ("file",), source)])
def test_a_table_in_another_encoding_gives_one_line(tmp_path, read):
    path = tmp_path / "table.csv"
    path.write_text("file\na.png\n", encoding="utf-16")
    with pytest.raises(ValueError, match="table.csv is damaged .*not text in UTF-8") as error:
        read(path, SOURCE)
    assert "\n" not in str(error.value)


def test_an_empty_stl10_file_is_refused(tmp_path):
    (tmp_path / "train_X.bin").touch()
    with pytest.raises(ValueError, match="train_X.bin is damaged or mislabelled .0 images and 0 bytes"):
        read_stl10([tmp_path / "train_X.bin"], SOURCE)


class Malicious:
    """Makes a folder when it is unpickled."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        import os

        return os.mkdir, (str(self.target),)


def every_reader(root):
    """Files that a reader opens, and the recipe that opens them."""
    yield [f"cifar-10-batches-py/data_batch_{i}" for i in range(1, 6)], CIFAR10(str(root))
    yield ["train-images-idx3-ubyte"], MNIST(str(root))
    yield ["train-images-idx3-ubyte.gz"], MNIST(str(root))
    yield ["stl10_binary/train_X.bin", "stl10_binary/test_X.bin"], STL10(str(root))
    yield ["tiny-imagenet-200/wnids.txt"], TinyImageNet(str(root))
    yield ["train/a/1.png", "test/a/1.png"], ImageFolder(str(root))
    yield ["table.csv"], ImageFolder(str(root), metadata=str(root / "table.csv"))
    for name in ("train.parquet", "train.pkl", "train.pt", "train.csv", "dataset_dict.json"):
        yield [f"hub/{name}"], HuggingFace(str(root / "hub"))


@pytest.mark.parametrize("case", range(12))
@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_a_malicious_pickle_in_the_place_of_any_file_runs_nothing(case, protocol, tmp_path, rng):
    target = tmp_path / "made by the pickle"
    names, recipe = list(every_reader(tmp_path / "data"))[case]
    raw = pickle.dumps({b"data": Malicious(target)}, protocol=protocol)
    for name in names:
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(raw)
    with pytest.raises((ValueError, FileNotFoundError)):
        recipe.build(rng)
    assert not target.exists()
    pickle.loads(raw)
    assert target.exists()  # it would have


def test_archives_and_scripts_are_not_opened(tmp_path, rng):
    outside = tmp_path / "outside.png"
    at = tmp_path / "hub"
    at.mkdir()
    Image.fromarray(RAMP).save(tmp_path / "a.png")
    with zipfile.ZipFile(at / "train.zip", "w") as archive:
        archive.write(tmp_path / "a.png", "../outside.png")
    recipe = HuggingFace(str(at))
    with pytest.raises(ValueError, match="train.zip is an archive, a pickle or a script, which is not read"):
        recipe.build(rng)
    (at / "train.zip").unlink()
    with tarfile.open(at / "train.tar", "w") as archive:
        archive.add(tmp_path / "a.png", "../outside.png")
    with pytest.raises(ValueError, match="train.tar is an archive"):
        recipe.build(rng)
    (at / "train.tar").rename(at / "hub.py")
    with pytest.raises(ValueError, match="hub.py is an archive"):
        recipe.build(rng)
    assert not outside.exists()


@pytest.mark.parametrize("name", ["../secret.png", "/etc/secret.png", "a/../../secret.png"])
def test_names_in_a_table_stay_inside_their_folder(name, tmp_path, rng):
    (tmp_path / "pictures").mkdir()
    Image.fromarray(RAMP).save(tmp_path / "secret.png")
    table = tmp_path / "table.csv"
    table.write_text(f"file,split,label,group\n{name},train,a,b\n{name},test,a,b\n")
    with pytest.raises(ValueError, match=r"secret.png leads out of the folder .*pictures"):
        ImageFolder(str(tmp_path / "pictures"), metadata=str(table)).build(rng)
    tiny = tmp_path / "tiny-imagenet-200"
    tiny.mkdir()
    (tiny / "wnids.txt").write_text(f"../{name}\n")
    with pytest.raises(ValueError, match="leads out of the folder"):
        TinyImageNet(str(tiny)).build(rng)


def test_one_saved_split_and_texts_as_labels_say_what_to_do(tmp_path, rng):
    picture = Image.fromarray(np.repeat(RAMP[:, :, None], 3, axis=2))
    features = datasets.Features(
        {"image": datasets.Image(), "label": datasets.Value("bool"), "text": datasets.Value("string")}
    )
    rows = {"image": [picture] * 4, "label": [True, False, True, False], "text": list("abab")}
    one = datasets.Dataset.from_dict(rows, features=features)
    one.save_to_disk(tmp_path / "one")
    with pytest.raises(ValueError, match="holds one split, .*DatasetDict"):
        HuggingFace(str(tmp_path / "one")).build(rng)
    both = datasets.DatasetDict({"train": one.with_format("torch"), "test": one})
    both.save_to_disk(tmp_path / "both")
    train, _ = HuggingFace(str(tmp_path / "both"), size=16).build(rng)
    assert train.labels["label"].dtype == torch.int64 and train.labels["label"].tolist() == [1, 0, 1, 0]
    with pytest.raises(
        ValueError, match="integer columns .*'text', which holds texts or gaps: number its values"
    ):
        HuggingFace(str(tmp_path / "both"), labels=("text",)).build(rng)
