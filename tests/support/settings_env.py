"""The environment that tests of the configuration are given."""

from gateway.metering.accounts import format_key

TEAM_KEY = format_key("0123456789ab", "S" * 33)
ENVIRON = {
    "OPENAI_API_KEY": "sk-test-openai-credential",
    "ANTHROPIC_API_KEY": "sk-ant-test-credential",
    "GEMINI_API_KEY": "test-gemini-credential",
    "TEAM_KEY": TEAM_KEY,
    "PEPPER": "0123456789abcdef0123456789abcdef",
    "STORE_URL": "redis://:store-password@redis:6379/0",
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "test-aws-secret-access-key",
    "SHORT": "too-short-a-pepper",
    "EMPTY": "",
    "BROKEN": "sk-test-first\nsecond",
}
