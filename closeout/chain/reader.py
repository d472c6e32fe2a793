"""The keeper's `ChainReader` on a node: raw JSON-RPC, everything at a stated block's hash, batched.

A block costs one call for its logs, and two for prices, with their times, and configuration (a third where volatility
lifts targets); candidates cost one more, pools three.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from closeout.chain.abi import ContractAbi, Function
from closeout.chain.pools import PoolReader, Rpc
from closeout.chain.rpc import RpcError, understood
from closeout.errors import NodeError
from closeout.keeper.ports import (
    AssetConfiguration,
    Block,
    Configuration,
    Confirmation,
    Log,
    PoolState,
    Price,
    PriceStatus,
)
from closeout.model import AssetParameters, Bucket, ProtocolParameters
from closeout.toolchain.artifacts import Artifact
from closeout.units import BPS, WAD

__all__ = ["NodeReader", "block_of"]

GAS = 500_000_000
"""For a call that reads thousands of accounts. A node that allows less takes its own limit."""

ACCOUNTS_PER_CALL = 200
"""Reports that fit one call's gas on any node; more of them go out in one batch."""

# OP-stack chains have this contract at this address; others have no code there
GAS_PRICE_ORACLE = "0x420000000000000000000000000000000000000F"
NOBODY = "0x" + "00" * 20
VOLATILITY = Function(
    {
        "name": "targetHealthFactorWad",
        "inputs": [
            {"name": name, "type": kind} for name, kind in (("asset", "address"), ("a", "uint256"), ("b", "uint256"))
        ],
        "outputs": [{"name": "", "type": "uint256"}],
    }
)
READ_PRICE = Function(
    {
        "name": "readPrice",
        "inputs": [{"name": "asset", "type": "address"}],
        "outputs": [{"name": "", "type": kind} for kind in ("uint8", "uint256", "uint256", "uint256", "uint256")],
    }
)
L1_FEE = Function(
    {
        "name": "getL1FeeUpperBound",
        "inputs": [{"name": "unsignedTxSize", "type": "uint256"}],
        "outputs": [{"name": "", "type": "uint256"}],
    }
)


@dataclass(frozen=True)
class _State:
    """What is read once per block: it answers `prices` and `configuration`."""

    block: str
    prices: tuple[Price, ...]
    configuration: Configuration


def block_of(found: Mapping[str, Any]) -> Block:
    """A header as JSON-RPC gives it. Raises NodeError where something is missing."""
    with understood("eth_getBlockByNumber"):
        return Block(
            int(found["number"], 16),
            found["hash"],
            found["parentHash"],
            int(found["timestamp"], 16),
            int(found.get("baseFeePerGas") or "0x0", 16),
        )


class NodeReader:
    """See `closeout.keeper.ports.ChainReader`. `artifacts`: those of the build; `pools` None: there are none."""

    def __init__(
        self,
        rpc: Rpc,
        artifacts: Mapping[str, Artifact],
        vault: str,
        lens: str,
        pools: PoolReader | None = None,
        *,
        has_data_fee: bool = False,
    ) -> None:
        self._rpc, self._vault, self._lens, self._pools = rpc, vault, lens, pools
        self._has_data_fee = has_data_fee
        self._events = ContractAbi(artifacts["IVault"]).events
        self._views = ContractAbi(artifacts["Lens"]).functions
        self._errors = ContractAbi(*(artifact for artifact in artifacts.values() if artifact.abi))
        self._state: _State | None = None

    # --------------------------------------------------------------------------------------------------------- blocks

    def head(self) -> Block:
        block = self._block("latest")
        if block is None:
            raise NodeError("the node knows no block")
        return block

    def block(self, number: int) -> Block | None:
        return self._block(hex(number))

    def _block(self, name: str) -> Block | None:
        found = self._rpc.call("eth_getBlockByNumber", name, False)
        return None if found is None else block_of(found)

    def logs(self, first: int, last: Block) -> Sequence[Log]:
        """One block by its hash; a range by numbers, with the hash of its last block asked in the same batch."""
        if first == last.number:
            found = self._rpc.call("eth_getLogs", {"address": self._vault, "blockHash": last.hash})
        else:
            place = {"address": self._vault, "fromBlock": hex(first), "toBlock": hex(last.number)}
            found = self._rpc.call("eth_getLogs", place)
            end = self.block(last.number)
            if end is None or end.hash != last.hash:
                raise NodeError(f"block {last.number}: {last.hash} is gone")
        with understood("eth_getLogs"):
            return self._decoded(found)

    def _decoded(self, found: Sequence[dict[str, Any]]) -> list[Log]:
        missing = {log["blockNumber"] for log in found if "blockTimestamp" not in log}
        times = {number: self._timestamp(number) for number in missing}
        logs = []
        for log in found:
            event = self._events.get(log["topics"][0]) if log["topics"] else None
            if event is None or log.get("removed"):
                continue
            number = log["blockNumber"]
            logs.append(
                Log(
                    log["address"].lower(),
                    event.name,
                    dict(zip(event.fields, event.decode(log), strict=True)),
                    int(number, 16),
                    log["blockHash"],
                    times[number] if number in times else int(log["blockTimestamp"], 16),
                    int(log["logIndex"], 16),
                )
            )
        return logs

    def _timestamp(self, number: str) -> int:
        block = self._block(number)
        if block is None:
            raise NodeError(f"block {number}: its logs are there, it is not")
        return block.timestamp

    # ---------------------------------------------------------------------------------------------------------- state

    def prices(self, at: Block) -> Sequence[Price]:
        return self._read_state(at).prices

    def configuration(self, at: Block) -> Configuration:
        return self._read_state(at).configuration

    def _read_state(self, at: Block) -> _State:
        if self._state is None or self._state.block != at.hash:
            markets, protocol = self._views["markets"], self._views["protocol"]
            answers = self._call([markets.encode(), protocol.encode()], at)
            with understood("Lens"):
                views = markets.decode_named(answers[0])
                found = protocol.decode_named(answers[1])
                parameters = _protocol_parameters(found["curve"] | found["limits"])
            targets = self._volatility_targets(views, found["modules"], parameters, at)
            times = self._price_times(views, found["modules"], at)
            with understood("Lens"):
                assets = [replace(_asset(view), volatility_target_wad=targets.get(n)) for n, view in enumerate(views)]
                prices = [_price(view, times.get(n, at.timestamp)) for n, view in enumerate(views)]
                self._state = _State(at.hash, tuple(prices), Configuration(parameters, tuple(assets)))
        return self._state

    def _volatility_targets(
        self, views: list[dict[str, Any]], modules: dict[str, Any], parameters: ProtocolParameters, at: Block
    ) -> dict[int, int]:
        """By asset id, of those that volatility may lift. One that does not answer leaves the target where it is."""
        least = parameters.target_health_factor_wad
        lifted = {n: most for n, view in enumerate(views) if (most := view["collateral"]["mostTargetBps"])}
        calls = [
            (modules["volatilityOracle"], VOLATILITY.encode(views[n]["token"], least, most * WAD // BPS))
            for n, most in lifted.items()
        ]
        answers = self._tried(calls, at) if modules["volatilityOracle"] != NOBODY else []
        return {n: VOLATILITY.decode(answer) for n, answer in zip(lifted, answers, strict=False) if answer}

    def _price_times(self, views: list[dict[str, Any]], modules: dict[str, Any], at: Block) -> dict[int, int]:
        """When each price was observed, as the router knows it, by asset id."""
        calls = [(modules["oracleRouter"], READ_PRICE.encode(view["token"])) for view in views]
        answers = self._tried(calls, at)
        return {n: READ_PRICE.decode(answer)[4] for n, answer in enumerate(answers) if answer}

    def _tried(self, calls: Sequence[tuple[str, str]], at: Block) -> list[str | None]:
        """Answers of calls of which each may revert: None."""
        place = _place(at)
        requests = [("eth_call", ({"to": to, "data": data}, place)) for to, data in calls]
        try:
            return list(self._rpc.call_many(requests)) if requests else []
        except RpcError:
            return [self._try(*request) for request in requests]

    def _try(self, method: str, params: Sequence[Any]) -> str | None:
        try:
            return str(self._rpc.call(method, *params))
        except RpcError:
            return None

    def confirm(self, accounts: Sequence[int], at: Block) -> Sequence[Confirmation]:
        """In batches of `ACCOUNTS_PER_CALL`, sent together."""
        reports = self._views["reportsOf"]
        parts = [accounts[n : n + ACCOUNTS_PER_CALL] for n in range(0, len(accounts), ACCOUNTS_PER_CALL)]
        answers = self._call([reports.encode(list(part)) for part in parts], at)
        confirmations: list[Confirmation] = []
        with understood("Lens.reportsOf"):
            for part, answer in zip(parts, answers, strict=True):
                for account, report in zip(part, reports.decode_named(answer), strict=True):
                    confirmations.append(self._confirmation(account, report))
        return confirmations

    def _confirmation(self, account: int, report: dict[str, Any]) -> Confirmation:
        sums, close_out = report["sums"], report["closeOut"]
        failure = report["failure"] or sums["failure"]
        return Confirmation(
            account=account,
            collateral=dict(zip(sums["collateralIds"], sums["collateralAmounts"], strict=True)),
            debts=dict(zip(sums["debtIds"], sums["debtAmounts"], strict=True)),
            health_factor_wad=sums["healthFactorWad"],
            called_at=report["calledAt"],
            acted_at=report["actedAt"],
            is_possible=close_out["isPossible"],
            refusal=self._name(close_out["refusal"]),
            failure=self._name(failure),
        )

    def pools(self, at: Block) -> Sequence[PoolState]:
        if self._pools is None:
            return []
        with understood("pools"):
            return self._pools.read(_place(at))

    def l1_data_fee(self, size: int, at: Block) -> int:
        if not self._has_data_fee:
            return 0
        request = {"to": GAS_PRICE_ORACLE, "data": L1_FEE.encode(size)}
        answer = self._rpc.call("eth_call", request, _place(at))
        with understood("getL1FeeUpperBound"):
            return int(L1_FEE.decode(answer))

    def _call(self, calls: Sequence[str], at: Block) -> list[str]:
        place = _place(at)
        return self._rpc.call_many(
            [("eth_call", ({"to": self._lens, "data": data, "gas": hex(GAS)}, place)) for data in calls]
        )

    def _name(self, reason: bytes) -> str:
        """The error in revert data; its first bytes where no error is known by them."""
        if not reason:
            return ""
        revert = self._errors.decode_revert("0x" + reason.hex())
        return revert.name or "0x" + reason[:4].hex()


def _place(at: Block) -> dict[str, Any]:
    return {"blockHash": at.hash, "requireCanonical": True}


def _price(view: Mapping[str, Any], time: int) -> Price:
    status = PriceStatus(view["priceStatus"])
    return Price(status, view["collateralPriceWad"], view["debtPriceWad"], view["priceWad"], time)


def _asset(view: Mapping[str, Any]) -> AssetConfiguration:
    """The threshold is the one of this block: read in every block, so a running ramp needs no line of its own."""
    terms = view["collateral"]
    threshold, capacity = terms["liquidationThresholdBps"], terms["bucketCapacityWad"]
    parameters = AssetParameters(
        name=view["token"],
        decimals=view["decimals"],
        is_collateral=threshold > 0,
        is_borrowable=view["borrowing"]["isEnabled"],
        # a ramp may have brought the threshold below the initial margin: here only the threshold counts
        ltv_bps=min(terms["ltvBps"], max(0, threshold - 1)),
        liquidation_threshold_bps=threshold,
        max_bonus_bps=terms["maxBonusBps"],
        bucket=Bucket(capacity, terms["bucketRefillWad"]) if capacity else None,
    )
    return AssetConfiguration(view["token"].lower(), parameters)


def _protocol_parameters(view: Mapping[str, Any]) -> ProtocolParameters:
    """By the names of IRiskConfigurator's structs."""
    names = {
        "target_health_factor_wad": "targetHealthFactorWad",
        "margin_call_health_factor_wad": "marginCallHealthFactorWad",
        "bonus_floor_wad": "bonusFloorWad",
        "min_bonus_fraction_wad": "minBonusFractionWad",
        "health_for_max_bonus_wad": "healthForMaxBonusWad",
        "steepness_wad": "steepnessWad",
        "fee_share_wad": "feeShareWad",
        "min_debt_value_wad": "minDebtValueWad",
        "min_debt_per_asset_wad": "minDebtPerAssetWad",
        "dust_value_wad": "dustValueWad",
        "grace_period": "gracePeriod",
        "hard_floor_wad": "hardFloorWad",
        "call_lifetime": "callLifetime",
        "backstop_delay": "backstopDelay",
        "bucket_minimum_wad": "bucketMinimumWad",
        "degraded_refill_wad": "degradedRefillWad",
    }
    return ProtocolParameters(**{name: view[theirs] for name, theirs in names.items()})
