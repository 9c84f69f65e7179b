import numpy as np
import pandas as pd

from pipelines.learning.next_activity.prefixes import LAST_ACTIVITIES
from pipelines.learning.next_activity.vocabulary import Vocabulary

VOCABULARY = Vocabulary(("ask", "check", "pay"))


def test_unknown_activities_and_none_have_codes_of_their_own() -> None:
    rows = [["pay", "ask", "never seen", None, None], ["check", "pay", "ask", "ask", None]]
    expected = [[2, 0, 3, 4, 4], [1, 2, 0, 0, 4]]
    assert VOCABULARY.contexts_of(rows).tolist() == expected
    frame = pd.DataFrame(rows, columns=list(LAST_ACTIVITIES))
    for missing in (frame, frame.where(frame.notna(), np.nan), frame.astype("string")):
        assert VOCABULARY.contexts(missing).tolist() == expected
    assert VOCABULARY.contexts(frame.head(0)).shape == (0, 5)
    assert VOCABULARY.base == 5
