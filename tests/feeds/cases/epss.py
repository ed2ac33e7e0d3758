"""FIRST's scores."""

import gzip
from datetime import date

from orchestrator.core.advisories import Likelihood
from tests.feeds.feed_case import FeedCase

COMMENT = b"#model_version:v2099.03.14,score_date:2099-04-05T00:00:00+0000\n"
SCORES = (
    COMMENT
    + b"""\
cve,epss,percentile
CVE-2099-0001,0.97565,0.99988
CVE-2098-12345,4.3e-04,0.10000
"""
)


def _score(cve: str, score: float, percentile: float) -> Likelihood:
    return Likelihood(
        cve=cve, score=score, percentile=percentile, model_version="v2099.03.14", scored_on=date(2099, 4, 5)
    )


CASE = FeedCase(
    feed="epss",
    part="epss",
    name="epss_scores-2099-04-05.csv.gz",
    content=gzip.compress(SCORES, mtime=0),
    says=(_score("CVE-2099-0001", 0.97565, 0.99988), _score("CVE-2098-12345", 0.00043, 0.1)),
    twice=gzip.compress(SCORES + b"CVE-2099-0001,0.5,0.5\n", mtime=0),
)
