"""How a chain shows that a step is done: read from its state, so that a lost journal costs nothing.

A deployed contract is known by its address, which commits to its code and arguments. Of each function that a deployment
calls this module knows what is different afterwards; a function it does not know is refused when the plan is made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from eth_abi.exceptions import DecodingError

from closeout.chain.abi import ContractAbi
from closeout.chain.rpc import RpcError
from closeout.toolchain.artifacts import Artifact

from .plan import Call, Create, Plan, Step
from .ports import Rpc

__all__ = ["Effects", "Reader"]

ZERO = "0x" + "00" * 20


class Reader:
    """Views of our contracts by name, address and function, at one block."""

    def __init__(self, rpc: Rpc, artifacts: Mapping[str, Artifact], block: str = "latest") -> None:
        self._rpc, self._artifacts, self._block = rpc, artifacts, block
        self._abis: dict[str, ContractAbi] = {}

    def abi(self, contract: str) -> ContractAbi:
        """A contract's ABI, made once."""
        if contract not in self._abis:
            self._abis[contract] = ContractAbi(self._artifacts[contract])
        return self._abis[contract]

    def read(self, contract: str, address: str, function: str, *arguments: Any) -> Any:
        """What a view returns. Raises RpcError where it reverts, or answers with something else than its ABI says."""
        entry = self.abi(contract).functions[function]
        data = self._rpc.call("eth_call", {"to": address, "data": entry.encode(*arguments)}, self._block)
        try:
            return entry.decode(data)
        except (DecodingError, ValueError):
            raise RpcError("eth_call", {"message": f"{contract}.{function} of {address} answers {data[:66]}"}) from None

    def code(self, address: str) -> str:
        """Code at an address, "0x" where there is none."""
        return str(self._rpc.call("eth_getCode", address, self._block))


Test = Callable[[Reader, Call], bool]


class Effects:
    """Whether the steps of one plan are done."""

    def __init__(self, reader: Reader, plan: Plan) -> None:
        self._reader = reader
        places = {step.contract: step.address for step in plan.creations}
        self._vault, self._lens = places.get("Vault", ZERO), places.get("Lens", ZERO)
        self._tests: dict[tuple[str, str], Test] = {
            ("Authority", "grantRole"): _has_role,
            ("Authority", "renounceRole"): _has_no_role,
            ("Authority", "revokeRole"): _has_no_role,
            ("Authority", "setTargetFunctionRole"): _is_wired,
            ("Authority", "setRoleGuardian"): _is_guarded,
            ("Authority", "multicall"): self._are_all_done,
            ("RiskConfigurator", "setProtocol"): self._is_protocol_set,
            ("RiskConfigurator", "listAsset"): self._is_listed,
            ("RiskSteward", "anchor"): _is_anchored,
            ("OracleRouter", "activate"): _is_active,
            ("OracleRouter", "setJumpBound"): _has_jump_bound,
            ("TestAggregator", "publish"): _has_answer,
            ("TestAggregator", "publishAt"): _has_answer,
        }
        for step in plan.steps:
            if isinstance(step, Call) and (step.contract, step.function) not in self._tests:
                raise NotImplementedError(f"nothing says how to see that {step.contract}.{step.function} is done")

    def is_done(self, step: Step) -> bool:
        """Reads the chain."""
        if isinstance(step, Create):
            return self._reader.code(step.address) != "0x"
        if self._reader.code(step.address) == "0x":
            return False
        return self._tests[step.contract, step.function](self._reader, step)

    def _are_all_done(self, reader: Reader, step: Call) -> bool:
        functions = {entry.selector: entry for entry in reader.abi(step.contract).functions.values()}
        for data in step.arguments[0]:
            entry = functions[data[:4]]
            inner = Call(step.contract, step.address, entry.name, entry.decode_arguments(data), "0x" + data.hex())
            if not self._tests[inner.contract, inner.function](reader, inner):
                return False
        return True

    def _is_protocol_set(self, reader: Reader, step: Call) -> bool:
        return bool(plain(reader.read("Lens", self._lens, "protocol")) == plain(step.arguments))

    def _is_listed(self, reader: Reader, step: Call) -> bool:
        try:
            reader.read("IVault", self._vault, "assetIdOf", step.arguments[0])
        except RpcError:
            return False
        return True


def _has_role(reader: Reader, step: Call) -> bool:
    role, account, delay = step.arguments
    return bool(reader.read("Authority", step.address, "hasRole", role, account) == (True, delay))


def _has_no_role(reader: Reader, step: Call) -> bool:
    role, account = step.arguments
    return not reader.read("Authority", step.address, "hasRole", role, account)[0]


def _is_wired(reader: Reader, step: Call) -> bool:
    target, selectors, role = step.arguments
    found = {reader.read("Authority", step.address, "getTargetFunctionRole", target, item) for item in selectors}
    return found == {role}


def _is_guarded(reader: Reader, step: Call) -> bool:
    role, guardian = step.arguments
    return bool(reader.read("Authority", step.address, "getRoleGuardian", role) == guardian)


def _is_anchored(reader: Reader, step: Call) -> bool:
    return bool(reader.read("RiskSteward", step.address, "isAnchored", *step.arguments))


def _is_active(reader: Reader, step: Call) -> bool:
    asset, adapter, _ = step.arguments
    return bool(reader.read("OracleRouter", step.address, "adapterOf", asset) == adapter.lower())


def _has_jump_bound(reader: Reader, step: Call) -> bool:
    asset, bound = step.arguments
    return bool(reader.read("OracleRouter", step.address, "sourceOf", asset)[3] == bound)


def _has_answer(reader: Reader, step: Call) -> bool:
    return bool(reader.read("TestAggregator", step.address, "latestRoundData")[0] != 0)


def plain(value: Any) -> Any:
    """Tuples of plain values, addresses in lower case: what was given and what is read back compare equal."""
    if isinstance(value, list | tuple):
        return tuple(plain(item) for item in value)
    return value.lower() if isinstance(value, str) else value
