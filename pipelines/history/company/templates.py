"""The company's catalogue: functions and their skills, and the six templates of its work.

A step waits for all steps in `after`; two steps after the same one run in parallel, and a
step after two others joins them. Hours are those of a person of level 3 on an average case.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

# Function -> its skills, the usual one first. A team has one function at one site.
FUNCTIONS: Final[dict[str, tuple[str, ...]]] = {
    "service-desk": ("intake", "client-care"),
    "assessment": ("risk-analysis", "contract-terms"),
    "legal": ("drafting", "compliance"),
    "field-service": ("diagnosis", "installation"),
    "finance": ("billing", "settlement"),
    "quality": ("quality-review", "expertise"),
}
FUNCTION_OF_SKILL: Final = {skill: name for name, skills in FUNCTIONS.items() for skill in skills}

REWORK_RATIO: Final = 0.4  # hours of doing a step again, of those of the first time


@dataclass(frozen=True)
class Step:
    """One task a template asks for."""

    activity: str
    skill: str
    hours: float
    after: tuple[str, ...] = ()
    share: float = 1.0  # of workflows that need it; others pass it by
    reviews: str | None = None  # the activity that is done again when this review fails
    only_accepted: bool = False  # passed by where the request is rejected


@dataclass(frozen=True)
class Template:
    """A kind of workflow: its steps, how often it is asked for, and what clients are promised."""

    template_id: str
    name: str
    weight: float  # share of all workflows
    promised_days: float  # working days to the due date: normal priority, average client
    rejected_ratio: float
    peak_month: int  # when it is asked for most
    products: tuple[str, ...]
    steps: tuple[Step, ...]

    @cached_property
    def position(self) -> dict[str, int]:
        """Index of each activity's step."""
        return {step.activity: index for index, step in enumerate(self.steps)}

    @cached_property
    def successors(self) -> tuple[tuple[int, ...], ...]:
        """For each step the indexes of those that wait for it."""
        return tuple(
            tuple(i for i, later in enumerate(self.steps) if step.activity in later.after)
            for step in self.steps
        )

    @cached_property
    def due_ratio(self) -> tuple[float, ...]:
        """For each step the part of the promised time after which it should be done."""
        reached: list[float] = []
        for step in self.steps:
            before = max((reached[self.position[name]] for name in step.after), default=0.0)
            # Two hours of waiting come with every step, however short its work.
            reached.append(before + step.hours + 2.0)
        return tuple(hours / max(reached) for hours in reached)


def _template(template_id: str, *steps: Step, **facts: object) -> Template:
    return Template(template_id, template_id.replace("-", " ").capitalize(), steps=steps, **facts)  # type: ignore[arg-type]


TEMPLATES: Final[tuple[Template, ...]] = (
    _template(
        "new-contract",
        Step("Register request", "intake", 1.0),
        Step("Assess risk", "risk-analysis", 7.0, ("Register request",)),
        Step("Check documents", "compliance", 3.5, ("Register request",)),
        Step("Draft contract", "drafting", 8.0, ("Assess risk", "Check documents")),
        Step("Review contract", "quality-review", 3.5, ("Draft contract",), 1, "Draft contract"),
        Step("Sign contract", "client-care", 2.0, ("Review contract",), only_accepted=True),
        Step("Activate service", "billing", 2.5, ("Sign contract",), only_accepted=True),
        weight=0.18,
        promised_days=12.5,
        rejected_ratio=0.2,
        peak_month=10,
        products=("lease", "maintenance", "rental"),
    ),
    _template(
        "damage-claim",
        Step("Register claim", "intake", 1.2),
        Step("Assess damage", "diagnosis", 6.5, ("Register claim",)),
        Step("Check coverage", "contract-terms", 5.0, ("Register claim",)),
        Step("Obtain expert opinion", "expertise", 9.0, ("Assess damage",), 0.25),
        Step("Decide claim", "risk-analysis", 5.5, ("Check coverage", "Obtain expert opinion")),
        Step("Review decision", "quality-review", 3.0, ("Decide claim",), 1, "Decide claim"),
        Step("Pay claim", "settlement", 2.5, ("Review decision",), only_accepted=True),
        Step("Inform client", "client-care", 1.2, ("Review decision",)),
        weight=0.20,
        promised_days=12.0,
        rejected_ratio=0.3,
        peak_month=2,
        products=("lease", "rental", "insurance"),
    ),
    _template(
        "installation",
        Step("Plan installation", "client-care", 2.5),
        Step("Order parts", "billing", 3.5, ("Plan installation",)),
        Step("Prepare site", "diagnosis", 5.5, ("Plan installation",)),
        Step("Install equipment", "installation", 13.0, ("Order parts", "Prepare site")),
        Step(
            "Accept installation", "quality-review", 4.5, ("Install equipment",), 1,
            "Install equipment",
        ),
        Step("Invoice installation", "billing", 2.5, ("Accept installation",)),
        weight=0.16,
        promised_days=13.5,
        rejected_ratio=0.03,
        peak_month=6,
        products=("lease", "maintenance", "purchase"),
    ),
    _template(
        "support-case",
        Step("Take in charge", "intake", 0.8),
        Step("Diagnose fault", "diagnosis", 4.5, ("Take in charge",)),
        Step("Repair fault", "installation", 7.0, ("Diagnose fault",), 0.55),
        Step("Answer client", "client-care", 1.8, ("Repair fault",)),
        weight=0.24,
        promised_days=5.5,
        rejected_ratio=0.08,
        peak_month=1,
        products=("lease", "maintenance", "rental", "purchase"),
    ),
    _template(
        "contract-change",
        Step("Register change", "intake", 1.0),
        Step("Check terms", "contract-terms", 4.5, ("Register change",)),
        Step("Recalculate price", "billing", 4.5, ("Register change",)),
        Step("Update contract", "drafting", 5.5, ("Check terms", "Recalculate price")),
        Step("Review change", "quality-review", 2.5, ("Update contract",), 1, "Update contract"),
        Step("Confirm change", "client-care", 1.2, ("Review change",)),
        weight=0.14,
        promised_days=9.0,
        rejected_ratio=0.12,
        peak_month=4,
        products=("lease", "maintenance", "rental", "insurance"),
    ),
    _template(
        "termination",
        Step("Register termination", "intake", 1.0),
        Step("Recover equipment", "installation", 8.0, ("Register termination",)),
        Step("Settle account", "settlement", 6.0, ("Register termination",)),
        Step("Check compliance", "compliance", 3.5, ("Settle account",), 0.4),
        Step(
            "Review settlement", "quality-review", 3.0, ("Recover equipment", "Check compliance"),
            1, "Settle account",
        ),
        Step("Close contract", "drafting", 2.5, ("Review settlement",)),
        weight=0.08,
        promised_days=11.0,
        rejected_ratio=0.05,
        peak_month=12,
        products=("lease", "rental", "insurance"),
    ),
)  # fmt: skip


def with_compliance_check(template: Template) -> Template:
    """Return the template with one more step, a full compliance check before its last step."""
    *before, last = template.steps
    check = Step("Full compliance check", "compliance", 6.0, last.after)
    # The rest of a rejected request is passed by as before, the new check included.
    check = replace(check, only_accepted=last.only_accepted)
    return replace(template, steps=(*before, check, replace(last, after=(check.activity,))))
