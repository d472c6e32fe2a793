"""The Vault's code in two halves on one storage: the layouts agree, slot by slot, and neither half leaves it."""

from __future__ import annotations

from typing import Any

from tests.support.node import Node
from tests.support.world import World, wad


def layout(node: Node, name: str) -> list[tuple[str, int, int, str]]:
    """Variables with slot, offset and type, types by what they are and not by the compiler's running numbers."""
    storage = node.artifacts[name].storage_layout
    types: dict[str, Any] = storage.get("types") or {}

    def shape(kind: str) -> str:
        entry = types[kind]
        parts = [f"{m['label']}@{m['slot']}+{m['offset']}:{shape(m['type'])}" for m in entry.get("members", [])]
        inner = [shape(entry[key]) for key in ("key", "value", "base") if key in entry]
        return f"{entry['label']}/{entry['numberOfBytes']}[{','.join(inner)}]({';'.join(parts)})"

    return [(item["label"], int(item["slot"]), item["offset"], shape(item["type"])) for item in storage["storage"]]


def test_layout__of_the_extension__is_the_vaults(node: Node):
    vault, extension = layout(node, "Vault"), layout(node, "VaultExtension")
    assert len(extension) >= 10
    assert vault == extension


def test_layout__of_an_asset__is_one_slot_for_each_side(node: Node):
    """docs/architecture.md, "Storage"."""
    types = node.artifacts["Vault"].storage_layout["types"]
    structs = {entry["label"]: entry["numberOfBytes"] for entry in types.values() if "members" in entry}
    for name in ("BorrowState", "SupplyState", "SeizureState"):
        assert structs[f"struct VaultBase.{name}"] == "32"
    assert structs["struct Positions.Account"] == str(32 * 9)


def test_storage__of_an_account_with_one_collateral_and_one_debt__is_two_slots(world: World):
    """The first borrow of a fresh account writes its header and one slot of balances, besides the market's two."""
    account = world.open_account({world.weth: 10})
    trace = touched_slots(world, world.borrower, world.vault.borrow.data(account, world.usdc.id, 10**9, world.borrower))
    assert len(trace) == 4


def touched_slots(world: World, sender: str, data: bytes) -> set[str]:
    """Slots of the Vault that a call writes."""
    node = world.node
    request = {"from": sender, "to": world.vault.address, "data": "0x" + data.hex(), "gas": hex(30_000_000)}
    options = {"tracer": "prestateTracer", "tracerConfig": {"diffMode": True}}
    trace = node.rpc.call("debug_traceCall", request, "latest", options)
    return set(trace["post"][world.vault.address]["storage"])


def test_storage__written_through_the_extension__is_read_by_the_vault_and_back(world: World):
    """An operator set by one half is obeyed by the other; a deleverage of one half by the close-out of the other."""
    account = world.open_account({world.weth: 10}, {world.usdc: 10_000})
    world.vault.setOperator(world.operator, True, sender=world.borrower)
    world.vault.borrow(account, world.usdc.id, 1, world.operator, sender=world.operator)
    world.vault.setDeleverage(account, (wad("1.3"), wad("1.5"), wad("0.01")), sender=world.borrower)
    world.warp(1)
    world.arm()
    assert world.result(world.close_out(account)).is_executed
    assert world.vault.timesOf(account)[1] == world.now - 1
