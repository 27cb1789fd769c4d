"""The scenarios by name."""

from clients import Difference, Trial

SCENARIOS = {}


def scenario(**options):
    """Registers a scenario, by its name; `options` are those of the repository. `cases` makes one of each."""
    cases = options.pop("cases", None)

    def register(function):
        name = function.__name__
        if cases is None:
            SCENARIOS[name] = lambda gateway: (Trial(gateway, **options), function)
        else:
            for case in cases:
                arguments = case if isinstance(case, tuple) else (case,)
                def make(gateway, arguments=arguments):
                    return Trial(gateway, **options), lambda trial: function(trial, *arguments)
                SCENARIOS[f"{name}[{len(SCENARIOS)}: {str(arguments[0])[:40]}]"] = make
        return function

    return register


def said(trial, words):
    """Our last refusal contains these words."""
    if words not in trial.refusals[-1]:
        raise Difference(f"our client said {trial.refusals[-1]!r}, expected {words!r}")
