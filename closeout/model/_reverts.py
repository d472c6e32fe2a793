"""A refusal of the contracts, by the name of its custom error."""

from closeout.errors import CloseoutError


class ModelRevert(CloseoutError):
    """An action that the contracts would refuse: the custom error's name and its arguments. Nothing has changed.

    Amounts in token units and values in WAD, as in IVault.sol; errors of the liquidation engine carry RAY values.
    """

    def __init__(self, name: str, *values: object) -> None:
        self.name = name
        self.values = values
        super().__init__(f"{name}({', '.join(map(str, values))})")
