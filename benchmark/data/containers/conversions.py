"""For kinds of files that are not read, the command that converts them into what is read."""

_MAGICK = "magick mogrify -format png *{kind}"
_CLASS = "a data set class of your own (see the page Add your own)"
_COMMANDS = {
    # Read on their own, but not beside images of the same folder.
    ".zip": "unzip {name}",
    **dict.fromkeys((".tar", ".tar.gz", ".tgz"), "tar xf {name}"),
    **dict.fromkeys((".7z", ".001"), "7z x {name}"),
    ".rar": "unrar x {name}",
    **dict.fromkeys((".bz2", ".tbz2", ".xz", ".txz"), "tar xf {name}"),
    ".zst": "tar --zstd -xf {name}",
    ".gz": "gunzip {name}",
    **dict.fromkeys((".heic", ".heif", ".psd", ".svg", ".tga", ".exr", ".hdr", ".pcx"), _MAGICK),
    **dict.fromkeys((".pfm", ".xcf", ".eps", ".pdf", ".j2k", ".jxl", ".qoi", ".ras"), _MAGICK),
    **dict.fromkeys((".cr2", ".cr3", ".nef", ".arw", ".dng", ".orf", ".rw2", ".raf"), _MAGICK),
    **dict.fromkeys((".mp4", ".mov", ".avi", ".mkv", ".webm"), "ffmpeg -i {name} %06d.png"),
    ".arrow": "datasets.load_from_disk(FOLDER).to_parquet('faces.parquet') in Python",
    **dict.fromkeys((".npy", ".npz", ".mat", ".h5", ".hdf5", ".pkl", ".pt", ".mdb"), _CLASS),
    **dict.fromkeys((".tfrecord", ".tfrecords", ".beton", ".rec", ".lmdb", ".idx"), _CLASS),
}


def command(kind: str, name: str | None = None) -> str | None:
    """For a suffix, as in `.heic`, and a file of it; None where nothing is known of it."""
    found = _COMMANDS.get(kind)
    return None if found is None else found.format(kind=kind, name=name or f"NAME{kind}")
