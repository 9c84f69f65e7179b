"""One booster that answers with the mean of several, so that many cost one call.

To predict one row, a call of LightGBM costs more than hundreds of its trees. The trees of all
boosters are written into one model text, and each leaf answers with its share: the sum of the
trees is the mean of the boosters, and its SHAP values are the mean of theirs.
"""

import re
from collections.abc import Sequence
from typing import Final

import lightgbm as lgb

_TREES: Final = "\nTree="
_END: Final = "\nend of trees"
_SIZES: Final = re.compile(r"^tree_sizes=.*\n", re.MULTILINE)
_ANSWERS: Final = re.compile(r"^(leaf_value|internal_value)=(.*)$", re.MULTILINE)


def averaged(boosters: Sequence[lgb.Booster]) -> lgb.Booster:
    """Return one booster whose raw answers are the mean of those of boosters of equal columns."""
    if len(boosters) == 1:
        return boosters[0]
    texts = [booster.model_to_string() for booster in boosters]
    head = _SIZES.sub("", texts[0].partition(_TREES)[0])  # LightGBM then reads tree by tree
    tail = texts[0].partition(_END)[2]
    trees = [
        tree.partition("\n")[2]
        for text in texts
        for tree in text.partition(_END)[0].split(_TREES)[1:]
    ]
    numbered = "".join(f"{_TREES}{number}\n{tree}" for number, tree in enumerate(trees))
    shared = _ANSWERS.sub(lambda found: _shared(found[1], found[2], len(boosters)), numbered)
    return lgb.Booster(model_str=f"{head}{shared}{_END}{tail}")


def _shared(name: str, answers: str, count: int) -> str:
    return f"{name}={' '.join(repr(float(one) / count) for one in answers.split())}"
