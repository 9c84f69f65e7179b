import json

from .conftest import History


def test_a_task_is_created_when_all_before_it_are_over(small: History) -> None:
    tasks = small.frame("tasks").merge(small.frame("workflows")[["workflow_id", "template_id"]])
    tasks["ended_at"] = tasks.completed_at.fillna(tasks.cancelled_at)
    steps = small.frame("template_tasks")
    asked = tasks.merge(steps.explode("predecessors"), on=["template_id", "activity"])
    asked = asked.dropna(subset="predecessors")
    before = tasks[["workflow_id", "activity", "task_id", "created_at", "ended_at"]]
    pairs = asked.merge(
        before,
        how="left",
        left_on=["workflow_id", "predecessors"],
        right_on=["workflow_id", "activity"],
        suffixes=("", "_before"),
    )
    # Rework: a later task of the predecessor belongs to a later task of the step.
    earlier = pairs[pairs.created_at_before <= pairs.created_at]
    assert len(earlier) > 2_000
    assert (earlier.ended_at_before <= earlier.created_at).all()

    # A step that not all need may be passed by; the others have been there.
    key = ["task_id", "predecessors"]
    there = set(zip(*(earlier[name] for name in key), strict=True))
    missing = asked[[pair not in there for pair in zip(*(asked[n] for n in key), strict=True)]]
    flags = steps.set_index(["template_id", "activity"]).attributes
    optional = set(flags.index[flags.str.contains('"is_optional": true')])
    assert len(missing) > 0
    assert set(zip(missing.template_id, missing.predecessors, strict=True)) <= optional


def test_a_returned_review_makes_its_task_be_done_again(small: History) -> None:
    events, tasks = small.frame("task_events"), small.frame("tasks")
    returned = events[events.attributes.str.contains("returned")]
    reviews = small.frame("template_tasks")
    reviews = reviews[reviews.attributes.str.contains("reviews")].set_index("activity").attributes
    assert len(returned) > 10
    for event in returned.itertuples():
        reviewed = json.loads(reviews[event.activity])["reviews"]
        own = tasks[tasks.workflow_id == event.workflow_id]
        again = own[(own.activity == reviewed) & (own.created_at == event.occurred_at)]
        # Nothing is created any more once the last task of the simulation is.
        assert len(again) == 1 or event.occurred_at == events.occurred_at.max()


def test_templates_have_branches_and_joins(small: History) -> None:
    steps = small.frame("template_tasks")
    assert steps.template_id.nunique() == 6
    joins = steps[steps.predecessors.str.len() > 1]
    followers = steps.explode("predecessors").groupby(["template_id", "predecessors"]).size()
    assert len(joins) >= 4
    assert (followers > 1).sum() >= 4
