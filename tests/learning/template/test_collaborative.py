from pathlib import Path

import numpy as np
import pandas as pd

from pipelines.learning.template.collaborative import Collaborative

# Even clients have templates 0 and 1, odd ones 2 and 3; the last of each had one only.
PAIRS = [(client, 2 * (client % 2) + kind) for client in range(20) for kind in (0, 0, 1)]
PAIRS += [(20, 0), (21, 2)] + [(21, 2)] * 3


def fitted(seed: int = 0) -> Collaborative:
    clients = pd.Series([f"c{client:02d}" for client, _ in PAIRS])
    return Collaborative.fit(clients, np.array([t for _, t in PAIRS]), 4, 0.1, seed)


def test_clients_alike_and_for_a_new_client_what_all_ask_for() -> None:
    shares = np.bincount([t for _, t in PAIRS]) / len(PAIRS)
    scores = fitted().scores(pd.Series(["c20", "c21", "new", None]))
    # What their kind has too comes second, though they never had it.
    assert np.argsort(-scores[0])[:2].tolist() == [0, 1]
    assert np.argsort(-scores[1])[:2].tolist() == [2, 3]
    np.testing.assert_allclose(scores[2:], [shares, shares])


def test_without_clients_everyone_is_answered_alike() -> None:
    nobody = pd.Series([None] * 3, dtype=object)
    model = Collaborative.fit(nobody, np.array([0, 1, 1]), 3, 1.0, 0)
    np.testing.assert_allclose(model.scores(pd.Series(["c"])), [[1 / 3, 2 / 3, 0]])


def test_the_same_seed_gives_the_same_and_what_is_saved_answers_the_same(tmp_path: Path) -> None:
    clients = pd.Series([f"c{client:02d}" for client in range(22)])
    scores = fitted().scores(clients)
    np.testing.assert_array_equal(fitted().scores(clients), scores)
    model = fitted()
    loaded = Collaborative.load(tmp_path, model.save(tmp_path))
    np.testing.assert_array_equal(loaded.scores(clients), scores)
