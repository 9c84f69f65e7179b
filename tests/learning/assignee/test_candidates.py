import numpy as np

from pipelines.learning.assignee.candidates import SOURCES, eligible_people, nominate


def test_every_source_names_its_best() -> None:
    vectors = {name: np.full(12, np.nan) for name in SOURCES}
    for number, (name, is_more_better) in enumerate(SOURCES.items()):
        vectors[name][:] = 5
        vectors[name][11 - number] = 9 if is_more_better else 1
    everyone = np.ones(12, dtype=bool)
    assert nominate(vectors, everyone, 12).tolist() == list(range(12))
    best = range(12 - len(SOURCES), 12)
    chosen = nominate(vectors, everyone, len(SOURCES) + 1)
    assert set(best) <= set(chosen.tolist())
    assert len(chosen) == len(SOURCES) + 1
    without = nominate(vectors, everyone & (np.arange(12) != 11), len(SOURCES))
    assert 11 not in without.tolist()


def test_present_excluded_and_strangers_to_the_roster_are_not_eligible() -> None:
    assert eligible_people(4).tolist() == [True] * 4
    assert eligible_people(4, excluded=[0, 2]).tolist() == [False, True, False, True]
    assert eligible_people(4, excluded=[0], roster=[0, 3]).tolist() == [False, False, False, True]
