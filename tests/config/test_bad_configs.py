"""Every kind of bad network file is refused before a chain is asked: in one line, with place, value and expectation."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest

from closeout.config.loading import load_config, read_config
from closeout.errors import BadInput
from closeout.toolchain.settings import ROOT
from closeout.yamlfile.reading import read_yaml
from tests.support.trees import Change, Remove, Tree, both, change

ADDRESS = "a checksummed address (0x and 40 hex digits)"
RATIO_BPS = "a ratio in [0, 1), with at most 4 decimals"
PRICE = "a price in USD in (0, 1000000000000], with at most 18 decimals"
VALUE = "a value in USD in [0, 1000000000000], with at most 18 decimals"
HEALTH = "a health factor in [1, 2], with at most 18 decimals"
TOKENS = "an amount of whole tokens in [0, 100000000000000]"
WETH = "0xfFf9976782d46CC05630D1f6eBAb18b2324d6B14"
GOVERNOR = "0xf8F62FeAfcb3122C2ec25748ed9F9CA986B59bD3"


def seconds(low: int, high: int) -> str:
    return f"a number of seconds in [{low}, {high}], without decimals"


def sourced(asset: str, kind: str, section: Tree) -> Change:
    """An asset priced by another source."""
    price = f"assets/{asset}/price"
    return both(change(f"{price}/chainlink", Remove), change(f"{price}/{kind}", section))


FEED = {"chainlink": {"feed": WETH, "decimals": "8", "heartbeat": "3600", "max_age": "14400"}}
TEST_FEED = {"chainlink": FEED["chainlink"] | {"feed": "test"}}
SHARE = {"asset": FEED, "max_growth": "0.2", "max_drop": "0.01", "confirm_after": "3600"}
POOL = {
    "pool": WETH,
    "quote": FEED,
    "window": "1800",
    "block_time": "12",
    "safe_liquidity": "1000",
    "least_liquidity": "100",
}
PYTH = {
    "contract": WETH,
    "id": "0x" + "ab" * 32,
    "heartbeat": "60",
    "max_age": "600",
    "max_ahead": "15",
    "max_confidence": "0.005",
}
WATCHED = {"primary": FEED, "secondary": FEED, "max_deviation": "0.02", "dispute_period": "86400"}
VOLATILITY = {"time_constant": "259200", "spacing": "3600", "calm": "0.6", "turbulent": "1.2"}

CASES: dict[str, tuple[Change, str]] = {
    # the whole file
    "no network": (
        change("network", Remove),
        "network: found nothing, expected a mapping with the keys name, ape, chain_id, confirmations, salt, "
        "test_contracts",
    ),
    "unknown section": (
        change("admin", {}),
        "admin: found an unknown key (with an empty mapping), "
        "expected one of network, roles, protocol, oracles, assets",
    ),
    "no assets": (change("assets", {}), "assets: found an empty mapping, expected a mapping from names to assets"),
    # network
    "name with a slash": (
        change("network/name", "../sepolia"),
        'network.name: found "../sepolia", expected a name of letters, digits and dashes: deployments/NAME.json',
    ),
    "network without its ecosystem": (
        change("network/ape", "sepolia"),
        'network.ape: found "sepolia", expected Ape\'s ecosystem:network, such as ethereum:sepolia',
    ),
    "chain id of 0": (
        change("network/chain_id", "0"),
        "network.chain_id: found 0, expected a chain id in [1, 9007199254740992], without decimals",
    ),
    "chain id in words": (
        change("network/chain_id", "sepolia"),
        'network.chain_id: found "sepolia", expected a chain id in [1, 9007199254740992], without decimals',
    ),
    "no confirmations": (
        change("network/confirmations", "0"),
        "network.confirmations: found 0, expected at least 1 where network.test_contracts is false",
    ),
    "no salt": (
        change("network/salt", Remove),
        "network.salt: found nothing, expected a name of 1 to 64 printable characters",
    ),
    "flag in other words": (
        change("network/test_contracts", "yes"),
        'network.test_contracts: found "yes", expected true or false',
    ),
    # roles
    "no governor": (
        change("roles/governor", Remove),
        "roles.governor: found nothing, expected a mapping with the keys address, delay, confirm_delay",
    ),
    "address that is none": (
        change("roles/guardian", "guardian.eth"),
        f'roles.guardian: found "guardian.eth", expected {ADDRESS}',
    ),
    "address too short": (
        change("roles/guardian", "0x1234"),
        f'roles.guardian: found "0x1234", expected {ADDRESS}',
    ),
    "address without checksum": (
        change("roles/treasury", "0xe2769e91c17125340c1489a7fa59837f0d22c5dc"),
        'roles.treasury: found "0xe2769e91c17125340c1489a7fa59837f0d22c5dc", '
        "expected the checksummed 0xe2769E91C17125340C1489A7fa59837f0D22c5dc",
    ),
    "address with a wrong checksum": (
        change("roles/treasury", "0xe2769E91C17125340C1489A7fa59837f0D22c5Dc"),
        'roles.treasury: found "0xe2769E91C17125340C1489A7fa59837f0D22c5Dc", '
        "expected the checksummed 0xe2769E91C17125340C1489A7fa59837f0D22c5dc",
    ),
    "zero address": (
        change("roles/treasury", "0x" + "00" * 20),
        f'roles.treasury: found "0x{"00" * 20}", expected an address that is not zero',
    ),
    "two roles in one hand": (
        change("roles/guardian", GOVERNOR),
        "roles.guardian: found the address of governor.address, expected an address of its own",
    ),
    "governor without delay": (
        change("roles/governor/delay", "0"),
        f"roles.governor.delay: found 0, expected {seconds(86_400, 2_592_000)}",
    ),
    "governor slower than a month": (
        change("roles/governor/delay", "2592001"),
        f"roles.governor.delay: found 2592001, expected {seconds(86_400, 2_592_000)}",
    ),
    "confirming slower than half a freeze": (
        change("roles/governor/confirm_delay", "43201"),
        f"roles.governor.confirm_delay: found 43201, expected {seconds(3600, 43_200)}",
    ),
    "a key in the file": (
        change("roles/private_key", "0x" + "11" * 32),
        "roles.private_key: found an unknown key (with 32 bytes in hex, not shown), "
        "expected one of governor, canceller, guardian, steward, treasury",
    ),
    # protocol
    "target below 1": (
        change("protocol/target_health", "0.99"),
        f"protocol.target_health: found 0.99, expected {HEALTH}",
    ),
    "target above the Vault's own": (
        change("protocol/target_health", "1.6"),
        "protocol.target_health: found 1.6, expected at most max_target_health, 1.5",
    ),
    "no target": (
        change("protocol/target_health", Remove),
        f"protocol.target_health: found nothing, expected {HEALTH}",
    ),
    "margin call above the target": (
        change("protocol/margin_call_health", "1.2"),
        "protocol.margin_call_health: found 1.2, expected at most target_health, 1.10",
    ),
    "floor above 20 percent": (
        change("protocol/bonus/floor", "0.21"),
        "protocol.bonus.floor: found 0.21, expected a ratio in [0, 0.20], with at most 18 decimals",
    ),
    "curve that is a cliff": (
        change("protocol/bonus/health_for_max", "0.995"),
        "protocol.bonus.health_for_max: found 0.995, expected a health factor in [0.5, 0.99], with at most 18 decimals",
    ),
    "steepness between": (
        change("protocol/bonus/steepness", "0.001"),
        "protocol.bonus.steepness: found 0.001, expected 0, or a steepness in [0.01, 20], with at most 18 decimals",
    ),
    "fee above half": (
        change("protocol/fee_share", "0.51"),
        "protocol.fee_share: found 0.51, expected a ratio in [0, 0.5], with at most 18 decimals",
    ),
    "weights that miss 1": (
        change("protocol/penalty_split/burn", "0.3"),
        "protocol.penalty_split: found weights that add up to 1.1, expected weights that add up to 1",
    ),
    "bucket minimum too small": (
        change("protocol/bucket_minimum", "199"),
        "protocol.bucket_minimum: found 199, expected 0, or at least twice min_debt_value, 200",
    ),
    "call that lapses in its grace": (
        both(change("protocol/grace/period", "7200"), change("protocol/call_lifetime", "7200")),
        "protocol.call_lifetime: found 7200, expected more than grace.period, 7200",
    ),
    "backstop after the call": (
        change("protocol/backstop_delay", "604801"),
        "protocol.backstop_delay: found 604801, expected between grace.period, 0, and call_lifetime, 604800",
    ),
    "backstop within the grace": (
        change("protocol/grace/period", "172801"),
        "protocol.backstop_delay: found 172800, expected between grace.period, 172801, and call_lifetime, 604800",
    ),
    "dust above the smallest debt": (
        change("protocol/dust_value", "101"),
        "protocol.dust_value: found 101, expected at most min_debt_value, 100",
    ),
    "negative value": (
        change("protocol/min_debt_value", "-1"),
        f"protocol.min_debt_value: found -1, expected {VALUE}",
    ),
    "value not a number": (
        change("protocol/min_debt_value", "nan"),
        f'protocol.min_debt_value: found "nan", expected {VALUE}',
    ),
    "grace floor above 1": (
        change("protocol/grace/hard_floor", "1.1"),
        "protocol.grace.hard_floor: found 1.1, expected a health factor in [0, 1], with at most 18 decimals",
    ),
    # oracles
    "abandoned over a weekend": (
        change("oracles/abandon_after", "86400"),
        f"oracles.abandon_after: found 86400, expected {seconds(259_200, 7_776_000)}",
    ),
    "decay in a day": (
        change("oracles/decay_period", "86400"),
        f"oracles.decay_period: found 86400, expected {seconds(604_800, 31_536_000)}",
    ),
    "sequencer without grace": (
        change("oracles/sequencer", {"feed": WETH}),
        f"oracles.sequencer.grace: found nothing, expected {seconds(0, 86_400)}",
    ),
    "sequencer's grace of a week": (
        change("oracles/sequencer", {"feed": WETH, "grace": "604800"}),
        f"oracles.sequencer.grace: found 604800, expected {seconds(0, 86_400)}",
    ),
    "sequencer of our own on a real network": (
        change("oracles/sequencer", {"feed": "test", "grace": "3600"}),
        "oracles.sequencer.feed: found test, expected an address: network.test_contracts is false",
    ),
    # assets
    "asset without a use": (
        both(change("assets/WETH/collateral", Remove), change("assets/WETH/borrow", Remove)),
        "assets.WETH: found neither collateral nor borrow, expected at least one of them",
    ),
    "nothing to borrow": (
        both(change("assets/WETH/borrow", Remove), change("assets/USDC", Remove)),
        "assets: found no asset with a borrow key, expected at least one that can be borrowed",
    ),
    "nothing to lend against": (
        both(
            *(change(f"assets/{name}", Remove) for name in ("WBTC", "LINK")),
            change("assets/WETH/collateral", Remove),
        ),
        "assets: found no asset with a collateral key, expected at least one that is collateral",
    ),
    "token listed twice": (
        change("assets/LINK/token", WETH),
        "assets.LINK.token: found the address of assets.WETH.token, expected an address of its own",
    ),
    "token as its feed": (
        change("assets/WETH/price/chainlink/feed", WETH),
        "assets.WETH.price.chainlink.feed: found the address of assets.WETH.token, expected an address of its own",
    ),
    "token of our own on a real network": (
        change("assets/LINK/token", "test"),
        "assets.LINK.token: found test, expected an address: network.test_contracts is false",
    ),
    "token by its name": (
        change("assets/LINK/token", "LINK"),
        'assets.LINK.token: found "LINK", expected a checksummed address, or test on a network with test_contracts',
    ),
    "token of 28 decimals": (
        change("assets/WETH/decimals", "28"),
        "assets.WETH.decimals: found 28, expected a number of decimals in [0, 27], without decimals",
    ),
    "ramp of an hour": (
        change("assets/WETH/ramp", "3600"),
        f"assets.WETH.ramp: found 3600, expected {seconds(86_400, 7_776_000)}",
    ),
    # price
    "no price": (
        change("assets/WETH/price", Remove),
        "assets.WETH.price: found nothing, expected a mapping with the keys chainlink, pyth, uniswap, cross, erc4626, "
        "watched, deviation, reference, tolerance, jump",
    ),
    "too old before it is late": (
        change("assets/WETH/price/chainlink/max_age", "3599"),
        "assets.WETH.price.chainlink.max_age: found 3599, expected at least heartbeat, 3600",
    ),
    "heartbeat of a week": (
        change("assets/USDC/price/chainlink/heartbeat", "604800"),
        f"assets.USDC.price.chainlink.heartbeat: found 604800, expected {seconds(1, 172_800)}",
    ),
    "no reference": (
        change("assets/WETH/price/reference", Remove),
        f"assets.WETH.price.reference: found nothing, expected {PRICE}",
    ),
    "reference finer than the feed": (
        change("assets/WETH/price/reference", "3000.000000001"),
        "assets.WETH.price.reference: found 3000.000000001, expected at most 8 decimals, as the feed has",
    ),
    "tolerance of everything": (
        change("assets/WETH/price/tolerance", "1"),
        "assets.WETH.price.tolerance: found 1, expected a ratio in (0, 0.25], with at most 4 decimals",
    ),
    "feed that never moves": (
        change("assets/WETH/price/deviation", "0"),
        "assets.WETH.price.deviation: found 0, expected a ratio in (0, 0.1], with at most 4 decimals",
    ),
    "least above the reference": (
        change("assets/WETH/price/chainlink/least", "3001"),
        "assets.WETH.price.chainlink.least: found 3001, expected at most reference, 3000",
    ),
    "most below the reference": (
        change("assets/WETH/price/chainlink/most", "2999"),
        "assets.WETH.price.chainlink.most: found 2999, expected at least reference, 3000",
    ),
    "least above most": (
        both(change("assets/LINK/price/chainlink/least", "20"), change("assets/LINK/price/chainlink/most", "5")),
        "assets.LINK.price.chainlink.least: found 20, expected at most most, 5",
    ),
    "no source": (
        change("assets/WETH/price/chainlink", Remove),
        "assets.WETH.price: found 0 sources, expected exactly one of chainlink, pyth, uniswap, cross, erc4626, watched",
    ),
    "two sources": (
        change("assets/WETH/price/cross", {"base": FEED, "quote": FEED}),
        "assets.WETH.price: found 2 sources (chainlink, cross), "
        "expected exactly one of chainlink, pyth, uniswap, cross, erc4626, watched",
    ),
    "half a product": (
        sourced("LINK", "cross", {"base": FEED}),
        "assets.LINK.price.cross.quote: found nothing, expected a mapping with the keys chainlink, pyth, uniswap, "
        "cross, erc4626, watched",
    ),
    "feed of ours in a product": (
        both(change("network/test_contracts", "true"), sourced("LINK", "cross", {"base": FEED, "quote": TEST_FEED})),
        "assets.LINK.price.cross.quote.chainlink.feed: found test, "
        "expected an address: a feed of ours stands in for a whole price, not for a part of one",
    ),
    "feed in a product that is too old before it is late": (
        sourced("LINK", "cross", {"base": FEED, "quote": {"chainlink": FEED["chainlink"] | {"max_age": "3599"}}}),
        "assets.LINK.price.cross.quote.chainlink.max_age: found 3599, expected at least heartbeat, 3600",
    ),
    "share in a product that is of nobody knows what": (
        sourced("LINK", "cross", {"base": FEED, "quote": {"erc4626": SHARE}}),
        "assets.LINK.price.cross.quote.erc4626.token: found nothing, "
        "expected the address of the token that is priced: here it is not the asset's own",
    ),
    "growth above the contract's": (
        sourced("LINK", "erc4626", SHARE | {"max_growth": "3.1"}),
        "assets.LINK.price.erc4626.max_growth: found 3.1, expected a ratio in (0, 3], with at most 4 decimals",
    ),
    "pool that is safe below its least": (
        sourced("LINK", "uniswap", POOL | {"least_liquidity": "1001"}),
        "assets.LINK.price.uniswap.least_liquidity: found 1001, expected at most safe_liquidity, 1000",
    ),
    "window of a minute": (
        sourced("LINK", "uniswap", POOL | {"window": "60"}),
        f"assets.LINK.price.uniswap.window: found 60, expected {seconds(600, 14_400)}",
    ),
    "Pyth price by its name": (
        sourced("LINK", "pyth", PYTH | {"id": "LINK/USD"}),
        'assets.LINK.price.pyth.id: found "LINK/USD", expected a Pyth price id (0x and 64 hex digits in lower case)',
    ),
    "Pyth answer that is never late": (
        sourced("LINK", "pyth", PYTH | {"heartbeat": "601"}),
        "assets.LINK.price.pyth.max_age: found 600, expected at least heartbeat, 601",
    ),
    "two that watch each other from nowhere": (
        sourced("LINK", "watched", WATCHED | {"max_deviation": "0.0001"}),
        "assets.LINK.price.watched.max_deviation: found 0.0001, expected a ratio in [0.001, 0.2], "
        "with at most 4 decimals",
    ),
    "dispute of a minute": (
        sourced("LINK", "watched", WATCHED | {"dispute_period": "60"}),
        f"assets.LINK.price.watched.dispute_period: found 60, expected {seconds(3_600, 604_800)}",
    ),
    "jump of every day": (
        change("assets/LINK/price/jump", "0.04"),
        "assets.LINK.price.jump: found 0.04, expected a ratio in [0.05, 0.6], with at most 4 decimals",
    ),
    # volatility
    "samples too far apart": (
        change("oracles/volatility", VOLATILITY | {"spacing": "32401"}),
        "oracles.volatility.spacing: found 32401, expected at most an eighth of time_constant, 259200",
    ),
    "calm that is turbulent": (
        change("oracles/volatility", VOLATILITY | {"calm": "1.2"}),
        "oracles.volatility.calm: found 1.2, expected less than turbulent, 1.2",
    ),
    "target lifted by nobody": (
        change("assets/LINK/collateral/most_target", "1.2"),
        "assets.LINK.collateral.most_target: found 1.2, expected none: there is no oracles.volatility to ask for it",
    ),
    "target lifted above the Vault's": (
        both(change("oracles/volatility", VOLATILITY), change("assets/LINK/collateral/most_target", "1.6")),
        "assets.LINK.collateral.most_target: found 1.6, expected at most protocol.max_target_health, 1.5",
    ),
    # collateral
    "ltv at the threshold": (
        change("assets/WETH/collateral/ltv", "0.85"),
        "assets.WETH.collateral.ltv: found 0.85, expected less than liquidation_threshold, 0.85",
    ),
    "ltv finer than a basis point": (
        change("assets/WETH/collateral/ltv", "0.80001"),
        f"assets.WETH.collateral.ltv: found 0.80001, expected {RATIO_BPS}",
    ),
    "threshold with bonus above 99 percent": (
        change("assets/WETH/collateral/liquidation_threshold", "0.94"),
        "assets.WETH.collateral.liquidation_threshold: found 0.94, which makes t (1 + max_bonus) = 0.9964, "
        "expected t (1 + max_bonus) of at most 0.99",
    ),
    "bonus below the floor": (
        change("assets/WETH/collateral/max_bonus", "0.004"),
        "assets.WETH.collateral.max_bonus: found 0.004, expected at least protocol.bonus.floor, 0.005",
    ),
    "bonus above 20 percent": (
        change("assets/WETH/collateral/max_bonus", "0.21"),
        "assets.WETH.collateral.max_bonus: found 0.21, expected a ratio in [0, 0.20], with at most 4 decimals",
    ),
    "feeds that hide more than the margin": (
        change("assets/WETH/collateral/liquidation_threshold", "0.93"),
        "assets.WETH.price.deviation: found 0.01, with USDC's 0.015, "
        "expected at most 1 - liquidation_threshold (1 + max_bonus), 0.0142, for both together",
    ),
    "cap finer than the token": (
        change("assets/WBTC/collateral/cap", "0.000000001"),
        "assets.WBTC.collateral.cap: found 0.000000001, expected at most 8 decimals, as the token has",
    ),
    "cap wider than 112 bits": (
        both(change("assets/WETH/decimals", "27"), change("assets/WETH/collateral/cap", "6000000")),
        "assets.WETH.collateral.cap: found 6000000, expected an amount that fits into 112 bits of token units",
    ),
    "cap in words": (
        change("assets/WBTC/collateral/cap", "unlimited"),
        f'assets.WBTC.collateral.cap: found "unlimited", expected {TOKENS}',
    ),
    "bucket without a minimum": (
        change("protocol/bucket_minimum", "0"),
        "assets.WETH.collateral.bucket: found a bucket, expected none, where protocol.bucket_minimum is 0",
    ),
    # borrow
    "supply cap of 0": (
        both(change("assets/USDC/borrow/supply_cap", "0"), change("assets/USDC/borrow/borrow_cap", "0")),
        "assets.USDC.borrow.supply_cap: found 0, expected more than 0 (leave borrow out where nobody may)",
    ),
    "more borrowed than supplied": (
        change("assets/USDC/borrow/borrow_cap", "20000001"),
        "assets.USDC.borrow.borrow_cap: found 20000001, expected at most supply_cap, 20000000",
    ),
    "rate beyond 32 bits": (
        change("assets/USDC/borrow/rate/slope2", "5"),
        "assets.USDC.borrow.rate.slope2: found 5, expected a yearly rate in [0, 4.294967295], with at most 9 decimals",
    ),
    "kink above 1": (
        change("assets/USDC/borrow/rate/kink", "1.1"),
        "assets.USDC.borrow.rate.kink: found 1.1, expected a utilisation in (0, 1], with at most 18 decimals",
    ),
    "flash fee above 1 percent": (
        change("assets/USDC/borrow/flash_fee", "0.011"),
        "assets.USDC.borrow.flash_fee: found 0.011, expected a ratio in [0, 0.01], with at most 4 decimals",
    ),
    "misspelt key": (
        change("assets/USDC/borrow/reserveFactor", "0.1"),
        "assets.USDC.borrow.reserveFactor: found an unknown key (with 0.1), "
        "expected one of rate, reserve_factor, supply_cap, borrow_cap, flash_fee",
    ),
}


@pytest.fixture(scope="module")
def tree() -> Tree:
    return read_yaml(ROOT / "config/sepolia.yaml", "network")


@pytest.mark.parametrize("case", CASES)
def test_bad_config__of_each_kind__is_refused_in_one_line(tree: Tree, case: str) -> None:
    broken = copy.deepcopy(tree)
    apply, expected = CASES[case]
    apply(broken)
    with pytest.raises(BadInput) as caught:
        read_config(broken, Path("network.yaml"))
    assert str(caught.value) == expected
    assert caught.value.exit_code == 2


def test_bad_configs__are_of_at_least_forty_kinds() -> None:
    assert len(CASES) >= 40
    assert len({expected for _, expected in CASES.values()}) == len(CASES)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("network: [", "line 1, column 11: found expected the node content, but found '<stream end>', expected YAML"),
        ("", "file: found nothing, expected a mapping with the keys network, roles, protocol, oracles, assets"),
        ("network: {}\nnetwork: {}", "network: found the key a second time (line 2), expected each key once"),
        ("a: !!python/object:os.system {}", "a: found something, expected a plain value"),
    ],
)
def test_bad_text__is_refused_with_the_files_name(tmp_path: Path, text: str, expected: str) -> None:
    file = tmp_path / "network.yaml"
    file.write_text(text)
    with pytest.raises(BadInput) as caught:
        load_config(file)
    assert str(caught.value).startswith(f"{file}: ")
    assert "\n" not in str(caught.value)
    if "something" not in expected:
        assert str(caught.value) == f"{file}: {expected}"


def test_missing_file__is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        BadInput, match=r"none\.yaml: found No such file or directory, expected a readable network file"
    ):
        load_config(tmp_path / "none.yaml")
