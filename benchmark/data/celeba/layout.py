"""CelebA's files: their names, columns, MD5 sums and where their authors keep them."""

from dataclasses import dataclass

from benchmark.data.celeba.annotations import LANDMARKS

ALIGNED, WILD = "img_align_celeba", "img_celeba"
PARTITION = "list_eval_partition.txt"
ATTRIBUTES = "list_attr_celeba.txt"
IDENTITIES = "identity_CelebA.txt"
BOXES = "list_bbox_celeba.txt"
LANDMARKS_WILD = "list_landmarks_celeba.txt"
LANDMARKS_ALIGNED = "list_landmarks_align_celeba.txt"
PAGE = "https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html"


@dataclass(frozen=True)
class Annotation:
    """A table: its columns (of the attributes' forty, none is required) and what needs it."""

    columns: tuple[str, ...]
    header: bool
    needed_for: str
    decimals: bool = False


ANNOTATIONS = {
    PARTITION: Annotation(("partition",), False, "the authors' parts"),
    LANDMARKS_ALIGNED: Annotation(LANDMARKS, True, "knowing the data set", True),
    LANDMARKS_WILD: Annotation(LANDMARKS, True, "wild", True),
    BOXES: Annotation(("x_1", "y_1", "width", "height"), True, "wild by box", True),
    ATTRIBUTES: Annotation((), True, "only, mix"),
    IDENTITIES: Annotation(("identity",), False, "disjoint"),
}


@dataclass(frozen=True)
class Remote:
    """A file on the authors' Google Drive; of the 7z parts no sum is published."""

    name: str
    drive: str
    md5: str | None = None


# As in torchvision.datasets.CelebA, which leaves the two files in the wild out.
TABLES = (
    Remote(PARTITION, "0B7EVK8r0v71pY0NSMzRuSXJEVkk", "d32c9cbf5e040fd4025c592c306e6668"),
    Remote(ATTRIBUTES, "0B7EVK8r0v71pblRyaVFSWGxPY0U", "75e246fa4810816ffd6ee81facbd244c"),
    Remote(IDENTITIES, "1_ee_0u7vcNLOfNLegJRHmolfH5ICW-XS", "32bd1bd63d3c78cd57e08160ec5ed1e2"),
    Remote(BOXES, "0B7EVK8r0v71pbThiMVRxWXZ4dU0", "00566efa6fedff7a56946cd1c10f1c16"),
    Remote(LANDMARKS_ALIGNED, "0B7EVK8r0v71pd0FJY3Blby1HUTQ", "cc24ecafdb5b50baae59b03474781f8c"),
    Remote(LANDMARKS_WILD, "0B7EVK8r0v71pTzJIdlJWdHczRlU", "063ee6ddb681f96bc9ca28c6febb9d1a"),
)
ALIGNED_ZIP = Remote(
    f"{ALIGNED}.zip", "0B7EVK8r0v71pZjFTYXZWM3FlRnM", "00d2c5bc6d35e252742224ab0c1e8fcb"
)
_PARTS = (
    "0B7EVK8r0v71pQy1YUGtHeUM2dUE", "0B7EVK8r0v71peFphOHpxODd5SjQ", "0B7EVK8r0v71pMk5FeXRlOXcxVVU",
    "0B7EVK8r0v71peXc4WldxZGFUbk0", "0B7EVK8r0v71pMktaV1hjZUJhLWM", "0B7EVK8r0v71pbWFfbGRDOVZxOUU",
    "0B7EVK8r0v71pQlZrOENSOUhkQ3c", "0B7EVK8r0v71pLVltX2F6dzVwT0E", "0B7EVK8r0v71pVlg5SmtLa1ZiU0k",
    "0B7EVK8r0v71pa09rcFF4THRmSFU", "0B7EVK8r0v71pNU9BZVBEMF9KN28", "0B7EVK8r0v71pTVd3R2NpQ0FHaGM",
    "0B7EVK8r0v71paXBad2lfSzlzSlk", "0B7EVK8r0v71pcTFwT1VFZzkzZk0",
)  # fmt: skip
WILD_PARTS = tuple(
    Remote(f"{WILD}.7z.{number:03d}", drive) for number, drive in enumerate(_PARTS, 1)
)
OFFICIAL_MD5 = {remote.name: remote.md5 for remote in (*TABLES, ALIGNED_ZIP)}
