"""Relations between the keys of a network file: what the contracts would refuse, and what they cannot see.

Every relation that the RiskConfigurator holds is looked at here first, so that a file that cannot be deployed costs no
gas; tests hold the two to each other.
"""

from __future__ import annotations

from decimal import Decimal
from itertools import combinations

from closeout.scenario.checks import check_collateral, check_protocol
from closeout.yamlfile.decimals import to_units
from closeout.yamlfile.problem import BadFile, dotted

from .schema import (
    TEST,
    AssetSection,
    ChainlinkSection,
    Erc4626Section,
    NetworkFile,
    PriceSection,
    ProtocolSection,
    PythSection,
    SourceKind,
    UniswapSection,
    sources_in,
)

__all__ = ["check_network"]

# what fits the configuration table's contract (EIP-170)
MAX_ASSETS = 107
# with fewer of them in a time constant a single sample of volatility would decide
SAMPLES = 8
# of the path assets.NAME.price.chainlink
PRICE_DEPTH = 4


def check_network(file: NetworkFile) -> None:
    """Checks everything that needs no chain.

    Raises:
        BadFile: naming the key's path, what it says and what was expected.
    """
    _check_confirmations(file)
    _check_roles(file)
    check_protocol(file.protocol)
    _check_limits(file.protocol)
    if len(file.assets) > MAX_ASSETS:
        raise BadFile("assets", f"{len(file.assets)} assets", f"at most {MAX_ASSETS}")
    for name, asset in file.assets.items():
        _check_asset(("assets", name), asset, file.protocol)
    _check_test_contracts(file)
    _check_addresses(file)
    _check_deviations(file)
    if not any(asset.borrow for asset in file.assets.values()):
        raise BadFile("assets", "no asset with a borrow key", "at least one that can be borrowed")
    if not any(asset.collateral for asset in file.assets.values()):
        raise BadFile("assets", "no asset with a collateral key", "at least one that is collateral")
    _check_volatility(file)


def _check_confirmations(file: NetworkFile) -> None:
    """A chain of one's own may mine by transaction: none comes after the last."""
    if file.network.confirmations == 0 and not file.network.test_contracts:
        raise BadFile("network.confirmations", "0", "at least 1 where network.test_contracts is false")


def _check_roles(file: NetworkFile) -> None:
    roles = file.roles
    holders = {
        "governor.address": roles.governor.address,
        "canceller": roles.canceller,
        "guardian": roles.guardian,
        "steward": roles.steward,
    }
    for (first, one), (second, other) in combinations(holders.items(), 2):
        if one == other:
            # one key that is stolen must not be two roles
            raise BadFile(f"roles.{second}", f"the address of {first}", "an address of its own")


def _check_limits(protocol: ProtocolSection) -> None:
    target, most = protocol.target_health, protocol.max_target_health
    if target > most:
        raise BadFile("protocol.target_health", f"{target:f}", f"at most max_target_health, {most:f}")
    if 0 < protocol.bucket_minimum < 2 * protocol.min_debt_value:
        expected = f"0, or at least twice min_debt_value, {2 * protocol.min_debt_value:f}"
        raise BadFile("protocol.bucket_minimum", f"{protocol.bucket_minimum:f}", expected)
    if protocol.call_lifetime <= protocol.grace.period:
        expected = f"more than grace.period, {protocol.grace.period}"
        raise BadFile("protocol.call_lifetime", str(protocol.call_lifetime), expected)
    if not protocol.grace.period <= protocol.backstop_delay <= protocol.call_lifetime:
        expected = f"between grace.period, {protocol.grace.period}, and call_lifetime, {protocol.call_lifetime}"
        raise BadFile("protocol.backstop_delay", str(protocol.backstop_delay), expected)
    if protocol.dust_value > protocol.min_debt_value:
        expected = f"at most min_debt_value, {protocol.min_debt_value:f}"
        raise BadFile("protocol.dust_value", f"{protocol.dust_value:f}", expected)


def _check_asset(path: tuple[str, ...], asset: AssetSection, protocol: ProtocolSection) -> None:
    if asset.collateral is None and asset.borrow is None:
        raise BadFile(dotted(path), "neither collateral nor borrow", "at least one of them")
    _check_price((*path, "price"), asset.price)
    if asset.collateral is not None:
        where = (*path, "collateral")
        check_collateral(where, asset.collateral, protocol)
        _check_digits((*where, "cap"), asset.collateral.cap, asset)
        if asset.collateral.bucket is not None and protocol.bucket_minimum == 0:
            raise BadFile(dotted((*where, "bucket")), "a bucket", "none, where protocol.bucket_minimum is 0")
    if asset.borrow is not None:
        where = (*path, "borrow")
        _check_digits((*where, "supply_cap"), asset.borrow.supply_cap, asset)
        _check_digits((*where, "borrow_cap"), asset.borrow.borrow_cap, asset)
        if asset.borrow.supply_cap == 0:
            raise BadFile(dotted((*where, "supply_cap")), "0", "more than 0 (leave borrow out where nobody may)")
        if asset.borrow.borrow_cap > asset.borrow.supply_cap:
            expected = f"at most supply_cap, {asset.borrow.supply_cap:f}"
            raise BadFile(dotted((*where, "borrow_cap")), f"{asset.borrow.borrow_cap:f}", expected)


def _check_digits(where: tuple[str, ...], amount: Decimal, asset: AssetSection) -> None:
    units = to_units(amount, asset.decimals)
    if units is None:
        raise BadFile(dotted(where), f"{amount:f}", f"at most {asset.decimals} decimals, as the token has")
    if units >= 2**112:
        raise BadFile(dotted(where), f"{amount:f}", "an amount that fits into 112 bits of token units")


def _check_price(where: tuple[str, ...], price: PriceSection) -> None:
    for place, kind, is_own in sources_in(where, price):
        _check_source(place, kind, is_own=is_own)
    feed = price.chainlink
    if feed is None:
        return
    if to_units(price.reference, feed.decimals) is None:
        expected = f"at most {feed.decimals} decimals, as the feed has"
        raise BadFile(dotted((*where, "reference")), f"{price.reference:f}", expected)
    if feed.least is not None and feed.least > price.reference:
        expected = f"at most reference, {price.reference:f}"
        raise BadFile(dotted((*where, "chainlink", "least")), f"{feed.least:f}", expected)
    if feed.most is not None and feed.most < price.reference:
        expected = f"at least reference, {price.reference:f}"
        raise BadFile(dotted((*where, "chainlink", "most")), f"{feed.most:f}", expected)


def _check_source(where: tuple[str, ...], kind: SourceKind, *, is_own: bool) -> None:
    """One source by itself. `is_own`: what it prices is the asset."""
    if isinstance(kind, ChainlinkSection | PythSection) and kind.max_age < kind.heartbeat:
        raise BadFile(dotted((*where, "max_age")), str(kind.max_age), f"at least heartbeat, {kind.heartbeat}")
    if isinstance(kind, UniswapSection | Erc4626Section) and kind.token is None and not is_own:
        expected = "the address of the token that is priced: here it is not the asset's own"
        raise BadFile(dotted((*where, "token")), "nothing", expected)
    if isinstance(kind, UniswapSection) and kind.least_liquidity > kind.safe_liquidity:
        expected = f"at most safe_liquidity, {kind.safe_liquidity}"
        raise BadFile(dotted((*where, "least_liquidity")), str(kind.least_liquidity), expected)
    if isinstance(kind, ChainlinkSection):
        for key, bound in (("least", kind.least), ("most", kind.most)):
            if bound is not None and to_units(bound, kind.decimals) is None:
                expected = f"at most {kind.decimals} decimals, as the feed has"
                raise BadFile(dotted((*where, key)), f"{bound:f}", expected)
        if kind.least is not None and kind.most is not None and kind.least > kind.most:
            raise BadFile(dotted((*where, "least")), f"{kind.least:f}", f"at most most, {kind.most:f}")
        if kind.feed == TEST and len(where) > PRICE_DEPTH:
            expected = "an address: a feed of ours stands in for a whole price, not for a part of one"
            raise BadFile(dotted((*where, "feed")), TEST, expected)


def _check_test_contracts(file: NetworkFile) -> None:
    if file.network.test_contracts:
        return
    places = {f"assets.{name}.token": asset.token for name, asset in file.assets.items()}
    for name, asset in file.assets.items():
        if asset.price.chainlink is not None:
            places[f"assets.{name}.price.chainlink.feed"] = asset.price.chainlink.feed
    if file.oracles.sequencer is not None:
        places["oracles.sequencer.feed"] = file.oracles.sequencer.feed
    for where, address in places.items():
        if address == TEST:
            raise BadFile(where, TEST, "an address: network.test_contracts is false")


def _check_addresses(file: NetworkFile) -> None:
    """No two assets are one token or one feed. What a price is multiplied with may well be another asset's."""
    seen: dict[str, str] = {}
    for name, asset in file.assets.items():
        own = {f"assets.{name}.token": asset.token}
        if asset.price.chainlink is not None:
            own[f"assets.{name}.price.chainlink.feed"] = asset.price.chainlink.feed
        for where, address in own.items():
            if address != TEST and address in seen:
                raise BadFile(where, f"the address of {seen[address]}", "an address of its own")
            seen[address] = where


def _check_volatility(file: NetworkFile) -> None:
    volatility = file.oracles.volatility
    if volatility is not None:
        if volatility.spacing * SAMPLES > volatility.time_constant:
            expected = f"at most an eighth of time_constant, {volatility.time_constant}"
            raise BadFile("oracles.volatility.spacing", str(volatility.spacing), expected)
        if volatility.calm >= volatility.turbulent:
            expected = f"less than turbulent, {volatility.turbulent:f}"
            raise BadFile("oracles.volatility.calm", f"{volatility.calm:f}", expected)
    most = file.protocol.max_target_health
    for name, asset in file.assets.items():
        lifted = asset.collateral.most_target if asset.collateral else None
        if lifted is None:
            continue
        where = f"assets.{name}.collateral.most_target"
        if volatility is None:
            raise BadFile(where, f"{lifted:f}", "none: there is no oracles.volatility to ask for it")
        if lifted > most:
            raise BadFile(where, f"{lifted:f}", f"at most protocol.max_target_health, {most:f}")


def _check_deviations(file: NetworkFile) -> None:
    """What two feeds may hide together has to fit between what a close-out costs at most and the collateral's value.

    Else who sees a feed's next answer coming opens at the old price and leaves bad debt at the new one.
    """
    for name, asset in file.assets.items():
        if asset.collateral is None:
            continue
        terms = asset.collateral
        room = 1 - terms.liquidation_threshold * (1 + terms.max_bonus)
        for other, debt in file.assets.items():
            if other == name or debt.borrow is None:
                continue
            budget = asset.price.deviation + debt.price.deviation
            if budget > room:
                raise BadFile(
                    f"assets.{name}.price.deviation",
                    f"{asset.price.deviation:f}, with {other}'s {budget:f}",
                    f"at most 1 - liquidation_threshold (1 + max_bonus), {room:f}, for both together",
                )
