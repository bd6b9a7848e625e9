"""Every reader against tiny files in the official formats, whole, missing, truncated and mislabelled."""

import pickle
import shutil
import struct
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from neural.data.datasets import (
    CIFAR10,
    CIFAR100,
    DATASETS,
    MNIST,
    STL10,
    HuggingFace,
    ImageFolder,
    MnistOnCifar10,
    TinyImageNet,
)
from neural.training.presets import SIMCLR_CIFAR
from tests.neural.data.writers import write_mnist, write_python2


def test_cifar10_pixels_labels_and_protocol(cifar10, rng):
    at, written = cifar10
    recipe = CIFAR10(str(at.parent))
    train, test = recipe.build(rng)
    assert hash(recipe) == hash(CIFAR10(str(at.parent))) and recipe.label_names == ("class",)
    assert (len(train), len(test)) == (20, 4)
    expected = np.concatenate([data for data, _ in written[:5]]).reshape(-1, 3, 32, 32)
    assert train.images.dtype == torch.uint8
    assert np.array_equal(train.images.numpy(), expected)
    assert train.labels["class"].tolist() == sum((labels["labels"] for _, labels in written[:5]), [])
    assert test.labels["class"].tolist() == written[5][1]["labels"]
    index = torch.tensor([19, 3, 3])
    stills = train.stills(index)
    assert stills.dtype == torch.float32
    assert np.array_equal(stills.numpy(), expected[index].astype(np.float32) / 255)
    assert torch.equal(train.stills()[index], stills)
    drawn = torch.Generator().manual_seed(0)
    first, second = train.pairs(index, drawn)
    assert torch.equal(first, stills) and torch.equal(second, stills)
    assert torch.equal(drawn.get_state(), torch.Generator().manual_seed(0).get_state())
    assert SIMCLR_CIFAR(torch.cat([first, second]), drawn).shape == (6, 3, 32, 32)
    assert CIFAR10(str(at)).build(rng)[0].labels["class"].tolist() == train.labels["class"].tolist()


def test_flags_of_old_data_types_are_ignored(cifar10, rng):
    """Newer versions of numpy warn about flags that are not booleans: here 2, in some of them 0 too."""
    path = cifar10[0] / "test_batch"
    raw = path.read_bytes()
    assert raw.count(b"K\x00K\x01\x87") == 1
    path.write_bytes(raw.replace(b"K\x00K\x01\x87", b"K\x02K\x01\x87"))
    assert np.array_equal(
        CIFAR10(str(cifar10[0])).build(rng)[1].images.numpy().reshape(4, -1), cifar10[1][5][0]
    )


def test_cifar100_fine_and_coarse(cifar100, rng):
    at, written = cifar100
    recipe = CIFAR100(str(at.parent))
    for split, (data, labels) in zip(recipe.build(rng), written, strict=True):
        assert np.array_equal(split.images.numpy().reshape(6, -1), data)
        assert tuple(split.labels) == recipe.label_names == ("fine", "coarse")
        assert split.labels["fine"].tolist() == labels["fine_labels"]
        assert split.labels["coarse"].tolist() == labels["coarse_labels"]


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_mnist_plain_and_compressed(tmp_path, rng, suffix):
    written = write_mnist(tmp_path, rng, suffix=suffix)
    for split, (images, labels) in zip(MNIST(str(tmp_path)).build(rng), written, strict=True):
        assert split.images.shape == (len(labels), 3, 28, 28)
        assert all(np.array_equal(split.images[:, channel].numpy(), images) for channel in range(3))
        assert split.labels["digit"].tolist() == labels.tolist()


def test_stl10_columns_and_labels(stl10, rng):
    at, written = stl10
    train, test = STL10(str(at.parent)).build(rng)
    assert np.array_equal(train.images.numpy(), written["train"])
    assert train.labels["class"].tolist() == (written["train_y"].astype(int) - 1).tolist()
    assert np.array_equal(test.images.numpy(), written["test"])
    assert test.labels["class"].tolist() == (written["test_y"].astype(int) - 1).tolist()
    index = torch.tensor([2, 0])
    assert np.array_equal(train.stills(index).numpy(), written["train"][[2, 0]].astype(np.float32) / 255)


def test_stl10_unlabelled_images_follow_with_label_minus_one(stl10, rng):
    at, written = stl10
    plain, _ = STL10(str(at)).build(rng)
    train, test = STL10(str(at), unlabelled=True).build(rng)
    assert np.array_equal(train.images[3:].numpy(), written["unlabeled"])
    assert torch.equal(train.images[:3], plain.images) and len(test) == 2
    assert train.labels["class"].tolist() == [*plain.labels["class"].tolist(), -1, -1, -1, -1]


def test_tiny_imagenet(tiny, rng):
    train, test = TinyImageNet(str(tiny.parent)).build(rng)
    assert train.images.shape == (6, 3, 64, 64)
    assert train.labels["class"].tolist() == [0, 0, 0, 1, 1, 1]
    assert test.labels["class"].tolist() == [1, 0, 1]
    with Image.open(tiny / "train" / "n02124075" / "images" / "n02124075_2.JPEG") as picture:
        assert np.array_equal(train.images[2].permute(1, 2, 0).numpy(), np.array(picture))
    assert (train.images[4] == train.images[4, :1]).all()  # the grey one


def test_folder_of_classes(pictures, rng):
    recipe = ImageFolder(str(pictures), size=16)
    train, test = recipe.build(rng)
    assert recipe.label_names == ("class",) == tuple(train.labels)
    assert train.labels["class"].tolist() == [0, 0, 1] and test.labels["class"].tolist() == [1]
    with Image.open(pictures / "train" / "cat" / "2.PNG") as picture:
        assert np.array_equal(train.images[1].permute(1, 2, 0).numpy(), np.array(picture))
    assert ImageFolder(str(pictures), size=8).build(rng)[0].images.shape == (3, 3, 8, 8)


def test_folder_with_a_table_of_groups(table, rng):
    root, path = table
    recipe = ImageFolder(str(root), size=20, metadata=str(path))
    train, test = recipe.build(rng)
    assert recipe.label_names == ("class", "group") == tuple(train.labels)
    assert train.labels["class"].tolist() == [1, 0, 0] and train.labels["group"].tolist() == [1, 1, 0]
    assert test.labels["class"].tolist() == [1] and test.labels["group"].tolist() == [0]
    with Image.open(root / "sub" / "c.png") as picture:
        centre = np.array(picture)[:, 2:22]
    assert np.array_equal(train.images[2].permute(1, 2, 0).numpy(), centre)


@pytest.mark.parametrize("kind", ["saved", "parquet"])
def test_hugging_face(hub, rng, kind, monkeypatch, tmp_path):
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path)
    at, content = hub
    recipe = HuggingFace(str(at / kind), image="img", labels=("fine",), size=8)
    train, test = recipe.build(rng)
    assert recipe.label_names == ("fine",) == tuple(train.labels)
    assert (len(train), len(test)) == (5, 2) and train.labels["fine"].tolist() == [0, 1, 2, 0, 1]
    for image, row in zip(train.images, content["train"], strict=True):
        assert np.array_equal(image.permute(1, 2, 0).numpy(), np.array(row["img"]))


@pytest.fixture
def both(cifar10, tmp_path, rng):
    """MNIST on CIFAR-10 with one white square as every digit."""
    written = write_mnist(tmp_path / "mnist", rng, sizes=(30, 9))
    for part, (images, _) in zip(("train", "t10k"), written, strict=True):
        images[:] = 0
        images[:, 7:21, 7:21] = 255
        header = struct.pack(">IIII", 2051, len(images), 28, 28)
        (tmp_path / "mnist" / f"{part}-images-idx3-ubyte").write_bytes(header + images.tobytes())
    return MnistOnCifar10(str(cifar10[0]), str(tmp_path / "mnist"), strength=0.3, p_drop=0.4), written


def test_mnist_on_cifar10_blends_on_the_digits_pixels(both, rng):
    recipe, _ = both
    train, test = recipe.build(rng)
    assert (len(train), len(test)) == (20, 4) and tuple(train.labels) == recipe.label_names
    photos, stills = train.photos.float() / 255, train.stills()
    # The square fills pixels 4 to 11 of 16; in the frame of 32 pixels its inside is 13 to 18.
    inside = (slice(None), slice(None), slice(13, 19), slice(13, 19))
    assert torch.allclose(stills[inside], 0.7 * photos[inside] + 0.3, atol=1e-6)
    outside = stills != photos
    assert not outside[:, :, :11].any() and not outside[:, :, :, 21:].any()
    index = torch.tensor([4, 4, 17])
    assert torch.equal(train.stills(index), stills[index])


def test_mnist_on_cifar10_drops_digits_of_the_second_view(both, rng, seed):
    recipe, _ = both
    train, _ = replace(recipe, p_drop=0.4).build(rng)
    index = torch.arange(20).repeat(100)
    generator = torch.Generator().manual_seed(seed)
    first, second = train.pairs(index, generator)
    assert torch.equal(first, train.stills(index))
    lost = (second == train.photos[index].float() / 255).flatten(1).all(1)
    assert abs(lost.double().mean() - 0.4) < 4.5 * (0.24 / 2000) ** 0.5  # binomial, chance 7e-6
    assert torch.equal(second[~lost], first[~lost])


def test_mnist_on_cifar10_uses_each_digit_once_and_keeps_labels(both, rng, tmp_path):
    recipe, written = both
    images, labels = written[0]
    images[:] = np.arange(1, 31, dtype=np.uint8)[:, None, None] * 8
    header = struct.pack(">IIII", 2051, 30, 28, 28)
    (tmp_path / "mnist" / "train-images-idx3-ubyte").write_bytes(header + images.tobytes())
    train, _ = recipe.build(rng)
    which = train.digits[:, 8, 8].long() // 8 - 1
    assert len(which.unique()) == 20
    assert train.labels["digit"].tolist() == labels[which].tolist()
    cifar, _ = CIFAR10(recipe.cifar_root).build(rng)
    assert torch.equal(train.labels["photo"], cifar.labels["class"])
    assert torch.equal(train.photos, cifar.images)


@pytest.mark.parametrize("field", ["strength", "p_drop"])
def test_mnist_on_cifar10_refuses_bad_fields(field):
    with pytest.raises(ValueError, match=rf"{field} must be in \[0, 1\], got 1.2"):
        MnistOnCifar10("a", "b", **{field: 1.2})


def test_every_recipe_has_a_name_and_is_hashable():
    made = [
        kind(
            **{
                name: "x"
                for name in ("root", "path", "cifar_root", "mnist_root")
                if name in kind.__annotations__
            }
        )
        for kind in DATASETS.values()
    ]
    assert len({*made}) == len(DATASETS) == 9
    assert all(recipe.label_names for recipe in made if not isinstance(recipe, ImageFolder))


def refused(recipe, rng, error, *words):
    with pytest.raises(error) as raised:
        recipe.build(rng)
    for word in words:
        assert word in str(raised.value)


CIFAR_PAGE = "https://www.cs.toronto.edu/~kriz/cifar.html"


@pytest.mark.parametrize(
    ("recipe", "page"),
    [
        (CIFAR10, CIFAR_PAGE),
        (CIFAR100, CIFAR_PAGE),
        (MNIST, "mnist"),
        (STL10, "https://cs.stanford.edu/~acoates/stl10"),
        (TinyImageNet, "tiny-imagenet-200.zip"),
        (ImageFolder, "root/train/CLASS"),
        (HuggingFace, "save_to_disk"),
    ],
)
def test_nothing_there_says_where_to_get_it(recipe, page, tmp_path, rng):
    refused(recipe(str(tmp_path / "absent")), rng, FileNotFoundError, str(tmp_path / "absent"), page)


def test_missing_cifar_batch_is_named(cifar10, rng):
    (cifar10[0] / "data_batch_3").unlink()
    refused(CIFAR10(str(cifar10[0])), rng, FileNotFoundError, "data_batch_3", CIFAR_PAGE)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
def test_truncated_cifar_batch_is_named(cifar10, rng, share):
    path = cifar10[0] / "data_batch_2"
    raw = path.read_bytes()
    path.write_bytes(raw[: int(share * len(raw))])
    refused(CIFAR10(str(cifar10[0])), rng, ValueError, str(path), "damaged", CIFAR_PAGE)


def test_pickle_that_calls_code_is_refused(cifar10, rng, tmp_path):
    class Bomb:
        def __reduce__(self):
            return (open, (str(tmp_path / "called"), "w"))

    path = cifar10[0] / "test_batch"
    path.write_bytes(pickle.dumps({"data": Bomb()}, protocol=2))
    refused(CIFAR10(str(cifar10[0])), rng, ValueError, str(path), "open")
    assert not (tmp_path / "called").exists()


@pytest.mark.parametrize(
    ("labels", "reason"),
    [([0, 1, 2], "3 labels for 4 images"), ([0, 1, 2, 10], "labels 0..10"), ([-1, 1, 2, 3], "labels -1..3")],
)
def test_mislabelled_cifar_is_refused(cifar10, rng, labels, reason):
    path = cifar10[0] / "data_batch_5"
    write_python2(path, {b"data": np.zeros((4, 3072), dtype=np.uint8), b"labels": labels})
    refused(CIFAR10(str(cifar10[0])), rng, ValueError, str(path), reason)


def test_cifar100_in_the_place_of_cifar10_is_refused(cifar10, cifar100, rng):
    shutil.copy(cifar100[0] / "train", cifar10[0] / "data_batch_1")
    refused(CIFAR10(str(cifar10[0])), rng, ValueError, "data_batch_1", "labels")


def test_cifar100_with_a_class_in_two_superclasses_is_refused(cifar100, rng):
    content = {b"data": np.zeros((2, 3072), dtype=np.uint8), b"fine_labels": [7, 7], b"coarse_labels": [1, 2]}
    write_python2(cifar100[0] / "test", content)
    refused(CIFAR100(str(cifar100[0])), rng, ValueError, "test", "two superclasses")


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("cut", [2, 100])
def test_truncated_mnist_is_named(tmp_path, rng, suffix, cut):
    write_mnist(tmp_path, rng, suffix=suffix)
    path = tmp_path / f"t10k-images-idx3-ubyte{suffix}"
    path.write_bytes(path.read_bytes()[:-cut])
    refused(MNIST(str(tmp_path)), rng, ValueError, str(path), "damaged", "mnist")


def test_too_long_mnist_is_named(tmp_path, rng):
    write_mnist(tmp_path, rng)
    path = tmp_path / "train-labels-idx1-ubyte"
    path.write_bytes(path.read_bytes() + b"1")
    refused(MNIST(str(tmp_path)), rng, ValueError, str(path), "16 bytes where 15 are announced")


def test_mnist_with_labels_as_images_or_of_the_other_part_is_refused(tmp_path, rng):
    write_mnist(tmp_path, rng)
    images, labels = tmp_path / "train-images-idx3-ubyte", tmp_path / "train-labels-idx1-ubyte"
    shutil.copy(tmp_path / "t10k-labels-idx1-ubyte", labels)
    refused(MNIST(str(tmp_path)), rng, ValueError, str(labels), "4 labels for 7 images")
    shutil.copy(labels, images)
    refused(MNIST(str(tmp_path)), rng, ValueError, str(images), "does not start as an idx file")
    images.unlink()
    refused(MNIST(str(tmp_path)), rng, FileNotFoundError, str(images))


def test_damaged_stl10_is_refused(stl10, rng):
    at, written = stl10
    recipe = STL10(str(at), unlabelled=True)
    (at / "test_y.bin").write_bytes(bytes([0, 1]))
    refused(recipe, rng, ValueError, "test_y.bin", "labels -1..0")
    (at / "test_y.bin").write_bytes(bytes([1]))
    refused(recipe, rng, ValueError, "test_y.bin", "1 labels for 2 images")
    (at / "unlabeled_X.bin").write_bytes(written["unlabeled"].tobytes()[:-5])
    refused(recipe, rng, ValueError, "unlabeled_X.bin", "3 images and 27643 bytes")
    (at / "unlabeled_X.bin").unlink()
    refused(recipe, rng, FileNotFoundError, "unlabeled_X.bin", "stl10")


def test_damaged_tiny_imagenet_is_refused(tiny, rng):
    recipe = TinyImageNet(str(tiny))
    annotations = tiny / "val" / "val_annotations.txt"
    annotations.write_text(annotations.read_text().replace("n02124075", "n00000000"))
    refused(recipe, rng, ValueError, "val_annotations.txt", "n00000000")
    picture = tiny / "train" / "n01443537" / "images" / "n01443537_2.JPEG"
    picture.write_bytes(picture.read_bytes()[:-400])
    refused(recipe, rng, ValueError, str(picture), "truncated", "tiny-imagenet-200.zip")
    picture.unlink()
    refused(recipe, rng, FileNotFoundError, str(picture))
    (tiny / "wnids.txt").write_text("")
    refused(recipe, rng, ValueError, "wnids.txt", "empty")


def test_damaged_folder_is_refused(pictures, rng):
    recipe = ImageFolder(str(pictures))
    bad = pictures / "train" / "dog" / "1.png"
    bad.write_bytes(b"no picture")
    refused(recipe, rng, ValueError, str(bad), "cannot identify")
    bad.unlink()
    refused(recipe, rng, FileNotFoundError, str(bad.parent))
    bad.parent.rmdir()
    refused(recipe, rng, ValueError, str(pictures), "dog is not among the 1 names of the training split")


@pytest.mark.parametrize(
    ("old", "new", "error", "words"),
    [
        ("split", "part", ValueError, ("metadata.csv", "line 2 has no split")),
        ("b.png,train", "b.png,val", ValueError, ("metadata.csv", "split 'val'", "train or test")),
        ("waterbird,sea", "waterbird,", ValueError, ("metadata.csv", "line 2 has no group")),
        ("waterbird,land", "penguin,land", ValueError, ("metadata.csv", "penguin is not among the 2 names")),
        ("d.png,test", "d.png,train", ValueError, ("metadata.csv", "no row of split test")),
        ("sub/c.png", "sub/e.png", FileNotFoundError, ("sub/e.png is missing",)),
    ],
)
def test_bad_tables_are_refused(table, rng, old, new, error, words):
    root, path = table
    path.write_text(path.read_text().replace(old, new, 1))
    refused(ImageFolder(str(root), metadata=str(path)), rng, error, *words)


def test_bad_hugging_face_folders_are_refused(hub, rng, tmp_path):
    at = str(hub[0] / "saved")
    good = HuggingFace(at, image="img", labels=("fine",))
    refused(replace(good, image="image"), rng, ValueError, "among img, fine, text", "'image'")
    refused(replace(good, labels=("fine", "coarse")), rng, ValueError, "'coarse'")
    refused(replace(good, labels=("text",)), rng, ValueError, "integer columns", "'text'")
    refused(replace(good, splits=("train", "validation")), rng, ValueError, "'validation'")
    refused(replace(good, name="en"), rng, ValueError, "name must be None")
    refused(replace(good, image="text"), rng, ValueError, "column text")
    (tmp_path / "empty").mkdir()
    refused(replace(good, path=str(tmp_path / "empty")), rng, ValueError, str(tmp_path / "empty"))


def test_truncated_hugging_face_folder_is_refused(hub, rng, tmp_path):
    shutil.copytree(hub[0] / "saved", tmp_path / "saved")
    (file,) = (tmp_path / "saved" / "train").glob("*.arrow")
    file.write_bytes(file.read_bytes()[:200])
    recipe = HuggingFace(str(tmp_path / "saved"), image="img", labels=("fine",))
    refused(recipe, rng, ValueError, str(tmp_path / "saved"), "damaged")


@pytest.mark.parametrize("recipe", [ImageFolder, HuggingFace])
def test_bad_sizes_are_refused(recipe):
    with pytest.raises(ValueError, match="size must be an integer >= 1, got 0"):
        recipe("x", size=0)


def test_split_moves_as_a_whole(both, cifar10, rng):
    for recipe in (both[0], CIFAR10(str(cifar10[0]))):
        train, _ = recipe.build(rng)
        moved = train.to("meta")
        tensors = [value for value in vars(moved).values() if isinstance(value, torch.Tensor)]
        assert tensors and all(value.is_meta for value in [*tensors, *moved.labels.values()])
        assert not any(value.is_meta for value in train.labels.values())
