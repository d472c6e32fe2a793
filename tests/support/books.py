"""The Vault's books, held to its events and to its tokens: what its logs tell is what its views say, and P1."""

from __future__ import annotations

from closeout.indexer import Indexer
from tests.support.world import Asset, World

__all__ = ["assert_books_balance"]


def assert_books_balance(world: World) -> None:
    """Every balance follows from the logs since the chain began, and the Vault's tokens cover what it owes."""
    indexer = Indexer()
    parties: dict[int, set[str]] = {asset.id: {world.splitter.address, world.treasury} for asset in world.assets}
    for log in world.node.journal:
        if log.emitter == world.vault.address:
            indexer.apply(log.name, log.values, log.time)
            named = {log.values[role] for role in ("holder", "owner", "receiver", "from", "to") if role in log.values}
            if "assetId" in log.values:
                parties[log.values["assetId"]] |= named
    owed_in_all = {asset.id: 0 for asset in world.assets}
    for account in indexer.accounts:
        held, owed = world.position(account)
        assert held == indexer.collateral_of(account)
        assert owed == indexer.debts_of(account, world.now)
        for n, units in held.items():
            owed_in_all[n] += units
    for asset in world.assets:
        _compare(world, indexer, asset, parties[asset.id], owed_in_all[asset.id])


def _compare(world: World, indexer: Indexer, asset: Asset, parties: set[str], collateral: int) -> None:
    vault, n = world.vault, asset.id
    market = indexer.market_of(n, world.now, world.listings[n][1].reserve_factor)
    assert vault.marketOf(n)[:4] == (market.idle, market.debt, market.supply_shares, market.index)
    assert vault.expectedLossOf(n)[0] == indexer.expected_loss_of(n)
    claims = 0
    for party in parties:
        claim = indexer.claim_of(party, n)
        if party == _current(world, 2):
            claim += indexer.penalties_of(n)
        assert vault.claimOf(party, n) == claim
        claims += claim
        if party != _current(world, 3):
            assert vault.supplySharesOf(n, party) == indexer.supply_shares_of(n, party)
    assert world.balance(asset, world.vault) >= market.idle + claims + collateral


def _current(world: World, word: int) -> str:
    """The module in a word of the table in force: 2 splitter, 3 treasury."""
    code = bytes.fromhex(world.node.rpc.call("eth_getCode", world.vault.configuration(), "latest")[2:])
    return "0x" + code[1 + 32 * word + 12 : 33 + 32 * word].hex()
