"""Tables that others measured, as they published them.

Rule: figures and where they are from, nothing else. They are also in CSV in the folders named.

Packet delivery by range: DESERT Underwater (github.com/signetlabdei/DESERT_Underwater, desert_samples/dbs; Copyright
(c) Signet Lab, University of Padova; BSD-3-Clause): `hermes/12June08`, sea trial of the Hermes modem, commit 016130c;
and `ahoi/default_pdr.csv`, commit 543a2da. Air time of EvoLogics S2C instant messages: the same,
`evologics_LUT/txduration_s2c_LUT.csv`, commit 77bf3b5, a selection of rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

DELIVERY: Mapping[str, tuple[tuple[float, float], ...]] = MappingProxyType(
    {
        # Near by it is worse than at 99 m: echoes.
        "ahoi": ((12, 0.950), (24, 0.700), (46, 0.885), (99, 0.990), (152, 0.515), (200, 0.0)),
        "hermes-0": ((25, 0.929805), (50, 0.9683), (95, 0.924571), (120, 0.698639), (190, 0.0)),
        "hermes-1": ((25, 0.910663), (50, 0.9683), (95, 0.918324), (120, 0.3593), (190, 0.0)),
    }
)
"""(range in metres, share of packets delivered) by modem and mode."""

EVOLOGICS_S2C_AIRTIME_MS: tuple[tuple[int, float], ...] = (
    (1, 172.102),
    (8, 237.660),
    (16, 327.796),
    (20, 368.760),
    (24, 417.916),
    (32, 499.859),
    (40, 589.929),
    (48, 688.241),
    (56, 770.201),
    (64, 860.338),
)
"""(payload bytes, ms on the air)."""
