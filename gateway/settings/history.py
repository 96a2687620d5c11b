"""The history as configured: which database, its URL resolved."""

from gateway.settings.problems import Problems
from gateway.settings.reading import Files
from gateway.settings.sources import Sources
from gateway.settings.values import History
from gateway.stores.history.clickhouse import SCHEMES as CLICKHOUSE
from gateway.stores.history.postgres import SCHEMES as POSTGRES
from gateway.stores.history.postgres import installed


def build_history(files: Files, sources: Sources, problems: Problems) -> History:
    block, node = files.main.history, files.node.at("history", "url")
    url = block.url
    if url != "sqlite":
        url = sources.secret(url, asked_by=node) or ""
    scheme = url.partition("://")[0]
    if scheme in POSTGRES and not installed():
        problems.add(
            node,
            "PostgreSQL needs a library that is not installed",
            suggestion="Install it with: pip install 'tollkeeper[postgres]'",
        )
    elif url and url != "sqlite" and scheme not in (*POSTGRES, *CLICKHOUSE):
        problems.add(
            node,
            "what the reference leads to is no postgresql:// or clickhouse+https:// URL",
            suggestion="Put a URL such as postgresql://user:password@host:5432/tollkeeper there.",
        )
    return History(url=url, keep_days=block.keep_days)
