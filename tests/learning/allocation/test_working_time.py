from dataclasses import replace

from pipelines.learning.allocation import plan_allocation
from pipelines.learning.allocation.working_time import working_time
from tests.learning.allocation.instances import AS_OF, even, hours, person, task, week


def test_a_plan_leaves_the_calendars_that_others_use_as_they_were() -> None:
    calendar = working_time(week(), AS_OF, None)
    begins, ends, worked = ([*one] for one in (calendar.begins, calendar.ends, calendar.worked))
    tasks = [task("a", predecessors=("b",)), task("b"), task("c", due_at=AS_OF)]
    first = plan_allocation(tasks, [person("p"), person("q")], even(3, 2, 3.0), AS_OF)
    assert plan_allocation(tasks, [person("p"), person("q")], even(3, 2, 3.0), AS_OF) == first
    assert (calendar.begins, calendar.ends, calendar.worked) == (begins, ends, worked)


def test_the_same_periods_differ_by_moment_and_by_other_work() -> None:
    assert working_time(week(), AS_OF, None).total == 39 * 3_600
    assert working_time(week(), AS_OF, AS_OF + hours(2)).total == 37 * 3_600
    assert working_time(week(), AS_OF + hours(1), None).total == 38 * 3_600


def test_periods_may_come_as_a_list() -> None:
    one = person("p")
    listed = replace(one, working=list(one.working))  # type: ignore[arg-type]
    estimates = even(1, 1, 3.0)
    plan = plan_allocation([task("a")], [listed], estimates, AS_OF)
    assert plan == plan_allocation([task("a")], [one], estimates, AS_OF)
