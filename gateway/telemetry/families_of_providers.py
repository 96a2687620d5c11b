"""The metrics of providers: when another one had to be asked, and when one is left alone."""

from gateway.telemetry.family import Family, Kind

FAILOVERS = Family(
    name="tollkeeper_failovers_total",
    kind=Kind.COUNTER,
    help="Attempts at a provider after which the call was asked for again, by their outcome.",
    labels=("provider", "attempt"),
    sparse=True,
)
EJECTIONS = Family(
    name="tollkeeper_provider_ejections_total",
    kind=Kind.COUNTER,
    help="Times that a worker took a provider out of service for its failures.",
    labels=("provider",),
)
COOLINGS = Family(
    name="tollkeeper_provider_coolings_total",
    kind=Kind.COUNTER,
    help="Times that a worker left a model at a provider alone because it was asked too often.",
    labels=("provider",),
)
EJECTED = Family(
    name="tollkeeper_provider_ejected_workers",
    kind=Kind.GAUGE,
    help="Workers that have the provider out of service now.",
    labels=("provider",),
)

PROBES = Family(
    name="tollkeeper_provider_probes_total",
    kind=Kind.COUNTER,
    help="Probes of providers, by what they say of it.",
    labels=("provider", "probe"),
    sparse=True,
)
HEDGES = Family(
    name="tollkeeper_hedges_total",
    kind=Kind.COUNTER,
    help="Requests sent to a provider while another one had not begun to answer, by their end.",
    labels=("provider", "hedge"),
    sparse=True,
)
HEDGES_WITHHELD = Family(
    name="tollkeeper_hedges_withheld_total",
    kind=Kind.COUNTER,
    help="Calls that no second provider was asked for because the budget for that was used up.",
)
CUT_OFF_TOKENS = Family(
    name="tollkeeper_cut_off_prompt_tokens_total",
    kind=Kind.COUNTER,
    help="Prompt tokens of charged calls sent to this provider too and cut off: it may bill them.",
    labels=("provider",),
)

FAMILIES_OF_PROVIDERS = (
    FAILOVERS,
    EJECTIONS,
    COOLINGS,
    EJECTED,
    PROBES,
    HEDGES,
    HEDGES_WITHHELD,
    CUT_OFF_TOKENS,
)
