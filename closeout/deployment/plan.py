"""A deployment as data: steps in order, every address known before anything is sent.

The steps are not a second description of the deployment. They are what `deploy_protocol` asks of its `Deployer`,
written down: the recorder stands in for a chain and answers with CREATE2 addresses.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from closeout.chain.abi import ContractAbi
from closeout.toolchain.artifacts import Artifact

__all__ = ["PROXY", "Call", "Create", "Plan", "Recorder", "Step", "create2_address", "transaction"]

PROXY = "0x4e59b44847b379578588920cA78FbF26c0B4956C"
"""The deterministic deployment proxy: salt and creation code in, contract out, at the same address on every chain."""


@dataclass(frozen=True)
class Create:
    """A contract deployed through the proxy. Its address commits to its code, its arguments and the salt."""

    contract: str
    arguments: tuple[Any, ...]
    init_code: str = field(repr=False)
    salt: str
    address: str

    @property
    def label(self) -> str:
        return f"deploy {self.contract} at {self.address}"


@dataclass(frozen=True)
class Call:
    """A function of one of our contracts, called by the deployer."""

    contract: str
    address: str
    function: str
    arguments: tuple[Any, ...]
    data: str = field(repr=False)

    @property
    def label(self) -> str:
        return f"call {self.contract}.{self.function} of {self.address}, data {short_digest(self.data)}"


Step = Create | Call


@dataclass(frozen=True)
class Plan:
    """Steps in order and who carries them out."""

    deployer: str
    steps: tuple[Step, ...]

    @property
    def digest(self) -> str:
        """Changes with any step: a journal belongs to one plan."""
        text = "\n".join(f"{to} {data}" for to, data in map(transaction, self.steps))
        return "sha256:" + hashlib.sha256(f"{self.deployer}\n{text}".encode()).hexdigest()

    @property
    def creations(self) -> tuple[Create, ...]:
        return tuple(step for step in self.steps if isinstance(step, Create))


@dataclass
class Recorder:
    """The `Deployer` that sends nothing: it writes down what it is asked, and knows every address beforehand."""

    address: str
    artifacts: Mapping[str, Artifact]
    salt: str
    steps: list[Step] = field(default_factory=list)

    def deploy(self, name: str, *arguments: Any) -> str:
        """See `closeout.chain.deploy.Deployer`."""
        artifact = self.artifacts[name]
        init_code = artifact.bytecode + ContractAbi(artifact).constructor(*arguments)
        salt = "0x" + keccak(text=f"{self.salt}: {name}").hex()
        address = create2_address(salt, init_code)
        step = Create(name, arguments, init_code, salt, address)
        if step not in self.steps:
            self.steps.append(step)
        return address

    def transact(self, name: str, address: str, function: str, *arguments: Any) -> None:
        """See `closeout.chain.deploy.Deployer`."""
        data = ContractAbi(self.artifacts[name]).functions[function].encode(*arguments)
        self.steps.append(Call(name, address, function, arguments, data))

    def plan(self) -> Plan:
        """What was asked so far."""
        return Plan(self.address, tuple(self.steps))


def create2_address(salt: str, init_code: str) -> str:
    """Where the proxy deploys to."""
    parts = bytes.fromhex("ff" + PROXY[2:] + salt[2:]) + keccak(hexstr=init_code)
    return to_checksum_address(keccak(parts)[12:])


def transaction(step: Step) -> tuple[str, str]:
    """Whom the step's transaction is sent to, and its data."""
    if isinstance(step, Create):
        return PROXY, step.salt + step.init_code[2:]
    return step.address, step.data


def short_digest(data: str) -> str:
    """A few digits that tell two calls apart."""
    return keccak(hexstr=data).hex()[:8]
