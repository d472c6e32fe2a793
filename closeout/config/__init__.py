"""Network configuration: one YAML file says what a deployment is. See the module of each name.

schema     which keys there are, and what each may say     checks    relations between them
loading    file → checked `NetworkConfig`                  amounts   its figures as the chain's integers
"""

from __future__ import annotations

from .loading import NetworkConfig, load_config
from .schema import NetworkFile

__all__ = ["NetworkConfig", "NetworkFile", "load_config"]
