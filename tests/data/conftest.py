"""A folder of made-up photographs in CelebA's layout, aligned and in the wild."""

from pathlib import Path

import pytest

from tests.data.made_up import COUNT, MARKS, ramp, table, wild_landmarks


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("made_up")
    for folder, size in (("img_align_celeba", (178, 218)), ("img_celeba", (250, 240))):
        (root / folder).mkdir()
        for i in range(COUNT):
            ramp(*size, blue=200 + i).save(root / folder / f"{i:06d}.jpg", "PNG")
    parts = [0] * 8 + [1] * 2 + [2] * 2
    lines = [f"{i:06d}.jpg {part}\n" for i, part in enumerate(parts)]
    (root / "list_eval_partition.txt").write_text("".join(lines))
    marks = [wild_landmarks(i).ravel().tolist() for i in range(COUNT)]
    table(root / "list_landmarks_celeba.txt", MARKS, marks)
    boxes = [[60 + i, 40, 81, 100] for i in range(COUNT)]
    table(root / "list_bbox_celeba.txt", "image_id x_1 y_1 width height", boxes)
    return root
