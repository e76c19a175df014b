"""Decoding what people have, and saving without leaving halves behind."""

import io
import os

import numpy as np
import pytest
from PIL import Image, ImageCms

from inversion_core import image as pixels
from inversion_core.errors import ImageUnreadable, OutputUnwritable


def _gradient(width=40, height=30):
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 6, y * 8, 255 - x * 6], -1).clip(0, 255).astype(np.uint8)


def _file(picture, kind, **options):
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM"])
def test_lossless_kinds_come_back_exactly(kind):
    picture = _gradient()
    assert np.array_equal(pixels.decode(_file(Image.fromarray(picture), kind)), picture)


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_lossy_kinds_come_back_nearly(kind):
    picture = _gradient()
    back = pixels.decode(_file(Image.fromarray(picture), kind, quality=95))
    assert back.shape == picture.shape
    assert np.abs(back.astype(int) - picture).mean() < 6


def test_exif_orientation_is_applied():
    picture = _gradient()
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: the stored picture must be turned clockwise by 90 degrees
    back = pixels.decode(_file(Image.fromarray(picture), "PNG", exif=exif))
    assert np.array_equal(back, np.rot90(picture, -1))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
def test_orientation_survives_the_reduction_of_large_pictures(kind, monkeypatch):
    monkeypatch.setattr(pixels, "WORKING_MEGAPIXELS", 0.02)
    exif = Image.Exif()
    exif[0x0112] = 8
    wide = np.zeros((200, 400, 3), np.uint8)
    wide[:, 200:] = 250  # the right half ends up on top
    back = pixels.decode(_file(Image.fromarray(wide), kind, exif=exif))
    height, width = back.shape[:2]
    assert height * width <= 0.02e6
    assert abs(height / width - 2) < 0.05
    assert back[5, width // 2].min() > 240
    assert back[-5, width // 2].max() < 10


def test_transparency_lands_on_mid_grey():
    picture = np.zeros((4, 6, 4), np.uint8)
    picture[:, 3:] = (200, 10, 30, 255)
    back = pixels.decode(_file(Image.fromarray(picture), "PNG"))
    assert (back[:, :3] == 128).all()
    assert (back[:, 3:] == (200, 10, 30)).all()


def test_transparent_palette_lands_on_mid_grey():
    picture = Image.new("P", (4, 4), 0)
    picture.putpalette([9, 9, 9, 250, 0, 0])
    picture.putpixel((2, 1), 1)
    back = pixels.decode(_file(picture, "PNG", transparency=0))
    assert tuple(back[0, 0]) == (128, 128, 128)
    assert tuple(back[1, 2]) == (250, 0, 0)


def test_grey_becomes_three_equal_channels():
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    back = pixels.decode(_file(Image.fromarray(grey), "PNG"))
    assert np.array_equal(back, np.repeat(grey[..., None], 3, 2))


def test_sixteen_bit_grey_is_scaled_not_clipped():
    deep = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
    back = pixels.decode(_file(Image.fromarray(deep), "PNG"))
    assert np.abs(back[..., 0].astype(float) - deep / 257).max() <= 0.51


def test_float_tiff_is_scaled():
    back = pixels.decode(_file(Image.fromarray(np.full((5, 5), 0.5, np.float32)), "TIFF"))
    assert (back == 128).all()


def test_cmyk_keeps_its_colours():
    red = Image.new("RGB", (16, 16), (255, 0, 0)).convert("CMYK")
    back = pixels.decode(_file(red, "JPEG", quality=95))
    assert np.abs(back.astype(int) - (255, 0, 0)).max() < 12


def test_srgb_profile_changes_nothing_and_a_broken_one_does_no_harm():
    picture = _gradient()
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for icc in (profile, b"no profile at all"):
        back = pixels.decode(_file(Image.fromarray(picture), "PNG", icc_profile=icc))
        assert np.abs(back.astype(int) - picture).max() <= 2


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "empty"),
        (b"Dear diary, no picture today.\n" * 40, "text"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "markup"),
        (b"%PDF-1.7\n" + bytes(200), "PDF"),
        (bytes(range(256)) * 4, "not a picture"),
        (b"\0\0\0\x18ftypheic" + bytes(300), "HEI"),
    ],
)
def test_what_is_no_picture_is_refused_by_name(content, expected):
    with pytest.raises(ImageUnreadable) as caught:
        pixels.decode(content, "holiday.jpg")
    assert "holiday.jpg" in caught.value.what
    assert expected in caught.value.what
    assert caught.value.hint
    assert caught.value.exit_code == 3


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF", "GIF", "BMP"])
def test_truncated_files_are_refused(kind):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    content = _file(Image.fromarray(noise), kind)
    with pytest.raises(ImageUnreadable):
        pixels.decode(content[: len(content) // 2], "half")


def test_a_hundred_megapixels_are_refused_before_decoding():
    # A header that promises a giant, and no pixels behind it: decoding would fail differently.
    giant = b"P6\n20000 6000\n255\n" + bytes(30)
    with pytest.raises(ImageUnreadable, match="120 megapixels"):
        pixels.decode(giant, "giant.ppm")
    far = b"P6\n60000 60000\n255\n" + bytes(30)
    with pytest.raises(ImageUnreadable, match="megapixels"):
        pixels.decode(far, "far.ppm")


@pytest.mark.parametrize("kind", ["JPEG", "PPM"])
def test_large_pictures_are_reduced_with_their_shape_kept(kind):
    content = _file(Image.new("RGB", (8000, 4000), (10, 120, 200)), kind)
    back = pixels.decode(content)
    height, width = back.shape[:2]
    assert height * width <= pixels.WORKING_MEGAPIXELS * 1e6
    assert abs(width / height - 2) < 0.01
    assert np.abs(back[::500, ::500].astype(int) - (10, 120, 200)).max() < 4


def test_missing_file_and_folder_have_sentences_of_their_own(tmp_path):
    with pytest.raises(ImageUnreadable, match="does not exist"):
        pixels.read_image(tmp_path / "nobody.png")
    with pytest.raises(ImageUnreadable, match="folder"):
        pixels.read_image(tmp_path)


def test_saved_pictures_come_back(tmp_path):
    picture = _gradient()
    pixels.save_image(tmp_path / "a.png", picture)
    assert np.array_equal(pixels.read_image(tmp_path / "a.png"), picture)
    pixels.save_image(tmp_path / "b.jpg", pixels.to_float(picture))
    assert np.abs(pixels.read_image(tmp_path / "b.jpg").astype(int) - picture).mean() < 6
    pixels.save_image(tmp_path / "m.png", np.eye(8, dtype=bool))
    assert np.array_equal(pixels.read_image(tmp_path / "m.png")[..., 0], np.eye(8) * 255)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.png", "b.jpg", "m.png"]


def test_saving_where_one_cannot_leaves_nothing(tmp_path):
    with pytest.raises(OutputUnwritable, match="cannot be written"):
        pixels.save_image(tmp_path / "missing" / "a.png", _gradient())
    with pytest.raises(OutputUnwritable, match="ending"):
        pixels.save_image(tmp_path / "a.xyz", _gradient())
    (tmp_path / "taken.png").mkdir()
    with pytest.raises(OutputUnwritable):
        pixels.save_image(tmp_path / "taken.png", _gradient())
    assert [p.name for p in tmp_path.iterdir()] == ["taken.png"]


def test_a_failed_write_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    pixels.save_image(path, _gradient())
    before = path.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fdopen", full)
    with pytest.raises(OutputUnwritable, match="No space left"):
        pixels.save_image(path, np.zeros((9, 9, 3), np.uint8))
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


def test_conversions_are_inverse_and_clip():
    every = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, 2)
    assert np.array_equal(pixels.to_uint8(pixels.to_float(every)), every)
    signed = pixels.to_signed(every)
    assert signed.shape == (3, 16, 16)
    assert signed.dtype == np.float32
    assert signed.min() == -1
    assert signed.max() == 1
    assert np.array_equal(pixels.from_signed(signed), every)
    assert np.allclose(pixels.to_signed(pixels.to_float(every)), signed, atol=1e-6)
    assert np.array_equal(pixels.from_signed(np.full((3, 1, 1), 7.0)), np.full((1, 1, 3), 255))
    assert np.array_equal(pixels.to_uint8(np.array([[-1.0, 0.5, 2.0, np.nan]])), [[0, 128, 255, 0]])


def test_folders_are_made_unless_a_file_is_in_the_way(tmp_path):
    pixels.make_folder(tmp_path / "a" / "b")
    pixels.make_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()
    (tmp_path / "c").write_bytes(b"")
    with pytest.raises(OutputUnwritable):
        pixels.make_folder(tmp_path / "c" / "d")
