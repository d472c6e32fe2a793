"""Uniswap V3 pools as they are at one block: found by the factory, read with the ticks around their price."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any, Protocol

from closeout.chain.abi import ContractAbi
from closeout.chain.uniswap import MAX_TICK, TICK_SPACINGS, uniswap_artifacts
from closeout.keeper.ports import PoolState

__all__ = ["PoolReader", "Rpc"]

NO_POOL = "0x" + "00" * 20
WORD = 256
WORDS_EACH_WAY = 8
"""Bitmap words read on both sides of the price: with a spacing of 10 ticks a factor of 7.7 in price, with 60 of 1e5."""


class Rpc(Protocol):
    """JSON-RPC. Raises RpcError where the node answers with an error, NodeError where it does not answer."""

    def call(self, method: str, *params: Any) -> Any: ...

    def call_many(self, requests: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]: ...


class PoolReader:
    """The pools of one factory. `words`: how far around the price ticks are read."""

    def __init__(self, rpc: Rpc, factory: str, words: int = WORDS_EACH_WAY) -> None:
        artifacts = uniswap_artifacts()
        self._rpc, self._factory, self._words = rpc, factory, words
        self._pool = ContractAbi(artifacts["UniswapV3Pool"]).functions
        self._get_pool = ContractAbi(artifacts["UniswapV3Factory"]).functions["getPool"]
        self._places: dict[str, tuple[str, str, int]] = {}

    def find(self, tokens: Sequence[str], fees: Sequence[int] = tuple(TICK_SPACINGS)) -> int:
        """Looks up the pool of every pair of these tokens and every fee; how many there are now. One call."""
        ordered = sorted({token.lower() for token in tokens}, key=lambda token: int(token, 16))
        pairs = [(token0, token1, fee) for token0, token1 in combinations(ordered, 2) for fee in fees]
        answers = self._ask([(self._factory, self._get_pool.encode(*pair)) for pair in pairs], "latest")
        for (token0, token1, fee), answer in zip(pairs, answers, strict=True):
            address = self._get_pool.decode(answer)
            if address != NO_POOL:
                self._places[address] = (token0, token1, fee)
        return len(self._places)

    def read(self, at: Any) -> list[PoolState]:
        """All known pools at a block (as `eth_call` names it), in three calls. One without a price is left out."""
        slot0, liquidity = self._pool["slot0"], self._pool["liquidity"]
        asked = [(address, function.encode()) for address in self._places for function in (slot0, liquidity)]
        answers = iter(self._ask(asked, at))
        states: dict[str, tuple[int, int, int]] = {}
        for address in self._places:
            price, tick, *_ = slot0.decode(next(answers))
            depth = liquidity.decode(next(answers))
            if price:
                states[address] = price, tick, depth
        ticks = self._ticks(states, at)
        pools = []
        for address, (price, tick, depth) in states.items():
            token0, token1, fee = self._places[address]
            spacing = TICK_SPACINGS[fee]
            pools.append(
                PoolState(
                    address,
                    token0,
                    token1,
                    fee,
                    spacing,
                    price,
                    tick,
                    depth,
                    ticks[address],
                    self._known(tick, spacing),
                )
            )
        return pools

    def _ticks(self, states: dict[str, tuple[int, int, int]], at: Any) -> dict[str, dict[int, int]]:
        """The initialised ticks around each pool's price, with their net liquidity."""
        bitmap, tick_of = self._pool["tickBitmap"], self._pool["ticks"]
        places = [
            (address, TICK_SPACINGS[self._places[address][2]], word)
            for address, (_, tick, _) in states.items()
            for word in self._words_around(tick, TICK_SPACINGS[self._places[address][2]])
        ]
        words = self._ask([(address, bitmap.encode(word)) for address, _, word in places], at)
        found = [
            (address, (word * WORD + bit) * spacing)
            for (address, spacing, word), answer in zip(places, words, strict=True)
            if (bits := int(answer, 16))
            for bit in range(WORD)
            if bits >> bit & 1
        ]
        answers = self._ask([(address, tick_of.encode(tick)) for address, tick in found], at)
        ticks: dict[str, dict[int, int]] = {address: {} for address in states}
        for (address, tick), answer in zip(found, answers, strict=True):
            ticks[address][tick] = tick_of.decode(answer)[1]
        return ticks

    def _words_around(self, tick: int, spacing: int) -> range:
        middle, outermost = tick // spacing // WORD, MAX_TICK // spacing // WORD + 1
        return range(max(-outermost, middle - self._words), min(outermost, middle + self._words) + 1)

    def _known(self, tick: int, spacing: int) -> tuple[int, int]:
        words = self._words_around(tick, spacing)
        return words[0] * WORD * spacing, ((words[-1] + 1) * WORD - 1) * spacing

    def _ask(self, calls: Sequence[tuple[str, str]], at: Any) -> list[str]:
        if not calls:
            return []
        return self._rpc.call_many([("eth_call", ({"to": to, "data": data}, at)) for to, data in calls])
