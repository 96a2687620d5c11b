"""The same stories for the oracle and for both servers, line by line."""

from itertools import count

import pytest
from support import asks
from support.audit import audit_account
from support.ledger_table import Story
from support.oracle import Oracle
from support.redis_server import KINDS

from gateway.stores.redis.ledger import RedisLedger

STORE_FORMS = (*KINDS, "cluster")

STORIES = {
    "a call is paid for once": """
do           id  amount | says              free  held  debt charged
grant        g1     100 | granted            100     0     0     0
grant        g1     100 | granted again      100     0     0     0
reserve      r1      60 | reserved            40    60     0     0
reserve      r1      60 | reserved            40    60     0     0
reserve      r2      50 | refused balance     40    60     0     0
settle       r1      45 | settled             55     0     0    45
settle       r1      45 | already settled     55     0     0    45
release      r1       - | already settled     55     0     0    45
reserve      r1      60 | already settled     55     0     0    45
extend       r1      10 | already settled     55     0     0    45
""",
    "a released hold costs nothing": """
do           id  amount | says              free  held  debt charged
grant        g1     100 | granted            100     0     0     0
reserve      r1     100 | reserved             0   100     0     0
release      r1       - | released           100     0     0     0
release      r1       - | already released   100     0     0     0
settle       r1      60 | already released   100     0     0     0
""",
    "a release that overtakes its reserve leaves nothing held": """
do           id  amount | says              free  held  debt charged
grant        g1     100 | granted            100     0     0     0
release      r1       - | released           100     0     0     0
reserve      r1      60 | already released   100     0     0     0
""",
    "an overrun takes free credit, then makes debt, which the next grant pays": """
do           id  amount | says              free  held  debt charged
grant        g1     100 | granted            100     0     0     0
reserve      r1      40 | reserved            60    40     0     0
settle       r1     130 | settled              0     0    30   130
reserve      r2       1 | refused balance      0     0    30   130
reserve/soft r2       1 | refused balance      0     0    30   130
grant        g2      20 | granted              0     0    10   130
grant        g3      50 | granted             40     0     0   130
""",
    "returned credit pays debt before anyone may have it": """
do           id  amount | says              free  held  debt charged
grant        g1     100 | granted            100     0     0     0
reserve      r1      60 | reserved            40    60     0     0
reserve      r2      40 | reserved             0   100     0     0
settle       r2      70 | settled              0    60    30    70
release      r1       - | released            30     0     0    70
""",
    "a hold grows while its call runs": """
do           id  amount | says              free  held  debt charged
grant        g1     100 | granted            100     0     0     0
reserve      r1      40 | reserved            60    40     0     0
extend       r1      50 | extended            10    90     0     0
extend       r1      11 | refused balance     10    90     0     0
extend       r1      10 | extended             0   100     0     0
settle       r1      95 | settled              5     0     0    95
extend       r2       1 | unknownhold          5     0     0    95
""",
    "a soft plan goes below zero to its bound": """
do           id  amount | says              free  held  debt charged
grant        g1      50 | granted             50     0     0     0
reserve/soft r1     151 | refused balance     50     0     0     0
reserve/soft r1     120 | reserved             0   120     0     0
reserve/soft r2       1 | refused balance      0   120     0     0
extend/soft  r1      30 | extended             0   150     0     0
extend/soft  r1       1 | refused balance      0   150     0     0
settle       r1     140 | settled              0     0    90   140
grant        g2     100 | granted             10     0     0   140
""",
    "an observed account is counted, never refused": """
do              id  amount | says              free  held  debt charged
grant           g1      50 | granted             50     0     0     0
reserve/observe r1      80 | reserved             0    50     0     0
reserve/observe r2      80 | reserved             0    50     0     0
extend/observe  r2      30 | extended             0    50     0     0
settle/observe  r1      90 | settled              0     0     0    90
settle/observe  r2      10 | settled              0     0     0   100
""",
    "an expired hold without a checkpoint is given back, and settled late once": """
do            id  amount | says              free  held  debt charged
grant         g1     100 | granted            100     0     0     0
reserve/brief r1      60 | reserved            40    60     0     0
expire        -        - | ended 1            100     0     0     0
expire        -        - | ended 0            100     0     0     0
release       r1       - | already expired    100     0     0     0
extend        r1       9 | already expired    100     0     0     0
settle        r1      70 | settled late        30     0     0    70
settle        r1      70 | already settled     30     0     0    70
""",
    "an expired hold is charged to its checkpoint, a late settle the rest": """
do            id  amount | says              free  held  debt charged
grant         g1     100 | granted            100     0     0     0
reserve       r1      20 | reserved            80    20     0     0
extend/brief  r1      30 | extended            50    50     0     0
expire        -        - | ended 1             70     0     0    30
settle        r1      70 | settled late        30     0     0    70
""",
    "a late settle below the checkpoint charges nothing more": """
do            id  amount | says              free  held  debt charged
grant         g1     100 | granted            100     0     0     0
reserve       r1      20 | reserved            80    20     0     0
extend/brief  r1      30 | extended            50    50     0     0
expire        -        - | ended 1             70     0     0    30
settle        r1      10 | settled late        70     0     0    30
""",
    "a hold the ledger lost is charged all the same": """
do            id  amount | says              free  held  debt charged
grant         g1     100 | granted            100     0     0     0
settle        r1      70 | settled late        30     0     0    70
settle        r1      70 | already settled     30     0     0    70
reserve       r1      10 | already settled     30     0     0    70
""",
    "a kept hold is charged to what was used, once": """
do           id  amount | says              free  held  debt charged
grant        g1     100 | granted            100     0     0     0
reserve      r1      60 | reserved            40    60     0     0
keep         r1      60 | kept                40    60     0     0
keep         r1      60 | kept                40    60     0     0
expire       -        - | ended 0             40    60     0     0
settle       r1      25 | settled             75     0     0    25
settle       r1      25 | already settled     75     0     0    25
keep         r1      60 | already settled     75     0     0    25
""",
    "a kept hold is given back when its job failed": """
do           id  amount | says              free  held  debt charged
grant        g1     100 | granted            100     0     0     0
reserve      r1      60 | reserved            40    60     0     0
keep         r1      60 | kept                40    60     0     0
release      r1       - | released           100     0     0     0
settle       r1      25 | already released   100     0     0     0
keep         r1      60 | already released   100     0     0     0
""",
    "a kept hold that nobody reports is charged whole": """
do           id  amount | says              free  held  debt charged
grant        g1     100 | granted            100     0     0     0
reserve      r1      60 | reserved            40    60     0     0
keep/brief   r1      60 | kept                40    60     0     0
expire       -        - | ended 1             40     0     0    60
settle       r1      25 | settled late        40     0     0    60
""",
    "a job is followed although its hold expired before it could be kept": """
do            id  amount | says              free  held  debt charged
grant         g1     100 | granted            100     0     0     0
reserve/brief r1      60 | reserved            40    60     0     0
expire        -        - | ended 1            100     0     0     0
keep          r1      60 | kept late          100     0     0     0
settle        r1      25 | settled late        75     0     0    25
settle        r1      25 | already settled     75     0     0    25
""",
    "nothing at all can be held and settled": """
do            id  amount | says              free  held  debt charged
reserve       r1       0 | reserved             0     0     0     0
settle        r1       0 | settled              0     0     0     0
reserve       r2       1 | refused balance      0     0     0     0
""",
}


@pytest.mark.parametrize("table", STORIES.values(), ids=list(STORIES))
async def test_the_oracle_tells_the_story(table: str) -> None:
    ticks = count(1_000_000)

    told = await Story(Oracle(asks.ACCOUNT, lambda: next(ticks))).tell(table)

    assert told == table


@pytest.mark.parametrize("table", STORIES.values(), ids=list(STORIES))
async def test_the_server_tells_the_story(ledger: RedisLedger, table: str) -> None:
    told = await Story(ledger).tell(table)

    assert told == table
    await audit_account(ledger, asks.ACCOUNT)
