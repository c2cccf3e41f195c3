"""What a run of questions saw, as JSON: the codes, and what the agent held before and after."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict

from tests.fuzz.campaign import Campaign
from tests.fuzz.growth import Held


def written(campaign: Campaign, first: Held, last: Held, seconds: float) -> str:
    """The report's text."""
    codes: Counter[str] = Counter()
    for (_, code, reason), count in campaign.seen.items():
        codes[f"{code} {reason}".strip()] += count
    slowest_s, slowest = campaign.longest_s
    report = {
        "messages": campaign.asked,
        "seconds": round(seconds),
        "rpcs": len({path for path, _, _ in campaign.seen}),
        "longest_call": {"seconds": round(slowest_s, 2), "rpc": slowest},
        "outcomes": dict(codes.most_common()),
        "held_after_warm_up": asdict(first),
        "held_at_the_end": asdict(last),
    }
    return json.dumps(report, indent=2) + "\n"
