"""What formats share whose calls only begin a job: nothing of their answers is counted here."""

from gateway.dialects.base import AnswerReader, BodyFilter, PromptParts
from gateway.dialects.passing import Passing
from gateway.dialects.silent import Silent
from gateway.metering.call import Call


class BeginsJobs:
    """A part of `Dialect`."""

    def prompt_parts(self, call: Call) -> PromptParts:  # noqa: ARG002 (the protocol's)
        return PromptParts(texts=())

    def answer_reader(self, call: Call, *, content_type: str) -> AnswerReader:  # noqa: ARG002 (the protocol's)
        return Silent()

    def usage_filter(self) -> BodyFilter:
        return Passing()
