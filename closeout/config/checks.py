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

from .schema import TEST, AssetSection, NetworkFile, PriceSection, ProtocolSection

__all__ = ["check_network"]

# what fits the configuration table's contract (EIP-170)
MAX_ASSETS = 107
# a freeze by the guardian alone ends after this
FREEZE_SECONDS = 86_400


def check_network(file: NetworkFile) -> None:
    """Checks everything that needs no chain.

    Raises:
        BadFile: naming the key's path, what it says and what was expected.
    """
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
    if price.max_age < price.heartbeat:
        expected = f"at least heartbeat, {price.heartbeat}"
        raise BadFile(dotted((*where, "max_age")), str(price.max_age), expected)
    for key, bound in (("reference", price.reference), ("least", price.least), ("most", price.most)):
        if bound is not None and to_units(bound, price.decimals) is None:
            expected = f"at most {price.decimals} decimals, as the feed has"
            raise BadFile(dotted((*where, key)), f"{bound:f}", expected)
    if price.least is not None and price.least > price.reference:
        expected = f"at most reference, {price.reference:f}"
        raise BadFile(dotted((*where, "least")), f"{price.least:f}", expected)
    if price.most is not None and price.most < price.reference:
        expected = f"at least reference, {price.reference:f}"
        raise BadFile(dotted((*where, "most")), f"{price.most:f}", expected)


def _check_test_contracts(file: NetworkFile) -> None:
    if file.network.test_contracts:
        return
    places = {f"assets.{name}.token": asset.token for name, asset in file.assets.items()}
    places |= {f"assets.{name}.price.feed": asset.price.feed for name, asset in file.assets.items()}
    if file.oracles.sequencer is not None:
        places["oracles.sequencer.feed"] = file.oracles.sequencer.feed
    for where, address in places.items():
        if address == TEST:
            raise BadFile(where, TEST, "an address: network.test_contracts is false")


def _check_addresses(file: NetworkFile) -> None:
    seen: dict[str, str] = {}
    for name, asset in file.assets.items():
        for where, address in ((f"assets.{name}.token", asset.token), (f"assets.{name}.price.feed", asset.price.feed)):
            if address != TEST and address in seen:
                raise BadFile(where, f"the address of {seen[address]}", "an address of its own")
            seen[address] = where


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
