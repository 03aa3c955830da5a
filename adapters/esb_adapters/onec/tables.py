"""The facts of every configuration by the name it has in the landscape; the types are in `configurations.py`."""

from collections.abc import Mapping

from esb_adapters.onec.configurations import ConfigurationFacts
from esb_adapters.onec.errors import NotInConfiguration
from esb_adapters.onec.tables_bp import BP_20, BP_30
from esb_adapters.onec.tables_retail import RETAIL_2, RETAIL_3
from esb_adapters.onec.tables_ut import UT_114, UT_115

CONFIGURATIONS: Mapping[str, ConfigurationFacts] = {
    facts.name: facts for facts in (UT_114, UT_115, BP_20, BP_30, RETAIL_2, RETAIL_3)
}


def configuration(name: str) -> ConfigurationFacts:
    """Return the facts of a configuration.

    Raises:
        NotInConfiguration: there are none for it («custom»).
    """
    if name not in CONFIGURATIONS:
        raise NotInConfiguration(
            f"no table describes the configuration {name!r}; known are {', '.join(CONFIGURATIONS)}"
        )
    return CONFIGURATIONS[name]
