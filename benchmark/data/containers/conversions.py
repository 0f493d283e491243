"""For kinds of files that are not read, the command that converts them into what is read."""

_MAGICK = "magick mogrify -format png *{kind}"
_OF_PACKED = {
    # Read on their own, but not beside images of the same folder.
    ".zip": "unzip {name}",
    **dict.fromkeys((".tar", ".tar.gz", ".tgz"), "tar xf {name}"),
    **dict.fromkeys((".7z", ".001"), "7z x {name}"),
    ".rar": "unrar x {name}",
    **dict.fromkeys((".bz2", ".tbz2", ".xz", ".txz"), "tar xf {name}"),
    ".zst": "tar --zstd -xf {name}",
    ".gz": "gunzip {name}",
}
_OF_IMAGES = {
    **dict.fromkeys((".heic", ".heif", ".psd", ".svg", ".tga", ".exr", ".hdr", ".pcx"), _MAGICK),
    **dict.fromkeys((".pfm", ".xcf", ".eps", ".pdf", ".j2k", ".jxl", ".qoi", ".ras"), _MAGICK),
    **dict.fromkeys((".cr2", ".cr3", ".nef", ".arw", ".dng", ".orf", ".rw2", ".raf"), _MAGICK),
    **dict.fromkeys((".mp4", ".mov", ".avi", ".mkv", ".webm"), "ffmpeg -i {name} %06d.png"),
}
_CLASS = "a data set class of your own (see the page Add your own)"
_OF_ARRAYS = {
    ".arrow": "datasets.load_from_disk(FOLDER).to_parquet('faces.parquet') in Python",
    **dict.fromkeys((".npy", ".npz", ".mat", ".h5", ".hdf5", ".pkl", ".pt", ".mdb"), _CLASS),
    **dict.fromkeys((".tfrecord", ".tfrecords", ".beton", ".rec", ".lmdb", ".idx"), _CLASS),
}
_ALL = {**_OF_PACKED, **_OF_IMAGES, **_OF_ARRAYS}


def command(kind: str, name: str | None = None) -> str | None:
    """For a suffix, as in `.heic`, and a file of it; None where nothing is known of it."""
    found = _ALL.get(kind)
    return None if found is None else found.format(kind=kind, name=name or f"NAME{kind}")
