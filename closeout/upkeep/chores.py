"""The chores of a deployment, found on its chain and judged by simulating each from the account that would do it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from eth_abi.exceptions import DecodingError
from eth_utils.address import to_checksum_address

from closeout.chain.abi import ContractAbi
from closeout.chain.inventory import asset_names
from closeout.chain.parameters import ZERO_ADDRESS, CollateralParameters
from closeout.chain.rpc import RpcError
from closeout.deployment.effects import Reader
from closeout.deployment.plan import Call
from closeout.deployment.ports import Rpc
from closeout.toolchain.artifacts import Artifact
from closeout.units import WAD

from .decisions import (
    Dispute,
    Interval,
    Judgement,
    ShareRecord,
    ShareTerms,
    State,
    clock,
    judge_dispute,
    judge_revert,
    judge_share,
    pauses_over,
)

__all__ = ["SOURCES", "Chore", "Chores"]

# the ABI of a share as good as any
SOURCES = ("contracts/SupplyToken.sol",)
"""What has to be compiled beside a deployment's own sources."""

NESTING = (
    ("DeviationAdapter", "PRIMARY"),
    ("DeviationAdapter", "SECONDARY"),
    ("CrossAdapter", "BASE_ADAPTER"),
    ("CrossAdapter", "QUOTE_ADAPTER"),
    ("Erc4626Adapter", "ASSET_ADAPTER"),
)
"""Views by which an adapter tells what it stands on, whichever adapter it is."""

# IOracleRouter's Status, IPriceAdapter's PriceStatus
FRESH, DEGRADED, MISSING = 0, 1, 2
MOST_ASSETS = 128
MOST_PRICE_WAD = 10**30


@dataclass(frozen=True)
class Chore:
    """One call that anybody may make. `judge` reads the chain as it is now; it raises RpcError where a call reverts."""

    call: Call
    subject: str
    judge: Callable[[], Judgement]

    @property
    def name(self) -> str:
        return f"{self.call.contract}.{self.call.function}"


@dataclass(frozen=True)
class _Asset:
    """A listed asset. `may_lift`: volatility may lift the target of accounts that hold it."""

    id: int
    token: str
    name: str
    may_lift: bool


class _OneByOne:
    """A node as those ask it who have several questions."""

    def __init__(self, rpc: Rpc) -> None:
        self._rpc = rpc

    def call(self, method: str, *params: Any) -> Any:
        return self._rpc.call(method, *params)

    def call_many(self, requests: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
        return [self._rpc.call(method, *params) for method, params in requests]


class Chores:
    """Those of one deployment. `addresses`: of our contracts, by name; `account`: who would send."""

    def __init__(
        self,
        rpc: Rpc,
        artifacts: Mapping[str, Artifact],
        addresses: Mapping[str, str],
        names: Mapping[str, str],
        account: str,
    ) -> None:
        self.rpc, self.addresses, self.artifacts = _OneByOne(rpc), addresses, artifacts
        self.reader = Reader(rpc, artifacts)
        self._names, self._account = names, account
        self._errors = ContractAbi(*(artifact for artifact in artifacts.values() if artifact.abi))
        self._seen: set[str] = set()

    def judged(self, chore: Chore) -> Judgement:
        """What a chore says now; where it reverts, what that means. Raises NodeError where the node does not answer."""
        try:
            try:
                return chore.judge()
            except RpcError as error:
                message = str(error)
                revert = self._errors.decode_revert(error.data)
        except (ArithmeticError, DecodingError, ValueError) as error:
            # adapters, shares and tokens may answer, and revert with, anything
            return judge_revert("", (), f"an answer that makes no sense ({error!r})")
        return judge_revert(revert.name, revert.arguments, message)

    def find(self) -> Iterator[Chore]:
        """All chores but those of accounts; adapters before the router, inner ones first: prices rest on them."""
        modules = self.reader.read("Lens", self.addresses["Lens"], "protocol")[0]
        _, _, _, _, router, volatility, *_ = modules
        assets = list(self._assets())
        self._seen.clear()
        for asset in assets:
            yield from self._adapters(asset.name, self._adapter_of(router, asset.token))
        for asset in assets:
            yield self._record(router, asset)
        if volatility != ZERO_ADDRESS:
            for asset in assets:
                if asset.may_lift:
                    yield self._sample(volatility, asset)
        for asset in assets:
            yield self._source(asset)
        yield from self._pauses({asset.id: asset.name for asset in assets})

    def due(self, call: Call, why: str = "") -> Judgement:
        """Due, with the node's estimate of gas. Raises RpcError where the call would revert."""
        request = {"from": self._account, "to": call.address, "data": call.data}
        return Judgement(State.DUE, why, int(self.rpc.call("eth_estimateGas", request, "latest"), 16))

    def call(self, contract: str, address: str, function: str, *arguments: Any, abi: str = "") -> Call:
        """A call as data. `abi`: the artifact that declares the function, where it is not the contract's own."""
        data = self.reader.abi(abi or contract).functions[function].encode(*arguments)
        # signers want it so, and what a chain answers is in lower case
        return Call(contract, to_checksum_address(address), function, arguments, data)

    def now(self) -> int:
        """The time of the newest block."""
        return int(self.rpc.call("eth_getBlockByNumber", "latest", False)["timestamp"], 16)

    # ------------------------------------------------------------------------------------------------------- assets

    def _assets(self) -> Iterator[_Asset]:
        """As they are listed; no token is asked for more than its name."""
        configurator = self.addresses["RiskConfigurator"]
        for asset_id in range(MOST_ASSETS):
            try:
                token, collateral, *_ = self.reader.read("RiskConfigurator", configurator, "assetParameters", asset_id)
            except RpcError as error:
                if self._errors.decode_revert(error.data).name == "AssetNotListed":
                    return
                raise
            may_lift = CollateralParameters(*collateral).most_target != 0
            yield _Asset(asset_id, token, self._name(token), may_lift)

    def _name(self, token: str) -> str:
        known = self._names.get(token.lower())
        return known or asset_names(self.rpc, self.artifacts, [token], [0])[0].symbol

    def _record(self, router: str, asset: _Asset) -> Chore:
        call = self.call("OracleRouter", router, "poke", asset.token)

        def judge() -> Judgement:
            due = self.due(call)
            _, recorded_at, missing_since = self.reader.read("OracleRouter", router, "lastGoodOf", asset.token)
            status = self.reader.read("OracleRouter", router, "readPrice", asset.token)[0]
            if status == MISSING:
                why = "the price is missing: notes it"
            elif missing_since:
                why = f"the price is back, missing since {clock(missing_since)}"
            else:
                why = f"last good price of {clock(recorded_at)}"
            return Judgement(State.DUE, why, due.gas)

        return Chore(call, asset.name, judge)

    def _sample(self, oracle: str, asset: _Asset) -> Chore:
        call = self.call("VolatilityOracle", oracle, "poke", asset.token)

        def judge() -> Judgement:
            due = self.due(call)
            time = self.reader.read("VolatilityOracle", oracle, "volatilityOf", asset.token)[1]
            return Judgement(State.DUE, f"last sample of {clock(time)}" if time else "never sampled", due.gas)

        return Chore(call, asset.name, judge)

    def _source(self, asset: _Asset) -> Chore:
        call = self.call("RiskConfigurator", self.addresses["RiskConfigurator"], "syncPriceSource", asset.id)
        return Chore(call, asset.name, partial(self.due, call, "the router's source is another than the table's"))

    # ------------------------------------------------------------------------------------------------------- pauses

    def _pauses(self, names: Mapping[int, str]) -> Iterator[Chore]:
        """One of each asset that is paused."""
        guardian = self.addresses["PauseGuardian"]
        paused = self.reader.read("PauseGuardian", guardian, "paused")
        now = self.now()
        for asset_id in range(MOST_ASSETS):
            bit = 1 << asset_id
            if not (paused[0] | paused[1]) & bit:
                continue
            until = self.reader.read("PauseGuardian", guardian, "pauseOf", asset_id)
            over = pauses_over(now, asset_id, paused, until)
            # one that runs is asked for, too: the refusal says until when
            sets = over if any(over) else (paused[0] & bit, paused[1] & bit)
            call = self.call("PauseGuardian", guardian, "lift", *sets)
            actions = [name for name, assets in zip(("borrowing", "withdrawing"), sets, strict=True) if assets]
            subject = f"{names.get(asset_id, asset_id)} {' and '.join(actions)}"
            yield Chore(call, subject, partial(self.due, call, "its time is over"))

    # ------------------------------------------------------------------------------------------------------ adapters

    def _adapter_of(self, router: str, token: str) -> str:
        try:
            return str(self.reader.read("OracleRouter", router, "adapterOf", token))
        except RpcError:
            # the router's own chore says so
            return ZERO_ADDRESS

    def _adapters(self, name: str, adapter: str) -> Iterator[Chore]:
        """Those that keep a record among an adapter and what it stands on, each once, inner ones first."""
        if adapter == ZERO_ADDRESS or adapter in self._seen:
            return
        self._seen.add(adapter)
        for contract, view in NESTING:
            inner = self._tried(contract, adapter, view)
            if inner is not None and self.reader.code(inner) != "0x":
                yield from self._adapters(name, inner)
        subject = f"{name} {adapter[:6]}…{adapter[-4:]}"
        if self._tried("DeviationAdapter", adapter, "DISPUTE_PERIOD"):
            yield self._dispute(subject, adapter)
        elif self._tried("Erc4626Adapter", adapter, "CONFIRM_AFTER"):
            yield self._share(subject, adapter)

    def _tried(self, contract: str, address: str, view: str) -> Any:
        """None where the view does not answer: then it is another kind of contract."""
        try:
            return self.reader.read(contract, address, view)
        except RpcError:
            return None

    def _dispute(self, subject: str, adapter: str) -> Chore:
        call = self.call("DeviationAdapter", adapter, "poke")
        read = partial(self.reader.read, "DeviationAdapter", adapter)

        def judge() -> Judgement:
            due, now = self.due(call), self.now()
            sides = (self._interval(read(side), now) for side in ("PRIMARY", "SECONDARY"))
            found = judge_dispute(
                now, Dispute(*read("dispute")), read("DISPUTE_PERIOD"), read("MAX_DEVIATION_BPS"), *sides
            )
            return Judgement(found.state, found.why, due.gas)

        return Chore(call, subject, judge)

    def _interval(self, adapter: str, now: int) -> Interval | None:
        """What counts as an answer is what contracts/oracles/BoundedCall.sol takes for one."""
        answer = self._tried("DeviationAdapter", adapter, "price")
        if answer is None:
            return None
        low, high, time, status = answer
        is_sound = 0 < low <= high <= MOST_PRICE_WAD and time <= now and status in (FRESH, DEGRADED)
        return Interval(low, high) if is_sound and (status == DEGRADED or low == high) else None

    def _share(self, subject: str, adapter: str) -> Chore:
        call = self.call("Erc4626Adapter", adapter, "poke")
        read = partial(self.reader.read, "Erc4626Adapter", adapter)

        def judge() -> Judgement:
            due = self.due(call)
            share = read("SHARE")
            asset = self.reader.read("SupplyToken", share, "asset")
            unit, asset_unit = (10 ** self.reader.read("SupplyToken", token, "decimals") for token in (share, asset))
            live = self.reader.read("SupplyToken", share, "convertToAssets", unit) * WAD // asset_unit
            terms = ShareTerms(read("MAX_GROWTH_BPS_PER_YEAR"), read("MAX_DROP_BPS"), read("CONFIRM_AFTER"))
            found = judge_share(self.now(), ShareRecord(*read("record")), live, read("capWad"), terms)
            return Judgement(found.state, found.why, due.gas)

        return Chore(call, subject, judge)
