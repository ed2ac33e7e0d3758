"""Ansible inventories as they are: YAML, INI, the JSON of ``ansible-inventory --list``, group_vars and host_vars.

`load.load_inventory` is the way in. `sources` finds the files and tells their format, one reader per format
(`ini`, `yaml`, `json_list`) fills a `gathered.Gathered`, `vars_files` adds the variables beside it, `groups` orders
groups and closes them over their children, `variables` turns what is in force into `core.hosts.Host` objects.
"""

from orchestrator.core.inventory_rules import Inventory
from orchestrator.inventory.load import load_inventory

__all__ = ["Inventory", "load_inventory"]
