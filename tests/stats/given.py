"""Evidence whose interval at level 0.01 is given, for tests of the rule that it decides by."""

import math
from dataclasses import dataclass, replace

from fanin.stats.evidence import Evidence
from fanin.stats.intervals import Interval, normal_quantile
from fanin.stats.verdict import judge

ERROR = 0.01


@dataclass(frozen=True)
class Given(Evidence):
    known: Interval

    @property
    def estimate(self):
        return self.known.estimate

    def interval(self, error, watched=False):
        return self.known

    def grown(self, factor):
        low, high = ((end - self.estimate) / math.sqrt(factor) + self.estimate for end in (self.known.low, self.known.high))
        return Given(replace(self.known, low=low, high=high))

    @property
    def standard_error(self):
        return (self.known.high - self.known.low) / 2 / normal_quantile(ERROR)


def judge_given(claim, interval, networks):
    return judge(claim, Given(interval), networks, ERROR)
