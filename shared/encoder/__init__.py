"""Encoders (a window in, an embedding out), the heads on them, and the registry that builds them by name."""

from shared.encoder.contract import Config, Encoder, EncoderError, Family
from shared.encoder.count import count_macs, count_parameters
from shared.encoder.heads import Head, HeadConfig, Projection, new_head
from shared.encoder.registry import Registry, build, config, names, registry

__all__ = [
    "Config",
    "Encoder",
    "EncoderError",
    "Family",
    "Head",
    "HeadConfig",
    "Projection",
    "Registry",
    "build",
    "config",
    "count_macs",
    "count_parameters",
    "names",
    "new_head",
    "registry",
]
