"""The table that places parameters in a Vault is the one that the RiskConfigurator would publish, byte by byte."""

from __future__ import annotations

from dataclasses import replace

from tests.differential.settings import SETTINGS, model_parameters
from tests.property.tables import Addresses, table_code
from tests.support.node import Node


def test_table_code__is_what_the_configurator_publishes(node: Node) -> None:
    for setting in SETTINGS:
        # what worlds do not have: interest
        still = []
        for asset in setting.assets:
            lent = replace(asset.borrowing, base=0, slope1=0, slope2=0, reserve_factor=0)
            still.append(replace(asset, borrowing=lent))
        world = replace(setting, assets=tuple(still)).on_chain(node)
        modules = (world.engine, world.fund, world.splitter)
        code = table_code(
            model_parameters(setting.parameters),
            [asset.in_the_model() for asset in still],
            [asset.token.address for asset in world.assets],
            [asset.feed.address for asset in world.assets],
            Addresses(*(module.address for module in modules), world.treasury, world.router.address),
        )
        published = node.rpc.call("eth_getCode", world.vault.configuration(), "latest")
        words = [(published[at : at + 64], code[at : at + 64]) for at in range(4, len(code), 64)]
        assert len(published) == len(code)
        assert [(n, theirs, ours) for n, (theirs, ours) in enumerate(words) if theirs != ours] == [], setting.name
