"""Sources on a block explorer, by exactly what the compiler was given here."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any, Protocol

from ape.exceptions import ApeException
from requests import RequestException

from closeout.chain.abi import ContractAbi
from closeout.errors import EnvironmentProblem
from closeout.toolchain.artifacts import Artifact
from closeout.toolchain.compile import standard_input
from closeout.toolchain.settings import compiler_settings
from closeout.toolchain.solc import solc_version

__all__ = ["KEY_VARIABLE", "EtherscanExplorer", "Explorer", "has_key", "publish_all"]

KEY_VARIABLE = "ETHERSCAN_API_KEY"
MIT = 3
# An explorer compiles in its own time.
ATTEMPTS = 20
SECONDS_BETWEEN = 5.0


class Explorer(Protocol):
    """Takes sources."""

    def publish(self, artifact: Artifact, address: str, constructor_arguments: str) -> str:
        """What the explorer says in the end. Raises EnvironmentProblem where it does not answer."""


def has_key() -> bool:
    """Whether a key is set; without one nothing is sent to an explorer."""
    return bool(os.environ.get(KEY_VARIABLE))


class EtherscanExplorer:
    """An explorer with Etherscan's API, by ape-etherscan's client."""

    def __init__(self, clients: Any, seconds_between: float = SECONDS_BETWEEN) -> None:
        self._clients, self._seconds = clients, seconds_between

    @classmethod
    def of(cls, provider: Any) -> EtherscanExplorer:
        """The explorer of an Ape provider's network. Raises EnvironmentProblem where it has none."""
        from ape_etherscan import Etherscan

        explorer = provider.network.explorer
        if not isinstance(explorer, Etherscan):
            raise EnvironmentProblem(f"{KEY_VARIABLE} is set, but the network has no explorer that takes sources")
        return cls(explorer._client_factory)

    def publish(self, artifact: Artifact, address: str, constructor_arguments: str) -> str:
        """See `Explorer`."""
        settings = compiler_settings()
        client = self._clients.get_contract_client(address)
        try:
            guid = client.verify_source_code(
                standard_input(artifact.source),
                solc_version(),
                contract_name=f"{artifact.source}:{artifact.name}",
                optimization_used=settings.optimize,
                optimization_runs=settings.optimization_runs,
                constructor_arguments=constructor_arguments,
                evm_version=settings.evm_version,
                license_type=MIT,
                via_ir=settings.via_ir,
            )
            for _ in range(ATTEMPTS):
                status = str(client.check_verify_status(guid))
                if "pending" not in status.lower():
                    return status
                time.sleep(self._seconds)
        except (ApeException, RequestException) as error:
            if "already verified" in str(error).lower():
                return "already verified"
            raise EnvironmentProblem(f"explorer: {artifact.name} at {address}: {error}") from None
        return "still pending"


def publish_all(explorer: Explorer, record: Mapping[str, Any], artifacts: Mapping[str, Artifact]) -> dict[str, str]:
    """Publishes every contract of a record; what the explorer says, by address."""
    said = {}
    for item in record["contracts"]:
        artifact = artifacts[item["contract"]]
        arguments = ContractAbi(artifact).constructor(*_typed(item["arguments"]))
        said[item["address"]] = explorer.publish(artifact, item["address"], arguments)
    return said


def _typed(value: Any) -> Any:
    """Arguments of a record, where integers are text."""
    if isinstance(value, list):
        return [_typed(item) for item in value]
    return int(value) if isinstance(value, str) and value.lstrip("-").isdigit() else value
