"""The key formats that sense knows: for each how it begins, and the pattern that decides.

The patterns are our own, after what the issuers document. Every repeat is bounded or possessive, so that
no text, however made, takes more than linear time.
"""

from __future__ import annotations

import re
from typing import NamedTuple


class KeyFormat(NamedTuple):
    """A kind of key. Every match has one of `literals` in it; without one in the text the pattern is not tried.

    Those of KEY_FORMATS are in lower case. A match there begins with a literal, up to its first sign that is no
    letter and no digit; a literal without such a sign may stand anywhere in it.
    """

    name: str
    literals: tuple[str, ...]
    pattern: re.Pattern[str]


def _key(name: str, pattern: str, *literals: str) -> KeyFormat:
    return KeyFormat(name, literals, re.compile(pattern))


_GITLAB = tuple(f"gl{kind}-" for kind in ("pat", "ptt", "dt", "rt", "ft", "cbt", "imt", "agent", "soat"))

KEY_FORMATS: tuple[KeyFormat, ...] = (
    _key("Anthropic", r"sk-ant-[A-Za-z0-9_-]{20,200}+", "sk-ant-"),
    _key(
        "OpenAI project",
        r"sk-(?:proj|svcacct|admin|None)-[A-Za-z0-9_-]{20,240}+",
        "sk-proj-",
        "sk-svcacct-",
        "sk-admin-",
        "sk-none-",
    ),
    _key("OpenAI, DeepSeek and kin", r"sk-[A-Za-z0-9]{32,128}+", "sk-"),
    _key("OpenRouter", r"sk-or-v1-[A-Fa-f0-9]{32,128}+", "sk-or-"),
    _key("LangSmith", r"lsv2_(?:pt|sk)_[A-Za-z0-9_]{30,100}+", "lsv2_"),
    _key("AWS access key id", r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}(?![A-Za-z0-9])", "akia", "asia", "abia", "acca"),
    _key(
        "AWS secret key",
        r"(?i:aws_?secret_?(?:access_?)?key|secretaccesskey)[\"']?\s{0,5}+[=:]\s{0,5}+[\"']?[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+])",
        "secret",
    ),
    _key("GitHub", r"gh[pousr]_[A-Za-z0-9]{30,255}+", "ghp_", "gho_", "ghu_", "ghs_", "ghr_"),
    _key("GitHub fine-grained", r"github_pat_[A-Za-z0-9_]{30,255}+", "github_pat_"),
    _key("GitLab", r"gl(?:pat|ptt|dt|rt|ft|cbt|imt|agent|soat)-[A-Za-z0-9_-]{20,255}+", *_GITLAB),
    _key("Google API", r"AIza[A-Za-z0-9_-]{35}(?![A-Za-z0-9_-])", "aiza"),
    _key("Google OAuth secret", r"GOCSPX-[A-Za-z0-9_-]{20,60}+", "gocspx-"),
    _key("Google OAuth token", r"ya29\.[A-Za-z0-9_-]{20,500}+", "ya29."),
    _key(
        "Slack webhook",
        r"hooks\.slack\.com/(?:services|workflows|triggers)/[A-Za-z0-9/_-]{20,200}+",
        "hooks.slack.com/",
    ),
    _key(
        "Discord webhook",
        r"discord(?:app)?\.com/api/webhooks/\d{15,25}+/[A-Za-z0-9_-]{40,100}+",
        "discord.com/",
        "discordapp.com/",
    ),
    _key(
        "Stripe",
        r"[rs]k_(?:live|test|prod)_[A-Za-z0-9]{16,250}+",
        *(f"{kind}k_{use}_" for kind in "rs" for use in ("live", "test", "prod")),
    ),
    _key("webhook secret", r"whsec_[A-Za-z0-9+/=]{24,100}+", "whsec_"),
    _key("Square", r"sq0(?:atp|csp)-[A-Za-z0-9_-]{20,60}+", "sq0atp-", "sq0csp-"),
    _key("Shopify", r"shp(?:at|ca|pa|ss)_[A-Fa-f0-9]{32}", "shpat_", "shpca_", "shppa_", "shpss_"),
    _key("npm", r"npm_[A-Za-z0-9]{36}(?![A-Za-z0-9])", "npm_"),
    _key("PyPI", r"pypi-[A-Za-z0-9_-]{50,500}+", "pypi-"),
    _key("Hugging Face", r"(?:hf|api_org)_[A-Za-z0-9]{30,60}+", "hf_", "api_org_"),
    _key("Groq", r"gsk_[A-Za-z0-9]{40,80}+", "gsk_"),
    _key("xAI", r"xai-[A-Za-z0-9]{40,120}+", "xai-"),
    _key("Perplexity", r"pplx-[A-Za-z0-9]{40,80}+", "pplx-"),
    _key("Replicate", r"r8_[A-Za-z0-9]{30,60}+", "r8_"),
    _key("Databricks", r"dapi[a-f0-9]{32}(?:-\d)?(?![A-Za-z0-9])", "dapi"),
    _key("SendGrid", r"SG\.[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{32,64}+", "sg."),
    _key("Mailgun", r"key-[a-f0-9]{32}(?![A-Za-z0-9])", "key-"),
    _key("Telegram bot", r"\d{8,10}:AA[A-Za-z0-9_-]{32,36}+", ":aa"),
    _key("DigitalOcean", r"do[opr]_v1_[a-f0-9]{64}", "doo_v1_", "dop_v1_", "dor_v1_"),
    _key("Docker", r"dckr_(?:pat|oat)_[A-Za-z0-9_-]{20,80}+", "dckr_"),
    _key("HashiCorp Vault", r"hv[bs]\.[A-Za-z0-9_-]{24,300}+", "hvs.", "hvb."),
    _key("Azure storage", r"AccountKey=[A-Za-z0-9+/]{86}==", "accountkey="),
    _key("Atlassian", r"AT(?:ATT|CTT)3[A-Za-z0-9_=-]{60,300}+", "atatt3", "atctt3"),
    _key("Linear", r"lin_(?:api|oauth)_[A-Za-z0-9]{32,80}+", "lin_api_", "lin_oauth_"),
    _key("Notion", r"ntn_[A-Za-z0-9]{40,60}+", "ntn_"),
    _key("Figma", r"fig[dou]_[A-Za-z0-9_-]{36,60}+", "figd_", "figo_", "figu_"),
    _key("Grafana", r"gl(?:sa|c)_[A-Za-z0-9_+/=]{30,200}+", "glsa_", "glc_"),
    _key("Sentry", r"sntry[su]_[A-Za-z0-9_+/=-]{40,250}+", "sntrys_", "sntryu_"),
    _key("Postman", r"PMAK-[A-Fa-f0-9]{20,30}-[A-Fa-f0-9]{30,40}+", "pmak-"),
    _key("Supabase", r"sb(?:p|_secret)_[A-Za-z0-9_-]{20,80}+", "sbp_", "sb_secret_"),
    _key("Tailscale", r"tskey-[a-z]{3,12}+-[A-Za-z0-9-]{10,100}+", "tskey-"),
    _key("age", r"AGE-SECRET-KEY-1[A-Z0-9]{58}", "age-secret-key-"),
    _key("1Password", r"ops_eyJ[A-Za-z0-9_-]{100,400}+", "ops_eyj"),
)

# Keys without a long stretch of letters and digits, and what is in each as it is written here.
SHORT_FORMATS: tuple[KeyFormat, ...] = (
    _key("Slack token", r"xox[abeoprs]-[A-Za-z0-9-]{10,250}+", "xox"),
    _key("Slack app token", r"xapp-\d-[A-Za-z0-9-]{10,250}+", "xapp-"),
    _key("Azure application", r"[A-Za-z0-9_~.]{3}\dQ~[A-Za-z0-9_~.-]{31,34}+", "Q~"),
    # The sign before it is looked at here, so that a long run of such signs is walked through once.
    _key("JSON Web Token", r"eyJ(?<![A-Za-z0-9_-]eyJ)[A-Za-z0-9_-]{10,1000}+\.eyJ[A-Za-z0-9_-]{10,9000}+\.", ".eyJ"),
    _key("private key", r"-----BEGIN (?:[A-Z0-9]{1,12} ){0,4}PRIVATE KEY(?: BLOCK)?-----", "PRIVATE KEY"),
)

# A password in an address: its @ stands no further than LONGEST_LOGIN behind the literal's beginning.
LOGIN = _key("password in an address", r"://[^\s:/@\"'`<>{}$]{0,100}+:[^\s/@\"'`<>{}$]{1,200}+@[A-Za-z0-9_\[]", "://")
LONGEST_LOGIN = 304
