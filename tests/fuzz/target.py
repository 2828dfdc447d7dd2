"""All targets by name."""

from .checkpoint_target import TARGET as CHECKPOINT
from .manifest_target import TARGET as MANIFEST
from .pack_target import TARGET as PACK
from .path_target import TARGET as PATH
from .source import Target
from .tree_target import TARGET as TREE
from .validator_target import TARGET as VALIDATOR

TARGETS: dict[str, Target] = {
    target.name: target for target in (MANIFEST, PATH, TREE, PACK, CHECKPOINT, VALIDATOR)
}
