"""The file held against the chain before anything is sent: the right chain, real tokens, feeds that answer sensibly."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from closeout.chain.rpc import RpcError
from closeout.config.loading import NetworkConfig
from closeout.config.schema import TEST, ChainlinkSection, PriceSection, SourceKind, sources_in
from closeout.toolchain.artifacts import Artifact
from closeout.units import format_units
from closeout.yamlfile.problem import BadFile, dotted

from .effects import Reader
from .ports import Rpc

__all__ = ["check_chain", "warnings"]


def check_chain(config: NetworkConfig, rpc: Rpc, artifacts: Mapping[str, Artifact]) -> None:
    """Everything of the file that a chain can contradict.

    Raises:
        BadFile: with the file's name, the key's path, what the chain says and what the file does.
    """
    try:
        _check(config, rpc, Reader(rpc, artifacts))
    except BadFile as error:
        raise error.within(str(config.file)) from None


def _check(config: NetworkConfig, rpc: Rpc, reader: Reader) -> None:
    file = config.content
    chain_id = int(rpc.call("eth_chainId"), 16)
    if chain_id != file.network.chain_id:
        raise BadFile("network.chain_id", str(file.network.chain_id), f"what the node says, {chain_id}")
    now = int(rpc.call("eth_getBlockByNumber", "latest", False)["timestamp"], 16)
    for name, asset in file.assets.items():
        if asset.token != TEST:
            _check_decimals(reader, "TestToken", f"assets.{name}", "token", asset.token, asset.decimals)
        for path, kind, _ in sources_in(("assets", name, "price"), asset.price):
            _check_source(reader, dotted(path), kind, now)
        if asset.price.chainlink is not None and asset.price.chainlink.feed != TEST:
            _check_reference(reader, f"assets.{name}.price", asset.price, asset.price.chainlink)
    sequencer = file.oracles.sequencer
    if sequencer is not None and sequencer.feed != TEST:
        _check_sequencer(reader, sequencer.feed)


def _check_decimals(reader: Reader, kind: str, where: str, key: str, address: str, decimals: int) -> None:
    if reader.code(address) == "0x":
        raise BadFile(f"{where}.{key}", f"{address}, where there is no contract", "one on this chain")
    try:
        found = reader.read(kind, address, "decimals")
    except RpcError:
        raise BadFile(f"{where}.{key}", f"{address}, which does not tell its decimals", f"a {key} that does") from None
    if found != decimals:
        raise BadFile(f"{where}.decimals", str(decimals), f"what the {key} says, {found}")


def _check_source(reader: Reader, where: str, kind: SourceKind, now: int) -> None:
    """A feed answers as it should; elsewhere there is a contract, and the rest its adapter finds in the rehearsal."""
    if isinstance(kind, ChainlinkSection):
        if kind.feed != TEST:
            _check_decimals(reader, "TestAggregator", where, "feed", kind.feed, kind.decimals)
            _check_answer(reader, where, kind, now)
        return
    for key in ("contract", "pool", "token"):
        address = getattr(kind, key, None)
        if address is not None and reader.code(address) == "0x":
            raise BadFile(f"{where}.{key}", f"{address}, where there is no contract", "one on this chain")


def _check_answer(reader: Reader, where: str, feed: ChainlinkSection, now: int) -> None:
    answer, updated_at = _answer_of(reader, where, feed.feed)
    if answer <= 0:
        raise BadFile(f"{where}.feed", f"an answer of {answer}", "a positive one")
    age = now - updated_at
    if not 0 <= age <= feed.heartbeat:
        raise BadFile(f"{where}.heartbeat", f"an answer {age} s old", f"one of at most heartbeat, {feed.heartbeat} s")
    shown = format_units(answer, feed.decimals)
    found = Decimal(shown)
    for key, bound, is_outside in (
        ("least", feed.least, feed.least is not None and found < feed.least),
        ("most", feed.most, feed.most is not None and found > feed.most),
    ):
        if is_outside:
            raise BadFile(f"{where}.{key}", f"an answer of {shown}", f"one within {key}, {bound:f}")


def _check_reference(reader: Reader, where: str, price: PriceSection, feed: ChainlinkSection) -> None:
    """What else prices an asset is held against its reference when the router activates it, in the rehearsal."""
    shown = format_units(_answer_of(reader, where, feed.feed)[0], feed.decimals)
    if abs(Decimal(shown) - price.reference) > price.reference * price.tolerance:
        expected = f"within {price.tolerance * 100:f} % of reference, {price.reference:f}"
        raise BadFile(f"{where}.chainlink.feed", f"an answer of {shown}", expected)


def _answer_of(reader: Reader, where: str, feed: str) -> tuple[int, int]:
    """What a feed answers, and since when."""
    try:
        _, answer, _, updated_at, _ = reader.read("TestAggregator", feed, "latestRoundData")
    except RpcError:
        raise BadFile(f"{where}.feed", f"{feed}, which does not answer", "a feed that does") from None
    return answer, updated_at


def _check_sequencer(reader: Reader, feed: str) -> None:
    try:
        _, answer, started_at, _, _ = reader.read("TestAggregator", feed, "latestRoundData")
    except RpcError:
        raise BadFile("oracles.sequencer.feed", f"{feed}, which does not answer", "a feed that does") from None
    if answer not in (0, 1) or started_at == 0:
        expected = "0 (up) or 1 (down), and since when"
        raise BadFile("oracles.sequencer.feed", f"an answer of {answer} since {started_at}", expected)


def warnings(config: NetworkConfig, rpc: Rpc) -> list[str]:
    """What is allowed and should be wanted: a line each."""
    roles = config.content.roles
    found = []
    if rpc.call("eth_getCode", roles.governor.address, "latest") == "0x":
        found.append(f"roles.governor.address: {roles.governor.address} is no contract; a governor should be a Safe")
    return found
