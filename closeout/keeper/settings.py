"""The keeper's settings file: YAML, read and checked before anything is started. Every key:
config/keeper/example.yaml.
"""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainValidator

from closeout.errors import BadInput
from closeout.keeper.breaker import Ceilings
from closeout.keeper.fees import FeePolicy
from closeout.keeper.planner import PlannerSettings
from closeout.keeper.sender import SenderOptions
from closeout.units import WAD_DECIMALS, parse_units
from closeout.yamlfile import BadFile, read_yaml
from closeout.yamlfile.fields import Name, Strict, fraction, list_of, none_as_empty, parse, refusal, whole

__all__ = ["KeeperSettings", "load_settings", "planner_settings", "sender_options"]

GWEI_DECIMALS = 9
BPS_DECIMALS = 4
ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}\Z")


def _address(value: Any) -> str:
    if not isinstance(value, str) or ADDRESS.match(value) is None:
        raise refusal(value, "an address: 0x and 40 hexadecimal digits")
    return value.lower()


def _address_or_none(value: Any) -> str | None:
    return None if value is None else _address(value)


def _url(*schemes: str, is_optional: bool = False) -> PlainValidator:
    def read(value: Any) -> str | None:
        if value is None and is_optional:
            return None
        if not isinstance(value, str) or not value.startswith(schemes):
            raise refusal(value, f"an address that starts with {' or '.join(schemes)}")
        return value

    return PlainValidator(read)


def _file(value: Any) -> Path:
    if not isinstance(value, str) or not value or not value.isprintable():
        raise refusal(value, "a file's name")
    return Path(value)


def _flag(value: Any) -> bool:
    if value not in ("true", "false"):
        raise refusal(value, "true or false")
    return bool(value == "true")


Address = Annotated[str, PlainValidator(_address)]
OptionalAddress = Annotated[str | None, PlainValidator(_address_or_none)]
HttpUrl = Annotated[str, _url("http://", "https://")]
OptionalHttpUrl = Annotated[str | None, _url("http://", "https://", is_optional=True)]
OptionalWsUrl = Annotated[str | None, _url("ws://", "wss://", is_optional=True)]
File = Annotated[Path, PlainValidator(_file)]
Flag = Annotated[bool, PlainValidator(_flag)]
Seconds = Annotated[Decimal, fraction("a number of seconds", "0.05", "86400", 3)]
Count = Annotated[int, whole("a whole number", Decimal(1), Decimal(10**6))]
Number = Annotated[int, whole("a whole number", Decimal(0), Decimal(10**18))]
Port = Annotated[int, whole("a port", Decimal(0), Decimal(65_535))]
Part = Annotated[Decimal, fraction("a part", "0", "1", BPS_DECIMALS, high_open=True)]
Ratio = Annotated[Decimal, fraction("a ratio", "0", "10", BPS_DECIMALS)]
# what nodes ask of a replacement
Bump = Annotated[Decimal, fraction("a ratio", "0.1", "10", BPS_DECIMALS)]
Usd = Annotated[Decimal, fraction("an amount in USD", "0", "1e12", WAD_DECIMALS)]
Ether = Annotated[Decimal, fraction("an amount of the native token", "0", "1e6", WAD_DECIMALS)]
Gwei = Annotated[Decimal, fraction("gwei per gas", "0", "1e9", GWEI_DECIMALS)]


class NodeSettings(Strict):
    """`urls` in the order in which they are used; `relay` takes eth_sendPrivateTransaction."""

    urls: Annotated[list[HttpUrl], list_of("addresses")]
    ws: OptionalWsUrl = None
    relay: OptionalHttpUrl = None
    poll: Seconds = Decimal(2)
    timeout: Seconds = Decimal(10)
    data_fee: Flag = False


class ContractSettings(Strict):
    """`first_block`: the one in which the Vault was deployed. `oracle_router` and `feeds`: whose events a bot hears."""

    vault: Address
    lens: Address
    native_token: Address
    flash_liquidator: OptionalAddress = None
    uniswap_factory: OptionalAddress = None
    oracle_router: OptionalAddress = None
    feeds: Annotated[list[Address], list_of("addresses")] = Field(default_factory=list)
    first_block: Number = 0


class PlannerChoices(Strict):
    """`least_profit` after gas; `tolerance`: the part of a profit that may be lost before it reverts."""

    least_profit: Usd = Decimal(1)
    tolerance: Part = Decimal("0.2")
    deadline: Count = 120
    funding: Literal["flash", "inventory", "both"] = "flash"
    write_offs: Flag = False
    verify_blocks: Number = 50
    verify_accounts: Number = 20


class FeeChoices(Strict):
    """`headroom`: by how much of itself the base fee may rise; `tip_share` of a profit; `bump` of a replacement."""

    most: Gwei = Decimal(500)
    headroom: Ratio = Decimal(1)
    least_tip: Gwei = Decimal("0.1")
    tip_share: Part = Decimal(0)
    bump: Bump = Decimal("0.125")
    stuck_blocks: Count = 3


class CeilingChoices(Strict):
    """Of an hour. After `streak` failures in a row a pause of so many seconds, doubling."""

    gas: Ether = Decimal(2)
    loss: Usd = Decimal(5000)
    streak: Count = 5
    pause: Number = 30


class AlertChoices(Strict):
    webhook: OptionalHttpUrl = None
    silence: Seconds = Decimal(60)
    age: Seconds = Decimal(120)


# a section with nothing in it but comments
SECTION = BeforeValidator(none_as_empty)


class KeeperSettings(Strict):
    """One keeper: one Vault, one key, one database."""

    name: Name
    chain_id: Number
    database: File
    node: NodeSettings
    contracts: ContractSettings
    planner: Annotated[PlannerChoices, SECTION] = PlannerChoices()
    fees: Annotated[FeeChoices, SECTION] = FeeChoices()
    ceilings: Annotated[CeilingChoices, SECTION] = CeilingChoices()
    alerts: Annotated[AlertChoices, SECTION] = AlertChoices()
    in_flight: Count = 16
    final_depth: Count = 12
    metrics_port: Port = 9464


def load_settings(file: Path) -> KeeperSettings:
    """Raises BadFile, in one line with the file's name: whatever is wrong is found before anything is started."""
    tree = read_yaml(file, "settings")
    try:
        settings = parse(KeeperSettings, tree)
        if not settings.node.urls:
            raise BadFile("node.urls", "none", "at least one address")
        if settings.planner.funding != "inventory":
            for name in ("flash_liquidator", "uniswap_factory"):
                if getattr(settings.contracts, name) is None:
                    raise BadFile(f"contracts.{name}", "nothing", "an address, or planner.funding: inventory")
        sender_options(settings)
    except BadFile as error:
        raise error.within(str(file)) from None
    except BadInput as error:
        raise BadFile(error.where, str(error.found), error.expected, str(file)) from None
    return settings


def sender_options(settings: KeeperSettings) -> SenderOptions:
    """Raises BadInput where values do not fit together."""
    fees, ceilings = settings.fees, settings.ceilings
    return SenderOptions(
        fees=FeePolicy(
            most_fee=parse_units(fees.most, GWEI_DECIMALS),
            headroom_bps=parse_units(fees.headroom, BPS_DECIMALS),
            least_tip=parse_units(fees.least_tip, GWEI_DECIMALS),
            tip_share_bps=parse_units(fees.tip_share, BPS_DECIMALS),
            bump_bps=parse_units(fees.bump, BPS_DECIMALS),
            stuck_blocks=fees.stuck_blocks,
        ),
        ceilings=Ceilings(
            gas_per_hour=parse_units(ceilings.gas, WAD_DECIMALS),
            loss_per_hour=parse_units(ceilings.loss, WAD_DECIMALS),
            streak=ceilings.streak,
            pause=ceilings.pause,
        ),
        most_in_flight=settings.in_flight,
        final_depth=settings.final_depth,
        uses_relay=settings.node.relay is not None,
    )


def planner_settings(settings: KeeperSettings) -> PlannerSettings:
    choices = settings.planner
    return PlannerSettings(
        native_token=settings.contracts.native_token,
        priority_fee=parse_units(settings.fees.least_tip, GWEI_DECIMALS),
        least_profit_wad=parse_units(choices.least_profit, WAD_DECIMALS),
        tolerance_wad=parse_units(choices.tolerance, WAD_DECIMALS),
        deadline_seconds=choices.deadline,
        with_flash=choices.funding != "inventory",
        writes_off=choices.write_offs,
    )
