"""Small chat templates, one for each family: our own words in the family's public form."""

from __future__ import annotations

_TURNS = "{% for m in messages %}<|turn|>{{ m.role }}\n{{ m.content }}{% endfor %}"
TEMPLATES: dict[str, str] = {
    "hermes": "{% if tools %}{{ tools | tojson }} Write <tool_call>{...}</tool_call>.{% endif %}" + _TURNS,
    "qwen_xml": "{% if tools %}Write <tool_call><function=f><parameter=x>.{% endif %}" + _TURNS,
    "llama": "{% for m in messages %}<|start_header_id|>{{ m.role }}<|end_header_id|>{{ m.content }}{% endfor %}{{ tools }}",
    "pythonic": "{% for m in messages %}<|header_start|>{{ m.role }}<|header_end|>{{ m.content }}{% endfor %}{{ tools }}",
    "mistral": "[AVAILABLE_TOOLS]{{ tools | tojson }}[/AVAILABLE_TOOLS][TOOL_CALLS]{{ messages[0].content }}",
    "mistral_args": "{{ tools | tojson }}[TOOL_CALLS]f[ARGS]{}[THINK][/THINK]{{ messages[0].content }}",
    "gemma": "<start_of_turn>user {{ tools }} in a ```tool_code fence{{ messages[0].content }}<end_of_turn>",
    "phi": "<|tool|>{{ tools | tojson }}<|/tool|><|tool_call|><|/tool_call|>{{ messages[0].content }}",
    "harmony": "{{ tools }}<|start|>user<|message|>{{ messages[0].content }}<|end|><|start|>assistant{# <|channel|> #}",
    "glm": "{{ tools }}<tool_call>f\n<arg_key>k</arg_key><arg_value>v</arg_value></tool_call>{{ messages[0].content }}",
    "deepseek": "{{ tools }}<\uff5ctool▁calls▁begin\uff5c>{{ messages[0].content }}<think></think>",
}
